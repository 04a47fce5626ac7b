//go:build go1.25

package rego_test

// What becomes of bodies, in virtual time: whose they are, and what ends them.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

const bodyPolicies = `
schema = 1
[defaults.retry]
max_attempts = 3
initial_backoff = "1ms"
jitter = "none"
budget = "unlimited"
[policies."http.timed".retry]
max_attempts = 1
attempt_timeout = "100ms"
[policies."http.always".retry]
classifier = "always"
budget = "unlimited"
[policies."http.brief".retry]
overall_timeout = "50ms"
initial_backoff = "1ms"
jitter = "none"
budget = "unlimited"
[policies."http.hedged"]
idempotent = true
[policies."http.hedged".retry]
attempt_timeout = "100ms"
budget = "unlimited"
[policies."http.hedged".hedge]
enabled = true
trigger = "fixed"
delay = "10ms"
budget = "unlimited"
`

// base is a RoundTripper that is a function.
type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }

// slowBody is a body that takes its time, and ends with its request's context.
type slowBody struct {
	ctx    context.Context
	takes  time.Duration
	read   bool
	closed atomic.Bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.read {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.takes):
		b.read = true
		return copy(p, "whole"), nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *slowBody) Close() error { b.closed.Store(true); return nil }

func answer(req *http.Request, status int, takes time.Duration) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: &slowBody{ctx: req.Context(), takes: takes}, Request: req}
}

// inBubble runs a test with a transport over b, in virtual time.
func inBubble(t *testing.T, key string, b base, test func(t *testing.T, rt *rego.RoundTripper), opts ...rego.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		exec, err := rego.NewExecutor(append(opts, rego.WithPolicies(bodyPolicies))...)
		if err != nil {
			t.Fatal(err)
		}
		test(t, &rego.RoundTripper{Base: b, Executor: exec, Key: func(*http.Request) rego.Key { return rego.ParseKey(key) }})
	})
}

func send(t *testing.T, rt *rego.RoundTripper, method string, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://somewhere/", body)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(req)
}

// A response that comes at the very moment when its attempt's time is up has come in time, or has
// not: it is not returned and cut.
func TestAResponseAtTheDeadlineIsWholeOrNone(t *testing.T) {
	var late atomic.Pointer[slowBody]
	deaf := base(func(req *http.Request) (*http.Response, error) {
		done := req.Context().Done()
		time.Sleep(100 * time.Millisecond)
		select {
		case <-done:
		default:
		}
		resp := answer(req, 200, 50*time.Millisecond)
		late.Store(resp.Body.(*slowBody))
		return resp, nil
	})
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "http.timed", deaf, func(t *testing.T, rt *rego.RoundTripper) {
				rt.Options = opts
				for range 200 {
					resp, err := send(t, rt, "GET", nil)
					if err != nil {
						synctest.Wait()
						if !errors.Is(err, rego.ErrMaxAttempts) || len(opts) == 0 && !late.Load().closed.Load() {
							t.Fatal(err)
						}
						continue
					}
					if _, body := read(t, resp, err); body != "whole" {
						t.Fatal(body)
					}
				}
			})
		})
	}
}

// A hedge that has won is not cut while the caller's goroutine is still with the primary.
func TestAWinnersBodyIsWholeHoweverLongTheLoserTakes(t *testing.T) {
	deaf := base(func(req *http.Request) (*http.Response, error) {
		if a, _ := rego.AttemptFromContext(req.Context()); !a.IsHedge() {
			time.Sleep(400 * time.Millisecond)
			return answer(req, 200, 0), nil
		}
		time.Sleep(5 * time.Millisecond)
		return answer(req, 200, 300*time.Millisecond), nil
	})
	for name, opts := range map[string][]rego.CallOption{"inline": nil, "detached": {rego.WithDetached()}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "http.hedged", deaf, func(t *testing.T, rt *rego.RoundTripper) {
				rt.Options = opts
				resp, err := send(t, rt, "GET", nil)
				if status, body := read(t, resp, err); status != 200 || body != "whole" {
					t.Fatal(status, body)
				}
				time.Sleep(time.Second)
			})
		})
	}
}

func TestTheCallersContextStillEndsTheBody(t *testing.T) {
	inBubble(t, "http.timed", func(req *http.Request) (*http.Response, error) {
		return answer(req, 200, time.Hour), nil
	}, func(t *testing.T, rt *rego.RoundTripper) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://somewhere/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = io.ReadAll(resp.Body)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Fatal(err, time.Since(began))
		}
	})
}

type badBody struct{ read, close func() }

func (b badBody) Read([]byte) (int, error) { b.read(); return 0, io.EOF }
func (b badBody) Close() error             { b.close(); return nil }

func TestABodyThatPanicsHarmsNobody(t *testing.T) {
	nothing := func() {}
	boom := func() { panic("bad body") }
	for name, body := range map[string]io.ReadCloser{
		"none": nil, "read": badBody{boom, nothing}, "close": badBody{nothing, boom}, "both": badBody{boom, boom},
		"slow": badBody{func() { time.Sleep(time.Second) }, boom}, "goexit": badBody{runtime.Goexit, runtime.Goexit},
	} {
		for _, key := range []string{"http.plain", "http.hedged"} {
			t.Run(name+" "+key, func(t *testing.T) {
				var log logged
				inBubble(t, key, func(req *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 503, Body: body}, nil
				}, func(t *testing.T, rt *rego.RoundTripper) {
					resp, err := send(t, rt, "GET", nil)
					if err != nil || resp.StatusCode != 503 || resp.Body == nil {
						t.Fatal(resp, err)
					}
					time.Sleep(10 * time.Second)
					nothingInFlight(t, rt.Executor, rego.ParseKey(key))
				}, rego.WithLogger(log.logger()))
				if panics := name != "none" && name != "goexit"; strings.Contains(log.String(), "bad body") != panics {
					t.Error(log.String())
				}
			})
		}
	}
}

func TestATransportThatReturnsNothingHasFailed(t *testing.T) {
	for _, resp := range []*http.Response{nil, {StatusCode: 200, ContentLength: 5}} {
		inBubble(t, "http.timed", func(*http.Request) (*http.Response, error) { return resp, nil },
			func(t *testing.T, rt *rego.RoundTripper) {
				if resp, err := send(t, rt, "GET", nil); resp != nil || err == nil || !strings.Contains(err.Error(), "rego_test.base") {
					t.Fatal(resp, err)
				}
			})
	}
}

func TestARequestWithoutAnAddressIsRefused(t *testing.T) {
	exec := newExecutor(t)
	rt := &rego.RoundTripper{Executor: exec}
	if resp, err := rt.RoundTrip(&http.Request{}); resp != nil || err == nil {
		t.Fatal(resp, err)
	}
}

func TestABodyThatCannotBeSentAgainIsNeitherHedgedNorRetried(t *testing.T) {
	for key, status := range map[string]int{"http.hedged": 200, "http.plain": 503, "http.always": 503} {
		var sent atomic.Int64
		inBubble(t, key, func(req *http.Request) (*http.Response, error) {
			sent.Add(1)
			time.Sleep(50 * time.Millisecond)
			return answer(req, status, 0), nil
		}, func(t *testing.T, rt *rego.RoundTripper) {
			rt.Options = []rego.CallOption{rego.WithIdempotent(true)}
			resp, err := send(t, rt, "PUT", io.NopCloser(strings.NewReader("once")))
			if got, body := read(t, resp, err); got != status || body != "whole" || sent.Load() != 1 {
				t.Error(key, got, body, sent.Load())
			}
		})
	}
}

// A hedge without a body of its own is skipped: the healthy primary goes on.
func TestAHedgeThatCannotBeSentIsSkipped(t *testing.T) {
	var sent atomic.Int64
	inBubble(t, "http.hedged", func(req *http.Request) (*http.Response, error) {
		sent.Add(1)
		time.Sleep(50 * time.Millisecond)
		return answer(req, 200, 0), nil
	}, func(t *testing.T, rt *rego.RoundTripper) {
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://somewhere/", strings.NewReader("body"))
		req.GetBody = func() (io.ReadCloser, error) { return nil, errBad }
		resp, err := rt.RoundTrip(req)
		if status, body := read(t, resp, err); status != 200 || body != "whole" || sent.Load() != 1 {
			t.Error(status, body, sent.Load())
		}
	})
}

func TestRetryAfterInAllItsSpellings(t *testing.T) {
	for value, want := range map[string]struct {
		requests int64
		waited   time.Duration
	}{
		"0": {2, 0}, "2": {2, 2 * time.Second}, "-1": {2, 0}, "abc": {2, 0},
		"1.5": {2, 0}, "99999999999999999999": {1, 0}, "86400": {1, 0},
		"Wed, 21 Oct 1998 07:28:00 GMT": {2, 0},
		"Sat, 01 Jan 2000 00:00:03 GMT": {2, 3 * time.Second},
	} {
		var sent atomic.Int64
		inBubble(t, "http.plain", func(req *http.Request) (*http.Response, error) {
			if sent.Add(1) > 1 {
				return answer(req, 200, 0), nil
			}
			resp := answer(req, 503, 0)
			resp.Header.Set("Retry-After", value)
			return resp, nil
		}, func(t *testing.T, rt *rego.RoundTripper) {
			began := time.Now()
			resp, err := send(t, rt, "GET", nil)
			waited := time.Since(began)
			if read(t, resp, err); sent.Load() != want.requests || waited < want.waited || waited > want.waited*11/10+time.Millisecond {
				t.Errorf("%q: %d requests, %v", value, sent.Load(), waited)
			}
		})
	}
}

func TestTheUsersClassifierAndDiscardAreAskedAsWell(t *testing.T) {
	var sent, closed atomic.Int64
	inBubble(t, "http.plain", func(req *http.Request) (*http.Response, error) {
		status := map[int64]int{1: 418, 2: 503}[sent.Add(1)]
		return &http.Response{StatusCode: max(status, 200), Header: http.Header{}, Body: &closing{
			Reader: strings.NewReader("tea"), closed: &closed,
		}}, nil
	}, func(t *testing.T, rt *rego.RoundTripper) {
		var mu sync.Mutex
		var asked, discarded []int
		rt.Options = []rego.CallOption{
			rego.WithClassifier(func(value any, err error) rego.Completion {
				resp := value.(*http.Response)
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, resp.StatusCode)
				if resp.StatusCode == 418 {
					return rego.HTTP(503)
				}
				// Of the 503 it has nothing to say.
				return rego.CompletionOf(err)
			}),
			rego.WithDiscard(func(value any, err error) {
				resp := value.(*http.Response)
				body, _ := io.ReadAll(resp.Body)
				if string(body) != "tea" || err != nil {
					t.Errorf("%q %v", body, err)
				}
				mu.Lock()
				defer mu.Unlock()
				discarded = append(discarded, resp.StatusCode)
			}),
		}
		resp, err := send(t, rt, "GET", nil)
		if status, _ := read(t, resp, err); status != 200 {
			t.Error(status)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 3 || len(discarded) != 2 || closed.Load() != 3 {
			t.Error(asked, discarded, closed.Load())
		}
	})
}

func TestAClassifierOfTheExecutorDoesNotTakeTheTransportsPlace(t *testing.T) {
	var sent atomic.Int64
	inBubble(t, "http.plain", func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) == 1 {
			return answer(req, 503, 0), nil
		}
		return answer(req, 200, 0), nil
	}, func(t *testing.T, rt *rego.RoundTripper) {
		resp, err := send(t, rt, "GET", nil)
		if status, _ := read(t, resp, err); status != 200 {
			t.Error(status)
		}
	}, rego.WithClassifier(func(value any, err error) rego.Completion {
		if err == errBad {
			return rego.HTTP(404)
		}
		return rego.CompletionOf(err)
	}))
}
