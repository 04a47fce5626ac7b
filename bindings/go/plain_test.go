package rego_test

// Calls past an engine that could not be made.

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// past is an executor without an engine, and what it logs.
func past(t *testing.T) (*rego.Executor, *logged) {
	t.Helper()
	t.Setenv("REGO_MODE", "bogus")
	var log logged
	before := slog.Default()
	slog.SetDefault(log.logger())
	t.Cleanup(func() { slog.SetDefault(before) })
	exec := rego.NewDefaultExecutor()
	t.Cleanup(func() { _ = exec.Close() })
	log.waitFor(t, "bogus")
	return exec, &log
}

func TestADetachedCallPastTheEngineEndsWithItsContext(t *testing.T) {
	exec, log := past(t)
	why := errors.New("the page is closed")
	for name, left := range map[string]func() (context.Context, context.CancelFunc){
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(t.Context(), 3*time.Millisecond, why)
		},
		"cancel": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Millisecond, func() { cancel(why) })
			return ctx, func() { cancel(nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := left()
			defer cancel()
			until := make(chan struct{})
			discarded := make(chan any, 1)
			value, tl, err := rego.DoValueWithTimelineWith(ctx, exec, get, func(context.Context) (int, error) {
				<-until
				return 7, nil
			}, rego.WithDetached(), rego.WithDiscard(func(value any, _ error) { discarded <- value }))
			if value != 0 || !errors.Is(err, why) || errors.Is(err, context.DeadlineExceeded) != (name == "deadline") || errors.Is(err, rego.ErrDeadlineExceeded) != (name == "deadline") {
				t.Error(value, err)
			}
			if len(tl.Attempts) != 1 || tl.Answer != -1 || !strings.Contains(tl.String(), "still running") {
				t.Error(tl)
			}
			close(until)
			if got := <-discarded; got != 7 {
				t.Error(got)
			}
		})
	}
	// What goes wrong after that is logged.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	until := make(chan struct{})
	err := rego.DoWith(ctx, exec, get, func(context.Context) error {
		<-until
		panic("much too late")
	}, rego.WithDetached())
	if !errors.Is(err, rego.ErrCancelled) {
		t.Error(err)
	}
	close(until)
	log.waitFor(t, "much too late")
}

func TestADetachedCallPastTheEngineIsTheOperations(t *testing.T) {
	exec, _ := past(t)
	value, tl, err := rego.DoValueWithTimelineWith(t.Context(), exec, get, func(context.Context) (int, error) {
		return 7, errBad
	}, rego.WithDetached())
	if value != 7 || !errors.Is(err, errBad) || len(tl.Attempts) != 1 || tl.Attempts[0].Err != errBad || tl.Answer != 0 {
		t.Error(value, err, tl)
	}
	if value, err := rego.DoValueWith(t.Context(), exec, get, func(context.Context) (int, error) {
		return 8, nil
	}, rego.WithDetached()); value != 8 || err != nil {
		t.Error(value, err)
	}
	func() {
		defer func() {
			if panicked := recover(); panicked != "mine" {
				t.Error(panicked)
			}
		}()
		_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { panic("mine") }, rego.WithDetached())
	}()
	over := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { over <- returned }()
		_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error {
			runtime.Goexit()
			return nil
		}, rego.WithDetached())
		returned = true
	}()
	if <-over {
		t.Error("the goroutine goes on, though its operation has ended it")
	}
}

func TestAnEndedContextIsNoCallPastTheEngineEither(t *testing.T) {
	exec, _ := past(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, opts := range [][]rego.CallOption{nil, {rego.WithDetached()}} {
		err := rego.DoWith(ctx, exec, get, func(context.Context) error {
			t.Error("called")
			return nil
		}, opts...)
		if !errors.Is(err, rego.ErrCancelled) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// deaf is a transport that does not mind a request's context.
type deaf struct{ until chan struct{} }

func (d deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	<-d.until
	return &http.Response{StatusCode: 200, Body: &tellsClose{closed: d.until}, Request: req}, nil
}

// tellsClose is a body that tells when it is closed.
type tellsClose struct {
	io.Reader
	closed chan struct{}
}

func (tellsClose) Read([]byte) (int, error) { return 0, io.EOF }
func (c *tellsClose) Close() error {
	c.closed <- struct{}{}
	return nil
}

func TestAResponsePastTheEngineThatNobodyGetsIsClosed(t *testing.T) {
	exec, _ := past(t)
	base := deaf{make(chan struct{})}
	client := http.Client{Transport: &rego.RoundTripper{Base: base, Executor: exec, Options: []rego.CallOption{rego.WithDetached()}}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("there is a response")
	}
	base.until <- struct{}{}
	select {
	case <-base.until:
	case <-time.After(10 * time.Second):
		t.Error("the late response was not closed")
	}
}

func TestAFailureAfterTheDeadlineIsTheDeadlinesPastTheEngineToo(t *testing.T) {
	exec, _ := past(t)
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		for _, late := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if late {
				ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			}
			err := rego.DoWith(ctx, exec, get, func(ctx context.Context) error {
				if late {
					<-ctx.Done()
				}
				return io.ErrUnexpectedEOF
			}, opts...)
			cancel()
			if errors.Is(err, rego.ErrDeadlineExceeded) != late {
				t.Errorf("%s, late %v: %v", name, late, err)
			}
			if e := verdictOf(t, err); !late && (e.Verdict != rego.VerdictPassThrough || e.Last != io.ErrUnexpectedEOF) {
				t.Errorf("%s: %+v", name, e)
			}
			if name == "inline" && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("late %v: the last real error is lost: %v", late, err)
			}
		}
	}
}
