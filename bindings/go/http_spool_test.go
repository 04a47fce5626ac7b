//go:build go1.25

package rego_test

// Responses that the call goes on after: nobody waits for what is left of them, and nothing of it is lost.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// stalled is a body that brings its text, and nothing after it, until it is closed or its request ends.
type stalled struct {
	io.Reader
	ctx    context.Context
	closed chan struct{}
}

func (b *stalled) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	select {
	case <-b.closed:
		return 0, io.ErrClosedPipe
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *stalled) Close() error { close(b.closed); return nil }

func stalling(req *http.Request, text string) *http.Response {
	body := &stalled{strings.NewReader(text), req.Context(), make(chan struct{})}
	return &http.Response{StatusCode: 503, Request: req, Body: body}
}

func TestNobodyWaitsForWhatIsLeftOfAFailure(t *testing.T) {
	for name, detached := range map[string][]rego.CallOption{"": nil, "detached ": {rego.WithDetached()}} {
		// The first answer fails at 15 ms, the second, a retry or a hedge, is there at once or 10 ms later.
		for key, after := range map[string]time.Duration{"http.get": 16 * time.Millisecond, "http.hedged": 20 * time.Millisecond} {
			t.Run(name+key, func(t *testing.T) {
				var sent atomic.Int64
				inBubble(t, key, func(req *http.Request) (*http.Response, error) {
					if sent.Add(1) == 1 {
						time.Sleep(15 * time.Millisecond)
						return stalling(req, "x"), nil
					}
					if key == "http.hedged" {
						time.Sleep(10 * time.Millisecond)
					}
					return answer(req, 200, 0), nil
				}, func(t *testing.T, rt *rego.RoundTripper) {
					rt.Options = detached
					began := time.Now()
					resp, err := send(t, rt, http.MethodGet, nil)
					if took := time.Since(began); err != nil || resp.StatusCode != 200 || took != after {
						t.Errorf("%v, %v after %v, not %v", resp, err, took, after)
					} else {
						_ = resp.Body.Close()
					}
				})
			})
		}
	}
}

// Its call waited for another that did not come: the response is read as any other.
func TestAFailureThatIsReturnedAfterAllIsWhole(t *testing.T) {
	huge := strings.Repeat("0123456789", 20_000)
	for what, text := range map[string]string{"small": "sorry", "huge": huge, "slow": "sorry"} {
		t.Run(what, func(t *testing.T) {
			var sent atomic.Int64
			inBubble(t, "http.brief", func(req *http.Request) (*http.Response, error) {
				if sent.Add(1) > 1 {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				resp := answer(req, 503, 0)
				resp.Body = io.NopCloser(strings.NewReader(text))
				if what == "slow" {
					// It goes on long after the call.
					late, writer := io.Pipe()
					go func() {
						time.Sleep(time.Minute)
						_, _ = io.WriteString(writer, ", really")
						_ = writer.Close()
					}()
					resp.Body = struct {
						io.Reader
						io.Closer
					}{io.MultiReader(strings.NewReader(text), late), late}
				}
				return resp, nil
			}, func(t *testing.T, rt *rego.RoundTripper) {
				began := time.Now()
				resp, err := send(t, rt, http.MethodGet, nil)
				if err != nil || resp.StatusCode != 503 || time.Since(began) != 50*time.Millisecond {
					t.Fatal(resp, err, time.Since(began))
				}
				got, err := io.ReadAll(resp.Body)
				want := text
				if what == "slow" {
					want += ", really"
				}
				if string(got) != want || err != nil {
					t.Errorf("%d of %d bytes: %v", len(got), len(want), err)
				}
				_ = resp.Body.Close()
			})
		})
	}
}

// Of what nobody gets no more is read than pays, nor for longer.
func TestAStalledFailureThatNobodyGetsIsClosed(t *testing.T) {
	var first *stalled
	var sent atomic.Int64
	inBubble(t, "http.get", func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) == 1 {
			resp := stalling(req, "x")
			first = resp.Body.(*stalled)
			return resp, nil
		}
		return answer(req, 200, 0), nil
	}, func(t *testing.T, rt *rego.RoundTripper) {
		rt.Options = []rego.CallOption{rego.WithDiscard(func(value any, _ error) {
			resp := value.(*http.Response)
			// What there is of it is the user's to read.
			p := make([]byte, 8)
			if n, err := resp.Body.Read(p); string(p[:n]) != "x" || err != nil {
				t.Error(string(p[:n]), err)
			}
		})}
		resp, err := send(t, rt, http.MethodGet, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		time.Sleep(time.Second)
		select {
		case <-first.closed:
		default:
			t.Error("it is still open")
		}
	})
}

func TestAtTheDeadlineTheLastRealErrorIsTold(t *testing.T) {
	ways(t, func(t *testing.T, key rego.Key, opts ...rego.CallOption) {
		exec := newExecutor(t)
		for range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Millisecond)
			err := rego.DoWith(ctx, exec, key, func(ctx context.Context) error {
				if a, _ := rego.AttemptFromContext(ctx); a.RetryIndex() == 0 {
					return errBad
				}
				<-ctx.Done()
				return ctx.Err()
			}, opts...)
			if !errors.Is(err, errBad) || !errors.Is(err, rego.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
		}
	})
}
