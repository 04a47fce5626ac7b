package rego_test

// Why a call ended, where its caller's context did.

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// The engine knows of the deadline by its own clock, and often before the context's timer has fired.
func TestTheCauseOfADeadlineComesBack(t *testing.T) {
	why := errors.New("the page is closed")
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t)
		for range 50 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Millisecond, why)
			inner := make(chan error, 2)
			err := rego.DoWith(ctx, exec, key, func(ctx context.Context) error {
				<-ctx.Done()
				if cause := context.Cause(ctx); cause != why || ctx.Err() != context.DeadlineExceeded {
					inner <- errors.Join(cause, ctx.Err())
				} else {
					inner <- nil
				}
				return ctx.Err()
			}, opts...)
			if !errors.Is(err, why) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rego.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			select {
			case err := <-inner:
				if err != nil {
					t.Error("the attempt's context:", err)
				}
			case <-time.After(time.Second):
				// On a busy machine the deadline may have passed before the operation began.
			}
			cancel()
		}
	})
}

// A wait before a retry that the deadline ends, and an operation that only looks at the time.
func TestTheCauseOfADeadlineComesBackWhateverWaitsForIt(t *testing.T) {
	why := errors.New("the page is closed")
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t)
		for range 50 {
			at := time.Now().Add(2 * time.Millisecond)
			ctx, cancel := context.WithDeadlineCause(t.Context(), at, why)
			err := rego.DoWith(ctx, exec, key, func(context.Context) error {
				for time.Now().Before(at) {
				}
				return errBad
			}, opts...)
			if !errors.Is(err, why) || !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
	})
}

// broken says a deadline, and never ends.
type broken struct {
	context.Context
	at time.Time
}

func (b broken) Deadline() (time.Time, bool) { return b.at, true }

func TestAContextThatDoesNotKeepItsDeadlineIsNotWaitedForForEver(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t)
		began := time.Now()
		err := rego.DoWith(broken{t.Context(), began.Add(5 * time.Millisecond)}, exec, key, func(context.Context) error {
			time.Sleep(10 * time.Millisecond)
			return errBad
		}, opts...)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Error(err, time.Since(began))
		}
	})
}

// causes is an error that cannot be compared.
type causes []string

func (c causes) Error() string { return strings.Join(c, ", ") }

func TestAnErrorThatCannotBeComparedIsTold(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		err := rego.DoWith(ctx, exec, key, func(ctx context.Context) error {
			cancel(causes{"gone"})
			<-ctx.Done()
			return context.Cause(ctx)
		}, opts...)
		if text := err.Error(); strings.Count(text, "gone") != 1 {
			t.Error(text)
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, causes{"gone"}) || errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		var all causes
		if !errors.As(err, &all) {
			t.Error(err)
		}
	})
}

// Attempts that do not mind their contexts are given up at their timeout, and bring no error back.
func TestAttemptsThatAreGivenUpAreTheReason(t *testing.T) {
	exec, err := rego.NewExecutor(rego.WithPolicies(`
schema = 1
[defaults.retry]
max_attempts = 2
attempt_timeout = "5ms"
initial_backoff = "1ms"
`))
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	release := make(chan struct{})
	defer close(release)
	err = rego.DoWith(t.Context(), exec, rego.ParseKey("svc.Stuck"), func(context.Context) error {
		<-release
		return nil
	}, rego.WithDetached())
	var failed *rego.Error
	if !errors.As(err, &failed) || failed.Verdict != rego.VerdictMaxAttempts || failed.Cause != nil {
		t.Fatalf("%v", err)
	}
	if !errors.Is(err, rego.DeadlinePassed) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rego.ErrMaxAttempts) {
		t.Errorf("%v", err)
	}
	if errors.Is(err, context.Canceled) || !failed.Timeout() || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
}

// Where it is the caller's deadline that ends the call, no attempt was given up at its timeout.
func TestTheCallersDeadlineIsNoTimeoutOfAnAttempt(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		err := rego.DoWith(ctx, newExecutor(t), key, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(5 * time.Millisecond)
			return nil
		}, append(opts, rego.WithDetached())...)
		if failed := verdictOf(t, err); failed.Verdict != rego.VerdictDeadlineExceeded || failed.Last != nil {
			t.Errorf("%v, last %v", err, failed.Last)
		}
	})
}

// A call for which there is no room can be left as any other.
func TestACallWithoutRoomEndsWithItsContext(t *testing.T) {
	exec := newExecutor(t, rego.WithMaxLiveCalls(1))
	release := make(chan struct{})
	defer close(release)
	inside := make(chan struct{})
	go func() {
		_ = rego.DoWith(context.Background(), exec, get, func(context.Context) error {
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	why := errors.New("gone")
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 5*time.Millisecond, why)
		},
		"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(5*time.Millisecond, func() { cancel(why) })
			return ctx, func() { cancel(nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := end(t.Context())
			defer cancel()
			err := rego.DoWith(ctx, exec, get, func(context.Context) error {
				<-release
				return nil
			}, rego.WithDetached())
			if !errors.Is(err, why) {
				t.Error(err)
			}
		})
	}
}
