package rego

// #include <rego.h>
import "C"

import (
	"context"
	"math"
	"time"
	"unsafe"
)

// end is what the engine is told of an attempt's end: facts, or what follows.
type end struct {
	facts   Completion
	outcome Outcome
	decided bool
}

// endOf is how an attempt ended: as the operation said, or the classifier, or its error.
func endOf[T any](o *callOptions, a *attemptContext, value T, err error) end {
	if said := a.said.Load(); said != nil {
		return end(*said)
	}
	if o.classify != nil {
		return classified(o.classify, boxed(value), err)
	}
	if err == nil {
		return end{}
	}
	return end{facts: CompletionOf(err)}
}

func classified(classify Classifier, value any, err error) (e end) {
	// What panics here is not the operation: the attempt failed, and that is all there is to say.
	e = end{outcome: Outcome{Kind: NonRetryable}, decided: true}
	defer func() { _ = recover() }()
	return end{facts: classify(value, err)}
}

// tell tells the engine of an attempt's end. False if it knows nothing of the attempt.
func tell(eng *engine, a *attemptContext, e *end, step *C.rego_step) bool {
	now := C.rego_time(eng.now())
	var s C.rego_status
	if e.decided {
		s = tellOutcome(eng, a, &e.outcome, now, step)
	} else {
		s = tellFacts(eng, a, &e.facts, now, step)
		if s != C.REGO_STATUS_OK && s != C.REGO_STATUS_STALE {
			// Facts that are none, such as an HTTP status of 70,000, are a failure of some kind.
			s = tellFacts(eng, a, &Completion{Kind: KindApp}, now, step)
		}
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
	return C.rego_attempt_finish(eng.c, C.rego_attempt(a.id), now, &c, step)
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
func (e *engine) cancelIfGone(ctx context.Context, id C.rego_call, by *end, step *C.rego_step) bool {
	err := ctx.Err()
	if err == nil {
		return false
	}
	if at, ok := ctx.Deadline(); ok && err == context.DeadlineExceeded && e.now() >= e.engineTime(at) {
		return false
	}
	C.rego_call_cancel(e.c, id)
	if by.decided || by.facts.Kind != KindCancelled {
		return false
	}
	return C.rego_call_poll(e.c, id, C.rego_time(e.now()), step) == C.REGO_STATUS_OK
}
