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
	"slices"
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
}

// site is what this side remembers of a key of an engine. No code of the user's runs while one of its
// locks is held.
type site struct {
	number uint64
	// On what terms its first attempts are made, once somebody has asked.
	standing atomic.Pointer[standing]
	// Calls of it that could give attempts up were made.
	flew atomic.Bool
	// Several for each goroutine that can run at once, as it is left to chance who takes which, and a
	// power of two; each is made when it is needed.
	pockets []atomic.Pointer[pocket]
	// Something is in a pocket; somebody is telling of it; and who does has the turn.
	some, telling atomic.Bool
	turn          sync.Mutex
	// Guards what is below, and the change of terms.
	mu sync.Mutex
	// How many calls in the air the engine was told of.
	told int64
}

// pocket has what calls left that worked and were not told yet, and counts calls. One whose pocket is
// in use at the moment takes the next.
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

func newSite(number C.rego_key) *site {
	most := uint(min(4*runtime.GOMAXPROCS(0), maxPockets))
	return &site{number: uint64(number), pockets: make([]atomic.Pointer[pocket], 1<<bits.Len(most-1))}
}

// standing is the terms of a key, as of now.
func (e *engine) standing(s *site, now uint64) *standing {
	if st := s.standing.Load(); st != nil && atomic.LoadUint64(st.current) == st.edition {
		return st
	}
	return e.ask(s, now)
}

// ask asks the engine for the terms of a key.
func (e *engine) ask(s *site, now uint64) *standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	var told C.rego_standing
	told.struct_size = C.uint32_t(unsafe.Sizeof(told))
	if C.rego_key_standing(e.c, C.rego_key(s.number), C.rego_time(now), &told) != C.REGO_STATUS_OK {
		return &standing{}
	}
	st := &standing{
		edition: uint64(told.edition),
		current: (*uint64)(unsafe.Pointer(told.current)),
		granted: told.flags&C.REGO_STANDING_GRANTED != 0,
		attempt: uint64(told.attempt_timeout),
		overall: uint64(told.overall_timeout),
	}
	if told.flags&C.REGO_STANDING_SHARED != 0 {
		// Before any call is made on these terms.
		e.share(s)
	}
	s.standing.Store(st)
	return st
}

// share puts a site among those that may pay into budgets of others.
func (e *engine) share(s *site) {
	e.sharing.Lock()
	defer e.sharing.Unlock()
	var all []*site
	if known := e.shared.Load(); known != nil {
		all = *known
	}
	if !slices.Contains(all, s) {
		all = append(slices.Clone(all), s)
		e.shared.Store(&all)
	}
}

// pocket is a goroutine's, which is told by where its stack lies.
func (s *site) pocket(c *call) *pocket {
	at := uint64(uintptr(unsafe.Pointer(c))>>11) * 0x9e37_79b9_7f4a_7c15
	return s.pocketAt(int(at >> 32))
}

func (s *site) pocketAt(nth int) *pocket {
	place := &s.pockets[nth&(len(s.pockets)-1)]
	if p := place.Load(); p != nil {
		return p
	}
	place.CompareAndSwap(nil, &pocket{})
	return place.Load()
}

// stand lets the first attempt of a call be made on standing terms, if there are any and it is in
// time. until is the deadline of the caller.
func (c *call) stand(now, until uint64) bool {
	if c.site == nil || c.keep || c.opts.detached {
		return false
	}
	st := c.eng.standing(c.site, now)
	if !st.granted {
		return false
	}
	deadline := min(until, after(now, st.overall))
	if now >= deadline {
		return false
	}
	c.pocket, c.edition, c.started, c.deadline = c.site.pocket(c), st.edition, now, deadline
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
	for next := 1; !p.mu.TryLock(); next++ {
		if next > len(c.site.pockets) {
			p.mu.Lock()
			break
		}
		p = c.site.pocketAt(next)
	}
	p.ended++
	if p.n == 0 {
		p.since = now
		p.some.Store(true)
		if !c.site.some.Load() {
			c.site.some.Store(true)
		}
	}
	p.lengths[p.n] = now - min(c.started, now)
	p.n++
	if p.n == pocketful || now > after(p.since, settleAfter) {
		c.eng.tellSettled(c.site.number, now, p.lengths[:p.n], 0)
		p.empty()
	}
	p.mu.Unlock()
	c.done = outcome{verdict: VerdictSuccess, attempts: 1, answer: 1}
	return true
}

// empty is for a pocket of which all was told, or will be before the turn of who does is over; mu is
// held.
func (p *pocket) empty() {
	p.n = 0
	p.some.Store(false)
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

// tellSettled tells of calls of a key that are over, and how many more are in the air.
func (e *engine) tellSettled(number, now uint64, lengths []uint64, inFlight int32) {
	C.crossing_settle(e.address(), C.rego_key(number), C.rego_time(now), C.int32_t(inFlight),
		(*C.uint64_t)(unsafe.SliceData(lengths)), C.size_t(len(lengths)))
	runtime.KeepAlive(e)
}

// settle is before anything is told of a call of a key by which a budget may be drawn from: it tells of
// all calls that have worked so far and may have paid into that. So what is drawn is what would be if
// each call had begun first. And the engine hears how many calls are in the air, if the key's attempts
// could have been given up: how many of those there may be hangs on it.
func (e *engine) settle(k *key) {
	if s := e.site(k); s != nil {
		s.settle(e)
		if s.flew.Load() {
			s.tellInFlight(e)
		}
	}
	if shared := e.shared.Load(); shared != nil {
		for _, s := range *shared {
			s.settle(e)
		}
	}
}

// settle tells of all calls of the site that have worked so far, or waits for whoever is doing so.
func (s *site) settle(e *engine) {
	// In this order: who has taken something says before that it is telling.
	if !s.some.Load() && !s.telling.Load() {
		return
	}
	// The clock may be the user's: it is read before anything is half done.
	now := e.now()
	s.turn.Lock()
	defer s.turn.Unlock()
	s.telling.Store(true)
	// Before the pockets are looked at: what comes later sets it again.
	s.some.Store(false)
	var all [4 * pocketful]uint64
	n := 0
	for i := range s.pockets {
		p := s.pockets[i].Load()
		if p == nil || !p.some.Load() {
			continue
		}
		p.mu.Lock()
		n += copy(all[n:], p.lengths[:p.n])
		p.empty()
		p.mu.Unlock()
		if n > len(all)-pocketful {
			e.tellSettled(s.number, now, all[:n], 0)
			n = 0
		}
	}
	if n > 0 {
		e.tellSettled(s.number, now, all[:n], 0)
	}
	s.telling.Store(false)
}

// settleAll tells of all calls that have worked so far, how many are in the air, and what time it is.
func (e *engine) settleAll() {
	e.tellTime()
	e.sites.Range(func(_, known any) bool {
		s := known.(*site)
		s.settle(e)
		s.tellInFlight(e)
		return true
	})
}

func (s *site) tellInFlight(e *engine) {
	now := e.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var more int64
	for i := range s.pockets {
		if p := s.pockets[i].Load(); p != nil {
			p.mu.Lock()
			more += p.began.Load() - p.ended
			p.mu.Unlock()
		}
	}
	if change := int32(more - s.told); change != 0 {
		s.told = more
		e.tellSettled(s.number, now, nil, change)
	}
}

// tellTime tells the engine what time it is, before it does what it is not told the time of: it has the
// latest that it was told.
func (e *engine) tellTime() {
	e.tellSettled(uint64(e.other), e.now(), nil, 0)
}
