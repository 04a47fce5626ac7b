package rego

// #include <rego.h>
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// Timeline is what happened in a call. Times are those of the executor's clock.
type Timeline struct {
	Key     Key
	Verdict Verdict
	Policy  PolicyInfo
	Start   time.Time
	End     time.Time
	// The number of the attempt whose result was returned; -1 if there is none.
	Answer int
	// In launch order. Empty if the call never began: its context had ended, the executor is closed.
	// Of a call that passed through there is one, with little in it.
	Attempts []AttemptRecord
	// How many notes of what happened there was no room for.
	NotesDropped int

	json string
}

// PolicyInfo is which policy a call had.
type PolicyInfo struct {
	ID, Version string
	// Where it came from: default, static, file, remote or last_known_good.
	Source string
}

// AttemptRecord is one attempt of a call.
type AttemptRecord struct {
	Number     int
	Kind       AttemptKind
	RetryIndex int
	HedgeIndex int
	Start      time.Time
	// When it ended or was asked to stop; the zero time while it runs.
	End time.Time
	// For how long the call had waited before it.
	Backoff time.Duration
	// Whether it has ended, and what was made of that. One that nobody would run has an End, and no more.
	Ended   bool
	Outcome OutcomeKind
	Failure Failure
	// The facts of its end, such as "http_503"; empty if they are not known.
	Facts string
	// What the operation returned. Nil also of an attempt that had not returned when the call was
	// done.
	Err error
	// Why it was asked to stop, a [CancelReason]; nil if it was not, and where it was given up at its
	// own timeout, of which its outcome tells.
	Cancelled error
	// What the budget said of it, such as "allowed"; empty if none was asked.
	Budget     string
	BudgetCost int
	// It ended after it had been given up.
	Late bool
}

// AttemptKind is what sort of attempt it is.
type AttemptKind uint32

// The sorts of attempts.
const (
	FirstAttempt = AttemptKind(C.REGO_ATTEMPT_FIRST)
	RetryAttempt = AttemptKind(C.REGO_ATTEMPT_RETRY)
	HedgeAttempt = AttemptKind(C.REGO_ATTEMPT_HEDGE)
)

func (k AttemptKind) String() string { return named(attemptKinds[:], uint32(k)) }

func (k OutcomeKind) String() string { return named(outcomeKinds[:], uint32(k)) }

func (f Failure) String() string { return named(failures[:], uint32(f)) }

// Duration returns how long the call took.
func (t Timeline) Duration() time.Duration { return t.End.Sub(t.Start) }

// JSON returns all there is to know as one JSON object, also the reasons of hedges that were
// skipped, and the call's attributes: values that were clamped, what took the place of what is
// missing, the mode. Empty if the call never began, or passed through.
func (t Timeline) JSON() []byte { return []byte(t.json) }

// MarshalJSON is [Timeline.JSON].
func (t Timeline) MarshalJSON() ([]byte, error) {
	if t.json == "" {
		return []byte("null"), nil
	}
	return []byte(t.json), nil
}

// String returns the timeline for people: a line for the call, and one for each attempt.
func (t Timeline) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s in %s", t.Key, t.Verdict, t.Duration())
	for _, a := range t.Attempts {
		fmt.Fprintf(&text, "\n  %d %-5s +%s", a.Number, a.Kind, a.Start.Sub(t.Start))
		if a.End.IsZero() {
			text.WriteString(" still running")
		} else {
			fmt.Fprintf(&text, " took %s", a.End.Sub(a.Start))
		}
		if a.Ended {
			fmt.Fprintf(&text, " %s", a.Outcome)
		}
		if a.Facts != "" {
			fmt.Fprintf(&text, " %s", a.Facts)
		}
		if a.Cancelled != nil {
			fmt.Fprintf(&text, " (%s)", a.Cancelled)
		}
		if a.Err != nil {
			fmt.Fprintf(&text, ": %s", a.Err)
		}
	}
	return text.String()
}

// failed is what an attempt returned, where somebody will read the timeline.
type failed struct {
	number uint32
	err    error
}

func (c *call) note(number uint32, err error) {
	if c.keep && err != nil {
		c.errs = append(c.errs, failed{number, err})
	}
}

// readTimeline reads what happened in the call, and lets go of it.
func (c *call) readTimeline(tl *Timeline) {
	if c.eng == nil {
		c.tellPlain(tl, time.Now())
		return
	}
	var frame C.rego_timeline
	frame.struct_size = C.uint32_t(unsafe.Sizeof(frame))
	if C.rego_call_timeline(c.eng.c, c.id, &frame) == C.REGO_STATUS_OK {
		c.eng.tellFrame(tl, &frame)
		tl.Attempts = c.readAttempts(int(frame.attempts))
		tl.json = c.readJSON()
	} else {
		c.tellPlain(tl, c.eng.clockNow())
	}
	C.rego_call_let_go(c.eng.c, c.id)
	runtime.KeepAlive(c.eng)
}

// tellPlain tells of a call of which the engine keeps nothing: it never began, or was one plain
// attempt.
func (c *call) tellPlain(tl *Timeline, ended time.Time) {
	tl.Verdict, tl.Answer = c.done.verdict, -1
	tl.Start, tl.End = c.began, ended
	if c.done.attempts == 0 && c.done.answer != 1 {
		return
	}
	only := AttemptRecord{Start: c.began}
	if c.done.answer == 1 {
		tl.Answer = 0
		only.End, only.Ended = ended, true
	}
	for _, failed := range c.errs {
		only.Err, only.Outcome = failed.err, NonRetryable
		only.End, only.Ended = ended, true
	}
	tl.Attempts = []AttemptRecord{only}
}

func (e *engine) tellFrame(tl *Timeline, frame *C.rego_timeline) {
	tl.Verdict = Verdict(frame.verdict)
	tl.Policy = PolicyInfo{
		ID:      C.GoString(&frame.policy_id[0]),
		Version: C.GoString(&frame.policy_version[0]),
		Source:  named(policySources[:], uint32(frame.policy_source)),
	}
	tl.Start, tl.End = e.timeOf(uint64(frame.started)), e.timeOf(uint64(frame.ended))
	tl.NotesDropped = int(frame.notes_dropped)
	tl.Answer = -1
	if frame.answer != C.REGO_NONE {
		tl.Answer = int(frame.answer)
	}
}

func (c *call) readAttempts(room int) []AttemptRecord {
	if room == 0 {
		return nil
	}
	records := make([]C.rego_attempt_record, room)
	var n C.size_t
	s := C.rego_call_attempts(c.eng.c, c.id, &records[0], C.size_t(unsafe.Sizeof(records[0])), C.size_t(room), &n)
	if s != C.REGO_STATUS_OK {
		return nil
	}
	attempts := make([]AttemptRecord, min(int(n), room))
	for i := range attempts {
		attempts[i] = c.eng.attemptRecord(&records[i])
		for _, failed := range c.errs {
			if int(failed.number) == attempts[i].Number {
				attempts[i].Err = failed.err
			}
		}
	}
	return attempts
}

func (e *engine) attemptRecord(r *C.rego_attempt_record) AttemptRecord {
	a := AttemptRecord{
		Number:     int(r.number),
		Kind:       AttemptKind(r.kind),
		RetryIndex: int(r.retry_index),
		HedgeIndex: int(r.hedge_index),
		Start:      e.timeOf(uint64(r.started)),
		End:        e.timeOf(uint64(r.ended)),
		Backoff:    durationOf(uint64(r.backoff)),
		Ended:      r.outcome != C.REGO_NONE,
		Facts:      facts(uint32(r.completion), int32(r.code)),
		BudgetCost: int(r.budget_cost),
		Late:       r.late != 0,
	}
	if a.Ended {
		a.Outcome, a.Failure = OutcomeKind(r.outcome), Failure(r.failure)
	}
	if r.cancelled != C.REGO_NONE {
		a.Cancelled = CancelReason(r.cancelled)
	}
	if r.budget != C.REGO_NONE {
		a.Budget = named(budgetDecisions[:], uint32(r.budget))
	}
	return a
}

func (c *call) readJSON() string {
	for size := 2048; ; {
		buffer := make([]byte, size)
		var n C.size_t
		s := C.rego_call_timeline_json(c.eng.c, c.id, (*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(size), &n)
		switch {
		case s != C.REGO_STATUS_OK:
			return ""
		case int(n) < size:
			return string(buffer[:n])
		}
		size = int(n) + 1
	}
}
