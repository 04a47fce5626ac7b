package rego

// #include <rego.h>
import "C"

import (
	"context"
	"log/slog"
	"runtime"
	"time"
	"unsafe"
)

// Event is one thing that happened in a call. Which fields it has hangs on its kind.
type Event struct {
	Kind EventKind
	// The executor's calls are numbered from 0. Of [Warned], which belongs to none, it is the largest
	// number there is.
	Call uint64
	// The key's text, its first 47 bytes.
	Key string
	At  time.Time
	// The number of the attempt in its call; -1 for events of none, and for [CallEnded] if there is
	// no attempt whose result was returned.
	Attempt int
	// Why, in the words of telemetry: a verdict, a sort of attempt, an outcome, the reason of a
	// cancel, what a budget said, why a hedge was skipped, a warning.
	Reason string
	// AttemptEnded: the sort of failure, if it was one, and the facts, such as "http_503", if they
	// are known.
	Failure, Facts string
	// BudgetAsked: for a retry or a hedge.
	For string
	// CallEnded: how many attempts were launched. BudgetAsked: how much it was asked for.
	Count int
	// CallEnded, AttemptEnded, CancelRequested: how long it had lasted.
	Took time.Duration
	// BackingOff, WouldNotFit: for how long.
	Wait time.Duration
	// AttemptEnded: it had been given up before.
	Late bool
}

// EventKind is what an event tells.
type EventKind uint32

// The kinds of events.
const (
	CallStarted     = EventKind(C.REGO_EVENT_CALL_STARTED)
	CallEnded       = EventKind(C.REGO_EVENT_CALL_ENDED)
	AttemptLaunched = EventKind(C.REGO_EVENT_ATTEMPT_LAUNCHED) // not told of a call's first
	AttemptEnded    = EventKind(C.REGO_EVENT_ATTEMPT_ENDED)
	CancelRequested = EventKind(C.REGO_EVENT_CANCEL_REQUESTED)
	BudgetAsked     = EventKind(C.REGO_EVENT_BUDGET_ASKED)
	BackingOff      = EventKind(C.REGO_EVENT_BACKING_OFF)
	HedgeSkipped    = EventKind(C.REGO_EVENT_HEDGE_SKIPPED)
	WouldHave       = EventKind(C.REGO_EVENT_WOULD_HAVE)
	WouldNotFit     = EventKind(C.REGO_EVENT_WOULD_NOT_FIT)
	AttemptRejected = EventKind(C.REGO_EVENT_ATTEMPT_REJECTED) // nobody would run it
	Warned          = EventKind(C.REGO_EVENT_WARNED)           // something is not as the executor's owner may think
	OtherEvent      = EventKind(C.REGO_EVENT_OTHER)            // of which this version knows nothing
)

var eventKinds = [...]string{
	C.REGO_EVENT_CALL_STARTED: "call_started", C.REGO_EVENT_CALL_ENDED: "call_ended",
	C.REGO_EVENT_ATTEMPT_LAUNCHED: "attempt_launched", C.REGO_EVENT_ATTEMPT_ENDED: "attempt_ended",
	C.REGO_EVENT_CANCEL_REQUESTED: "cancel_requested", C.REGO_EVENT_BUDGET_ASKED: "budget_asked",
	C.REGO_EVENT_BACKING_OFF: "backing_off", C.REGO_EVENT_HEDGE_SKIPPED: "hedge_skipped",
	C.REGO_EVENT_WOULD_HAVE: "would_have", C.REGO_EVENT_WOULD_NOT_FIT: "would_not_fit",
	C.REGO_EVENT_WARNED: "warned", C.REGO_EVENT_ATTEMPT_REJECTED: "attempt_rejected",
}

func (k EventKind) String() string {
	if k == OtherEvent {
		return "other"
	}
	return named(eventKinds[:], uint32(k))
}

// DrainEvents moves the oldest events into the slice. It returns how many they are, and how many
// there was no room for since the beginning. An executor made without [WithEvents] has none.
// Goroutines that drain at once share the events.
func (e *Executor) DrainEvents(into []Event) (n int, dropped uint64, err error) {
	eng := e.engine.Load()
	if eng == nil {
		return 0, 0, e.gone()
	}
	var batch [32]C.rego_event
	for {
		room := min(len(into)-n, len(batch))
		var got C.size_t
		var lost C.uint64_t
		s := status(C.rego_events_drain(eng.c, &batch[0], C.size_t(unsafe.Sizeof(batch[0])), C.size_t(room), &got, &lost))
		if s != statusOK {
			return n, dropped, s
		}
		for i := range int(got) {
			into[n] = eng.event(&batch[i])
			n++
		}
		if room == 0 || int(got) < room {
			runtime.KeepAlive(eng)
			return n, uint64(lost), nil
		}
	}
}

func (e *engine) event(c *C.rego_event) Event {
	event := Event{
		Kind:    EventKind(c.kind),
		Call:    uint64(c.call),
		Key:     C.GoString(&c.key[0]),
		At:      e.timeOf(uint64(c.at)),
		Attempt: -1,
	}
	if c.attempt != C.REGO_NO_ATTEMPT {
		event.Attempt = int(c.attempt)
	}
	reason := uint32(c.reason)
	switch event.Kind {
	case CallEnded:
		event.Reason, event.Count = Verdict(reason).String(), int(c.count)
		event.Took = durationOf(uint64(c.at - c.time))
	case AttemptLaunched, WouldHave:
		event.Reason = named(attemptKinds[:], reason)
	case AttemptEnded:
		event.Reason = named(outcomeKinds[:], reason)
		if OutcomeKind(reason) != Success {
			event.Failure = named(failures[:], uint32(c.detail))
		}
		event.Facts, event.Late = facts(uint32(c.completion), int32(c.code)), c.count != 0
		event.Took = durationOf(uint64(c.at - c.time))
	case CancelRequested:
		event.Reason, event.Took = named(cancelReasons[:], reason), durationOf(uint64(c.at-c.time))
	case BudgetAsked:
		event.Reason, event.Count = named(budgetDecisions[:], reason), int(c.count)
		event.For = named(attemptKinds[:], uint32(c.detail))
	case BackingOff:
		event.Wait = durationOf(uint64(c.time - min(c.time, c.at)))
	case HedgeSkipped:
		event.Reason = named(hedgeReasons[:], reason)
	case WouldNotFit:
		event.Wait = durationOf(uint64(c.time))
	case Warned:
		event.Reason = named(warnings[:], reason)
	}
	return event
}

// LogEvents writes events to a logger until ctx ends, looking for new ones every so often, and once
// more at the end. Calls that failed and [Warned] are warnings, attempts that failed and what budgets
// and hedging refused are infos, all else is for debugging. It returns nil; [ErrClosed] if the
// executor is closed. It is the caller's to give it a goroutine.
func (e *Executor) LogEvents(ctx context.Context, logger *slog.Logger, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	events := make([]Event, 256)
	var lost uint64
	// Once ctx has ended, as many as the ring can have had then: there may be more for ever.
	ended, rest := false, e.maxEvents/len(events)+1
	for {
		n, dropped, err := e.DrainEvents(events)
		if err != nil {
			return err
		}
		for i := range events[:n] {
			logger.LogAttrs(context.WithoutCancel(ctx), events[i].Level(), events[i].Kind.String(), events[i].Attrs()...)
		}
		if dropped > lost {
			logger.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "events_dropped", slog.Uint64("count", dropped-lost))
			lost = dropped
		}
		if ended {
			if rest--; rest < 0 || n < len(events) {
				return nil
			}
			continue
		}
		if ended = ctx.Err() != nil; ended || n == len(events) {
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ended = true
		}
	}
}

// Level returns how much the event matters in a log.
func (e Event) Level() slog.Level {
	switch {
	case e.Kind == CallEnded && e.Reason != "success", e.Kind == Warned:
		return slog.LevelWarn
	case e.Kind == AttemptEnded && e.Reason != "success" && e.Facts != "cancelled",
		e.Kind == BudgetAsked && e.Reason == "denied",
		e.Kind == HedgeSkipped, e.Kind == WouldNotFit, e.Kind == AttemptRejected:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Attrs returns the fields that the event has.
func (e Event) Attrs() []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 9), slog.String("key", e.Key))
	if e.Kind != Warned {
		attrs = append(attrs, slog.Uint64("call", e.Call))
	}
	attrs = append(attrs, slog.Time("at", e.At))
	if e.Attempt >= 0 {
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	for _, text := range []slog.Attr{
		slog.String("reason", e.Reason), slog.String("failure", e.Failure),
		slog.String("facts", e.Facts), slog.String("for", e.For),
	} {
		if text.Value.String() != "" {
			attrs = append(attrs, text)
		}
	}
	if e.Count > 0 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	for _, length := range []slog.Attr{slog.Duration("took", e.Took), slog.Duration("wait", e.Wait)} {
		if length.Value.Duration() > 0 {
			attrs = append(attrs, length)
		}
	}
	if e.Late {
		attrs = append(attrs, slog.Bool("late", true))
	}
	return attrs
}
