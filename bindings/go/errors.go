package rego

// #include <rego.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Verdict is how a call ended and why. In the order of precedence: where several hold at once, the
// first is told.
type Verdict uint32

// The verdicts: the closed list.
const (
	VerdictSuccess             = Verdict(C.REGO_VERDICT_SUCCESS)
	VerdictCancelled           = Verdict(C.REGO_VERDICT_CANCELLED)
	VerdictShutdown            = Verdict(C.REGO_VERDICT_SHUTDOWN)
	VerdictDeadlineExceeded    = Verdict(C.REGO_VERDICT_DEADLINE_EXCEEDED)
	VerdictNonRetryable        = Verdict(C.REGO_VERDICT_NON_RETRYABLE)
	VerdictAborted             = Verdict(C.REGO_VERDICT_ABORTED)
	VerdictPanicked            = Verdict(C.REGO_VERDICT_PANICKED)
	VerdictRetryAfterTooLong   = Verdict(C.REGO_VERDICT_RETRY_AFTER_EXCEEDS_DEADLINE)
	VerdictMaxAttemptsPerClass = Verdict(C.REGO_VERDICT_MAX_ATTEMPTS_PER_CLASS)
	VerdictMaxAttempts         = Verdict(C.REGO_VERDICT_MAX_ATTEMPTS)
	VerdictBudgetDenied        = Verdict(C.REGO_VERDICT_BUDGET_DENIED)
	VerdictAbandonedLimit      = Verdict(C.REGO_VERDICT_ABANDONED_LIMIT)
	VerdictExecutorRejected    = Verdict(C.REGO_VERDICT_EXECUTOR_REJECTED)
	VerdictPassThrough         = Verdict(C.REGO_VERDICT_PASS_THROUGH)
)

// One error for each verdict but success: errors.Is(err, ErrBudgetDenied).
var (
	ErrCancelled           = errors.New("rego: the call was cancelled")
	ErrShutdown            = errors.New("rego: the engine was shut down")
	ErrDeadlineExceeded    = errors.New("rego: the deadline passed, or the next backoff would not fit")
	ErrNonRetryable        = errors.New("rego: another attempt would not help")
	ErrAborted             = errors.New("rego: an attempt ended the call")
	ErrPanicked            = errors.New("rego: an attempt panicked")
	ErrRetryAfterTooLong   = errors.New("rego: the server wants to be left alone for longer than allowed")
	ErrMaxAttemptsPerClass = errors.New("rego: no more attempts for failures of this class")
	ErrMaxAttempts         = errors.New("rego: no more attempts")
	ErrBudgetDenied        = errors.New("rego: the retry budget does not pay for another attempt")
	ErrAbandonedLimit      = errors.New("rego: too many abandoned attempts still run")
	ErrExecutorRejected    = errors.New("rego: the attempt was rejected")
	ErrPassThrough         = errors.New("rego: one plain attempt, which failed")
)

// What else can go wrong.
var (
	// ErrClosed is why calls of an executor that is closed end with [ErrShutdown], and the answer of
	// its other methods.
	ErrClosed = errors.New("rego: the executor is closed")
	// ErrInitialised answers a second [Init], or one after the first call.
	ErrInitialised = errors.New("rego: there is a default executor already")
)

var verdicts = [...]struct {
	name string
	err  error
}{
	VerdictSuccess:             {"success", nil},
	VerdictCancelled:           {"cancelled", ErrCancelled},
	VerdictShutdown:            {"shutdown", ErrShutdown},
	VerdictDeadlineExceeded:    {"deadline_exceeded", ErrDeadlineExceeded},
	VerdictNonRetryable:        {"non_retryable", ErrNonRetryable},
	VerdictAborted:             {"aborted", ErrAborted},
	VerdictPanicked:            {"panicked", ErrPanicked},
	VerdictRetryAfterTooLong:   {"retry_after_exceeds_deadline", ErrRetryAfterTooLong},
	VerdictMaxAttemptsPerClass: {"max_attempts_per_class", ErrMaxAttemptsPerClass},
	VerdictMaxAttempts:         {"max_attempts", ErrMaxAttempts},
	VerdictBudgetDenied:        {"budget_denied", ErrBudgetDenied},
	VerdictAbandonedLimit:      {"abandoned_limit", ErrAbandonedLimit},
	VerdictExecutorRejected:    {"executor_rejected", ErrExecutorRejected},
	VerdictPassThrough:         {"pass_through", ErrPassThrough},
}

// String returns the name of the verdict in telemetry, such as "max_attempts".
func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v].name
	}
	return fmt.Sprintf("verdict %d", uint32(v))
}

// Error is how a call failed. It wraps the last real error of its attempts, and the cause of the
// context's end where that ended it; errors.Is knows it by its verdict ([ErrMaxAttempts] and so
// on), and as [context.DeadlineExceeded] or [context.Canceled] where it is one.
type Error struct {
	Key     Key
	Verdict Verdict
	// How many attempts were launched.
	Attempts int
	// For how long the server wants to be left alone, if it said so last; else 0.
	RetryAfter time.Duration
	// The last real error; if no attempt came back with one, [DeadlinePassed] where attempts were given
	// up at their timeout, else nil.
	Last error
	// Why the caller's context ended ([context.Cause]); nil if it did not: where the next backoff
	// would not have fitted before its deadline, the call ends before the context does.
	Cause error
	// The error of that context.
	ended error
}

func (e *Error) Error() string {
	var text strings.Builder
	plural := "s"
	if e.Attempts == 1 {
		plural = ""
	}
	fmt.Fprintf(&text, "rego: %s: %s after %d attempt%s", e.Key, e.Verdict, e.Attempts, plural)
	if e.RetryAfter > 0 {
		fmt.Fprintf(&text, " (retry after %s)", e.RetryAfter)
	}
	if e.Cause != nil {
		fmt.Fprintf(&text, ": %s", e.Cause)
	}
	// Compared as texts: of their values nobody knows whether they can be.
	if e.Last != nil && (e.Cause == nil || fmt.Sprint(e.Last) != fmt.Sprint(e.Cause)) {
		fmt.Fprintf(&text, ": %s", e.Last)
	}
	return text.String()
}

// Unwrap returns the cause and the last real error, as far as there are any.
func (e *Error) Unwrap() []error {
	wrapped := make([]error, 0, 2)
	for _, err := range [...]error{e.Cause, e.Last} {
		if err != nil {
			wrapped = append(wrapped, err)
		}
	}
	return wrapped
}

// Is tells whether target is the error of the verdict.
func (e *Error) Is(target error) bool {
	switch {
	case target == nil:
		return false
	case int(e.Verdict) < len(verdicts) && target == verdicts[e.Verdict].err:
		return true
	case target == context.DeadlineExceeded:
		return e.Verdict == VerdictDeadlineExceeded || e.ended == context.DeadlineExceeded
	case target == context.Canceled:
		return e.Verdict == VerdictCancelled && e.ended != context.DeadlineExceeded
	}
	return false
}

// Timeout tells whether time was up, of the call or of its last attempt, as net.Error has it.
func (e *Error) Timeout() bool { return errors.Is(e, context.DeadlineExceeded) }

// PolicyError is why policies were refused: line, column and field of the first fault, or that there
// were two documents.
type PolicyError struct{ Message string }

func (e *PolicyError) Error() string { return "rego: policies: " + e.Message }

// CancelReason is why an attempt was asked to stop: the cause of its context's end
// ([context.Cause]), unless the caller's context ended, whose cause it has then.
type CancelReason uint32

// Why attempts are asked to stop.
const (
	LostRace       = CancelReason(C.REGO_CANCEL_LOST_RACE) // another attempt of its group won
	Terminal       = CancelReason(C.REGO_CANCEL_TERMINAL)  // another attempt of its group ended the call
	DeadlinePassed = CancelReason(C.REGO_CANCEL_DEADLINE)  // the call's or the attempt's time was up
	CallerGone     = CancelReason(C.REGO_CANCEL_CALLER)    // the caller cancelled the call
	ShuttingDown   = CancelReason(C.REGO_CANCEL_SHUTDOWN)  // the engine is shutting down
)

func (r CancelReason) Error() string {
	return "rego: attempt cancelled: " + named(cancelReasons[:], uint32(r))
}

// Is tells that a deadline is a [context.DeadlineExceeded], all else a [context.Canceled].
func (r CancelReason) Is(target error) bool {
	if r == DeadlinePassed {
		return target == context.DeadlineExceeded
	}
	return target == context.Canceled
}
