package rego_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
	"github.com/rego-resilience/rego/bindings/go/regotest"
)

const policies = `
schema = 1
[defaults.retry]
max_attempts = 3
initial_backoff = "10ms"
jitter = "none"
budget = "unlimited"
[policies."svc.Hedged"]
idempotent = true
[policies."svc.Hedged".hedge]
enabled = true
trigger = "fixed"
delay = "20ms"
budget = "unlimited"
[policies."svc.Timed".retry]
max_attempts = 2
initial_backoff = "10ms"
jitter = "none"
budget = "unlimited"
attempt_timeout = "50ms"
[policies."svc.Once".retry]
max_attempts = 1
`

var (
	get    = rego.ParseKey("svc.Get")
	hedged = rego.ParseKey("svc.Hedged")
	timed  = rego.ParseKey("svc.Timed")
	errBad = errors.New("bad")
)

func newExecutor(t testing.TB, opts ...rego.Option) *rego.Executor {
	t.Helper()
	exec, err := rego.NewExecutor(append([]rego.Option{rego.WithPolicies(policies), rego.WithSeed(7)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Close() })
	return exec
}

// inTime is an executor in virtual time, which passes by itself when nothing else happens.
func inTime(t testing.TB, opts ...rego.Option) (*rego.Executor, *regotest.Clock) {
	t.Helper()
	clock := regotest.NewClock()
	stop := make(chan struct{})
	var stopped sync.WaitGroup
	stopped.Add(1)
	go func() {
		defer stopped.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
				clock.AdvanceToNext()
			}
		}
	}()
	t.Cleanup(func() { close(stop); stopped.Wait() })
	return newExecutor(t, append(opts, rego.WithClock(clock))...), clock
}

func verdictOf(t *testing.T, err error) *rego.Error {
	t.Helper()
	var e *rego.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *rego.Error", err)
	}
	return e
}

func TestASuccessIsReturnedAsItIs(t *testing.T) {
	exec := newExecutor(t)
	value, err := rego.DoValueWith(t.Context(), exec, get, func(ctx context.Context) (int, error) {
		a, ok := rego.AttemptFromContext(ctx)
		if !ok || a.Number() != 0 || a.RetryIndex() != 0 || a.IsHedge() || a.Key() != get {
			t.Errorf("not the first attempt of its key: %v %v", a, ok)
		}
		if left, ok := a.Remaining(); !ok || left <= 29*time.Second || left > 30*time.Second {
			t.Errorf("the overall timeout leaves %v, %v", left, ok)
		}
		return 42, nil
	})
	if value != 42 || err != nil {
		t.Fatal(value, err)
	}
}

func TestAFailureIsRetriedAfterItsBackoff(t *testing.T) {
	exec, clock := inTime(t)
	began := clock.Now()
	script := regotest.Script[string]{Turns: []regotest.Turn[string]{{Err: errBad}, {Err: io.ErrUnexpectedEOF}, {Value: "ok"}}}
	value, err := rego.DoValueWith(t.Context(), exec, get, script.Op)
	if value != "ok" || err != nil {
		t.Fatal(value, err)
	}
	if waited := clock.Now().Sub(began); waited != 30*time.Millisecond {
		t.Fatalf("waited %v, not 10 ms and 20 ms", waited)
	}
	for i, a := range script.Seen() {
		if a.Number() != i || a.RetryIndex() != i {
			t.Errorf("attempt %d is %d of group %d", i, a.Number(), a.RetryIndex())
		}
	}
}

func TestTheLastRealErrorIsWrapped(t *testing.T) {
	exec, _ := inTime(t)
	calls := 0
	value, err := rego.DoValueWith(t.Context(), exec, get, func(context.Context) (int, error) {
		calls++
		return calls, errBad
	})
	e := verdictOf(t, err)
	if e.Verdict != rego.VerdictMaxAttempts || e.Attempts != 3 || e.Last != errBad || e.Key != get || value != 3 {
		t.Fatalf("%+v %d", e, value)
	}
	if !errors.Is(err, errBad) || !errors.Is(err, rego.ErrMaxAttempts) || errors.Is(err, rego.ErrCancelled) {
		t.Fatal(err)
	}
	if text := err.Error(); text != "rego: svc.Get: max_attempts after 3 attempts: bad" {
		t.Fatal(text)
	}
}

func TestWhatWouldNotMendIsNotRetried(t *testing.T) {
	exec := newExecutor(t)
	for _, attempt := range []func(rego.Attempt) error{
		func(a rego.Attempt) error { a.Report(rego.HTTP(404)); return errBad },
		func(a rego.Attempt) error { a.Decide(rego.Outcome{Kind: rego.NonRetryable}); return errBad },
	} {
		calls := 0
		err := rego.DoWith(t.Context(), exec, get, func(ctx context.Context) error {
			calls++
			a, _ := rego.AttemptFromContext(ctx)
			return attempt(a)
		})
		if calls != 1 || !errors.Is(err, rego.ErrNonRetryable) || !errors.Is(err, errBad) {
			t.Fatal(calls, err)
		}
	}
}

func TestAValueIsNeverTurnedIntoAnError(t *testing.T) {
	exec, _ := inTime(t)
	var discarded []any
	calls := 0
	value, err := rego.DoValueWith(t.Context(), exec, get, func(context.Context) (int, error) {
		calls++
		return 500 + calls, nil
	}, rego.WithClassifier(func(value any, err error) rego.Completion {
		return rego.HTTP(503)
	}), rego.WithDiscard(func(value any, err error) { discarded = append(discarded, value) }))
	if value != 503 || err != nil || calls != 3 {
		t.Fatal(value, err, calls)
	}
	if len(discarded) != 2 || discarded[0] != 501 || discarded[1] != 502 {
		t.Fatal(discarded)
	}
}

func TestAClassifierThatPanicsFailsTheAttempt(t *testing.T) {
	exec := newExecutor(t, rego.WithClassifier(func(any, error) rego.Completion { panic("classifier") }))
	err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return errBad })
	if !errors.Is(err, rego.ErrNonRetryable) {
		t.Fatal(err)
	}
}

func TestIdempotenceDecidesOfWhatMayHaveBeenProcessed(t *testing.T) {
	exec, _ := inTime(t)
	for _, idempotent := range []bool{true, false} {
		calls := 0
		err := rego.DoWith(t.Context(), exec, get, func(context.Context) error {
			calls++
			return io.ErrUnexpectedEOF
		}, rego.WithIdempotent(idempotent))
		if want := map[bool]int{true: 3, false: 1}[idempotent]; calls != want || err == nil {
			t.Errorf("idempotent %t: %d calls, %v", idempotent, calls, err)
		}
	}
}

func TestTheCallersEndCancelsAndItsCauseComesBack(t *testing.T) {
	why := errors.New("the user left")
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		for _, key := range []rego.Key{get, hedged} {
			t.Run(name+" "+key.String(), func(t *testing.T) {
				exec := newExecutor(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				var cause atomic.Value
				returned := make(chan struct{})
				err := rego.DoWith(ctx, exec, key, func(ctx context.Context) error {
					if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
						<-ctx.Done()
						return ctx.Err()
					}
					cancel(why)
					<-ctx.Done()
					cause.Store(context.Cause(ctx))
					close(returned)
					return ctx.Err()
				}, opts...)
				<-returned
				if !errors.Is(err, why) || !errors.Is(err, rego.ErrCancelled) || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if cause.Load() != why {
					t.Error(cause.Load())
				}
			})
		}
	}
}

func TestACancelEndsTheBackoff(t *testing.T) {
	clock := regotest.NewClock()
	exec := newExecutor(t, rego.WithClock(clock))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		clock.WaitForTimers(1)
		cancel()
	}()
	err := rego.DoWith(ctx, exec, get, func(context.Context) error { return errBad })
	if e := verdictOf(t, err); e.Verdict != rego.VerdictCancelled || e.Attempts != 1 {
		t.Fatal(err)
	}
	if !errors.Is(err, context.Canceled) || !errors.Is(err, errBad) {
		t.Fatal(err)
	}
}

func TestAContextThatHasEndedRunsNothing(t *testing.T) {
	exec := newExecutor(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{cancelled: context.Canceled, late: context.DeadlineExceeded} {
		err := rego.DoWith(ctx, exec, get, func(context.Context) error { t.Error("ran"); return nil })
		if e := verdictOf(t, err); e.Attempts != 0 || !errors.Is(err, want) {
			t.Error(err)
		}
	}
}

func TestADeadlineIsTheCalls(t *testing.T) {
	exec := newExecutor(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	want, _ := ctx.Deadline()
	err := rego.DoWith(ctx, exec, get, func(ctx context.Context) error {
		if at, ok := ctx.Deadline(); !ok || at.Sub(want).Abs() > time.Microsecond {
			t.Errorf("%v, not %v", at, want)
		}
		<-ctx.Done()
		return ctx.Err()
	})
	e := verdictOf(t, err)
	if e.Verdict != rego.VerdictDeadlineExceeded || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestAnAttemptsTimeoutEndsItsContextAndIsRetried(t *testing.T) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		t.Run(name, func(t *testing.T) {
			exec, clock := inTime(t)
			script := regotest.Script[int]{Clock: clock, Turns: []regotest.Turn[int]{{Takes: time.Second}, {Value: 2}}}
			value, err := rego.DoValueWith(t.Context(), exec, timed, script.Op, opts...)
			if value != 2 || err != nil {
				t.Fatal(value, err)
			}
			if cause := script.Cause(0); !errors.Is(cause, context.DeadlineExceeded) {
				t.Fatal(cause)
			}
		})
	}
}

func TestAHedgeRunsOnlyWhenItIsDue(t *testing.T) {
	exec, clock := inTime(t)
	script := regotest.Script[string]{Clock: clock, Turns: []regotest.Turn[string]{
		{Value: "slow", Takes: time.Second}, {Value: "hedge", Takes: 5 * time.Millisecond},
	}}
	began := clock.Now()
	value, err := rego.DoValueWith(t.Context(), exec, hedged, script.Op)
	if value != "hedge" || err != nil {
		t.Fatal(value, err)
	}
	if took := clock.Now().Sub(began); took != 25*time.Millisecond {
		t.Fatalf("took %v", took)
	}
	seen := script.Seen()
	if len(seen) != 2 || seen[0].IsHedge() || !seen[1].IsHedge() || seen[1].RetryIndex() != 0 {
		t.Fatal(seen)
	}
	if cause := script.Cause(0); cause != rego.LostRace {
		t.Fatal(cause)
	}
	// One that is fast has none.
	fast := regotest.Script[string]{Clock: clock, Turns: []regotest.Turn[string]{{Value: "fast", Takes: 19 * time.Millisecond}}}
	if value, err := rego.DoValueWith(t.Context(), exec, hedged, fast.Op); value != "fast" || err != nil || len(fast.Seen()) != 1 {
		t.Fatal(value, err, fast.Seen())
	}
}

func TestThePrimaryRunsInTheCallersGoroutine(t *testing.T) {
	exec, clock := inTime(t)
	for _, key := range []rego.Key{get, hedged} {
		mine := goroutine()
		err := rego.DoWith(t.Context(), exec, key, func(ctx context.Context) error {
			a, _ := rego.AttemptFromContext(ctx)
			if (goroutine() == mine) == a.IsHedge() {
				t.Errorf("%v: hedge %t in the caller's goroutine %t", key, a.IsHedge(), goroutine() == mine)
			}
			if a.Number() < 2 {
				return errBad
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = clock
}

func TestDetachedReturnsAtOnce(t *testing.T) {
	exec, clock := inTime(t)
	release := make(chan struct{})
	discarded := make(chan any, 1)
	op := func(ctx context.Context) (int, error) {
		if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
			return 2, nil
		}
		// Deaf to its context.
		<-release
		return 1, nil
	}
	began := clock.Now()
	value, err := rego.DoValueWith(t.Context(), exec, hedged, op, rego.WithDetached(),
		rego.WithDiscard(func(value any, err error) { discarded <- value }))
	if value != 2 || err != nil || clock.Now().Sub(began) != 20*time.Millisecond {
		t.Fatal(value, err, clock.Now().Sub(began))
	}
	close(release)
	if lost := <-discarded; lost != 1 {
		t.Fatal(lost)
	}
}

func TestPanicsGoOnInTheCaller(t *testing.T) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		for _, key := range []rego.Key{get, hedged} {
			t.Run(name+" "+key.String(), func(t *testing.T) {
				exec := newExecutor(t)
				func() {
					defer func() {
						if value := recover(); value != "boom" {
							t.Error(value)
						}
					}()
					_ = rego.DoWith(t.Context(), exec, key, func(context.Context) error { panic("boom") }, opts...)
					t.Error("went on")
				}()
				// The next call works.
				if err := rego.DoWith(t.Context(), exec, key, func(context.Context) error { return nil }); err != nil {
					t.Error(err)
				}
				if text, err := exec.Metrics(); err != nil || !strings.Contains(text, "panicked") {
					t.Error(err, text)
				}
			})
		}
	}
}

func TestAGoroutineThatEndsInAnAttemptEnds(t *testing.T) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		for _, key := range []rego.Key{get, hedged} {
			t.Run(name+" "+key.String(), func(t *testing.T) {
				exec := newExecutor(t, rego.WithMaxLiveCalls(1))
				for range 3 {
					ended := make(chan bool)
					go func() {
						returned := false
						defer func() { ended <- returned }()
						_, _ = rego.DoWithTimelineWith(t.Context(), exec, key, func(context.Context) error {
							runtime.Goexit()
							return nil
						}, opts...)
						returned = true
					}()
					if <-ended {
						t.Error("the caller's goroutine went on")
					}
				}
			})
		}
	}
}

func TestALoserThatPanicsIsLogged(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))
	exec, _ := inTime(t, rego.WithLogger(logger))
	value, err := rego.DoValueWith(t.Context(), exec, hedged, func(ctx context.Context) (int, error) {
		if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
			return 2, nil
		}
		<-ctx.Done()
		panic("loser")
	})
	mu.Lock()
	defer mu.Unlock()
	if value != 2 || err != nil || !strings.Contains(log.String(), "loser") {
		t.Fatal(value, err, log.String())
	}
}

func TestAClosedExecutorAnswersSo(t *testing.T) {
	exec := newExecutor(t)
	if err := exec.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil }); err != rego.ErrClosed {
		t.Fatal(err)
	}
	if _, err := exec.Metrics(); err != rego.ErrClosed {
		t.Fatal(err)
	}
	if err := exec.LoadPolicies(policies); err != rego.ErrClosed {
		t.Fatal(err)
	}
}

func TestCallsBeyondTheLimitPassThrough(t *testing.T) {
	exec := newExecutor(t, rego.WithMaxLiveCalls(1))
	calls := 0
	err := rego.DoWith(t.Context(), exec, get, func(ctx context.Context) error {
		return rego.DoWith(ctx, exec, get, func(context.Context) error { calls++; return errBad })
	}, rego.WithClassifier(func(any, error) rego.Completion { return rego.Completion{} }))
	if calls != 1 || !errors.Is(err, rego.ErrPassThrough) || !errors.Is(err, errBad) {
		t.Fatal(calls, err)
	}
}

func TestWrongPoliciesAreRefusedByLineAndTheOldOnesStay(t *testing.T) {
	exec, _ := inTime(t)
	err := exec.LoadPolicies("schema = 1\n[defaults.retry]\nmax_attempts = 0\n")
	var wrong *rego.PolicyError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "3") || !strings.Contains(err.Error(), "max_attempts") {
		t.Fatal(err)
	}
	if _, err := rego.NewExecutor(rego.WithPolicies("{")); !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	calls := 0
	_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { calls++; return errBad })
	if calls != 3 {
		t.Fatal(calls)
	}
	if err := exec.LoadPolicies(`{"schema": 1, "defaults": {"retry": {"max_attempts": 1}}}`); err != nil {
		t.Fatal(err)
	}
	calls = 0
	_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { calls++; return errBad })
	if calls != 1 {
		t.Fatal(calls)
	}
}

func TestOptionsOutOfRangeAreNamed(t *testing.T) {
	for name, opt := range map[string]rego.Option{
		"max live calls": rego.WithMaxLiveCalls(1 << 24), "max keys": rego.WithMaxKeys(0), "events": rego.WithEvents(-1),
	} {
		if _, err := rego.NewExecutor(opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Error(name, err)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// goroutine is the number of this goroutine.
func goroutine() string {
	var buffer [64]byte
	text := string(buffer[:runtime.Stack(buffer[:], false)])
	return strings.Fields(text)[1]
}
