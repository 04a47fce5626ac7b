package rego_test

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// No attempt runs inside a call of C, so one that waits costs a goroutine and no thread.
func TestTenThousandWaitingAttemptsNeedFewThreads(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("threads are counted in /proc: cargo xtask test, on Linux")
	}
	const calls = 10_000
	exec := newExecutor(t)
	for _, key := range []rego.Key{get, rego.ParseKey("svc.Hedgeable")} {
		release := make(chan struct{})
		var waiting, done sync.WaitGroup
		waiting.Add(calls)
		done.Add(calls)
		for range calls {
			go func() {
				defer done.Done()
				err := rego.DoWith(context.Background(), exec, key, func(ctx context.Context) error {
					waiting.Done()
					<-release
					return ctx.Err()
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		waiting.Wait()
		if threads := threads(t); threads >= 50 {
			t.Errorf("%s: %d threads", key, threads)
		}
		close(release)
		done.Wait()
	}
}

// threads is how many threads this process has.
func threads(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// The control: where threads do wait, the count shows them.
func TestThreadsThatWaitAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("threads are counted in /proc: cargo xtask test, on Linux")
	}
	before := threads(t)
	release := make(chan struct{})
	var waiting, done sync.WaitGroup
	for range 60 {
		waiting.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			// A goroutine that keeps its thread.
			runtime.LockOSThread()
			waiting.Done()
			<-release
		}()
	}
	waiting.Wait()
	if now := threads(t); now < before+30 {
		t.Errorf("%d threads, %d before", now, before)
	}
	close(release)
	done.Wait()
}
