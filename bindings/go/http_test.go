package rego_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

const httpPolicies = `
schema = 1
[defaults.retry]
max_attempts = 3
initial_backoff = "1ms"
max_backoff = "2ms"
budget = "unlimited"
[policies."http.calm".retry]
max_attempts = 3
initial_backoff = "50ms"
jitter = "none"
budget = "unlimited"
[policies."http.hedgeable"]
idempotent = true
[policies."http.hedgeable".hedge]
enabled = true
trigger = "fixed"
delay = "9s"
[policies."http.hedged"]
idempotent = true
[policies."http.hedged".hedge]
enabled = true
trigger = "fixed"
delay = "10ms"
budget = "unlimited"
[policies."http.timed".retry]
attempt_timeout = "100ms"
initial_backoff = "1ms"
budget = "unlimited"
`

// server is a server whose nth request, counted from 1, is answered by n and its own words.
type server struct {
	*httptest.Server
	requests, connections atomic.Int64
}

func serve(t *testing.T, handle func(n int64, w http.ResponseWriter, r *http.Request)) *server {
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(s.requests.Add(1), w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, name string) (*http.Client, *rego.RoundTripper) {
	exec, err := rego.NewExecutor(rego.WithPolicies(httpPolicies))
	if err != nil {
		t.Fatal(err)
	}
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	rt := &rego.RoundTripper{Base: base, Executor: exec, Key: func(*http.Request) rego.Key { return rego.ParseKey(name) }}
	return &http.Client{Transport: rt}, rt
}

func read(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAResponseThatAsksForItIsRetriedOnTheSameConnection(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		if n < 3 {
			w.WriteHeader(503)
			fmt.Fprint(w, strings.Repeat("sorry ", 1000))
			return
		}
		fmt.Fprint(w, "fine")
	})
	// While the backoff lasts, what is left of the response is read.
	c, _ := client(t, "http.calm")
	resp, err := c.Get(s.URL)
	if status, body := read(t, resp, err); status != 200 || body != "fine" {
		t.Fatal(status, body)
	}
	if s.requests.Load() != 3 || s.connections.Load() != 1 {
		t.Fatal(s.requests.Load(), "requests on", s.connections.Load(), "connections")
	}
	if _, of := rego.AttemptFromContext(resp.Request.Context()); of {
		t.Fatal("the response's request is the attempt's")
	}
}

func TestTheLastResponseIsReturnedWhateverItsStatus(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(503)
		fmt.Fprintf(w, "sorry %d", n)
	})
	c, _ := client(t, "http.plain")
	resp, err := c.Get(s.URL)
	if status, body := read(t, resp, err); status != 503 || body != "sorry 3" {
		t.Fatal(status, body)
	}
}

func TestWhatMayHaveBeenProcessedIsNotPostedAgain(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "order" {
			t.Errorf("request %d has the body %q", n, body)
		}
		w.WriteHeader(500)
	})
	// A hedge would be one more, on a machine that is busy.
	for _, key := range []string{"http.plain", "http.hedgeable"} {
		c, _ := client(t, key)
		for header, want := range map[string]int64{"": 1, "Idempotency-Key": 3} {
			s.requests.Store(0)
			req, _ := http.NewRequest("POST", s.URL, strings.NewReader("order"))
			if header != "" {
				req.Header.Set(header, "4711")
			}
			resp, err := c.Do(req)
			if status, _ := read(t, resp, err); status != 500 || s.requests.Load() != want {
				t.Errorf("%s, %q: %d after %d requests, not %d", key, header, status, s.requests.Load(), want)
			}
		}
	}
}

func TestAPostThatWasNotSentIsSentAgain(t *testing.T) {
	base := &flaky{fail: 2, err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	_, rt := client(t, "http.plain")
	rt.Base = base
	req, _ := http.NewRequest("POST", "http://somewhere/", strings.NewReader("order"))
	resp, err := rt.RoundTrip(req)
	if status, _ := read(t, resp, err); status != 200 || base.sent.Load() != 3 {
		t.Fatal(status, base.sent.Load())
	}
}

// flaky fails some times before it works.
type flaky struct {
	fail int64
	err  error
	sent atomic.Int64
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if body, _ := io.ReadAll(req.Body); string(body) != "order" {
			return nil, fmt.Errorf("the body is %q", body)
		}
		_ = req.Body.Close()
	}
	if f.sent.Add(1) <= f.fail {
		return nil, f.err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

func TestABodyThatCannotBeSentAgainIsSentOnce(t *testing.T) {
	var closed atomic.Int64
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	c, _ := client(t, "http.plain")
	req, _ := http.NewRequest("PUT", s.URL, &closing{Reader: bytes.NewReader([]byte("stream")), closed: &closed})
	resp, err := c.Do(req)
	if status, _ := read(t, resp, err); status != 503 || s.requests.Load() != 1 || closed.Load() == 0 {
		t.Fatal(status, s.requests.Load(), closed.Load())
	}
	// Also if it is never sent.
	closed.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(req.WithContext(ctx)); !errors.Is(err, context.Canceled) || closed.Load() == 0 {
		t.Fatal(err, closed.Load())
	}
}

type closing struct {
	io.Reader
	closed *atomic.Int64
}

func (c *closing) Close() error { c.closed.Add(1); return nil }

func TestASlowResponseIsHedgedAndTheLoserIsCancelled(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done()
			close(gone)
			return
		}
		// The body outlasts the loser's end.
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-gone
		fmt.Fprint(w, "hedge")
	})
	c, _ := client(t, "http.hedged")
	resp, err := c.Get(s.URL)
	if status, body := read(t, resp, err); status != 200 || body != "hedge" || s.requests.Load() != 2 {
		t.Fatal(status, body, s.requests.Load())
	}
}

func TestNoTimeoutCutsTheBodyShort(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done()
			return
		}
		for range 5 {
			fmt.Fprint(w, "part ")
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	})
	c, _ := client(t, "http.timed")
	resp, err := c.Get(s.URL)
	if status, body := read(t, resp, err); status != 200 || len(body) != 25 || s.requests.Load() != 2 {
		t.Fatal(status, body, s.requests.Load())
	}
}

func TestTheCallersEndEndsTheBody(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c, _ := client(t, "http.plain")
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestAHugeResponseThatNobodyGetsIsCutOff(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			w.WriteHeader(503)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
			return
		}
		fmt.Fprint(w, "fine")
	})
	c, _ := client(t, "http.plain")
	resp, err := c.Get(s.URL)
	if status, body := read(t, resp, err); status != 200 || body != "fine" {
		t.Fatal(status, body)
	}
}

func TestAServersRetryAfterIsKept(t *testing.T) {
	var at [2]time.Time
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		at[min(n-1, 1)] = time.Now()
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}
	})
	c, _ := client(t, "http.plain")
	resp, err := c.Get(s.URL)
	if status, _ := read(t, resp, err); status != 200 || at[1].Sub(at[0]) < time.Second {
		t.Fatal(status, at[1].Sub(at[0]))
	}
	// One beyond all bounds is the caller's to keep.
	s = serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(503)
	})
	resp, err = c.Get(s.URL)
	if status, _ := read(t, resp, err); status != 503 || s.requests.Load() != 1 {
		t.Fatal(status, s.requests.Load())
	}
}

func TestARequestWithinACallIsSentOnce(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	c, rt := client(t, "http.plain")
	err := rego.DoWith(t.Context(), rt.Executor, rego.ParseKey("http.outer"), func(ctx context.Context) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		return fmt.Errorf("status %d", resp.StatusCode)
	})
	if err == nil || s.requests.Load() != 3 {
		t.Fatal(err, s.requests.Load())
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	s := serve(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		switch {
		case n%3 == 0:
			w.WriteHeader(503)
		case n%5 == 0:
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
		}
		fmt.Fprint(w, "answer")
	})
	before := runtime.NumGoroutine()
	c, rt := client(t, "http.hedged")
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 20 {
				resp, err := c.Get(s.URL)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}()
	}
	all.Wait()
	rt.CloseIdleConnections()
	s.CloseClientConnections()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}
