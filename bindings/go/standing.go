package rego

// A call whose first attempt works at once leaves a latency and a deposit, and nothing else. So it is
// not begun at all: its attempt is made on terms that the engine gives in advance, and what it leaves
// is told later, with that of others. Where the attempt does not work, the call begins in retrospect,
// at the time at which it began, and goes on as any; see rego_key_standing.

// #cgo noescape crossing_settle
// #cgo nocallback crossing_settle
// #cgo noescape rego_key_standing
// #cgo nocallback rego_key_standing
// #include <rego.h>
//
// static void crossing_settle(uintptr_t engine, rego_key key, rego_time now, int32_t in_flight,
//                             const uint64_t *lengths, size_t n_lengths) {
//   rego_settlement calls = REGO_SETTLEMENT_INIT;
//   calls.now = now;
//   calls.in_flight = in_flight;
//   calls.lengths = lengths;
//   calls.n_lengths = n_lengths;
//   (void)!rego_key_settle((rego_engine *)engine, key, &calls);
// }
import "C"

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// standing is on what terms first attempts of a key are made.
type standing struct {
	edition uint64
	// The edition in force: a word of the library's, there for as long as the engine.
	current *uint64
	granted bool
	// How long an attempt may run, and how long a call may take.
	attempt, overall uint64
	// Those of the key. There are some if it was ever granted: several for each goroutine that can
	// run at once, as it is left to chance who takes which, and a power of two.
	pockets []pocket
}

// pocket has what calls left that worked and were not told yet, and counts calls. Goroutines are
// spread over the pockets of a key; one whose pocket is in use at the moment takes the next.
type pocket struct {
	began atomic.Int64
	// Something is here: set and reset with mu held.
	some atomic.Bool
	// Guards what is below.
	mu    sync.Mutex
	ended int64
	// When the first of those that are here ended.
	since uint64
	n     int
	_     [16]byte
	// How long calls took: n of them.
	lengths [pocketful]uint64
}

const (
	// How many calls a pocket has before they are told …
	pocketful = 32
	// … or the time after which the next one brings it about.
	settleAfter = uint64(10 * time.Millisecond)
	maxPockets  = 64
)

// unsettled is the keys that have something in their pockets.
type unsettled struct {
	some atomic.Bool
	mu   sync.Mutex
	keys []*seenKey
}

func (u *unsettled) add(k *seenKey) {
	if k.unsettled.Swap(true) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keys = append(u.keys, k)
	u.some.Store(true)
}

func (u *unsettled) take() []*seenKey {
	u.mu.Lock()
	defer u.mu.Unlock()
	keys := u.keys
	u.keys = nil
	u.some.Store(false)
	return keys
}

// standing is the terms of a key, as of now.
func (e *engine) standing(k *seenKey, now uint64) *standing {
	if st := k.standing.Load(); st != nil && atomic.LoadUint64(st.current) == st.edition {
		return st
	}
	return e.ask(k, now)
}

// ask asks the engine for the terms of a key.
func (e *engine) ask(k *seenKey, now uint64) *standing {
	k.mu.Lock()
	defer k.mu.Unlock()
	var told C.rego_standing
	told.struct_size = C.uint32_t(unsafe.Sizeof(told))
	if C.rego_key_standing(e.c, C.rego_key(k.number), C.rego_time(now), &told) != C.REGO_STATUS_OK {
		return &standing{}
	}
	st := &standing{
		edition: uint64(told.edition),
		current: (*uint64)(unsafe.Pointer(told.current)),
		granted: told.flags&C.REGO_STANDING_GRANTED != 0,
		attempt: uint64(told.attempt_timeout),
		overall: uint64(told.overall_timeout),
	}
	if st.granted && k.pockets == nil {
		most := uint(min(4*runtime.GOMAXPROCS(0), maxPockets))
		k.pockets = make([]pocket, 1<<bits.Len(most-1))
	}
	st.pockets = k.pockets
	k.standing.Store(st)
	return st
}

// pocket is a goroutine's, which is told by where its stack lies.
func (st *standing) pocket(c *call) *pocket {
	at := uint64(uintptr(unsafe.Pointer(c))>>11) * 0x9e37_79b9_7f4a_7c15
	return &st.pockets[int(at>>32)&(len(st.pockets)-1)]
}

// stand lets the first attempt of a call be made on standing terms, if there are any and it is in
// time. until is the deadline of the caller.
func (c *call) stand(now, until uint64) bool {
	if c.seen == nil || c.keep || c.opts.detached {
		return false
	}
	st := c.eng.standing(c.seen, now)
	if !st.granted {
		return false
	}
	deadline := min(until, after(now, st.overall))
	if now >= deadline {
		return false
	}
	c.standing, c.pocket, c.started, c.deadline = st, st.pocket(c), now, deadline
	c.pocket.began.Add(1)
	c.over = min(deadline, after(now, st.attempt))
	return true
}

func after(now, wait uint64) uint64 {
	if wait > never-now {
		return never
	}
	return now + wait
}

// worked ends a call that was made on standing terms, if its attempt worked in the call's time.
func (c *call) worked(e *end) bool {
	if !e.plain {
		return false
	}
	now := c.eng.now()
	if now >= c.deadline {
		return false
	}
	p := c.pocket
	for tried := 1; !p.mu.TryLock(); tried++ {
		if tried >= len(c.standing.pockets) {
			p.mu.Lock()
			break
		}
		p = c.standing.next(p)
	}
	p.ended++
	if p.n == 0 {
		p.since = now
		p.some.Store(true)
		c.eng.unsettled.add(c.seen)
	}
	p.lengths[p.n] = now - min(c.started, now)
	p.n++
	if p.n == pocketful || now > after(p.since, settleAfter) {
		p.settle(c.eng, c.seen, now)
	}
	p.mu.Unlock()
	c.done = outcome{verdict: VerdictSuccess, attempts: 1, answer: 1}
	return true
}

func (st *standing) next(p *pocket) *pocket {
	at := (uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(&st.pockets[0]))) / unsafe.Sizeof(*p)
	return &st.pockets[(int(at)+1)&(len(st.pockets)-1)]
}

// beginLate begins a call in retrospect whose first attempt was made on standing terms, and is over.
// False if the engine does not take it.
func (c *call) beginLate(a *attemptContext) bool {
	p := c.pocket
	c.pocket = nil
	p.mu.Lock()
	p.ended++
	p.mu.Unlock()
	if c.beginAt(c.started) != C.REGO_STATUS_OK || c.step.n_actions == 0 || c.step.actions[0].kind != actionStart {
		return false
	}
	a.id = uint64(c.step.actions[0].attempt)
	return true
}

// settle tells of what is in a pocket; mu is held.
func (p *pocket) settle(e *engine, k *seenKey, now uint64) {
	C.crossing_settle(e.address(), C.rego_key(k.number), C.rego_time(now), 0, (*C.uint64_t)(&p.lengths[0]), C.size_t(p.n))
	p.n = 0
	p.some.Store(false)
	runtime.KeepAlive(e)
}

// settle tells of all calls that have worked so far, on whatever key: before anything is told by which
// a budget may be drawn from. So what is drawn is what would be if each call had begun first.
func (e *engine) settle() {
	if !e.unsettled.some.Load() {
		return
	}
	for _, k := range e.unsettled.take() {
		// Before its pockets are looked at: what comes later brings it here again.
		k.unsettled.Store(false)
		e.settleKey(k)
	}
}

func (e *engine) settleKey(k *seenKey) {
	pockets := k.standing.Load().pockets
	for i := range pockets {
		p := &pockets[i]
		if !p.some.Load() {
			continue
		}
		p.mu.Lock()
		if p.n > 0 {
			p.settle(e, k, e.now())
		}
		p.mu.Unlock()
	}
}

// settleAll tells of all calls that have worked so far, how many are in the air, and what time it is.
func (e *engine) settleAll() {
	e.tellTime()
	e.settle()
	e.keys.Range(func(_, known any) bool {
		e.tellInFlight(known.(*seenKey))
		return true
	})
}

func (e *engine) tellInFlight(k *seenKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var more int64
	for i := range k.pockets {
		p := &k.pockets[i]
		p.mu.Lock()
		more += p.began.Load() - p.ended
		p.mu.Unlock()
	}
	if change := C.int32_t(more - k.told); change != 0 {
		k.told = more
		C.crossing_settle(e.address(), C.rego_key(k.number), C.rego_time(e.now()), change, nil, 0)
		runtime.KeepAlive(e)
	}
}

// tellTime tells the engine what time it is, before it does what it is not told the time of: it has the
// latest that it was told.
func (e *engine) tellTime() {
	C.crossing_settle(e.address(), e.other, C.rego_time(e.now()), 0, nil, 0)
	runtime.KeepAlive(e)
}
