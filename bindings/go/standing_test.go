//go:build go1.25

package rego_test

// Calls whose first attempts are made before the engine hears of them: whether they are is to be seen
// nowhere but by the clock on the wall.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

const standingPolicies = `
schema = 1
[budgets.shared]
kind = "ratio"
ratio = 0.3
start = 1
min_per_sec = 0.0
[budgets.paid_by_calls]
kind = "ratio"
ratio = 0.2
start = 1
min_per_sec = 0.0
funding = "requests"
[budgets.throttle]
kind = "throttle"
max_tokens = 6
token_ratio = 0.5
[defaults.retry]
max_attempts = 3
initial_backoff = "10ms"
jitter = "none"
attempt_timeout = "50ms"
overall_timeout = "120ms"
budget = "shared"
[policies."svc.Calls".retry]
budget = "paid_by_calls"
attempt_timeout = "500ms"
overall_timeout = "90ms"
max_attempts = 3
initial_backoff = "10ms"
jitter = "none"
[policies."svc.Rare".retry]
budget = "shared"
max_attempts = 2
initial_backoff = "10ms"
jitter = "none"
[policies."svc.Throttled".retry]
budget = "throttle"
max_attempts = 3
initial_backoff = "10ms"
jitter = "none"
`

// played makes calls at random, one after the other, and returns what there is to see of them.
func played(t *testing.T, seed uint64, opts ...rego.Option) (seen []string) {
	t.Helper()
	// Budgets are paid into by thread, and what of it finds no room hangs on that.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	opts = append(opts, rego.WithPolicies(standingPolicies), rego.WithSeed(7))
	exec, err := rego.NewExecutor(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	draw := rand.New(rand.NewPCG(seed, 1))
	keys := []rego.Key{get, rego.ParseKey("svc.Calls"), rego.ParseKey("svc.Throttled"), rego.ParseKey("svc.Rare")}
	for range 200 {
		key, began := keys[draw.IntN(len(keys))], time.Now()
		ctx, cancel := context.Background(), func() {}
		if draw.IntN(4) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(draw.IntN(150))*time.Millisecond)
		}
		value, err := thrown(func() (int, error) {
			return rego.DoValueWith(ctx, exec, key, func(ctx context.Context) (int, error) {
				a, _ := rego.AttemptFromContext(ctx)
				left, limited := a.Remaining()
				at, _ := ctx.Deadline()
				seen = append(seen, fmt.Sprint(a.Number(), a.RetryIndex(), a.Key(), left, limited, at.UnixNano()))
				if draw.IntN(3) == 0 {
					select {
					case <-ctx.Done():
					// Never at the moment at which something else is due.
					case <-time.After(time.Duration(draw.IntN(80))*time.Millisecond + time.Microsecond):
					}
				}
				switch draw.IntN(16) {
				case 0, 1:
					return 1, errBad
				case 2:
					a.Report(rego.HTTP(503))
					return 2, nil
				case 3:
					a.Decide(rego.Outcome{Kind: rego.NonRetryable})
					return 3, errBad
				case 4:
					panic("thrown")
				case 5:
					cancel()
					return 4, ctx.Err()
				case 6:
					return 5, ctx.Err()
				case 7:
					a.Report(rego.Completion{})
				}
				return 6, nil
			})
		})
		cancel()
		var e *rego.Error
		told := fmt.Sprint(key, value, err, time.Since(began))
		if errors.As(err, &e) {
			told += fmt.Sprint(e.Verdict, e.Attempts, e.RetryAfter, e.Last, e.Cause)
		}
		seen = append(seen, told)
		if draw.IntN(8) == 0 {
			time.Sleep(time.Duration(draw.IntN(400)) * time.Millisecond)
		}
		if draw.IntN(64) == 0 {
			others := strings.Replace(standingPolicies, "ratio = 0.3", "ratio = 0."+strconv.Itoa(1+draw.IntN(9)), 1)
			if err := exec.LoadPolicies(others); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := exec.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Contains(line, "rego_events")
	})
	slices.Sort(lines) // keys come in any order
	return append(seen, lines...)
}

// thrown is what f returns, or what it panics with.
func thrown(f func() (int, error)) (value int, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return f()
}

func TestWhetherACallIsBegunBeforeItsAttemptIsToBeSeenNowhere(t *testing.T) {
	for seed := range uint64(20) {
		var stood, begun []string
		synctest.Test(t, func(t *testing.T) { stood = played(t, seed) })
		// With events every call is begun first.
		synctest.Test(t, func(t *testing.T) { begun = played(t, seed, rego.WithEvents(64)) })
		for i := range min(len(stood), len(begun)) {
			if stood[i] != begun[i] {
				t.Fatalf("seed %d, %d: %s\nis, where calls are begun before, %s", seed, i, stood[i], begun[i])
			}
		}
		if len(stood) != len(begun) {
			t.Fatalf("seed %d: %d things are to be seen, not %d", seed, len(stood), len(begun))
		}
	}
}

// metric is the value of a metric's line, 0 if there is none.
func metric(t *testing.T, exec *rego.Executor, line string) int {
	t.Helper()
	text, err := exec.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(text, "\n"+line+" ")
	value, _, _ := strings.Cut(after, "\n")
	n, _ := strconv.Atoi(value)
	return n
}

const (
	calledGet = `rego_calls_total{key="svc.Get",outcome="success",via="first"}`
	flyingGet = `rego_calls_in_flight{key="svc.Get"}`
)

func TestNoCallIsLostOnItsWayToTheMetrics(t *testing.T) {
	exec := newExecutor(t)
	const callers, calls = 16, 500
	var done sync.WaitGroup
	for caller := range callers {
		done.Add(1)
		go func() {
			defer done.Done()
			for nth := range calls {
				failed := false
				err := rego.DoWith(context.Background(), exec, get, func(context.Context) error {
					if nth%50 == caller && !failed {
						failed = true
						return errBad
					}
					if nth%10 == 0 {
						runtime.Gosched()
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	stop := make(chan struct{})
	go func() {
		done.Wait()
		close(stop)
	}()
	seen := 0
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-time.After(time.Millisecond):
		}
		now := metric(t, exec, calledGet)
		if now < seen {
			t.Fatalf("%d calls, and %d before", now, seen)
		}
		seen = now
		// One that is over while they are counted, and the next of its goroutine, may both be there.
		if flying := metric(t, exec, flyingGet); flying < 0 || flying > 2*callers {
			t.Fatalf("%d calls of %d goroutines", flying, callers)
		}
	}
	retried := metric(t, exec, `rego_calls_total{key="svc.Get",outcome="success",via="retry"}`)
	if want := callers * calls / 50; retried != want {
		t.Errorf("%d calls were retried, not %d", retried, want)
	}
	if want := callers * calls * 49 / 50; metric(t, exec, calledGet) != want {
		t.Errorf("%d calls worked at once, not %d", metric(t, exec, calledGet), want)
	}
	nothingInFlight(t, exec, get)
}

func TestACallInTheAirIsCountedWhetherTheEngineHasBegunItOrNot(t *testing.T) {
	exec := newExecutor(t)
	during := func(context.Context) error {
		if flying := metric(t, exec, flyingGet); flying != 1 {
			t.Errorf("%d calls in flight", flying)
		}
		return nil
	}
	for range 3 { // the first makes the key known
		if err := rego.DoWith(context.Background(), exec, get, during); err != nil {
			t.Fatal(err)
		}
	}
	nothingInFlight(t, exec, get)
}

func TestAPolicyThatIsLoadedHoldsForTheNextCall(t *testing.T) {
	exec := newExecutor(t)
	limit := func() (left time.Duration) {
		err := rego.DoWith(context.Background(), exec, get, func(ctx context.Context) error {
			a, _ := rego.AttemptFromContext(ctx)
			left, _ = a.Remaining()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	for _, seconds := range []int{100, 5, 200} {
		policy := fmt.Sprintf("schema = 1\n[defaults.retry]\nattempt_timeout = \"%ds\"\noverall_timeout = \"300s\"\n", seconds)
		if err := exec.LoadPolicies(policy); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			most := time.Duration(seconds) * time.Second
			if left := limit(); left > most || left < most-4*time.Second {
				t.Errorf("%v are left of %v", left, most)
			}
		}
	}
	// One that hedges has a second attempt in the air.
	if err := exec.LoadPolicies(policies + "[policies.\"svc.Get\"]\nidempotent = true\n" +
		"[policies.\"svc.Get\".hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"1ms\"\nbudget = \"unlimited\"\n"); err != nil {
		t.Fatal(err)
	}
	hedges := make(chan struct{}, 8)
	err := rego.DoWith(context.Background(), exec, get, func(ctx context.Context) error {
		if a, _ := rego.AttemptFromContext(ctx); a.IsHedge() {
			hedges <- struct{}{}
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil || len(hedges) == 0 {
		t.Fatal(err, len(hedges))
	}
}

func TestTwoExecutorsKeepOneKeyApart(t *testing.T) {
	one, other := newExecutor(t), newExecutor(t)
	for range 5 {
		for range 3 {
			_ = rego.DoWith(context.Background(), one, get, func(context.Context) error { return nil })
		}
		_ = rego.DoWith(context.Background(), other, get, func(context.Context) error { return nil })
	}
	if a, b := metric(t, one, calledGet), metric(t, other, calledGet); a != 15 || b != 5 {
		t.Errorf("%d and %d calls, not 15 and 5", a, b)
	}
}
