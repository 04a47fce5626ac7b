package rego

// #include <rego.h>
import "C"

import (
	"context"
	"runtime"
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
	// Room for a primary and a hedge.
	few [2]*attemptContext
	// A primary attempt that the caller's goroutine is to run.
	next *attemptContext
	// The one that it is running.
	current *attemptContext
	// An attempt was given up at its timeout, while the call went on.
	timedOut bool
	done     bool
	ended    outcome
	// Wakes at wakeAt, unless that is never.
	timer  Timer
	wakeAt uint64
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
				f.eng.cancelIfGone(f.ctx, f.key, f.id, &end{}, &step)
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
		if !f.eng.poll(f.key, f.id, step) {
			return
		}
	}
}

func (f *flight) carryOut(step *C.rego_step) {
	var do errands
	f.take(step, &do)
	for i, a := range do.cancels[:do.nCancels] {
		f.stop(a, do.reasons[i])
	}
	for _, a := range do.starts[:do.nStarts] {
		if do.late {
			f.settle(a)
		} else {
			go f.runner.attempt(a)
		}
	}
}

// errands are what is to be done for a step, at most one each for every action.
type errands struct {
	starts, cancels   [C.REGO_MAX_ACTIONS]*attemptContext
	reasons           [C.REGO_MAX_ACTIONS]CancelReason
	nStarts, nCancels int
	// The call is over: what is to start is not to run.
	late bool
}

// take takes in a step. Its lock goes however it leaves: the clock is the user's, and may panic.
func (f *flight) take(step *C.rego_step, do *errands) {
	f.mu.Lock()
	defer f.mu.Unlock()
	timedOut := false
	for i := range min(int(step.n_actions), len(step.actions)) {
		action := &step.actions[i]
		switch action.kind {
		case actionStart:
			a := newAttempt(f.ctx, f.eng, f.key, f.opts, action)
			if f.forCaller(a) {
				f.live = append(f.live, a)
				f.next = a
				f.ring()
				continue
			}
			if !f.done {
				f.live = append(f.live, a)
			}
			do.starts[do.nStarts] = a
			do.nStarts++
		case actionCancel:
			if a := f.find(uint64(action.attempt)); a != nil {
				f.forget(a)
				reason := CancelReason(action.reason)
				do.cancels[do.nCancels], do.reasons[do.nCancels] = a, reason
				timedOut = timedOut || reason == DeadlinePassed
				do.nCancels++
			}
		case actionDone:
			// It comes last. With the call's own deadline, no attempt's timeout has passed.
			f.timedOut = f.timedOut || timedOut && Verdict(action.reason) != VerdictDeadlineExceeded
			timedOut = false
			f.finished(outcome{
				verdict:    Verdict(action.reason),
				attempts:   uint32(action.number),
				answer:     uint64(action.result),
				retryAfter: uint64(action.retry_after),
			})
		}
	}
	f.timedOut = f.timedOut || timedOut
	// Another goroutine may have been told of the end, and of the cancel of what is started here.
	do.late = f.done
	f.arm(uint64(step.wake_at))
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
	f.ended.timedOut = f.timedOut
	if f.timer != nil {
		f.timer.Stop()
	}
	f.ring()
}

func (f *flight) isDone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// abandon is for a call whose caller's goroutine ends before it: nobody waits for it any more.
func (f *flight) abandon() {
	f.eng.cancel(f.id)
	f.poll()
	f.mu.Lock()
	next := f.next
	f.next = nil
	f.mu.Unlock()
	if next != nil {
		f.settle(next)
	}
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
	if f.eng.poll(f.key, f.id, &step) {
		f.act(&step)
	}
}

// stop ends the context of an attempt. Where the caller's has ended, that has done so already, with
// its own cause and error.
func (f *flight) stop(a *attemptContext, reason CancelReason) {
	cause, err := endOfCaller(f.ctx, reason == DeadlinePassed)
	switch {
	case f.ctx.Err() != nil:
		return
	case err == nil && reason == DeadlinePassed:
		cause = context.DeadlineExceeded
	case err == nil:
		cause = reason
	}
	a.cancel(cause)
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
