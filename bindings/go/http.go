package rego

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RoundTripper sends HTTP requests as calls of an executor: it retries and hedges as the policy of
// the request's key allows. Use it as the Transport of an http.Client; the zero RoundTripper works.
//
// The facts of an attempt are the status of its response or what kept it from having one, with the
// request's method, whether it carried an Idempotency-Key, and Retry-After, in seconds or as a
// date. So the default classifier repeats what may be repeated: a POST without a key only if it was
// certainly not processed, and it is never hedged. Hedging needs a policy that says idempotent.
//
// A request whose body cannot be sent again, because it has no GetBody, is sent once: requests made
// by http.NewRequest from bytes.Buffer, bytes.Reader or strings.Reader have one.
//
// The last response is returned whatever its status, as every RoundTripper does. Responses that
// nobody gets are drained within bounds and closed, so that their connections can be used again.
// The body of the one that is returned may be read for as long as the request's context lasts: no
// timeout of the policy cuts it short, nor does the end of the attempts that lost. It must be closed,
// as any.
//
// There is no second layer of retries: a request whose context belongs to an attempt already, as
// within [Do], is sent once, and it is the outer call that repeats. (What http.Transport does below
// an attempt stays: a request for which a kept-alive connection turned out to be dead is sent on
// another.)
type RoundTripper struct {
	// What sends one request. http.DefaultTransport if it is nil.
	Base http.RoundTripper
	// Whose policies hold. The default executor ([Init]) if it is nil.
	Executor *Executor
	// Which call site a request belongs to: "http." and the URL's host if it is nil. Keys are few
	// and known: no path with an id in it.
	Key func(*http.Request) Key
	// Asked for every call, besides.
	Options []CallOption
}

const (
	// How much of a response that nobody gets is read, so that its connection can be used again.
	maxDrain = 64 << 10
	// And for how long.
	maxDrainTime = 100 * time.Millisecond
)

// RoundTrip sends a request. An error is an [*Error], which wraps that of the last attempt.
func (rt *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, nested := AttemptFromContext(req.Context()); nested {
		return rt.base().RoundTrip(req)
	}
	x := &exchange{
		base:       rt.base(),
		req:        req,
		method:     methodOf(req.Method),
		key:        hasIdempotencyKey(req),
		replayable: req.Body == nil || req.Body == http.NoBody || req.GetBody != nil,
	}
	opts := make([]CallOption, 0, 2+len(rt.Options))
	opts = append(opts, callOption(x.options))
	opts = append(opts, rt.Options...)
	exec := rt.Executor
	if exec == nil {
		exec = theDefault()
	}
	got, err := DoValueWith(req.Context(), exec, rt.keyOf(req), x.send, opts...)
	x.closeUnsent()
	if err != nil {
		got.drop()
		return nil, err
	}
	return got.response(), nil
}

func (rt *RoundTripper) base() http.RoundTripper {
	if rt.Base == nil {
		return http.DefaultTransport
	}
	return rt.Base
}

func (rt *RoundTripper) keyOf(req *http.Request) Key {
	if rt.Key != nil {
		return rt.Key(req)
	}
	return ParseKey("http." + req.URL.Hostname())
}

// CloseIdleConnections does that of the base, as http.Client does.
func (rt *RoundTripper) CloseIdleConnections() {
	if base, ok := rt.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// exchange is one request and what comes of it.
type exchange struct {
	base       http.RoundTripper
	req        *http.Request
	method     Method
	key        bool
	replayable bool

	mu sync.Mutex
	// The request's own body is used up by the first attempt, which is told here.
	sent bool
}

func (x *exchange) options(o *callOptions) {
	o.liftable = true
	o.discard = func(value any, _ error) { value.(*received).drop() }
	o.provisional = func(value any) { value.(*received).drain() }
	if !x.replayable || !x.key && !isIdempotent(x.method) {
		WithIdempotent(false).applyCall(o)
	}
}

// send is one attempt.
func (x *exchange) send(ctx context.Context) (*received, error) {
	attempt, ok := AttemptFromContext(ctx)
	if !ok {
		// Past the engine: the request as it is.
		x.take()
		resp, err := x.base.RoundTrip(x.req)
		return &received{resp: resp}, err
	}
	req, err := x.request(ctx)
	if err != nil {
		attempt.Decide(Outcome{Kind: NonRetryable})
		return nil, err
	}
	r := &received{req: x.req, attempt: attempt, release: attempt.Hold()}
	resp, err := x.base.RoundTrip(req)
	if err != nil {
		facts := CompletionOf(err)
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
			// Its own context ended: that is why.
			err = cause
			if errors.Is(cause, context.DeadlineExceeded) {
				facts = Completion{Kind: KindTimeout}
			}
		}
		r.release()
		attempt.Report(x.facts(facts))
		return nil, err
	}
	r.resp = resp
	facts := HTTP(resp.StatusCode)
	facts.RetryAfter = retryAfter(resp.Header, time.Now())
	attempt.Report(x.facts(facts))
	return r, nil
}

func (x *exchange) facts(facts Completion) Completion {
	facts.Method = x.method
	facts.IdempotencyKey = x.key
	facts.DoNotRetry = !x.replayable
	return facts
}

// request is the request of one attempt, with a body of its own.
func (x *exchange) request(ctx context.Context) (*http.Request, error) {
	first := x.take()
	req := x.req.WithContext(ctx)
	if first || req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("rego: the request's body cannot be sent again")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req.Body = body
	return req, nil
}

// take takes the request's own body, once.
func (x *exchange) take() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.sent
	x.sent = true
	return first
}

// closeUnsent closes the request's own body if no attempt took it: a RoundTripper always does.
func (x *exchange) closeUnsent() {
	if x.take() && x.req.Body != nil {
		_ = x.req.Body.Close()
	}
}

// received is the response of one attempt.
type received struct {
	resp    *http.Response
	req     *http.Request
	attempt Attempt
	release func()

	mu sync.Mutex
	// Its body has been read already, or given up.
	drained bool
}

// response is what the caller gets: with a body that ends the attempt's context when it is closed.
func (r *received) response() *http.Response {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.release == nil {
		return r.resp
	}
	r.resp.Request = r.req
	if r.drained {
		return r.resp
	}
	r.attempt.c.lift()
	r.resp.Body = heldBody(r.resp.Body, r.release)
	return r.resp
}

// drain reads the body, as far as that is worth it, for one who may still ask for it, and lets the
// connection go.
func (r *received) drain() {
	if r == nil || r.release == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drained {
		return
	}
	r.drained = true
	body := r.resp.Body
	stop := time.AfterFunc(maxDrainTime, r.release)
	start, err := io.ReadAll(io.LimitReader(body, maxDrain+1))
	stop.Stop()
	_ = body.Close()
	r.release()
	if err == nil && len(start) <= maxDrain {
		r.resp.Body = io.NopCloser(bytes.NewReader(start))
		return
	}
	r.resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(start), cutOff{}))
}

// drop is for a response that nobody gets, and nobody waits for.
func (r *received) drop() {
	if r != nil && r.release != nil {
		go r.drain()
	}
}

// cutOff is what follows the part of a body that was read.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// heldBody calls release when the body is closed, or read to its end.
func heldBody(body io.ReadCloser, release func()) io.ReadCloser {
	held := &held{ReadCloser: body, release: release}
	if writer, ok := body.(io.Writer); ok {
		// A connection that was upgraded is written to as well.
		return &heldWriter{held, writer}
	}
	return held
}

type held struct {
	io.ReadCloser
	release func()
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if err != nil {
		h.release()
	}
	return n, err
}

func (h *held) Close() error {
	defer h.release()
	return h.ReadCloser.Close()
}

type heldWriter struct {
	*held
	io.Writer
}

func methodOf(method string) Method {
	switch strings.ToUpper(method) {
	case "", http.MethodGet:
		return MethodGet
	case http.MethodHead:
		return MethodHead
	case http.MethodOptions:
		return MethodOptions
	case http.MethodTrace:
		return MethodTrace
	case http.MethodPut:
		return MethodPut
	case http.MethodDelete:
		return MethodDelete
	case http.MethodPost:
		return MethodPost
	case http.MethodPatch:
		return MethodPatch
	}
	return MethodOther
}

// isIdempotent tells whether a method is by its definition (RFC 9110, 9.2.2).
func isIdempotent(method Method) bool {
	return method != MethodPost && method != MethodPatch && method != MethodOther
}

func hasIdempotencyKey(req *http.Request) bool {
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}

// retryAfter is for how long a server wants to be left alone (RFC 9110, 10.2.3): seconds, or a date,
// taken from the response's own Date, or else from now. 0 if it does not say, a nanosecond for at
// once.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return max(time.Duration(min(seconds, 1<<31))*time.Second, 1)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 1)
}
