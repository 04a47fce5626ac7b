package rego

import (
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

// received is the response of one attempt, and its body's whereabouts.
type received struct {
	x    *exchange
	resp *http.Response
	// It came past the engine, and is nobody's but the caller's.
	plain bool
	// Ends the attempt's context.
	release func()

	mu sync.Mutex
	// The body, once it is read ahead.
	spool *spool
}

// response is what the caller gets: with a body that ends the attempt's context when it is closed.
func (r *received) response() *http.Response {
	if r.plain {
		return r.resp
	}
	r.resp.Request = r.x.req
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool == nil {
		r.resp.Body = heldBody(r.resp.Body, r.release)
	}
	return r.resp
}

// settle is for a response that somebody may still ask for, while the call goes on: what is on its
// way is read ahead, so that its connection can be used again. Nobody waits for that.
func (r *received) settle() {
	if r != nil {
		r.ahead()
	}
}

// drop is for one that nobody gets.
func (r *received) drop() {
	if r != nil {
		r.ahead().forNobody()
	}
}

func (r *received) ahead() *spool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool == nil {
		r.spool = newSpool(r)
		r.resp.Body = r.spool
		go r.spool.readAhead()
	}
	return r.spool
}

// close closes a body. One that panics has closed.
func (r *received) close(body io.Closer) {
	defer r.contain()
	_ = body.Close()
}

// contain is to be deferred where a body's methods are called by a goroutine of nobody's.
func (r *received) contain() {
	if panicked := recover(); panicked != nil {
		r.x.exec.report("the body of a response panicked", r.x.site.String(), panicked)
	}
}

// spool is a body of which the beginning is read ahead, into memory: all of it, if that is at most
// maxDrain, and its connection is let go then. Whoever gets the body reads what there is, and then
// the rest, which nothing cuts short.
type spool struct {
	of   *received
	body io.ReadCloser
	once sync.Once

	mu sync.Mutex
	// Rings when there is more to read, or nobody reads ahead any more.
	more sync.Cond
	// What was read ahead, and how that ended: what follows is the reader's then.
	start []byte
	over  bool
	err   error
	// Somebody reads it, and goes on by himself.
	handed bool
	// Nobody wants it.
	nobodys bool
}

func newSpool(of *received) *spool {
	s := &spool{of: of, body: of.resp.Body}
	s.more.L = &s.mu
	return s
}

// readAhead reads the beginning.
func (s *spool) readAhead() {
	err := io.ErrUnexpectedEOF
	defer func() { s.leave(err) }()
	defer s.of.contain()
	buffer := make([]byte, 4<<10)
	for {
		n, failed := s.body.Read(buffer)
		if s.take(buffer[:n]) || failed != nil {
			err = failed
			return
		}
	}
}

// take takes in what was read. Whether that is enough.
func (s *spool) take(read []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = append(s.start, read...)
	s.more.Broadcast()
	return s.handed || len(s.start) > maxDrain
}

// leave ends the reading ahead. The connection goes where there is no more to read, or nobody to.
func (s *spool) leave(err error) {
	s.mu.Lock()
	s.over, s.err = true, err
	done := s.nobodys || err != nil
	s.more.Broadcast()
	s.mu.Unlock()
	if done {
		s.letGo()
	}
}

// forNobody leaves it to those who read ahead, for a while.
func (s *spool) forNobody() {
	s.mu.Lock()
	s.nobodys = true
	over := s.over
	s.mu.Unlock()
	if over {
		s.letGo()
	} else {
		time.AfterFunc(maxDrainTime, s.letGo)
	}
}

func (s *spool) letGo() {
	s.once.Do(func() {
		s.of.release()
		s.of.close(s.body)
	})
}

func (s *spool) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = true
	for len(s.start) == 0 && !s.over {
		s.more.Wait()
	}
	if len(s.start) > 0 {
		n := copy(p, s.start)
		s.start = s.start[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.readOn(p)
	s.err = err
	return n, err
}

// readOn reads what follows.
func (s *spool) readOn(p []byte) (n int, err error) {
	s.mu.Unlock()
	defer s.mu.Lock()
	n, err = s.body.Read(p)
	if err != nil {
		s.letGo()
	}
	return n, err
}

// Close ends what reads ahead as well.
func (s *spool) Close() error {
	s.letGo()
	return nil
}

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
