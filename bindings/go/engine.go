package rego

// #cgo noescape rego_attempt_finish_as
// #cgo nocallback rego_attempt_finish_as
// #cgo noescape rego_attempt_reject
// #cgo nocallback rego_attempt_reject
// #cgo noescape rego_call_poll
// #cgo nocallback rego_call_poll
// #cgo nocallback rego_call_cancel
// #cgo nocallback rego_call_let_go
// #include <rego.h>
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// engine is one engine of the library and what this side needs to know of it. It is released when
// nothing reaches it any more: the executor that was not closed, calls, attempts that still run.
type engine struct {
	c *C.rego_engine
	// What the engine's time counts from.
	base time.Time
	// Nil for the system's.
	clock Clock
	// Sites by the text of their keys: at most as many as the engine tells apart, further ones are
	// asked for again. And by the places of their keys, for those that have one.
	sites     sync.Map
	siteCount atomic.Int64
	maxKeys   int64
	placed    [maxParsed / len(shelf{})]atomic.Pointer[shelf]
	// The number of the key that others share for which there is no room.
	other C.rego_key
	// Sites that may pay into budgets of others. Only ever more; changed by who holds the lock.
	shared  atomic.Pointer[[]*site]
	sharing sync.Mutex
}

// shelf is a part of a table that is made when it is needed.
type shelf [256]atomic.Pointer[site]

const (
	never       = uint64(C.REGO_TIME_NEVER)
	defaultKeys = 1024
)

// The library's answer where it did not do what it was asked.
type status C.rego_status

const statusOK = status(C.REGO_STATUS_OK)

func (s status) Error() string {
	return "rego: " + C.GoString(C.rego_status_name(C.int32_t(s)))
}

func newEngine(o *executorOptions) (*engine, error) {
	e := &engine{clock: o.clock, maxKeys: defaultKeys}
	if o.maxKeys != 0 {
		e.maxKeys = int64(o.maxKeys)
	}
	// A second before now, so that no time is 0.
	e.base = e.clockNow().Add(-time.Second)

	var options C.rego_options
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	options.abi_version = C.REGO_ABI_VERSION
	options.seed = C.uint64_t(o.seed)
	options.now = C.rego_time(e.now())
	options.max_live_calls = C.uint32_t(o.maxLiveCalls)
	options.max_keys = C.uint32_t(o.maxKeys)
	options.max_events = C.uint32_t(o.maxEvents)
	why := newError()
	if s := status(C.rego_engine_new(&options, &e.c, &why)); s != statusOK {
		return nil, fmt.Errorf("rego: no engine: %w", explained(s, &why))
	}
	if s := status(C.rego_key_intern(e.c, borrowed(otherKey.text), &e.other)); s != statusOK {
		C.rego_engine_release(e.c)
		return nil, fmt.Errorf("rego: no engine: %w", s)
	}
	runtime.AddCleanup(e, func(c *C.rego_engine) { C.rego_engine_release(c) }, e.c)
	return e, nil
}

func (e *engine) load(text string) error {
	// What has worked so far did so on the terms of before.
	e.settleAll()
	why := newError()
	s := status(C.rego_engine_load_policies(e.c, borrowed(text), &why))
	runtime.KeepAlive(e)
	if s != statusOK {
		return &PolicyError{Message: explained(s, &why).Error()}
	}
	return nil
}

// now is the time as the engine counts it: nanoseconds since its base.
func (e *engine) now() uint64 {
	if e.clock == nil {
		return uint64(time.Since(e.base))
	}
	return uint64(max(e.clock.Now().Sub(e.base), 1))
}

func (e *engine) clockNow() time.Time {
	if e.clock == nil {
		return time.Now()
	}
	return e.clock.Now()
}

// timeOf is a time of the engine as one of Go; the zero time for never.
func (e *engine) timeOf(at uint64) time.Time {
	if at >= 1<<63 {
		return time.Time{}
	}
	return e.base.Add(time.Duration(at))
}

// engineTime is a time of Go as one of the engine: 1 if it is before the engine's beginning.
func (e *engine) engineTime(t time.Time) uint64 {
	return uint64(max(t.Sub(e.base), 1))
}

func (e *engine) afterFunc(wait time.Duration, f func()) Timer {
	if e.clock == nil {
		return time.AfterFunc(wait, f)
	}
	return e.clock.AfterFunc(wait, f)
}

// site is what this side remembers of a key; nil if that is nothing.
func (e *engine) site(k *key) *site {
	if k.place > 0 {
		if shelf := e.placed[(k.place-1)/256].Load(); shelf != nil {
			if s := shelf[(k.place-1)%256].Load(); s != nil {
				return s
			}
		}
	}
	known, ok := e.sites.Load(k.text)
	if !ok {
		return nil
	}
	s := known.(*site)
	e.put(k, s)
	return s
}

// put puts a site where its key finds it at once.
func (e *engine) put(k *key, s *site) {
	if k.place == 0 {
		return
	}
	place := &e.placed[(k.place-1)/256]
	if place.Load() == nil {
		place.CompareAndSwap(nil, new(shelf))
	}
	place.Load()[(k.place-1)%256].Store(s)
}

// intern asks for the engine's number of a key, and remembers it.
func (e *engine) intern(k *key) C.rego_key {
	full := e.siteCount.Load() >= e.maxKeys
	if !full {
		e.tellTime()
	}
	var number C.rego_key
	s := status(C.rego_key_intern(e.c, borrowed(k.text), &number))
	if s != statusOK {
		// Parsed as the engine parses, so only a defect leads here: 0 is stale, and passes through.
		return 0
	}
	if full && number == e.other {
		return number
	}
	// Others may have been faster: what calls leave is in one place.
	known, loaded := e.sites.LoadOrStore(k.text, newSite(number))
	if !loaded && number != e.other {
		e.siteCount.Add(1)
	}
	e.put(k, known.(*site))
	return number
}

func (e *engine) metrics() (string, error) {
	e.settleAll()
	for size := 4096; ; {
		buffer := make([]byte, size)
		var n C.size_t
		s := status(C.rego_metrics_write(e.c, (*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(size), &n))
		runtime.KeepAlive(e)
		if s != statusOK {
			return "", s
		}
		if int(n) < size {
			return string(buffer[:n]), nil
		}
		size = int(n) + int(n)/4 + 1
	}
}

func newError() (why C.rego_error) {
	why.struct_size = C.uint32_t(unsafe.Sizeof(why))
	return why
}

func explained(s status, why *C.rego_error) error {
	if text := C.GoString(&why.message[0]); text != "" {
		return errors.New(text)
	}
	return s
}

// borrowed is text for the duration of one call of the library.
func borrowed(text string) C.rego_str {
	return C.rego_str{ptr: (*C.char)(unsafe.Pointer(unsafe.StringData(text))), len: C.size_t(len(text))}
}

// Version returns the version of the library, such as "0.1.0".
func Version() string {
	return C.GoString(C.rego_version())
}
