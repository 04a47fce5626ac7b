package rego_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
[policies."svc.Hedgeable"]
idempotent = true
[policies."svc.Hedgeable".hedge]
enabled = true
trigger = "fixed"
delay = "9s"
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

func TestAClassifierThatPanicsFailsTheAttempt(t *testing.T) {
	exec := newExecutor(t, rego.WithClassifier(func(any, error) rego.Completion { panic("classifier") }))
	err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return errBad })
	if !errors.Is(err, rego.ErrNonRetryable) {
		t.Fatal(err)
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

func TestAClosedExecutorAnswersSo(t *testing.T) {
	exec := newExecutor(t)
	if err := exec.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil }); !errors.Is(err, rego.ErrClosed) {
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

func TestOptionsOutOfRangeAreNamed(t *testing.T) {
	for name, opt := range map[string]rego.Option{
		"max live calls": rego.WithMaxLiveCalls(1 << 24), "max keys": rego.WithMaxKeys(0), "events": rego.WithEvents(-1),
	} {
		if _, err := rego.NewExecutor(opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Error(name, err)
		}
	}
}

func TestPoliciesAreGivenOnce(t *testing.T) {
	once := rego.WithPolicies(policies)
	_, err := rego.NewExecutor(once, once)
	var wrong *rego.PolicyError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "WithPolicies") {
		t.Fatal(err)
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

func TestAnExecutorWithoutAnEnginePassesThrough(t *testing.T) {
	t.Setenv("REGO_MODE", "nonsense")
	if _, err := rego.NewExecutor(); err == nil || !strings.Contains(err.Error(), "REGO_MODE") {
		t.Fatal(err)
	}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer slog.SetDefault(before)
	exec := rego.NewDefaultExecutor()
	calls := 0
	err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { calls++; return errBad })
	if calls != 1 || !errors.Is(err, rego.ErrPassThrough) || !errors.Is(err, errBad) {
		t.Fatal(calls, err)
	}
	if err := rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreParsedAsTheEngineParsesThem(t *testing.T) {
	for text, want := range map[string][2]string{
		" user-service.GetUser ": {"user-service", "GetUser"}, "a.b.c": {"a", "b.c"}, "plain": {"", "plain"},
		"cache.": {"", "cache."}, ".flush": {"", "flush"},
	} {
		key := rego.ParseKey(text)
		if key.Namespace() != want[0] || key.Name() != want[1] || key.Err() != nil {
			t.Errorf("%q: %q %q %v", text, key.Namespace(), key.Name(), key.Err())
		}
	}
	if rego.ParseKey(" svc.Get ") != get {
		t.Error("keys of one text are equal")
	}
	for _, text := range []string{"", "  ", "a\nb", strings.Repeat("k", 257), "a\xffb"} {
		if err := rego.ParseKey(text).Err(); !errors.Is(err, rego.ErrInvalidKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// A wrong key is no outage.
	exec := newExecutor(t)
	for _, key := range []rego.Key{{}, rego.ParseKey("a\nb")} {
		if err := rego.DoWith(t.Context(), exec, key, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if text, _ := exec.Metrics(); !strings.Contains(text, `rego_calls_total{key="other",outcome="success",via="first"} 2`) {
		t.Error(text)
	}
}

func TestKeysOfTheSameTextAreEqual(t *testing.T) {
	for _, text := range []string{"", "svc.Get", "svc.\x01", strings.Repeat("long", 100), "other"} {
		key := rego.ParseKey(text)
		if key != rego.ParseKey(strings.Clone(text)) || key.String() != text || key == rego.ParseKey(text+"\x02") {
			t.Errorf("%q", text)
		}
	}
	if rego.ParseKey("") != (rego.Key{}) || rego.ParseKey(" ") != (rego.Key{}) {
		t.Error("no text is the zero key's")
	}
	// Invalid ones share a site, which has its own key.
	exec := newExecutor(t)
	err := rego.DoWith(t.Context(), exec, rego.ParseKey("svc.\x01"), func(ctx context.Context) error {
		if a, _ := rego.AttemptFromContext(ctx); a.Key() != rego.ParseKey("other") {
			t.Error(a.Key())
		}
		return errBad
	})
	if e := verdictOf(t, err); e.Key != rego.ParseKey("other") {
		t.Error(e.Key)
	}
}

func TestContextsOfAttemptsAreContexts(t *testing.T) {
	type name struct{}
	exec := newExecutor(t)
	parent := context.WithValue(t.Context(), name{}, "value")
	var kept context.Context
	err := rego.DoWith(parent, exec, get, func(ctx context.Context) error {
		kept = ctx
		if ctx.Value(name{}) != "value" || ctx.Err() != nil {
			t.Error(ctx.Value(name{}), ctx.Err())
		}
		// One made from it ends with it, and is its own.
		child, cancel := context.WithCancelCause(ctx)
		cancel(errBad)
		if context.Cause(child) != errBad || ctx.Err() != nil || context.Cause(ctx) != nil {
			t.Error(context.Cause(child), ctx.Err(), context.Cause(ctx))
		}
		if a, ok := rego.AttemptFromContext(child); !ok || a.Number() != 0 {
			t.Error("a child's attempt is its parent's")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-kept.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the context goes on after its operation")
	}
	if kept.Err() != context.Canceled {
		t.Error(kept.Err())
	}
	if _, of := rego.AttemptFromContext(t.Context()); of {
		t.Error("a context of no attempt")
	}
}

func TestAHeldContextGoesOnUntilItsRelease(t *testing.T) {
	exec := newExecutor(t)
	type stream struct {
		ctx     context.Context
		release func()
	}
	got, err := rego.DoValueWith(t.Context(), exec, get, func(ctx context.Context) (stream, error) {
		a, _ := rego.AttemptFromContext(ctx)
		return stream{ctx, a.Hold()}, nil
	})
	if err != nil || got.ctx.Err() != nil {
		t.Fatal(err, got.ctx.Err())
	}
	got.release()
	if got.ctx.Err() != context.Canceled {
		t.Fatal(got.ctx.Err())
	}
}

func TestAHeldContextEndsWithTheLossOfItsAttempt(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		key = calm(key)
		exec := newExecutor(t)
		var mu sync.Mutex
		var kept []context.Context
		err := rego.DoWith(t.Context(), exec, key, func(ctx context.Context) error {
			a, _ := rego.AttemptFromContext(ctx)
			a.Hold()
			mu.Lock()
			defer mu.Unlock()
			if kept = append(kept, ctx); len(kept) == 1 {
				return errBad
			}
			return nil
		}, opts...)
		if err != nil || len(kept) != 2 || kept[0].Err() == nil || kept[1].Err() != nil {
			t.Error(err, kept[0].Err(), kept[1].Err())
		}
	})
}

func TestFactsOfErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, test := range []struct {
		err  error
		want rego.Completion
	}{
		{nil, rego.Completion{}},
		{errBad, rego.App(0)},
		{fmt.Errorf("wrapped: %w", context.Canceled), rego.Completion{Kind: rego.KindCancelled}},
		{context.DeadlineExceeded, rego.Completion{Kind: rego.KindTimeout}},
		{os.ErrDeadlineExceeded, rego.Completion{Kind: rego.KindTimeout}},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, rego.Completion{Kind: rego.KindErrno, Code: int32(syscall.ECONNRESET)}},
		{dial(syscall.ECONNREFUSED), rego.Completion{Kind: rego.KindErrno, Code: int32(syscall.ECONNREFUSED), NotSent: true}},
		{dial(&net.DNSError{IsNotFound: true}), rego.Completion{Kind: rego.KindIO, Code: int32(rego.IOHostUnreachable), NotSent: true}},
		{io.ErrUnexpectedEOF, rego.IO(rego.IOUnexpectedEOF)},
		{os.ErrNotExist, rego.IO(rego.IONotFound)},
		{fmt.Errorf("wrapped: %w", carrier{}), rego.HTTP(429)},
	} {
		if got := rego.CompletionOf(test.err); got != test.want {
			t.Errorf("%v: %+v, not %+v", test.err, got, test.want)
		}
	}
}

type carrier struct{}

func (carrier) Error() string               { return "too many requests" }
func (carrier) Completion() rego.Completion { return rego.HTTP(429) }

func TestFactsThatAreNoneAreAFailure(t *testing.T) {
	exec := newExecutor(t)
	err := rego.DoWith(t.Context(), exec, rego.ParseKey("svc.Once"), func(ctx context.Context) error {
		a, _ := rego.AttemptFromContext(ctx)
		a.Report(rego.HTTP(70_000))
		return errBad
	})
	if !errors.Is(err, rego.ErrMaxAttempts) {
		t.Fatal(err)
	}
}

// Everything at once, from many goroutines: for the race detector, and to see that no call is lost.
func TestManyCallsAtOnce(t *testing.T) {
	exec := newExecutor(t, rego.WithEvents(128))
	keys := []rego.Key{get, hedged, timed}
	var all sync.WaitGroup
	for g := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+n%40)*time.Millisecond)
				var opts []rego.CallOption
				if n%3 == 0 {
					opts = append(opts, rego.WithDetached())
				}
				value, tl, err := rego.DoValueWithTimelineWith(ctx, exec, keys[(g+n)%3], func(ctx context.Context) (int, error) {
					a, _ := rego.AttemptFromContext(ctx)
					switch (g + n + a.Number()) % 4 {
					case 0:
						return n, nil
					case 1:
						<-ctx.Done()
						return 0, context.Cause(ctx)
					case 2:
						time.Sleep(time.Duration(n%30) * time.Millisecond)
					}
					return 0, errBad
				}, opts...)
				cancel()
				if err == nil && value != n || err != nil && len(tl.Attempts) == 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d, %v, %v", value, tl, err)
				}
				if n%20 == 0 {
					_, _, _ = exec.DrainEvents(make([]rego.Event, 64))
				}
			}
		}()
	}
	all.Wait()
}

func TestTheDefaultExecutorIsSetOnce(t *testing.T) {
	// The examples have used it already, or this does.
	_ = rego.Do(t.Context(), get, func(context.Context) error { return nil })
	exec := newExecutor(t)
	if err := rego.Init(exec); err != rego.ErrInitialised {
		t.Fatal(err)
	}
}

// Operations that do not ask whether they have an attempt work past an engine that is none, too.
func TestTheZeroAttemptIsNobodys(t *testing.T) {
	t.Setenv("REGO_MODE", "bogus")
	exec := rego.NewDefaultExecutor()
	defer exec.Close()
	err := rego.DoWith(t.Context(), exec, get, func(ctx context.Context) error {
		attempt, ok := rego.AttemptFromContext(ctx)
		attempt.Report(rego.HTTP(503))
		attempt.Decide(rego.Outcome{Kind: rego.Retryable})
		attempt.Hold()()
		if _, limited := attempt.Remaining(); ok || limited || attempt.IsHedge() || attempt.Number() != 0 {
			t.Errorf("%v %v", attempt, ok)
		}
		_ = attempt.Key().String()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A logger that cannot keep up ends all the same.
func TestLogEventsEndsWhileEventsKeepComing(t *testing.T) {
	exec := newExecutor(t, rego.WithEvents(1_024))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	var calling sync.WaitGroup
	calling.Add(1)
	go func() {
		defer calling.Done()
		for {
			select {
			case <-over:
				return
			default:
				_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil })
			}
		}
	}()
	logged := make(chan error, 1)
	go func() { logged <- exec.LogEvents(ctx, slog.New(slowly{}), time.Millisecond) }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	select {
	case err := <-logged:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on for ever")
	}
	close(over)
	calling.Wait()
}

// slowly is a handler that takes longer for a record than calls take to make one.
type slowly struct{}

func (slowly) Enabled(context.Context, slog.Level) bool { return true }
func (slowly) Handle(context.Context, slog.Record) error {
	time.Sleep(50 * time.Microsecond)
	return nil
}
func (s slowly) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s slowly) WithGroup(string) slog.Handler      { return s }
