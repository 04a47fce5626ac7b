package rego

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// race is a flight with what its attempts run and return.
type race[T any, O operation[T]] struct {
	flight
	op O
	// Results that nobody has taken yet; guarded by mu.
	results []landing[T]
	// Room for the first of them.
	first [1]landing[T]
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

// call calls an operation, whichever way it leaves.
func (l *landing[T]) call(ctx context.Context, op func(context.Context) (T, error)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil {
			l.thrown = &thrown{value: value, stack: debug.Stack()}
		} else {
			l.thrown = &thrown{exited: true}
		}
	}()
	l.value, l.err = op(ctx)
	returned = true
}

// fly runs a call that has begun and whose next attempt is the first action of its step.
func fly[T any, O operation[T]](c *call, op O, earlier []result[T]) (T, error) {
	if c.site != nil && !c.site.flew.Load() {
		c.site.flew.Store(true)
	}
	f := &race[T, O]{
		flight: flight{
			ctx: c.ctx, exec: c.exec, eng: c.eng, key: c.key, opts: c.opts, id: c.id,
			bell: make(chan struct{}, 1), wakeAt: never,
		},
		op: op,
	}
	f.runner, f.live, f.results = f, f.few[:0], f.first[:0]
	landed := false
	defer func() {
		if !landed {
			f.abandon()
			results := f.take()
			for i := range results {
				// What ended this goroutine is not lost.
				if l := &results[i]; l.thrown == nil || !l.thrown.exited {
					l.lost(f.exec, f.opts)
				}
			}
		}
	}()
	for _, r := range earlier {
		f.results = append(f.results, landing[T]{result: r})
	}
	f.act(c.step)
	f.drive()
	landed = true

	c.done = f.ended
	return f.answer(c, f.take())
}

// take takes the results that there are.
func (f *race[T, O]) take() []landing[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	results := f.results
	f.results = nil
	return results
}

// answer is what the call returns, of the results there were when it was done. A panic goes on here,
// unless another attempt has answered the call.
func (f *race[T, O]) answer(c *call, landings []landing[T]) (T, error) {
	var few [2]result[T]
	results := few[:0]
	var panicked *landing[T]
	for i := range landings {
		l := &landings[i]
		switch {
		case l.thrown == nil:
			c.note(l.from.number, l.err)
			results = append(results, l.result)
		case c.done.verdict == VerdictSuccess || panicked != nil && !l.answers(c):
			l.lost(f.exec, f.opts)
		default:
			if panicked != nil {
				panicked.lost(f.exec, f.opts)
			}
			panicked = l
		}
	}
	if panicked != nil {
		discardAll(c, results)
		panicked.thrown.goOn()
	}
	return answerOf(c, results)
}

// attempt runs one attempt, to its end, whichever way the operation leaves, or those leave who know
// the facts.
func (f *race[T, O]) attempt(a *attemptContext) {
	l := landing[T]{result: result[T]{from: a}}
	e := end{facts: Completion{Kind: KindPanic}}
	defer f.land(a, &l, &e)
	f.call(a, &l)
	if l.thrown == nil {
		e = unjudged
		var told end
		endOf(f.exec, f.opts, a, l.value, l.err, &told)
		e = told
	}
}

// call calls the operation, and ends the attempt's context, unless it is held.
func (f *race[T, O]) call(a *attemptContext, l *landing[T]) {
	defer a.returned()
	l.call(a, f.op.call)
}

// land tells what became of an attempt.
func (f *race[T, O]) land(a *attemptContext, l *landing[T], e *end) {
	f.mu.Lock()
	// What panics in the caller's goroutine finds the caller there, also after the end.
	late := f.done && (l.thrown == nil || f.current != a)
	if !late {
		// Before the engine hears of it: whoever is told that this answers the call will look.
		f.results = append(f.results, *l)
	}
	f.forget(a)
	if f.current == a {
		f.current = nil
	}
	f.mu.Unlock()
	step := newStep()
	if l.err != nil && f.eng.cancelIfGone(f.ctx, f.key, f.id, e, &step) {
		f.act(&step)
	}
	if !tell(f.eng, a, e, &step) {
		f.gone(a)
	} else {
		f.act(&step)
	}
	if late {
		l.lost(f.exec, f.opts)
	} else if l.thrown == nil && f.opts.provisional != nil && !f.isDone() {
		f.opts.provisional(l.value)
	}
}

// lost is for what became of an attempt, where nobody gets it.
func (l *landing[T]) lost(exec *Executor, o *callOptions) {
	if l.thrown == nil {
		l.drop(exec, o)
		return
	}
	if l.thrown.exited {
		l.thrown.value = "runtime.Goexit"
	}
	exec.reportFrom("an attempt panicked whose call has ended without it", l.from.key.text,
		l.thrown.value, l.thrown.stack, slog.Int("attempt", int(l.from.number)))
}

// goOn goes on in this goroutine with what the operation did in its own.
func (t *thrown) goOn() {
	if t.exited {
		runtime.Goexit()
	}
	panic(t.value)
}
