package regotest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
	"github.com/rego-resilience/rego/bindings/go/regotest"
)

func TestTimersAreSetOffWhenTheyAreDueAndNotBefore(t *testing.T) {
	clock := regotest.NewClock()
	rung := make(chan int, 3)
	clock.AfterFunc(20*time.Millisecond, func() { rung <- 20 })
	stopped := clock.AfterFunc(5*time.Millisecond, func() { rung <- 5 })
	reset := clock.AfterFunc(time.Hour, func() { rung <- 10 })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("a timer is stopped once")
	}
	if !reset.Reset(10 * time.Millisecond) {
		t.Error("it was set")
	}
	if clock.Advance(9 * time.Millisecond); clock.Timers() != 2 {
		t.Error(clock.Timers())
	}
	if by, ok := clock.AdvanceToNext(); by != time.Millisecond || !ok || <-rung != 10 {
		t.Error(by, ok)
	}
	if by, ok := clock.AdvanceToNext(); by != 10*time.Millisecond || !ok || <-rung != 20 {
		t.Error(by, ok)
	}
	if _, ok := clock.AdvanceToNext(); ok || reset.Stop() {
		t.Error("nothing is set any more")
	}
	clock.AfterFunc(0, func() { rung <- 0 })
	if <-rung != 0 {
		t.Error("what is due at once is set off at once")
	}
}

func TestAScriptOutsideOfACallSaysSo(t *testing.T) {
	script := regotest.Script[int]{Turns: []regotest.Turn[int]{{Value: 1}}}
	if _, err := script.Op(t.Context()); err == nil {
		t.Fatal("no error")
	}
}

func TestAScriptGoesAsItIsTold(t *testing.T) {
	clock := regotest.NewClock()
	exec, err := rego.NewExecutor(rego.WithClock(clock), rego.WithPolicies(`
schema = 1
[policies."svc.Hedged"]
idempotent = true
[policies."svc.Hedged".hedge]
enabled = true
trigger = "fixed"
delay = "20ms"
`))
	if err != nil {
		t.Fatal(err)
	}
	script := regotest.Script[string]{Clock: clock, Turns: []regotest.Turn[string]{
		{Takes: time.Hour}, {Value: "hedge", Takes: 5 * time.Millisecond},
	}}
	go func() {
		// The operation, the deadline of its context, the hedge's time.
		clock.WaitForTimers(3)
		clock.Advance(20 * time.Millisecond)
		// The hedge's operation and its deadline have come, the deadline of the call as well.
		clock.WaitForTimers(5)
		clock.Advance(5 * time.Millisecond)
	}()
	value, err := rego.DoValueWith(context.Background(), exec, rego.ParseKey("svc.Hedged"), script.Op)
	if value != "hedge" || err != nil || !errors.Is(script.Cause(0), rego.LostRace) || script.Cause(1) != nil {
		t.Fatal(value, err, script.Cause(0), script.Cause(1))
	}
}
