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
	"sync/atomic"
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
				case 8:
					// The call keeps the policy that it began with.
					others := strings.ReplaceAll(standingPolicies, "max_attempts = 3", "max_attempts = "+strconv.Itoa(1+draw.IntN(4)))
					if err := exec.LoadPolicies(others); err != nil {
						t.Error(err)
					}
					return 7, errBad
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

func TestAKeyIsTheExecutorsOwnForAsManyAsItTellsApart(t *testing.T) {
	for keys := range 3 {
		exec := newExecutor(t, rego.WithMaxKeys(keys+1))
		for nth := range keys + 2 {
			key := rego.ParseKey("svc.Few" + strconv.Itoa(nth))
			for range 2 {
				_ = rego.DoWith(context.Background(), exec, key, func(context.Context) error { return nil })
			}
			own := metric(t, exec, `rego_calls_total{key="`+key.String()+`",outcome="success",via="first"}`)
			if want := 2; nth <= keys && own != want || nth > keys && own != 0 {
				t.Errorf("of %d keys, key %d has %d calls of its own", keys+1, nth, own)
			}
		}
	}
}

// nthClock does something once, at one of its next readings.
type nthClock struct {
	in   atomic.Int64
	does atomic.Pointer[func()]
}

func (c *nthClock) at(nth int64, does func()) {
	c.does.Store(&does)
	c.in.Store(nth)
}

func (c *nthClock) Now() time.Time {
	if c.in.Add(-1) == 0 {
		(*c.does.Load())()
	}
	return time.Now()
}

func (c *nthClock) AfterFunc(wait time.Duration, f func()) rego.Timer { return time.AfterFunc(wait, f) }

const sharingPolicies = `
schema = 1
[budgets.shared]
kind = "ratio"
ratio = 1.0
start = 4
cap = 100
min_per_sec = 0.0
[defaults.retry]
max_attempts = 2
initial_backoff = "1ms"
jitter = "none"
budget = "shared"
`

func works(t *testing.T, exec *rego.Executor, key rego.Key) {
	t.Helper()
	if err := rego.DoWith(context.Background(), exec, key, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func failsOnce(exec *rego.Executor, key rego.Key) error {
	failed := false
	return rego.DoWith(context.Background(), exec, key, func(context.Context) error {
		if !failed {
			failed = true
			return errBad
		}
		return nil
	})
}

// What one goroutine is telling of pays for what another one wants, and so does its own.
func TestWhatHasWorkedPaysForWhatFailsAfterIt(t *testing.T) {
	exec, err := rego.NewExecutor(rego.WithPolicies(sharingPolicies))
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	keys := make([]rego.Key, 100)
	for i := range keys {
		keys[i] = rego.ParseKey("shared.K" + strconv.Itoa(i))
		works(t, exec, keys[i])
	}
	const callers = 8
	for range 100 {
		for failsOnce(exec, keys[0]) == nil { // until nothing is left
		}
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		for caller := range callers {
			ready.Add(1)
			done.Add(1)
			go func() {
				defer done.Done()
				for _, key := range keys[caller*12 : caller*12+12] {
					works(t, exec, key)
				}
				ready.Done()
				<-start
				if err := failsOnce(exec, keys[caller]); err != nil {
					t.Error("twelve retries were earned, and one is refused: ", err)
				}
			}()
		}
		ready.Wait()
		close(start)
		done.Wait()
	}
}

func TestAGoroutineThatIsStoppedWithholdsNoOthersDeposits(t *testing.T) {
	clock := &nthClock{}
	exec, err := rego.NewExecutor(rego.WithPolicies(sharingPolicies), rego.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	a, b := rego.ParseKey("shared.A"), rego.ParseKey("shared.B")
	works(t, exec, a)
	works(t, exec, b)
	for failsOnce(exec, a) == nil {
	}
	for range 2 {
		works(t, exec, a)
		works(t, exec, b)
	}
	for nth := range int64(4) {
		works(t, exec, a)
		works(t, exec, b)
		stopped, goOn := make(chan struct{}), make(chan struct{})
		clock.at(nth+2, func() { close(stopped); <-goOn })
		done := make(chan error, 1)
		go func() { done <- failsOnce(exec, a) }()
		<-stopped
		if err := failsOnce(exec, b); err != nil {
			t.Errorf("stopped at reading %d: what was earned does not pay: %v", nth+2, err)
		}
		close(goOn)
		<-done
	}
}

func TestAClockThatPanicsCostsOneCallAndNoOther(t *testing.T) {
	for nth := range int64(5) {
		clock := &nthClock{}
		exec, err := rego.NewExecutor(rego.WithPolicies(sharingPolicies), rego.WithClock(clock))
		if err != nil {
			t.Fatal(err)
		}
		a, b := rego.ParseKey("shared.A"), rego.ParseKey("shared.B")
		for range 3 {
			works(t, exec, a)
			works(t, exec, b)
		}
		clock.at(nth+1, func() { panic("the clock") })
		func() {
			defer func() { _ = recover() }()
			_ = failsOnce(exec, a)
		}()
		clock.at(nth+1, func() { panic("the clock") })
		func() {
			defer func() { _ = recover() }()
			_, _ = exec.Metrics()
		}()
		clock.in.Store(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 40 {
				works(t, exec, a)
				works(t, exec, b)
			}
			_ = failsOnce(exec, a)
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("it hangs after a panic at reading %d", nth+1)
		}
		if n := metric(t, exec, `rego_calls_total{key="shared.B",outcome="success",via="first"}`); n != 43 {
			t.Errorf("%d calls of 43 are told", n)
		}
		nothingInFlight(t, exec, b)
		_ = exec.Close()
	}
}

// Extra attempts are made while abandoned ones are few beside the calls in the air, whoever has begun
// those.
func TestCallsThatHaveNotBegunCountForTheAbandonedLimit(t *testing.T) {
	exec, err := rego.NewExecutor(rego.WithPolicies(`
schema = 1
[defaults.retry]
max_attempts = 2
initial_backoff = "1ms"
jitter = "none"
attempt_timeout = "20ms"
overall_timeout = "60s"
budget = "unlimited"
`))
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	const plain, detached = 1000, 30
	works(t, exec, get)
	hold := make(chan struct{})
	var in, out, late sync.WaitGroup
	for range plain {
		in.Add(1)
		out.Add(1)
		go func() {
			defer out.Done()
			_ = rego.DoWith(context.Background(), exec, get, func(context.Context) error { in.Done(); <-hold; return nil })
		}()
	}
	in.Wait()
	for range detached {
		late.Add(1)
		go func() {
			defer late.Done()
			var n atomic.Int32
			err := rego.DoWith(context.Background(), exec, get, func(context.Context) error {
				if n.Add(1) == 1 {
					<-hold
				}
				return nil
			}, rego.WithDetached())
			if err != nil {
				t.Error(err)
			}
		}()
	}
	late.Wait()
	close(hold)
	out.Wait()
	nothingInFlight(t, exec, get)
}

func TestAClosedExecutorLeavesNothing(t *testing.T) {
	heap := func() int64 {
		var of runtime.MemStats
		for range 4 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		runtime.ReadMemStats(&of)
		return int64(of.HeapAlloc)
	}
	keys := make([]rego.Key, 500)
	for i := range keys {
		keys[i] = rego.ParseKey("svc.Heap" + strconv.Itoa(i))
	}
	before := heap()
	for range 4 {
		exec := newExecutor(t)
		for _, key := range keys {
			works(t, exec, key)
			works(t, exec, key)
		}
		_ = exec.Close()
	}
	if left := heap() - before; left > 200_000 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(keys)
}
