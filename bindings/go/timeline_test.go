package rego_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

func TestEventsBeyondTheLimitAreCounted(t *testing.T) {
	exec := newExecutor(t, rego.WithEvents(4))
	for range 10 {
		_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil })
	}
	events := make([]rego.Event, 64)
	n, dropped, err := exec.DrainEvents(events)
	if err != nil || n == 0 || dropped == 0 || events[0].Kind != rego.CallStarted {
		t.Fatal(n, dropped, err, events[:n])
	}
}

func TestMetricsAreText(t *testing.T) {
	exec := newExecutor(t)
	for range 3 {
		_ = rego.DoWith(t.Context(), exec, get, func(context.Context) error { return nil })
	}
	text, err := exec.Metrics()
	if err != nil || !strings.Contains(text, `rego_calls_total{key="svc.Get",outcome="success",via="first"} 3`) {
		t.Fatal(err, text)
	}
}

func TestATimelineOfACallThatNeverBeganSaysSo(t *testing.T) {
	exec := newExecutor(t)
	never := func(context.Context) error { t.Error("it ran"); return nil }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, verdict := range map[context.Context]rego.Verdict{
		gone: rego.VerdictCancelled, late: rego.VerdictDeadlineExceeded,
	} {
		tl, err := rego.DoWithTimelineWith(ctx, exec, get, never)
		if err == nil || tl.Verdict != verdict || tl.Answer != -1 || len(tl.Attempts) != 0 || tl.Start.IsZero() || tl.Duration() < 0 {
			t.Errorf("%v %+v", err, tl)
		}
	}
	_ = exec.Close()
	tl, err := rego.DoWithTimelineWith(t.Context(), exec, get, never)
	if !errors.Is(err, rego.ErrClosed) || !errors.Is(err, rego.ErrShutdown) || tl.Verdict != rego.VerdictShutdown || tl.Answer != -1 || len(tl.Attempts) != 0 {
		t.Errorf("%v %+v", err, tl)
	}
}

func TestATimelineOfACallThatPassesThroughTellsItsAttempt(t *testing.T) {
	for _, opts := range [][]rego.CallOption{nil, {rego.WithDetached()}} {
		exec := newExecutor(t, rego.WithMaxLiveCalls(1))
		_ = rego.DoWith(t.Context(), exec, get, func(ctx context.Context) error {
			tl, err := rego.DoWithTimelineWith(ctx, exec, hedged, func(context.Context) error { return errBad }, opts...)
			if !errors.Is(err, errBad) || tl.Verdict != rego.VerdictPassThrough || tl.Answer != 0 || len(tl.Attempts) != 1 {
				t.Fatalf("%v %+v", err, tl)
			}
			only := tl.Attempts[0]
			if only.Err != errBad || !only.Ended || only.Outcome != rego.NonRetryable || only.Start.IsZero() || tl.End.Before(tl.Start) {
				t.Errorf("%+v", only)
			}
			tl, err = rego.DoWithTimelineWith(ctx, exec, hedged, func(context.Context) error { return nil }, opts...)
			if err != nil || tl.Verdict != rego.VerdictSuccess || tl.Answer != 0 || len(tl.Attempts) != 1 || tl.Attempts[0].Outcome != rego.Success {
				t.Errorf("%v %+v", err, tl)
			}
			return nil
		})
	}
}

func TestWarningsOfTheEngineAreWarnings(t *testing.T) {
	exec := newExecutor(t, rego.WithMaxKeys(2), rego.WithEvents(64))
	for _, name := range []string{"svc.A", "svc.B", "svc.C"} {
		_ = rego.DoWith(t.Context(), exec, rego.ParseKey(name), func(context.Context) error { return nil })
	}
	events := make([]rego.Event, 64)
	n, _, err := exec.DrainEvents(events)
	at := slices.IndexFunc(events[:n], func(e rego.Event) bool { return e.Kind == rego.Warned })
	if err != nil || at < 0 {
		t.Fatal(err, events[:n])
	}
	warned := events[at]
	if warned.Reason != "keys_full" || warned.Level() != slog.LevelWarn || warned.Kind.String() != "warned" || warned.Attempt != -1 || warned.Key == "" {
		t.Errorf("%+v", warned)
	}
	if slices.ContainsFunc(warned.Attrs(), func(a slog.Attr) bool { return a.Key == "call" }) {
		t.Error("it belongs to no call", warned.Attrs())
	}
}
