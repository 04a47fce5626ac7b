package rego

// #include <rego.h>
import "C"

import (
	"context"
	"runtime"
	"time"
)

// call is one call of the engine, driven by one goroutine at a time: what [run] has on its stack.
type call struct {
	ctx  context.Context
	exec *Executor
	eng  *engine
	key  *key
	opts *callOptions
	keep bool
	id   C.rego_call
	// What the engine said last; nil before it has said anything.
	step *C.rego_step
	done outcome
	// What is remembered of the key, if anything is.
	site *site
	// Not nil while the call has not begun, as its first attempt is made on standing terms. Then there
	// is which these are, when it was started, when it must be over, and when the call must be.
	pocket                           *pocket
	edition, started, over, deadline uint64
	// What attempts returned, and when the call began, for those who keep it.
	errs  []failed
	began time.Time
}

// outcome is how a call ended.
type outcome struct {
	verdict  Verdict
	attempts uint32
	// The number of the attempt whose result is the call's, counted from 1; 0 if there is none.
	answer     uint64
	retryAfter uint64
	// An attempt was given up at its own timeout.
	timedOut bool
}

// result is what an attempt returned.
type result[T any] struct {
	from  *attemptContext
	value T
	err   error
}

// answers tells whether a result is the call's.
func (r *result[T]) answers(c *call) bool {
	return uint64(r.from.number)+1 == c.done.answer
}

// drop lets go of a result that nobody gets, and of the context that may be held for it.
func (r *result[T]) drop(exec *Executor, o *callOptions) {
	if o.discard != nil {
		o.drop(exec, r.from.key, boxed(r.value), r.err)
	}
	r.from.lost()
}

// run is the call, whichever way it goes.
func run[T any, O operation[T]](ctx context.Context, exec *Executor, key Key, op O, opts []CallOption, tl *Timeline) (T, error) {
	// Field by field: a literal would be made elsewhere, and copied.
	var c call
	c.ctx, c.exec, c.key, c.opts, c.keep = ctx, exec, key.site(), &exec.call, tl != nil
	if len(opts) > 0 {
		c.opts = withOptions(exec.call, opts)
	}
	if tl != nil {
		return record[T](&c, op, tl)
	}
	value, err := drive[T](&c, op)
	c.leaveStep()
	return value, err
}

// record drives a call whose timeline somebody wants. However this goroutine leaves, the engine is
// to let go of it.
func record[T any, O operation[T]](c *call, op O, tl *Timeline) (T, error) {
	c.began = time.Now()
	defer c.readTimeline(tl)
	return drive[T](c, op)
}

// drive begins the call and runs its attempts: in this goroutine, unless they may overlap.
func drive[T any, O operation[T]](c *call, op O) (T, error) {
	if err := c.begin(); err != nil {
		var zero T
		return zero, err
	}
	if c.eng == nil {
		return passThrough[T](c, op)
	}
	var earlier []result[T]
	for c.next() {
		if c.mayOverlap() {
			return fly(c, op, earlier)
		}
		a := c.launch(0)
		var e end
		value, err := attempt[T](c, a, op, earlier, &e)
		c.note(a.number, err)
		if c.finish(a, &e, err) {
			if c.done.answer == uint64(a.number)+1 || c.done.answer == 0 {
				discardAll(c, earlier)
				return value, c.conclude(err, c.done.answer != 0)
			}
			earlier = append(earlier, result[T]{a, value, err})
			return answerOf(c, earlier)
		}
		earlier = append(earlier, result[T]{a, value, err})
		if c.opts.provisional != nil {
			c.opts.provisional(value)
		}
	}
	return answerOf(c, earlier)
}

// attempt calls the operation, and asks for the facts of its end. Where one of them does not return,
// because it panics or ends its goroutine, the call ends all the same, and that goes on.
func attempt[T any, O operation[T]](c *call, a *attemptContext, op O, earlier []result[T], e *end) (value T, err error) {
	returned, told := false, false
	defer func() {
		if !told {
			c.abandon(a)
			discardAll(c, earlier)
			if returned {
				discardAll(c, []result[T]{{a, value, err}})
			}
		}
	}()
	value, err = op.call(a)
	returned = true
	a.returned()
	endOf(c.exec, c.opts, a, value, err, e)
	told = true
	return value, err
}

// answerOf is what the call returns, once it is done, of the results there are.
func answerOf[T any](c *call, results []result[T]) (value T, err error) {
	found := false
	for _, r := range results {
		if r.answers(c) {
			value, err, found = r.value, r.err, true
		} else {
			r.drop(c.exec, c.opts)
		}
	}
	return value, c.conclude(err, found)
}

func discardAll[T any](c *call, results []result[T]) {
	for _, r := range results {
		r.drop(c.exec, c.opts)
	}
}

func withOptions(defaults callOptions, opts []CallOption) *callOptions {
	for _, opt := range opts {
		if opt != nil {
			opt.applyCall(&defaults)
		}
	}
	return &defaults
}

// next brings the call to its next attempt, whose start is the step's first action then, through
// the wait before it. False if the call is done.
func (c *call) next() bool {
	if c.pocket != nil {
		return true
	}
	for {
		for i := range min(int(c.step.n_actions), len(c.step.actions)) {
			action := &c.step.actions[i]
			switch action.kind {
			case actionStart:
				if i > 0 {
					c.step.actions[0] = *action
				}
				return true
			case actionDone:
				c.end(action)
				return false
			}
		}
		if c.step.flags == 0 {
			c.wait(uint64(c.step.wake_at))
		}
		if !c.eng.poll(c.key, c.id, c.step) {
			c.lost()
			return false
		}
	}
}

// wait waits for a time, or for the end of the context, which cancels the call.
func (c *call) wait(at uint64) {
	if at == never {
		// There is always the call's deadline: without it nothing would ever come.
		at = c.eng.now()
	}
	over := false
	defer func() {
		// The clock and the context are the caller's.
		if !over {
			c.giveUp()
		}
	}()
	woken := make(chan struct{})
	timer := c.eng.afterFunc(c.eng.until(at), func() { close(woken) })
	defer timer.Stop()
	select {
	case <-woken:
	case <-c.ctx.Done():
		c.eng.cancelIfGone(c.ctx, c.key, c.id, &end{}, c.step)
	}
	over = true
}

// mayOverlap tells whether the attempt about to start may have to share its time with another.
func (c *call) mayOverlap() bool {
	return c.pocket == nil && (c.opts.detached || c.step.wake_at < c.step.actions[0].deadline)
}

// launch makes the context of the attempt that an action of the step starts, or that standing terms
// do.
func (c *call) launch(nth int) *attemptContext {
	if c.pocket != nil {
		return &attemptContext{parent: c.ctx, eng: c.eng, key: c.key, deadline: c.over, liftable: c.opts.liftable}
	}
	return newAttempt(c.ctx, c.eng, c.key, c.opts, &c.step.actions[nth])
}

func newAttempt(ctx context.Context, eng *engine, k *key, o *callOptions, start *C.rego_action) *attemptContext {
	return &attemptContext{
		parent:     ctx,
		eng:        eng,
		key:        k,
		id:         uint64(start.attempt),
		deadline:   uint64(start.deadline),
		number:     uint32(start.number),
		retryIndex: uint8(start.retry_index),
		hedgeIndex: uint8(start.hedge_index),
		liftable:   o.liftable,
	}
}

// finish tells the engine of an attempt's end, and whether the call is done by it.
func (c *call) finish(a *attemptContext, e *end, err error) bool {
	if c.pocket != nil && c.worked(e) {
		return true
	}
	if c.pocket != nil && !c.beginLate(a) {
		return c.lostBy(a)
	}
	if err != nil && c.eng.cancelIfGone(c.ctx, c.key, c.id, e, c.step) && c.isDone() {
		late := newStep()
		tell(c.eng, a, e, &late)
		return true
	}
	if !tell(c.eng, a, e, c.step) {
		return c.lostBy(a)
	}
	return c.isDone()
}

// isDone tells whether the step ends the call.
func (c *call) isDone() bool {
	for i := range min(int(c.step.n_actions), len(c.step.actions)) {
		if action := &c.step.actions[i]; action.kind == actionDone {
			c.end(action)
			return true
		}
	}
	return false
}

// abandon finishes an attempt that does not return, and with it the call.
func (c *call) abandon(a *attemptContext) {
	a.returned()
	if c.pocket != nil && !c.beginLate(a) {
		return
	}
	tell(c.eng, a, &end{facts: Completion{Kind: KindPanic}}, c.step)
	c.giveUp()
}

// giveUp ends a call that this goroutine does not drive on.
func (c *call) giveUp() {
	if c.eng.cancel(c.id) {
		c.eng.poll(c.key, c.id, c.step)
	}
	runtime.KeepAlive(c.eng)
}

func (c *call) end(action *C.rego_action) {
	c.done = outcome{
		verdict:    Verdict(action.reason),
		attempts:   uint32(action.number),
		answer:     uint64(action.result),
		retryAfter: uint64(action.retry_after),
	}
	runtime.KeepAlive(c.eng)
}

// lost is for a call that the engine does not know any more, as after a fork.
func (c *call) lost() {
	c.done = outcome{verdict: VerdictPassThrough}
}

// lostBy is lost, and what the attempt returned is the call's: it is done.
func (c *call) lostBy(a *attemptContext) bool {
	c.lost()
	c.done.answer = uint64(a.number) + 1
	return true
}

// conclude is the error of a call that is done.
func (c *call) conclude(last error, answered bool) error {
	if c.done.verdict == VerdictSuccess || answered && last == nil && c.done.verdict != VerdictCancelled {
		return last
	}
	if last == nil && c.done.timedOut {
		last = DeadlinePassed
	}
	e := &Error{
		Key:        c.key.public(),
		Verdict:    c.done.verdict,
		Attempts:   int(c.done.attempts),
		RetryAfter: durationOf(c.done.retryAfter),
		Last:       last,
	}
	e.Cause, e.ended = endOfCaller(c.ctx, c.done.verdict == VerdictDeadlineExceeded)
	return e
}
