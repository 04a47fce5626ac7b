package rego

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Attempt is the attempt that a context belongs to. Its methods may be called by any goroutine;
// what is said after the attempt has returned comes too late, and does no harm. The zero Attempt
// belongs to no call, and what it is told is lost: operations have it where the executor has no
// engine and passes their calls through.
type Attempt struct{ c *attemptContext }

// nobodys is behind the zero Attempt.
var nobodys = attemptContext{deadline: never}

func (a Attempt) context() *attemptContext {
	if a.c == nil {
		return &nobodys
	}
	return a.c
}

type attemptKey struct{}

// AttemptFromContext returns the attempt whose operation got ctx, or a context made from it; false
// if it belongs to none.
func AttemptFromContext(ctx context.Context) (Attempt, bool) {
	c, ok := ctx.Value(attemptKey{}).(*attemptContext)
	return Attempt{c}, ok
}

// Key returns the call's key.
func (a Attempt) Key() Key {
	if a.c == nil {
		return Key{}
	}
	return a.c.key.public()
}

// Number returns the attempt's number in its call, in launch order from 0.
func (a Attempt) Number() int { return int(a.context().number) }

// RetryIndex returns the attempt's retry group; 0 for the first.
func (a Attempt) RetryIndex() int { return int(a.context().retryIndex) }

// HedgeIndex returns the attempt's place in its group: 0 for the primary, then the hedges.
func (a Attempt) HedgeIndex() int { return int(a.context().hedgeIndex) }

// IsHedge tells whether the attempt was launched because an earlier one of its group is slow.
func (a Attempt) IsHedge() bool { return a.context().hedgeIndex > 0 }

// Remaining returns how much time the attempt has left, 0 if none; false if it has no deadline.
func (a Attempt) Remaining() (time.Duration, bool) {
	at := a.context().deadline
	if at >= 1<<63 {
		return 0, false
	}
	return time.Duration(at - min(at, a.c.eng.now())), true
}

// Report tells the facts of how the attempt ends, instead of those of its error: also of one that
// returns no error, such as an HTTP response of status 503. The last report counts.
func (a Attempt) Report(facts Completion) {
	if a.c != nil {
		a.c.said.Store(&end{facts: facts})
	}
}

// Decide tells what follows from the attempt's end, past any classifier. The last word counts. It
// panics on a kind or a failure that there is not.
func (a Attempt) Decide(outcome Outcome) {
	if int(outcome.Kind) >= len(outcomeKinds) {
		panic(fmt.Sprintf("rego: Attempt.Decide: there is no OutcomeKind %d", uint32(outcome.Kind)))
	}
	if int(outcome.Failure) >= len(failures) {
		panic(fmt.Sprintf("rego: Attempt.Decide: there is no Failure %d", uint32(outcome.Failure)))
	}
	if a.c != nil {
		a.c.said.Store(&end{outcome: outcome, decided: true})
	}
}

// Hold keeps the attempt's context alive after the attempt has returned, until release is called,
// the attempt loses, or the caller's context ends: for results that go on using it, such as streams.
// Its deadline holds on. Without it the context ends when the operation returns.
func (a Attempt) Hold() (release func()) {
	if a.c == nil {
		return func() {}
	}
	a.c.state.Or(held)
	return a.c.end
}

// attemptContext is the context of one attempt. It is all that a call allocates: what ends it, a
// real context below it, is made when somebody asks for it, which operations that do not wait never
// do.
type attemptContext struct {
	parent     context.Context
	eng        *engine
	key        *key
	id         uint64
	deadline   uint64
	below      atomic.Pointer[ending]
	said       atomic.Pointer[end]
	number     uint32
	retryIndex uint8
	hedgeIndex uint8
	liftable   bool
	state      atomic.Uint32
}

// What is settled of a context, once and for good: of cut and kept, at most one.
const (
	held = 1 << iota // it lives on after the attempt has returned
	cut              // its deadline has ended it, or the engine
	kept             // its result is good: its deadline does not end it any more, nor the engine
)

// ending is a context that can be ended.
type ending struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// Frees what waits for the deadline.
	release func() bool
}

// ended is below all contexts of attempts that have returned.
var ended = func() *ending {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(nil)
	return &ending{ctx: ctx, cancel: cancel, release: func() bool { return true }}
}()

func (c *attemptContext) Deadline() (time.Time, bool) {
	if c.state.Load()&kept != 0 {
		return c.parent.Deadline()
	}
	at := c.eng.timeOf(c.deadline)
	return at, !at.IsZero()
}

func (c *attemptContext) Done() <-chan struct{} {
	return c.end0().ctx.Done()
}

func (c *attemptContext) Err() error {
	e := c.below.Load()
	if e == nil {
		if err := c.parent.Err(); err != nil {
			return err
		}
		if c.eng.now() < c.deadline || c.state.Load()&kept != 0 {
			return nil
		}
		e = c.end0()
	}
	err := e.ctx.Err()
	if err == context.Canceled && context.Cause(e.ctx) == context.DeadlineExceeded && c.parent.Err() == nil {
		return context.DeadlineExceeded
	}
	return err
}

func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c
	}
	if e := c.below.Load(); e != nil && e != ended {
		// With it comes what context.Cause and contexts made from this one look for.
		return e.ctx.Value(key)
	}
	return c.parent.Value(key)
}

// end0 is what ends the context, made if it has not been yet.
func (c *attemptContext) end0() *ending {
	if e := c.below.Load(); e != nil {
		return e
	}
	e := c.newEnding()
	if c.below.CompareAndSwap(nil, e) {
		return e
	}
	e.stop(nil)
	return c.below.Load()
}

func (c *attemptContext) newEnding() *ending {
	ctx, cancel := context.WithCancelCause(c.parent)
	at, ok := c.Deadline()
	switch {
	case !ok || c.state.Load()&kept != 0:
		return &ending{ctx, cancel, func() bool { return true }}
	case c.eng.clock == nil && c.endsWithParent(at):
		// With its cause, then, and not by a timer that might be a moment faster.
		return &ending{ctx, cancel, func() bool { return true }}
	case c.eng.clock == nil && !c.liftable:
		timed, release := context.WithDeadline(ctx, at)
		return &ending{timed, cancel, func() bool { release(); return true }}
	}
	end := func() {
		if c.settle(cut, kept) {
			cancel(context.DeadlineExceeded)
		}
	}
	wait := at.Sub(c.eng.clockNow())
	if wait <= 0 {
		end()
		return &ending{ctx, cancel, func() bool { return true }}
	}
	return &ending{ctx, cancel, c.eng.afterFunc(wait, end).Stop}
}

func (c *attemptContext) endsWithParent(at time.Time) bool {
	parents, ok := c.parent.Deadline()
	return ok && !parents.After(at)
}

func (e *ending) stop(cause error) {
	e.cancel(cause)
	e.release()
}

// cancel ends the context, with a cause, unless its result is good.
func (c *attemptContext) cancel(cause error) {
	if c.settle(cut, kept) {
		c.end0().stop(cause)
	}
}

// keep holds the context of an attempt whose result is good, and goes on using it: from here on it
// ends with the caller's, or when it is released, and nothing else ends it. False if its deadline
// or the engine was first: then it has ended, or does so right now. The context must be liftable.
func (c *attemptContext) keep() bool {
	if !c.settle(held|kept, cut) {
		return false
	}
	if e := c.below.Load(); e != nil {
		e.release()
	}
	return true
}

// settle settles something, unless something else is settled already.
func (c *attemptContext) settle(what, unless uint32) bool {
	for {
		was := c.state.Load()
		if was&unless != 0 {
			return false
		}
		if c.state.CompareAndSwap(was, was|what) {
			return true
		}
	}
}

// returned ends the context of an attempt that has returned, unless it is held.
func (c *attemptContext) returned() {
	if c.state.Load()&held == 0 {
		c.end()
	}
}

// lost ends a context that is held for a result that nobody gets. One whose result is good is ended
// by those who dispose of that.
func (c *attemptContext) lost() {
	if c.state.Load()&(held|kept) == held {
		c.end()
	}
}

func (c *attemptContext) end() {
	// The real context stays, if there is one: its cause is to be read.
	if !c.below.CompareAndSwap(nil, ended) {
		c.below.Load().stop(nil)
	}
}
