package rego

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// How much of a response that nobody gets is read, so that its connection can be used again.
	maxDrain = 64 << 10
	// And for how long.
	maxDrainTime = 100 * time.Millisecond
)

// received is the response of one attempt. Its body belongs to whoever claims it: to those who drain
// it, to the user's discard, to the caller, who keeps it.
type received struct {
	x    *exchange
	resp *http.Response
	// It came past the engine, and is nobody's but the caller's.
	plain bool
	// Ends the attempt's context.
	release func()

	// Not held while anybody reads.
	mu sync.Mutex
	// Nil while the body is nobody's; closed when it has been drained.
	over chan struct{}
	// Those who want what was drained do not wait for it any more.
	gaveUp bool
}

// claim takes the body, if nobody has. Nil has none.
func (r *received) claim() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over != nil {
		return false
	}
	r.over = make(chan struct{})
	return true
}

// wait waits for those who drain the body, a little longer than they wait for it.
func (r *received) wait() {
	timer := time.NewTimer(2 * maxDrainTime)
	defer timer.Stop()
	select {
	case <-r.over:
	case <-timer.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gaveUp = true
	}
}

// response is what the caller gets: with a body that ends the attempt's context when it is closed.
func (r *received) response() *http.Response {
	if r.plain {
		return r.resp
	}
	r.resp.Request = r.x.req
	if r.claim() {
		r.resp.Body = heldBody(r.resp.Body, r.release)
	} else {
		r.wait()
	}
	return r.resp
}

// settle drains for one who may still ask for it, and waits. What the body's methods do is no end of
// this goroutine.
func (r *received) settle() {
	if r.claim() {
		go r.drain()
		r.wait()
	}
}

// drop drains for nobody, who does not wait.
func (r *received) drop() {
	if r.claim() {
		go r.drain()
	}
}

// drain reads a body that was claimed, as far as that is worth it, and lets the connection go.
func (r *received) drain() {
	defer close(r.over)
	body := r.resp.Body
	r.put(cutOff{})
	var once sync.Once
	letGo := func() {
		once.Do(func() {
			r.release()
			r.close(body)
		})
	}
	defer letGo()
	defer time.AfterFunc(maxDrainTime, letGo).Stop()
	start, err := r.read(body)
	if err == nil && len(start) <= maxDrain {
		r.put(bytes.NewReader(start))
	} else {
		r.put(io.MultiReader(bytes.NewReader(start), cutOff{}))
	}
}

// put makes what was read the body.
func (r *received) put(body io.Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.gaveUp {
		r.resp.Body = io.NopCloser(body)
	}
}

// read reads the beginning of a body. One that panics breaks off.
func (r *received) read(body io.Reader) (start []byte, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = io.ErrUnexpectedEOF
			r.x.exec.report("the body of a response panicked", r.x.site.String(), panicked)
		}
	}()
	return io.ReadAll(io.LimitReader(body, maxDrain+1))
}

func (r *received) close(body io.Closer) {
	defer func() {
		if panicked := recover(); panicked != nil {
			r.x.exec.report("the body of a response panicked", r.x.site.String(), panicked)
		}
	}()
	_ = body.Close()
}

// cutOff is what follows the part of a body that was read.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// heldBody calls release when the body is closed, or read to its end.
func heldBody(body io.ReadCloser, release func()) io.ReadCloser {
	held := &heldReader{ReadCloser: body, release: release}
	if writer, ok := body.(io.Writer); ok {
		// A connection that was upgraded is written to as well.
		return &heldWriter{held, writer}
	}
	return held
}

type heldReader struct {
	io.ReadCloser
	release func()
}

func (h *heldReader) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if err != nil {
		h.release()
	}
	return n, err
}

func (h *heldReader) Close() error {
	defer h.release()
	return h.ReadCloser.Close()
}

type heldWriter struct {
	*heldReader
	io.Writer
}
