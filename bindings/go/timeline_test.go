package rego_test

import (
	"context"
	"strings"
	"testing"

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
