package rego_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"log/slog"

	rego "github.com/rego-resilience/rego/bindings/go"
	"github.com/rego-resilience/rego/bindings/go/regotest"
)

type user struct{ Name string }

func fetchUser(context.Context) (user, error) { return user{"Ada"}, nil }

func Example() {
	getUser := rego.ParseKey("user-service.GetUser")
	found, err := rego.DoValue[user](context.Background(), getUser, fetchUser)
	fmt.Println(found.Name, err)
	// Output: Ada <nil>
}

func ExampleDo() {
	attempts := 0
	err := rego.Do(context.Background(), rego.ParseKey("mail.Send"), func(ctx context.Context) error {
		if attempts++; attempts < 3 {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	fmt.Println(attempts, err)
	// Output: 3 <nil>
}

func ExampleNewExecutor() {
	exec, err := rego.NewExecutor(rego.WithPolicies(`
schema = 1
[policies."user-service.*".retry]
max_attempts = 4
attempt_timeout = "300ms"
overall_timeout = "1s"
[policies."user-service.GetUser"]
idempotent = true
[policies."user-service.GetUser".hedge]
enabled = true
trigger = { quantile = 0.95 }
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer exec.Close()
	found, err := rego.DoValueWith(context.Background(), exec, rego.ParseKey("user-service.GetUser"), fetchUser)
	fmt.Println(found.Name, err)
	// Output: Ada <nil>
}

func ExampleError() {
	exec, _ := rego.NewExecutor(rego.WithPolicies(`{"schema": 1, "defaults": {"retry": {"max_attempts": 1}}}`))
	defer exec.Close()
	errTaken := errors.New("the name is taken")
	err := rego.DoWith(context.Background(), exec, rego.ParseKey("user-service.Create"), func(context.Context) error {
		return errTaken
	})
	var failure *rego.Error
	fmt.Println(errors.Is(err, errTaken), errors.Is(err, rego.ErrMaxAttempts), errors.As(err, &failure))
	fmt.Println(err)
	// Output:
	// true true true
	// rego: user-service.Create: max_attempts after 1 attempt: the name is taken
}

func ExampleAttemptFromContext() {
	err := rego.Do(context.Background(), rego.ParseKey("user-service.Find"), func(ctx context.Context) error {
		attempt, _ := rego.AttemptFromContext(ctx)
		// The facts decide of what follows: a 404 is not retried.
		attempt.Report(rego.HTTP(404))
		return fmt.Errorf("attempt %d found nobody", attempt.Number())
	})
	fmt.Println(err)
	// Output: rego: user-service.Find: non_retryable after 1 attempt: attempt 0 found nobody
}

func ExampleDoValueWithTimeline() {
	found, timeline, err := rego.DoValueWithTimeline[user](context.Background(), rego.ParseKey("user-service.GetUser"), fetchUser)
	fmt.Println(found.Name, err, timeline.Verdict, len(timeline.Attempts), timeline.Attempts[0].Outcome)
	// Output: Ada <nil> success 1 success
}

func ExampleRoundTripper() {
	answers := []int{503, 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	client := &http.Client{Transport: &rego.RoundTripper{}}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

func ExampleWithClassifier() {
	errBusy := errors.New("busy")
	classifier := func(value any, err error) rego.Completion {
		if errors.Is(err, errBusy) {
			return rego.Completion{Kind: rego.KindApp, NotSent: true, RetryAfter: time.Millisecond}
		}
		return rego.CompletionOf(err)
	}
	attempts := 0
	err := rego.Do(context.Background(), rego.ParseKey("queue.Put"), func(context.Context) error {
		if attempts++; attempts == 1 {
			return errBusy
		}
		return nil
	}, rego.WithClassifier(classifier))
	fmt.Println(attempts, err)
	// Output: 2 <nil>
}

func ExampleExecutor_LogEvents() {
	exec, _ := rego.NewExecutor(rego.WithEvents(1024))
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "time" || a.Key == "at" || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		},
	}))
	_ = rego.DoWith(context.Background(), exec, rego.ParseKey("user-service.Ping"), func(context.Context) error { return nil })
	// A program would give it a goroutine, and a context that ends with the program.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = exec.LogEvents(ended, logger, time.Second)
	// Output:
	// level=DEBUG msg=call_started key=user-service.Ping call=0
	// level=DEBUG msg=attempt_ended key=user-service.Ping call=0 attempt=0 reason=success
	// level=DEBUG msg=call_ended key=user-service.Ping call=0 attempt=0 reason=success count=1
}

// A clock that stands until it is moved makes a test of a backoff exact.
func ExampleWithClock() {
	clock := regotest.NewClock()
	exec, _ := rego.NewExecutor(rego.WithClock(clock), rego.WithPolicies(`
schema = 1
[defaults.retry]
initial_backoff = "100ms"
jitter = "none"
`))
	script := regotest.Script[string]{Turns: []regotest.Turn[string]{{Err: errors.New("down")}, {Value: "up"}}}
	go func() {
		clock.WaitForTimers(1)
		clock.Advance(100 * time.Millisecond)
	}()
	began := clock.Now()
	value, err := rego.DoValueWith(context.Background(), exec, rego.ParseKey("svc.Get"), script.Op)
	fmt.Println(value, err, clock.Now().Sub(began), len(script.Seen()))
	// Output: up <nil> 100ms 2
}
