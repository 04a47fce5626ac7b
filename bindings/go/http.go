package rego

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
// A request whose body cannot be sent again, because it has no GetBody, is sent once, whatever the
// policy and [WithIdempotent] say: it is not hedged, and its facts say not to retry it. Requests
// made by http.NewRequest from bytes.Buffer, bytes.Reader or strings.Reader have one.
//
// The last response is returned whatever its status, as every RoundTripper does. Responses that
// nobody gets are read on for at most 64 KiB and 100 ms, in the background, and closed, so that their
// connections can be used again.
// The body of the one that is returned may be read for as long as the request's context lasts: no
// timeout of the policy cuts it short, nor does the end of the attempts that lost. It must be closed,
// as any. What came back when its attempt's time was up is no response: it is closed, and the
// attempt has timed out.
//
// Bound a request by its context: what http.Client.Timeout ends comes back as an error of net/http's own,
// without the [*Error].
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
	// Asked for every call, besides, after those of the executor. Their value is the *http.Response,
	// a nil one if there is none. A [WithClassifier] is asked first; where it says no more than
	// [CompletionOf] does, the facts are the transport's, and to its own are added the method, the
	// Idempotency-Key, Retry-After where it says none, and that a body cannot be sent again. A
	// [WithDiscard] is told of it; the body ends, and is closed, within the bounds told above.
	Options []CallOption
}

// RoundTrip sends a request. An error is an [*Error], which wraps that of the last attempt; or
// that of the base, of a request whose context belongs to an attempt already.
func (rt *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, nested := AttemptFromContext(req.Context()); nested {
		return rt.base().RoundTrip(req)
	}
	x := &exchange{
		base:       rt.base(),
		exec:       rt.Executor,
		req:        req,
		method:     methodOf(req.Method),
		key:        hasIdempotencyKey(req),
		replayable: req.Body == nil || req.Body == http.NoBody || req.GetBody != nil,
	}
	if x.exec == nil {
		x.exec = theDefault()
	}
	defer x.closeUnsent()
	x.site = rt.keyOf(req)
	opts := append(make([]CallOption, 0, len(rt.Options)+1), rt.Options...)
	got, err := DoValueWith(req.Context(), x.exec, x.site, x.send, append(opts, callOption(x.options))...)
	if err != nil {
		if got != nil {
			x.drop(got, nil)
		}
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
	if req.URL == nil {
		// Which the base refuses.
		return Key{}
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
	exec       *Executor
	site       Key
	req        *http.Request
	method     Method
	key        bool
	replayable bool
	// The user's own, which are asked besides.
	classify Classifier
	discard  func(value any, err error)

	mu sync.Mutex
	// The request's own body is used up by the first attempt, which is told here.
	sent bool
}

// options are applied last: they take in what the user has asked for.
func (x *exchange) options(o *callOptions) {
	x.classify, x.discard = o.classify, o.discard
	o.classify, o.discard = nil, func(value any, err error) { x.drop(value.(*received), err) }
	o.provisional = func(value any) { value.(*received).settle() }
	o.liftable = true
	if !x.replayable || o.idempotent == unsaid && !x.key && !isIdempotent(x.method) {
		WithIdempotent(false).applyCall(o)
	}
}

// drop is for a response that nobody gets, and nobody waits for. The user has a say, and what is read
// of it within bounds.
func (x *exchange) drop(got *received, err error) {
	var resp *http.Response
	if got != nil {
		resp = got.resp
	}
	got.drop()
	user := callOptions{discard: x.discard}
	user.drop(x.exec, x.site.site(), resp, err)
}

// send is one attempt.
func (x *exchange) send(ctx context.Context) (*received, error) {
	attempt, ok := AttemptFromContext(ctx)
	if !ok {
		// Past the engine: the request as it is.
		if !x.take() {
			return nil, context.Cause(ctx) // The caller has left already.
		}
		resp, err := x.roundTrip(x.req)
		if err != nil {
			return nil, err
		}
		return &received{x: x, resp: resp, plain: true, release: func() {}}, nil
	}
	req, err := x.request(ctx)
	if err != nil {
		if attempt.IsHedge() || !x.replayable {
			attempt.c.said.Store(&end{unsent: true})
		} else {
			attempt.Decide(Outcome{Kind: NonRetryable})
		}
		return nil, err
	}
	resp, err := x.roundTrip(req)
	if err != nil {
		return nil, x.tell(ctx, attempt, nil, err)
	}
	got := &received{x: x, resp: resp, release: attempt.c.end}
	if !attempt.c.keep() {
		// Its time was up, or the race was over, before it came.
		got.close(resp.Body)
		<-ctx.Done()
		return nil, x.tell(ctx, attempt, nil, context.Canceled)
	}
	told := false
	defer func() {
		if !told {
			got.drop()
		}
	}()
	_ = x.tell(ctx, attempt, resp, nil)
	told = true
	return got, nil
}

// roundTrip sends a request. As of http.Client, what the base returns is looked at.
func (x *exchange) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := x.base.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, fmt.Errorf("rego: the RoundTripper %T returned neither a response nor an error", x.base)
	case resp.Body == nil && resp.ContentLength > 0 && req.Method != http.MethodHead:
		return nil, fmt.Errorf("rego: the RoundTripper %T returned a response of %d bytes without a body", x.base, resp.ContentLength)
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// tell tells how an attempt ended, and returns its error: where its context ended, the reason for
// that.
func (x *exchange) tell(ctx context.Context, attempt Attempt, resp *http.Response, failed error) (err error) {
	err = failed
	e := judge(x.exec, attempt.c, func(any, error) Completion {
		var facts Completion
		if resp != nil {
			facts = HTTP(resp.StatusCode)
			facts.RetryAfter = retryAfter(resp.Header, time.Now())
		} else {
			facts, err = ofFailure(ctx, failed)
		}
		return x.facts(facts, resp, err)
	}, nil, nil)
	attempt.c.said.Store(&e)
	return err
}

// ofFailure are the facts of a request that failed, and why it did.
func ofFailure(ctx context.Context, err error) (Completion, error) {
	facts := CompletionOf(err)
	cause := context.Cause(ctx)
	if cause == nil || !errors.Is(err, context.Canceled) {
		return facts, err
	}
	// Its own context ended: that is why.
	if errors.Is(cause, context.DeadlineExceeded) {
		facts = Completion{Kind: KindTimeout}
	}
	return facts, cause
}

// facts are the transport's facts or the user's, with what is known of the request.
func (x *exchange) facts(facts Completion, resp *http.Response, err error) Completion {
	if x.classify != nil {
		if theirs := x.classify(resp, err); theirs != CompletionOf(err) {
			if theirs.RetryAfter == 0 {
				theirs.RetryAfter = facts.RetryAfter
			}
			facts = theirs
		}
	}
	if facts.Method == MethodNone {
		facts.Method = x.method
	}
	facts.IdempotencyKey = facts.IdempotencyKey || x.key
	facts.DoNotRetry = facts.DoNotRetry || !x.replayable
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
