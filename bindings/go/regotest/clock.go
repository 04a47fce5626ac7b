// Package regotest has what tests of calls need: a clock that stands until it is moved, and
// operations that end as they are told.
//
// Tests of whole programs may as well use testing/synctest, whose time executors keep that are made
// inside its bubble.
package regotest

import (
	"slices"
	"sync"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// Clock is a clock that stands until it is moved, for [rego.WithClock]. It may be used by any
// number of goroutines.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*timer
	// Told whenever a timer is set.
	changed sync.Cond
}

// NewClock returns a clock that shows the beginning of the year 2000.
func NewClock() *Clock {
	c := &Clock{now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
	c.changed.L = &c.mu
	return c
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f in a goroutine of its own when the clock has been moved by wait.
func (c *Clock) AfterFunc(wait time.Duration, f func()) rego.Timer {
	t := &timer{clock: c, f: f}
	t.Reset(wait)
	return t
}

// Advance moves the clock, and with it sets off what is due. It does not wait for what that does:
// see [Clock.WaitForTimers].
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(max(by, 0))
	due := c.take()
	c.mu.Unlock()
	run(due)
}

// AdvanceToNext moves the clock to the time at which the next timer is due, and sets it off. It
// returns by how much; false if no timer is set.
func (c *Clock) AdvanceToNext() (time.Duration, bool) {
	c.mu.Lock()
	if len(c.timers) == 0 {
		c.mu.Unlock()
		return 0, false
	}
	next := slices.MinFunc(c.timers, func(a, b *timer) int { return a.at.Compare(b.at) }).at
	by := max(next.Sub(c.now), 0)
	c.now = c.now.Add(by)
	due := c.take()
	c.mu.Unlock()
	run(due)
	return by, true
}

// WaitForTimers waits until at least so many timers are set: until a call waits for its backoff,
// say, so that moving the clock will reach it. A call that waits for its backoff has one timer; one
// whose attempt is a turn of a [Script] that takes time has that turn's and, with a deadline, the
// attempt's; one that may hedge has the call's besides. Where testing/synctest is there (Go 1.25), a
// bubble counts by itself, and an executor needs no clock of its own.
func (c *Clock) WaitForTimers(timers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.timers) < timers {
		c.changed.Wait()
	}
}

// Timers returns how many timers are set.
func (c *Clock) Timers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// take takes the timers out that are due, the earliest first.
func (c *Clock) take() []*timer {
	var due []*timer
	c.timers = slices.DeleteFunc(c.timers, func(t *timer) bool {
		if t.at.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	slices.SortStableFunc(due, func(a, b *timer) int { return a.at.Compare(b.at) })
	return due
}

func run(due []*timer) {
	for _, t := range due {
		go t.f()
	}
}

type timer struct {
	clock *Clock
	f     func()
	at    time.Time
}

func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.remove(t)
}

func (t *timer) Reset(wait time.Duration) bool {
	t.clock.mu.Lock()
	active := t.clock.remove(t)
	t.at = t.clock.now.Add(wait)
	due := wait <= 0
	if !due {
		t.clock.timers = append(t.clock.timers, t)
		t.clock.changed.Broadcast()
	}
	t.clock.mu.Unlock()
	if due {
		go t.f()
	}
	return active
}

func (c *Clock) remove(t *timer) bool {
	at := slices.Index(c.timers, t)
	if at < 0 {
		return false
	}
	c.timers = slices.Delete(c.timers, at, at+1)
	return true
}
