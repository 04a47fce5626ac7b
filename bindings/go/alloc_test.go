//go:build !race

package rego_test

import (
	"context"
	"testing"

	rego "github.com/rego-resilience/rego/bindings/go"
)

func TestACallAllocatesOnlyItsContext(t *testing.T) {
	exec := newExecutor(t)
	ctx := context.Background()
	plain := func(context.Context) error { return nil }
	value := func(context.Context) (int, error) { return 1, nil }
	for name, call := range map[string]func(){
		"DoWith":      func() { _ = rego.DoWith(ctx, exec, get, plain) },
		"DoValueWith": func() { _, _ = rego.DoValueWith(ctx, exec, get, value) },
		"ParseKey":    func() { _ = rego.DoWith(ctx, exec, rego.ParseKey("svc.Get"), plain) },
	} {
		if allocs := testing.AllocsPerRun(1000, call); allocs > 1 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
