package rego

// #include <rego.h>
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"
)

// flight is a call whose attempts may overlap: several goroutines bring news of it. Any of them may
// be told by the engine what to do next, for itself and for the others; and some news are told to
// another goroutine than the one that brought them (REGO_STEP_ELSEWHERE). So actions are carried
// out by whoever gets them, and what they concern lies here.
//
// It outlives the call where attempts do that lost.
type flight struct {
	ctx    context.Context
	exec   *Executor
	eng    *engine
	key    *key
	opts   *callOptions
	id     C.rego_call
	runner interface{ attempt(*attemptContext) }
	// Told when there is something for the caller's goroutine: room for one.
	bell chan struct{}

	mu sync.Mutex
	// The attempts that may still be cancelled.
	live []*attemptContext
	// A primary attempt that the caller's goroutine is to run.
	next *attemptContext
	// The one that it is running.
	current *attemptContext
	done    bool
	ended   outcome
	// The caller's goroutine has ended before the call.
	orphan bool
	// Wakes at wakeAt, unless that is never.
	timer  Timer
	wakeAt uint64
}

// race is a flight with what its attempts run and return.
type race[T any, O operation[T]] struct {
	flight
	op O
	// Results that nobody has taken yet; guarded by mu.
	results []landing[T]
}

// landing is what became of an attempt.
type landing[T any] struct {
	result[T]
	// Not nil if it did not return.
	thrown *thrown
}

// thrown is how an operation left other than by returning.
type thrown struct {
	value any
	// It ended its goroutine: there is no value.
	exited bool
	stack  []byte
}

// fly runs a call that has begun and whose next attempt is the first action of its step.
func fly[T any, O operation[T]](c *call, op O, earlier []result[T]) (T, error) {
	f := &race[T, O]{
		flight: flight{
			ctx: c.ctx, exec: c.exec, eng: c.eng, key: c.key, opts: c.opts, id: c.id,
			bell: make(chan struct{}, 1), wakeAt: never,
		},
		op: op,
	}
	f.runner = f
	landed := false
	defer func() {
		if !landed {
			f.abandon(c.keep)
		}
	}()
	for _, r := range earlier {
		f.results = append(f.results, landing[T]{result: r})
	}
	f.act(&c.step)
	f.drive()
	landed = true

	f.mu.Lock()
	c.done = f.ended
	results := f.results
	f.results = nil
	f.mu.Unlock()
	return f.answer(c, results)
}

// answer is what the call returns, of the results there were when it was done.
func (f *race[T, O]) answer(c *call, landings []landing[T]) (T, error) {
	var results []result[T]
	var last *thrown
	for _, l := range landings {
		if l.thrown == nil {
			c.note(l.number, l.err)
			results = append(results, l.result)
			continue
		}
		if c.done.verdict == VerdictPanicked && (last == nil || uint64(l.number)+1 == c.done.answer) {
			last = l.thrown
			continue
		}
		f.lost(l)
	}
	if last != nil {
		discardAll(f.opts, results)
		if c.keep {
			C.rego_call_end(f.eng.c, f.id)
		}
		last.goOn()
	}
	return answerOf(c, results)
}

// attempt runs one attempt, to its end, whichever way the operation leaves.
func (f *race[T, O]) attempt(a *attemptContext) {
	l := landing[T]{result: result[T]{number: a.number}, thrown: &thrown{exited: true}}
	defer f.land(a, &l)
	f.call(a, &l)
}

// call calls the operation. What is set aside for one that ends its goroutine is taken back where
// it does not.
func (f *race[T, O]) call(a *attemptContext, l *landing[T]) {
	defer func() {
		if l.thrown == nil {
			return
		}
		if value := recover(); value != nil {
			*l.thrown = thrown{value: value, stack: debug.Stack()}
		}
	}()
	l.value, l.err = f.op.call(a)
	l.thrown = nil
}

// land tells what became of an attempt.
func (f *race[T, O]) land(a *attemptContext, l *landing[T]) {
	a.returned()
	e := end{facts: Completion{Kind: KindPanic}}
	if l.thrown == nil {
		e = endOf(f.opts, a, l.value, l.err)
	}
	f.mu.Lock()
	late := f.done
	if !late {
		// Before the engine hears of it: whoever is told that this answers the call will look.
		f.results = append(f.results, *l)
	}
	f.forget(a)
	f.mu.Unlock()
	step := newStep()
	if l.err != nil && f.eng.cancelIfGone(f.ctx, f.id, &e, &step) {
		f.act(&step)
	}
	if !tell(f.eng, a, &e, &step) {
		f.gone(a)
	} else {
		f.act(&step)
	}
	if late {
		f.lost(*l)
	} else if l.thrown == nil && f.opts.provisional != nil && !f.isDone() {
		f.opts.provisional(l.value)
	}
}

// lost is for a result that nobody gets.
func (f *race[T, O]) lost(l landing[T]) {
	if l.thrown == nil {
		if f.opts.discard != nil {
			f.opts.discard(boxed(l.value), l.err)
		}
		return
	}
	f.exec.log().LogAttrs(context.Background(), slog.LevelError, "an attempt panicked whose call others answered",
		slog.String("key", f.key.text), slog.Int("attempt", int(l.number)),
		slog.String("panic", l.thrown.String()), slog.String("stack", string(l.thrown.stack)))
}

func (t *thrown) String() string {
	if t.exited {
		return "runtime.Goexit"
	}
	return fmt.Sprint(t.value)
}

// goOn goes on in this goroutine with what the operation did in its own.
func (t *thrown) goOn() {
	if t.exited {
		runtime.Goexit()
	}
	panic(t.value)
}

// drive is the caller's goroutine, until the call is done: it runs the primary attempts, one after
// the other, and waits.
func (f *flight) drive() {
	callerDone := f.ctx.Done()
	for {
		f.mu.Lock()
		next, done := f.next, f.done
		f.next = nil
		if !done {
			f.current = next
		}
		f.mu.Unlock()
		switch {
		case done && next != nil:
			f.settle(next)
		case done:
			return
		case next != nil:
			f.runner.attempt(next)
		default:
			select {
			case <-f.bell:
			case <-callerDone:
				callerDone = nil
				step := newStep()
				f.eng.cancelIfGone(f.ctx, f.id, &end{}, &step)
				f.poll()
			}
		}
	}
}

// settle finishes an attempt that is not to run any more.
func (f *flight) settle(a *attemptContext) {
	step := newStep()
	tell(f.eng, a, &end{facts: Completion{Kind: KindCancelled}}, &step)
	a.end()
	runtime.KeepAlive(f)
}

// act carries out what a step says, and what follows from polling if that is not all.
func (f *flight) act(step *C.rego_step) {
	for {
		f.carryOut(step)
		if step.flags&C.REGO_STEP_MORE == 0 {
			return
		}
		if C.rego_call_poll(f.eng.c, f.id, C.rego_time(f.eng.now()), step) != C.REGO_STATUS_OK {
			return
		}
	}
}

func (f *flight) carryOut(step *C.rego_step) {
	// At most one each for every action.
	var starts, cancels [C.REGO_MAX_ACTIONS]*attemptContext
	var reasons [C.REGO_MAX_ACTIONS]CancelReason
	nStarts, nCancels := 0, 0

	f.mu.Lock()
	for i := range min(int(step.n_actions), len(step.actions)) {
		action := &step.actions[i]
		switch action.kind {
		case C.REGO_ACTION_START:
			a := newAttempt(f.ctx, f.eng, f.key, f.opts, action)
			f.live = append(f.live, a)
			if f.forCaller(a) {
				f.next = a
				f.ring()
			} else {
				starts[nStarts] = a
				nStarts++
			}
		case C.REGO_ACTION_CANCEL:
			if a := f.find(uint64(action.attempt)); a != nil {
				f.forget(a)
				cancels[nCancels], reasons[nCancels] = a, CancelReason(action.reason)
				nCancels++
			}
		case C.REGO_ACTION_DONE:
			f.finished(outcome{
				verdict:    Verdict(action.reason),
				attempts:   uint32(action.number),
				answer:     uint64(action.result),
				retryAfter: uint64(action.retry_after),
			})
		}
	}
	f.arm(uint64(step.wake_at))
	f.mu.Unlock()

	for i, a := range cancels[:nCancels] {
		a.cancel(f.cause(reasons[i]))
	}
	for _, a := range starts[:nStarts] {
		go f.runner.attempt(a)
	}
}

// forCaller tells whether the caller's goroutine is to run an attempt; mu is held.
func (f *flight) forCaller(a *attemptContext) bool {
	return !f.opts.detached && a.hedgeIndex == 0 && f.current == nil && f.next == nil && !f.done
}

// finished ends the call; mu is held.
func (f *flight) finished(with outcome) {
	if f.done {
		return
	}
	f.done, f.ended = true, with
	if f.timer != nil {
		f.timer.Stop()
	}
	f.ring()
	if f.orphan {
		C.rego_call_end(f.eng.c, f.id)
	}
}

func (f *flight) isDone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// abandon is for a call whose caller's goroutine ends before it: nobody waits for it any more.
func (f *flight) abandon(kept bool) {
	f.mu.Lock()
	f.orphan = kept
	if kept && f.done {
		C.rego_call_end(f.eng.c, f.id)
	}
	f.mu.Unlock()
	C.rego_call_cancel(f.eng.c, f.id)
	f.poll()
}

// gone is for a call that the engine does not know any more, as after a fork: this attempt answers.
func (f *flight) gone(a *attemptContext) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished(outcome{verdict: VerdictPassThrough, answer: uint64(a.number) + 1})
}

func (f *flight) ring() {
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// arm makes sure that the engine is polled at a time, or before; mu is held.
func (f *flight) arm(at uint64) {
	if f.done || at >= f.wakeAt {
		return
	}
	f.wakeAt = at
	wait := f.eng.until(at)
	if f.timer == nil {
		f.timer = f.eng.afterFunc(wait, f.tick)
	} else {
		f.timer.Reset(wait)
	}
}

// tick is the timer's goroutine.
func (f *flight) tick() {
	f.mu.Lock()
	f.wakeAt = never
	done := f.done
	f.mu.Unlock()
	if !done {
		f.poll()
	}
}

func (f *flight) poll() {
	step := newStep()
	if C.rego_call_poll(f.eng.c, f.id, C.rego_time(f.eng.now()), &step) == C.REGO_STATUS_OK {
		f.act(&step)
	}
}

func (f *flight) cause(reason CancelReason) error {
	if cause := context.Cause(f.ctx); cause != nil {
		return cause
	}
	if reason == DeadlinePassed {
		return context.DeadlineExceeded
	}
	return reason
}

// find is the attempt of an id, if it may still be cancelled; mu is held.
func (f *flight) find(id uint64) *attemptContext {
	for _, a := range f.live {
		if a.id == id {
			return a
		}
	}
	return nil
}

// forget takes an attempt out of those that may be cancelled; mu is held.
func (f *flight) forget(a *attemptContext) {
	if f.current == a {
		f.current = nil
	}
	for i, live := range f.live {
		if live == a {
			f.live[i] = f.live[len(f.live)-1]
			f.live = f.live[:len(f.live)-1]
			return
		}
	}
}

func newStep() (step C.rego_step) {
	step.struct_size = C.uint32_t(unsafe.Sizeof(step))
	return step
}

var _ Timer = (*time.Timer)(nil)
