// Package bench has what a call costs by this module and by its peers, in one run:
//
//	cargo build --release -p rego-ffi && cd bindings/go/bench && go test -bench .
//
// The operation does nothing, so what is measured is the library alone. The nanoseconds hang on the
// machine and its mood; what to look at are ratios within one run, which
//
//	go test -run Goals -goals -v
//
// tells, with the goals: medians of short measurements taken in turns.
package bench

import (
	"context"
	"encoding/json"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	rego "github.com/rego-resilience/rego/bindings/go"
)

const policies = `
schema = 1
[policies."bench.Hedged"]
idempotent = true
[policies."bench.Hedged".hedge]
enabled = true
trigger = "fixed"
delay = "1s"
`

var (
	plain  = rego.ParseKey("bench.Plain")
	hedged = rego.ParseKey("bench.Hedged")
)

func executor(b testing.TB) *rego.Executor {
	exec, err := rego.NewExecutor(rego.WithPolicies(policies))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = exec.Close() })
	return exec
}

func nothing(context.Context) error { return nil }

// lane is one way to make a call.
type lane struct {
	name string
	call func(b testing.TB) func() error
}

var lanes = []lane{
	{"Do", regoDo(plain)},
	{"DoParsingTheKey", func(b testing.TB) func() error {
		exec, ctx := executor(b), context.Background()
		return func() error { return rego.DoWith(ctx, exec, rego.ParseKey("bench.Plain"), nothing) }
	}},
	{"DoInTwoContexts", func(b testing.TB) func() error {
		exec, ctx := executor(b), context.Background()
		return func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return rego.DoWith(ctx, exec, plain, nothing)
		}
	}},
	{"DoWithTimeline", func(b testing.TB) func() error {
		exec, ctx := executor(b), context.Background()
		return func() error {
			_, err := rego.DoWithTimelineWith(ctx, exec, plain, nothing)
			return err
		}
	}},
	{"DoHedgeArmed", regoDo(hedged)},
	{"DoDetached", func(b testing.TB) func() error {
		exec, ctx := executor(b), context.Background()
		return func() error { return rego.DoWith(ctx, exec, plain, nothing, rego.WithDetached()) }
	}},
	{"FailsafeRetry", func(testing.TB) func() error {
		policy := retrypolicy.NewBuilder[any]().WithMaxRetries(2).
			WithBackoff(10*time.Millisecond, 250*time.Millisecond).Build()
		return failsafeRun(failsafe.With[any](policy))
	}},
	{"FailsafeHedge", func(testing.TB) func() error {
		return failsafeRun(failsafe.With[any](hedgepolicy.NewBuilderWithDelay[any](time.Second).Build()))
	}},
	{"FailsafeRetryAndHedge", func(testing.TB) func() error {
		retry := retrypolicy.NewBuilder[any]().WithMaxRetries(2).
			WithBackoff(10*time.Millisecond, 250*time.Millisecond).Build()
		return failsafeRun(failsafe.With[any](retry, hedgepolicy.NewBuilderWithDelay[any](time.Second).Build()))
	}},
}

func regoDo(key rego.Key) func(testing.TB) func() error {
	return func(b testing.TB) func() error {
		exec, ctx := executor(b), context.Background()
		return func() error { return rego.DoWith(ctx, exec, key, nothing) }
	}
}

// failsafeRun is how failsafe-go runs an operation that minds a context.
func failsafeRun(executor failsafe.Executor[any]) func() error {
	executor = executor.WithContext(context.Background())
	operation := func(e failsafe.Execution[any]) error { return nothing(e.Context()) }
	return func() error { return executor.RunWithExecution(operation) }
}

func BenchmarkCall(b *testing.B) {
	for _, lane := range lanes {
		b.Run(lane.name, func(b *testing.B) {
			call := lane.call(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCallParallel(b *testing.B) {
	for _, lane := range lanes {
		b.Run(lane.name, func(b *testing.B) {
			call := lane.call(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

var goals = flag.Bool("goals", false, "measure ratios, and fail where a goal is missed")

// goal is how much a lane may cost of another.
type goal struct {
	Lane, Against string
	AtMost        float64
	Ratio         float64
	Nanos, Peer   float64
}

// TestGoals measures what the lanes of the goals cost, in turns, and compares the medians.
func TestGoals(t *testing.T) {
	if !*goals {
		t.Skip("a measurement, not a test: -goals, on a quiet machine")
	}
	table := []goal{
		{Lane: "Do", Against: "FailsafeRetry", AtMost: 0.5},
		{Lane: "DoHedgeArmed", Against: "FailsafeHedge", AtMost: 0.5},
	}
	nanos := map[string][]float64{}
	for range 15 {
		for _, goal := range table {
			for _, name := range []string{goal.Lane, goal.Against} {
				nanos[name] = append(nanos[name], measure(t, name, 40*time.Millisecond))
			}
		}
	}
	for _, goal := range table {
		goal.Nanos, goal.Peer = median(nanos[goal.Lane]), median(nanos[goal.Against])
		goal.Ratio = goal.Nanos / goal.Peer
		line, err := json.Marshal(goal)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", line)
		if goal.Ratio > goal.AtMost {
			t.Errorf("%s costs %.2f of %s, and at most %.2f was wanted", goal.Lane, goal.Ratio, goal.Against, goal.AtMost)
		}
	}
}

// measure is what a call of a lane costs, over so much time.
func measure(t *testing.T, name string, during time.Duration) float64 {
	at := slices.IndexFunc(lanes, func(lane lane) bool { return lane.name == name })
	call := lanes[at].call(t)
	for calls, began := 0, time.Now(); ; {
		for range 500 {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		calls += 500
		if took := time.Since(began); took >= during {
			return float64(took) / float64(calls)
		}
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
