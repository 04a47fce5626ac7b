//go:build go1.25

package rego_test

// Calls in virtual time: waits take none, and everything happens in its order.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
	"github.com/rego-resilience/rego/bindings/go/regotest"
)

func inTime(t *testing.T, test func(t *testing.T, exec *rego.Executor), opts ...rego.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newExecutor(t, opts...)) })
}

func TestAFailureIsRetriedAfterItsBackoff(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
		began := time.Now()
		script := regotest.Script[string]{Turns: []regotest.Turn[string]{{Err: errBad}, {Err: io.ErrUnexpectedEOF}, {Value: "ok"}}}
		value, err := rego.DoValueWith(t.Context(), exec, get, script.Op)
		if value != "ok" || err != nil {
			t.Fatal(value, err)
		}
		if waited := time.Since(began); waited != 30*time.Millisecond {
			t.Fatalf("waited %v, not 10 ms and 20 ms", waited)
		}
		for i, a := range script.Seen() {
			if a.Number() != i || a.RetryIndex() != i {
				t.Errorf("attempt %d is %d of group %d", i, a.Number(), a.RetryIndex())
			}
		}
	})
}

func TestTheLastRealErrorIsWrapped(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	})
}

func TestAValueIsNeverTurnedIntoAnError(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	})
}

func TestIdempotenceDecidesOfWhatMayHaveBeenProcessed(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	})
}

func TestAnAttemptsTimeoutEndsItsContextAndIsRetried(t *testing.T) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, exec *rego.Executor) {
				script := regotest.Script[int]{Turns: []regotest.Turn[int]{{Takes: time.Second}, {Value: 2}}}
				value, err := rego.DoValueWith(t.Context(), exec, timed, script.Op, opts...)
				if value != 2 || err != nil {
					t.Fatal(value, err)
				}
				if cause := script.Cause(0); !errors.Is(cause, context.DeadlineExceeded) {
					t.Fatal(cause)
				}
			})
		})
	}
}

func TestAHedgeRunsOnlyWhenItIsDue(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
		script := regotest.Script[string]{Turns: []regotest.Turn[string]{
			{Value: "slow", Takes: time.Second}, {Value: "hedge", Takes: 5 * time.Millisecond},
		}}
		began := time.Now()
		value, err := rego.DoValueWith(t.Context(), exec, hedged, script.Op)
		if value != "hedge" || err != nil {
			t.Fatal(value, err)
		}
		if took := time.Since(began); took != 25*time.Millisecond {
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
		fast := regotest.Script[string]{Turns: []regotest.Turn[string]{{Value: "fast", Takes: 19 * time.Millisecond}}}
		if value, err := rego.DoValueWith(t.Context(), exec, hedged, fast.Op); value != "fast" || err != nil || len(fast.Seen()) != 1 {
			t.Fatal(value, err, fast.Seen())
		}
	})
}

func TestThePrimaryRunsInTheCallersGoroutine(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	})
}

func TestDetachedReturnsAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
		began := time.Now()
		value, err := rego.DoValueWith(t.Context(), exec, hedged, op, rego.WithDetached(),
			rego.WithDiscard(func(value any, err error) { discarded <- value }))
		if value != 2 || err != nil || time.Since(began) != 20*time.Millisecond {
			t.Fatal(value, err, time.Since(began))
		}
		close(release)
		if lost := <-discarded; lost != 1 {
			t.Fatal(lost)
		}
	})
}

func TestALoserThatPanicsIsLogged(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	}, rego.WithLogger(logger))
}

func TestWrongPoliciesAreRefusedByLineAndTheOldOnesStay(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
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
	})
}

func TestATimelineTellsWhatHappened(t *testing.T) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, exec *rego.Executor) {
				facts := rego.HTTP(503)
				script := regotest.Script[int]{Turns: []regotest.Turn[int]{
					{Err: errBad, Takes: 2 * time.Millisecond, Reports: &facts}, {Value: 2, Takes: time.Millisecond},
				}}
				value, tl, err := rego.DoValueWithTimelineWith(t.Context(), exec, get, script.Op, opts...)
				if value != 2 || err != nil {
					t.Fatal(value, err)
				}
				if tl.Key != get || tl.Verdict != rego.VerdictSuccess || tl.Answer != 1 || len(tl.Attempts) != 2 {
					t.Fatalf("%+v", tl)
				}
				if tl.Duration() != 13*time.Millisecond || !tl.End.Equal(time.Now()) {
					t.Fatal(tl.Duration(), tl.End, time.Now())
				}
				first, second := tl.Attempts[0], tl.Attempts[1]
				if first.Err != errBad || first.Facts != "http_503" || first.Outcome != rego.Retryable || first.End.Sub(first.Start) != 2*time.Millisecond {
					t.Errorf("%+v", first)
				}
				if second.Kind != rego.RetryAttempt || second.RetryIndex != 1 || second.Backoff != 10*time.Millisecond || second.Err != nil {
					t.Errorf("%+v", second)
				}
				var told struct {
					Key      string
					Verdict  string
					Attempts []struct{ Reason string }
				}
				if err := json.Unmarshal(tl.JSON(), &told); err != nil || told.Key != "svc.Get" || told.Verdict != "success" || told.Attempts[0].Reason != "http_503" {
					t.Errorf("%v %+v %s", err, told, tl.JSON())
				}
				want := "svc.Get: success in 13ms\n  0 first +0s took 2ms retryable http_503: bad\n  1 retry +12ms took 1ms success ok"
				if tl.String() != want {
					t.Errorf("%s\nnot\n%s", tl, want)
				}
			})
		})
	}
}

func TestATimelineOfFailuresAndOfHedges(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
		tl, err := rego.DoWithTimelineWith(t.Context(), exec, get, func(context.Context) error { return errBad })
		if !errors.Is(err, errBad) || tl.Verdict != rego.VerdictMaxAttempts || len(tl.Attempts) != 3 || tl.Answer != 2 {
			t.Fatal(err, tl)
		}
		script := regotest.Script[int]{Turns: []regotest.Turn[int]{{Takes: time.Hour}, {Value: 2, Takes: time.Millisecond}}}
		_, tl, err = rego.DoValueWithTimelineWith(t.Context(), exec, hedged, script.Op)
		if err != nil || len(tl.Attempts) != 2 || tl.Attempts[1].Kind != rego.HedgeAttempt || tl.Attempts[0].Cancelled != rego.LostRace {
			t.Fatal(err, tl)
		}
		// Kept calls are let go of: there is room for the next, which is no pass-through.
		for range 3 {
			if tl, err := rego.DoWithTimelineWith(t.Context(), exec, get, func(context.Context) error { return nil }); err != nil || len(tl.Attempts) != 1 {
				t.Fatal(err, tl)
			}
		}
	}, rego.WithMaxLiveCalls(1))
}

func TestEventsGoToALog(t *testing.T) {
	inTime(t, func(t *testing.T, exec *rego.Executor) {
		if err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return errBad }); err == nil {
			t.Fatal("no error")
		}
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if err := exec.LogEvents(ctx, logger, time.Hour); err != nil {
			t.Fatal(err)
		}
		text := log.String()
		for _, want := range []string{
			"level=WARN msg=call_ended key=svc.Get call=0", "reason=max_attempts count=3 took=30ms",
			"level=INFO msg=attempt_ended", "facts=app_0", "level=DEBUG msg=backing_off", "wait=10ms", "wait=20ms",
			"msg=attempt_launched", "attempt=2 reason=retry",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		var events [4]rego.Event
		if n, dropped, err := exec.DrainEvents(events[:]); n != 0 || dropped != 0 || err != nil {
			t.Fatal(n, dropped, err)
		}
	}, rego.WithEvents(64))
}
