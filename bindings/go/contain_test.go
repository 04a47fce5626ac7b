package rego_test

// What code of the caller's does that nobody expects of it costs its call, and no more.

import (
	"context"
	"errors"
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

// logged is what a logger was told.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.text.Write(p)
	}), nil))
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) waitFor(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log tells of "+text, func() bool { return strings.Contains(l.String(), text) })
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited ten seconds, and it does not hold: %s", what)
		}
	}
}

// nothingInFlight makes sure that the engine holds no call of a key to be in the air.
func nothingInFlight(t *testing.T, exec *rego.Executor, key rego.Key) {
	t.Helper()
	gauge := `rego_calls_in_flight{key="` + key.String() + `"} `
	var told string
	eventually(t, "no call is in flight", func() bool {
		text, err := exec.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(text, gauge)
		told, _, _ = strings.Cut(after, "\n")
		return told == "0" || told == ""
	})
}

// ways are the ways in which a call's attempts are run.
func ways(t *testing.T, test func(t *testing.T, key rego.Key, opts ...rego.CallOption)) {
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		for _, key := range []rego.Key{get, hedged} {
			t.Run(name+" "+key.String(), func(t *testing.T) { test(t, key, opts...) })
		}
	}
}

// calm is a key whose attempts may overlap as well, but do not, however busy the machine is.
func calm(key rego.Key) rego.Key {
	if key == hedged {
		return rego.ParseKey("svc.Hedgeable")
	}
	return key
}

type (
	badFacts  struct{}
	badIs     struct{}
	badAs     struct{}
	badUnwrap struct{}
)

func (badFacts) Error() string               { return "bad facts" }
func (badFacts) Completion() rego.Completion { panic("facts") }
func (badIs) Error() string                  { return "bad Is" }
func (badIs) Is(error) bool                  { panic("is") }
func (badAs) Error() string                  { return "bad As" }
func (badAs) As(any) bool                    { panic("as") }
func (badUnwrap) Error() string              { return "bad Unwrap" }
func (badUnwrap) Unwrap() error              { panic("unwrap") }

func TestAnErrorWhoseMethodsPanicFailsTheAttempt(t *testing.T) {
	for _, bad := range []error{badFacts{}, badIs{}, badAs{}, badUnwrap{}} {
		ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
			var log logged
			exec := newExecutor(t, rego.WithLogger(log.logger()))
			err := rego.DoWith(t.Context(), exec, key, func(ctx context.Context) error {
				if a, _ := rego.AttemptFromContext(ctx); key == hedged && !a.IsHedge() {
					<-ctx.Done()
					return ctx.Err()
				}
				return bad
			}, opts...)
			if e := verdictOf(t, err); e.Verdict != rego.VerdictNonRetryable || e.Last != bad {
				t.Error(err)
			}
			if text := log.String(); !strings.Contains(text, "contain_test.go") {
				t.Errorf("no stack of the panic in the log:\n%s", text)
			}
			nothingInFlight(t, exec, key)
		})
	}
}

func TestAClassifierThatEndsItsGoroutineFailsTheAttempt(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		key = calm(key)
		exec := newExecutor(t, rego.WithClassifier(func(any, error) rego.Completion {
			runtime.Goexit()
			return rego.Completion{}
		}))
		type answer struct {
			value any
			err   error
		}
		var discarded []any
		ended := make(chan *answer, 1)
		go func() {
			var got *answer
			defer func() { ended <- got }()
			value, err := rego.DoValueWith(t.Context(), exec, key, func(context.Context) (int, error) { return 42, errBad },
				append(opts, rego.WithDiscard(func(value any, _ error) { discarded = append(discarded, value) }))...)
			got = &answer{value, err}
		}()
		got := <-ended
		switch {
		case len(opts) == 0 && (got != nil || len(discarded) != 1 || discarded[0] != 42):
			t.Error("it ended the caller's goroutine, and nobody got the value:", got, discarded)
		case len(opts) > 0 && (got == nil || got.value != 42 || !errors.Is(got.err, rego.ErrNonRetryable)):
			t.Error(got)
		}
		nothingInFlight(t, exec, key)
	})
}

func TestDecidingWhatIsNoOutcomePanics(t *testing.T) {
	for text, outcome := range map[string]rego.Outcome{
		"OutcomeKind 4": {Kind: 4}, "Failure 77": {Kind: rego.Retryable, Failure: 77},
	} {
		ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
			exec := newExecutor(t)
			func() {
				defer func() {
					if value, _ := recover().(string); !strings.Contains(value, text) {
						t.Error(value)
					}
				}()
				_ = rego.DoWith(t.Context(), exec, key, func(ctx context.Context) error {
					a, _ := rego.AttemptFromContext(ctx)
					a.Decide(outcome)
					return errBad
				}, opts...)
				t.Error("went on")
			}()
			nothingInFlight(t, exec, key)
		})
	}
}

func TestAPanicOfACallThatPassesThroughGoesOnInTheCaller(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t, rego.WithMaxLiveCalls(1))
		err := rego.DoWith(t.Context(), exec, get, func(ctx context.Context) error {
			func() {
				defer func() {
					if value := recover(); value != "boom" {
						t.Error(value)
					}
				}()
				_ = rego.DoWith(ctx, exec, key, func(context.Context) error { panic("boom") }, opts...)
				t.Error("went on")
			}()
			ended := make(chan bool)
			go func() {
				returned := false
				defer func() { ended <- returned }()
				_ = rego.DoWith(ctx, exec, key, func(context.Context) error { runtime.Goexit(); return nil }, opts...)
				returned = true
			}()
			if <-ended {
				t.Error("the goroutine went on")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAPanicAfterTheCallersEndIsNotLost(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		var log logged
		exec := newExecutor(t, rego.WithLogger(log.logger()))
		ctx, cancel := context.WithCancel(t.Context())
		recovered := func() (value any) {
			defer func() { value = recover() }()
			racing, over := make(chan struct{}), make(chan struct{})
			err := rego.DoWith(ctx, exec, key, func(ctx context.Context) error {
				if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
					close(racing)
					<-ctx.Done()
					defer close(over)
					return ctx.Err()
				}
				if key == hedged {
					<-racing
				}
				cancel()
				if key == hedged {
					<-over
				}
				// The hedge has told of the cancel meanwhile, and the call has ended by it.
				time.Sleep(5 * time.Millisecond)
				panic("boom")
			}, opts...)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return nil
		}()
		switch {
		case recovered == "boom":
			// The caller was still there.
		case recovered != nil || len(opts) == 0:
			t.Error(recovered)
		default:
			log.waitFor(t, "boom")
		}
		nothingInFlight(t, exec, key)
	})
}

func TestResultsOfACallThatPanicsAreDiscarded(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		key = calm(key)
		exec := newExecutor(t)
		var mu sync.Mutex
		var discarded []any
		func() {
			defer func() { _ = recover() }()
			_, _ = rego.DoValueWith(t.Context(), exec, key, func(ctx context.Context) (int, error) {
				if a, _ := rego.AttemptFromContext(ctx); a.Number() == 0 {
					return 42, errBad
				}
				panic("boom")
			}, append(opts, rego.WithDiscard(func(value any, _ error) {
				mu.Lock()
				defer mu.Unlock()
				discarded = append(discarded, value)
			}))...)
		}()
		eventually(t, "the first attempt's value is discarded", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(discarded) == 1 && discarded[0] == 42
		})
		nothingInFlight(t, exec, key)
	})
}

func TestALoggerThatPanicsHarmsNobody(t *testing.T) {
	logger := slog.New(slog.NewTextHandler(writer(func([]byte) (int, error) { panic("logger") }), nil))
	exec := newExecutor(t, rego.WithLogger(logger))
	panicked := make(chan struct{})
	value, err := rego.DoValueWith(t.Context(), exec, hedged, func(ctx context.Context) (int, error) {
		if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
			return 2, nil
		}
		defer close(panicked)
		<-ctx.Done()
		panic("loser")
	}, rego.WithDetached())
	if value != 2 || err != nil {
		t.Fatal(value, err)
	}
	<-panicked
	nothingInFlight(t, exec, hedged)
}

// fragile is a clock whose timers cannot be made at times.
type fragile struct {
	*regotest.Clock
	broken atomic.Bool
}

func (c *fragile) AfterFunc(wait time.Duration, f func()) rego.Timer {
	if c.broken.Load() {
		panic("no timers today")
	}
	return c.Clock.AfterFunc(wait, f)
}

func TestAClockThatPanicsCostsItsCallOnly(t *testing.T) {
	clock := &fragile{Clock: regotest.NewClock()}
	exec := newExecutor(t, rego.WithClock(clock))
	clock.broken.Store(true)
	panicked := make(chan any, 1)
	go func() {
		defer func() { panicked <- recover() }()
		_ = rego.DoWith(t.Context(), exec, hedged, func(context.Context) error { return nil }, rego.WithDetached())
	}()
	select {
	case what := <-panicked:
		if what != "no timers today" {
			t.Error(what)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the call hangs")
	}
	clock.broken.Store(false)
	if err := rego.DoWith(t.Context(), exec, hedged, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	nothingInFlight(t, exec, hedged)
}
