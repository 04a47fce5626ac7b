package rego

// #include <rego.h>
import "C"

import (
	"context"
	"math"
	"time"
	"unsafe"
)

// end is what the engine is told of an attempt's end: facts, or what follows, or that it was none.
type end struct {
	facts   Completion
	outcome Outcome
	decided bool
	// It worked, and there is nothing more to tell.
	plain bool
	// There was nothing to send: a hedge is skipped then, and a retry leaves the call with the
	// results it has.
	unsent bool
}

// endOf tells how an attempt ended: as the operation said, or the classifier, or its error. e says
// that it worked.
func endOf[T any](exec *Executor, o *callOptions, a *attemptContext, value T, err error, e *end) {
	if said := a.said.Load(); said != nil {
		*e = *said
	} else if o.classify != nil {
		*e = judge(exec, a, o.classify, boxed(value), err)
	} else if err != nil {
		*e = judge(exec, a, ofError, nil, err)
	} else {
		e.plain = true
	}
}

// unjudged is the end of an attempt about which those who should know the facts did not come to a
// word: it has failed, past mending.
var unjudged = end{outcome: Outcome{Kind: NonRetryable}, decided: true}

func ofError(_ any, err error) Completion { return CompletionOf(err) }

// judge asks for the facts of an attempt's end. A classifier is not the operation, nor are the
// methods of an error: what panics there is logged, and the attempt keeps what it returned.
func judge(exec *Executor, a *attemptContext, classify Classifier, value any, err error) (e end) {
	e = unjudged
	defer func() {
		if panicked := recover(); panicked != nil {
			exec.report("telling the facts of an attempt's end panicked", a.key.text, panicked)
		}
	}()
	return end{facts: classify(value, err)}
}

// tell tells the engine of an attempt's end. False if it knows nothing of the attempt.
func tell(eng *engine, a *attemptContext, e *end, step *C.rego_step) bool {
	if !e.plain {
		eng.settle(a.key)
	}
	now := C.rego_time(eng.now())
	var s C.rego_status
	switch {
	case e.unsent:
		s = C.rego_attempt_reject(eng.c, C.rego_attempt(a.id), now, step)
	case e.decided:
		s = tellOutcome(eng, a, &e.outcome, now, step)
	default:
		s = tellFacts(eng, a, &e.facts, now, step)
	}
	if s != C.REGO_STATUS_OK && s != C.REGO_STATUS_STALE {
		// Facts that are none, such as an HTTP status of 70,000, are a failure of some kind. The
		// attempt is still to be finished.
		s = tellFacts(eng, a, &Completion{Kind: KindApp}, now, step)
	}
	return s == C.REGO_STATUS_OK
}

func tellFacts(eng *engine, a *attemptContext, facts *Completion, now C.rego_time, step *C.rego_step) C.rego_status {
	var c C.rego_completion
	c.struct_size = C.uint32_t(unsafe.Sizeof(c))
	c.kind = C.uint32_t(facts.Kind)
	c.code = C.int32_t(facts.Code)
	c.method = C.uint32_t(facts.Method)
	if facts.NotSent {
		c.flags |= C.REGO_COMPLETION_NOT_SENT
	}
	if facts.IdempotencyKey {
		c.flags |= C.REGO_COMPLETION_IDEMPOTENCY_KEY
	}
	if facts.DoNotRetry {
		c.flags |= C.REGO_COMPLETION_DO_NOT_RETRY
	}
	c.retry_after = C.uint64_t(max(facts.RetryAfter, 0))
	c.result = C.uint64_t(a.number) + 1
	return eng.finish(a.id, now, &c, step)
}

func tellOutcome(eng *engine, a *attemptContext, outcome *Outcome, now C.rego_time, step *C.rego_step) C.rego_status {
	var c C.rego_outcome
	c.struct_size = C.uint32_t(unsafe.Sizeof(c))
	c.kind = C.uint32_t(outcome.Kind)
	c.failure = C.uint32_t(outcome.Failure)
	c.backoff = C.uint64_t(max(outcome.Backoff, 0))
	c.result = C.uint64_t(a.number) + 1
	return C.rego_attempt_finish_as(eng.c, C.rego_attempt(a.id), now, &c, step)
}

// maxLateEnd is how long a context whose deadline has passed is waited for: its timer is due, and no
// other than a machine that is very busy, or a context that does not keep its word, holds it up.
const maxLateEnd = 100 * time.Millisecond

// endOfCaller is why the caller's context has ended, nil if it has not, and its error. The engine
// may know of a deadline a moment before the context's own timer does: then that is waited for, as
// nobody else can tell the cause.
func endOfCaller(ctx context.Context, timedOut bool) (cause, err error) {
	if ctx.Err() == nil && timedOut {
		if at, ok := ctx.Deadline(); ok && time.Until(at) <= 0 {
			timer := time.NewTimer(maxLateEnd)
			defer timer.Stop()
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			if ctx.Err() == nil {
				return context.DeadlineExceeded, context.DeadlineExceeded
			}
		}
	}
	return context.Cause(ctx), ctx.Err()
}

// until is how long it is until a time of the engine.
func (e *engine) until(at uint64) time.Duration {
	now := e.now()
	return durationOf(at - min(at, now))
}

func durationOf(nanos uint64) time.Duration {
	return time.Duration(min(nanos, math.MaxInt64))
}

// cancelIfGone cancels a call whose caller's context has ended; but for a deadline, which the call
// has itself. Where the attempt's end is the cancel's doing, the call must hear of the cancel first:
// true if it has, by a poll into step.
func (e *engine) cancelIfGone(ctx context.Context, k *key, id C.rego_call, by *end, step *C.rego_step) bool {
	err := ctx.Err()
	if err == nil {
		return false
	}
	if at, ok := ctx.Deadline(); ok && err == context.DeadlineExceeded && e.now() >= e.engineTime(at) {
		return false
	}
	e.cancel(id)
	if by.decided || by.facts.Kind != KindCancelled {
		return false
	}
	return e.poll(k, id, step)
}

// poll says what time it is, and asks what there is to do. False if the engine knows nothing of the
// call.
func (e *engine) poll(k *key, id C.rego_call, step *C.rego_step) bool {
	e.settle(k)
	return C.rego_call_poll(e.c, id, C.rego_time(e.now()), step) == C.REGO_STATUS_OK
}

// cancel asks for the end of a call; the next poll tells what follows. False if the engine knows
// nothing of the call.
func (e *engine) cancel(id C.rego_call) bool {
	return C.rego_call_cancel(e.c, id) == C.REGO_STATUS_OK
}

// The actions of a step.
const (
	actionStart  = C.REGO_ACTION_START
	actionCancel = C.REGO_ACTION_CANCEL
	actionDone   = C.REGO_ACTION_DONE
)
