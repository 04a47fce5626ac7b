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
	"fmt"
	"os"
	"slices"
	"sync"
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

func executor(b testing.TB, opts ...rego.Option) *rego.Executor {
	exec, err := rego.NewExecutor(append(opts, rego.WithPolicies(policies))...)
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
	{"DoWithEvents", func(b testing.TB) func() error {
		exec, ctx := executor(b, rego.WithEvents(64)), context.Background()
		return func() error { return rego.DoWith(ctx, exec, plain, nothing) }
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

var jsonRows = flag.Bool("json-rows", false, "with -goals: rows of JSON, a line each, and no failure")

// row is one figure of a goal, as all tables of this project have it. What was not measured has
// neither value nor verdict.
type row struct {
	ID    string   `json:"id"`
	What  string   `json:"what"`
	Value *float64 `json:"value"`
	Bound *float64 `json:"bound"`
	OK    *bool    `json:"ok"`
}

// goal is how much a lane may cost of another.
type goal struct {
	lane, against, what string
	atMost              float64
}

// TestGoals measures what the lanes of the goals cost, in turns, and compares the medians.
func TestGoals(t *testing.T) {
	if !*goals {
		t.Skip("a measurement, not a test: cargo xtask bench boundary, on a quiet machine")
	}
	table := []goal{
		{"Do", "FailsafeRetry", "Go Do beside failsafe-go's retry", 0.5},
		{"DoHedgeArmed", "FailsafeHedge", "Go Do, a hedge armed, beside failsafe-go's hedge", 0.5},
	}
	nanos := map[string][]float64{}
	for range 15 {
		for _, goal := range table {
			for _, name := range []string{goal.lane, goal.against} {
				nanos[name] = append(nanos[name], measure(t, name, 40*time.Millisecond))
			}
		}
	}
	var rows []row
	for _, goal := range table {
		ratio := median(nanos[goal.lane]) / median(nanos[goal.against])
		rows = append(rows, bounded(goal.what, ratio, goal.atMost))
	}
	rows = append(rows,
		row{ID: "G12", What: "Go Do beside recourse: not measured, this module does not require it", Bound: at(0.3)},
		bounded("allocations of a Go Do", testing.AllocsPerRun(1000, call(t, "Do")), 1),
		bounded("threads of 10,000 goroutines that wait in attempts", waitingThreads(t, 10_000), 49),
	)
	for _, goal := range table {
		for _, name := range []string{goal.lane, goal.against} {
			rows = append(rows, row{ID: "lane", What: name + ", ns", Value: at(median(nanos[name]))})
		}
	}
	report(t, rows)
}

func report(t *testing.T, rows []row) {
	for _, row := range rows {
		switch {
		case *jsonRows:
			line, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(line))
		case row.Value == nil:
			fmt.Printf("%-5s %8s  %s\n", row.ID, "-", row.What)
		case row.Bound == nil:
			fmt.Printf("%-5s %8.2f  %s\n", row.ID, *row.Value, row.What)
		default:
			fmt.Printf("%-5s %8.2f  %s  at most %.2f\n", row.ID, *row.Value, row.What, *row.Bound)
		}
		if row.OK != nil && !*row.OK && !*jsonRows {
			t.Errorf("%s: missed: %s", row.ID, row.What)
		}
	}
}

func bounded(what string, value, atMost float64) row {
	met := value <= atMost
	return row{ID: "G12", What: what, Value: &value, Bound: &atMost, OK: &met}
}

func at(value float64) *float64 { return &value }

// call is a lane's call, which must work.
func call(t *testing.T, name string) func() {
	call := lanes[slices.IndexFunc(lanes, func(lane lane) bool { return lane.name == name })].call(t)
	return func() {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
}

// waitingThreads is how many threads this process has while so many attempts wait.
func waitingThreads(t *testing.T, calls int) float64 {
	exec, release := executor(t), make(chan struct{})
	var waiting, done sync.WaitGroup
	waiting.Add(calls)
	for range calls {
		done.Add(1)
		go func() {
			defer done.Done()
			err := rego.DoWith(context.Background(), exec, plain, func(context.Context) error {
				waiting.Done()
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	waiting.Wait()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	done.Wait()
	return float64(len(threads))
}

// measure is what a call of a lane costs, over so much time.
func measure(t *testing.T, name string, during time.Duration) float64 {
	call := call(t, name)
	for calls, began := 0, time.Now(); ; {
		for range 500 {
			call()
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
