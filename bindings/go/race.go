package rego

// #include <rego.h>
import "C"

import (
	"context"
	"fmt"
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
	var e end
	if l.thrown == nil {
		endOf(f.opts, a, l.value, l.err, &e)
	} else {
		e.facts.Kind = KindPanic
	}
	f.mu.Lock()
	late := f.done
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
		f.opts.drop(boxed(l.value), l.err)
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
