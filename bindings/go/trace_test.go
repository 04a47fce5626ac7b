package rego

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const traces = "../../ffi/tests/traces"

// TestTracesAreAnsweredAsTheyWere replays what ffi/tests/traces/README.md describes: the same events
// have the same answers here as in Rust.
func TestTracesAreAnsweredAsTheyWere(t *testing.T) {
	paths, err := filepath.Glob(traces + "/*.trace")
	if err != nil || len(paths) < 6 {
		t.Fatalf("%d traces, %v", len(paths), err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		// Attempts are never queued here: a goroutine is there as soon as it is asked for.
		if name == "queue.trace" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if at, is, was, ok := replay(t, string(text)); !ok {
				t.Errorf("%s:%d: %q, not %q", name, at, is, was)
			}
		})
	}
}

func TestAnotherAnswerIsNoticed(t *testing.T) {
	text, err := os.ReadFile(traces + "/hedges.trace")
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(text), "+ cancel 0.0 0", "+ cancel 0.0 1", 1)
	if _, is, was, ok := replay(t, wrong); wrong == string(text) || ok || is != "+ cancel 0.0 0" || was != "+ cancel 0.0 1" {
		t.Errorf("%q, not %q: %t", is, was, ok)
	}
}

// replay answers a trace, up to the first answer that is another.
func replay(t *testing.T, trace string) (line int, is, was string, ok bool) {
	var f *front
	var expected []string
	lines := bufio.NewScanner(strings.NewReader(trace))
	var answers []string
	for lines.Scan() {
		line++
		text := lines.Text()
		switch {
		case strings.HasPrefix(text, "#"), text == "":
		case strings.HasPrefix(text, "seed "):
			f = newFront(t, number(text[5:]))
		case strings.ContainsAny(text[:1], "=!+"):
			if len(answers) == 0 {
				return line, "", text, false
			}
			if answers[0] != text {
				return line, answers[0], text, false
			}
			answers = answers[1:]
			expected = append(expected, text)
		default:
			if len(answers) > 0 {
				return line, answers[0], "", false
			}
			answers = f.tell(strings.Fields(text))
		}
	}
	if len(answers) > 0 || len(expected) == 0 {
		return line, strings.Join(answers, "; "), "", false
	}
	return line, "", "", true
}

// front is what this module does between its calls and the engine.
type front struct {
	exec     *Executor
	clock    *tracedClock
	calls    []*call
	attempts map[string]*attemptContext
}

func newFront(t *testing.T, seed uint64) *front {
	policies, err := os.ReadFile(traces + "/policies.toml")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{clock: &tracedClock{}, attempts: map[string]*attemptContext{}}
	// The engine is made a second after its base.
	f.clock.now = time.Unix(0, 0).Add(time.Second)
	f.exec, err = NewExecutor(WithSeed(seed), WithClock(f.clock), WithPolicies(string(policies)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.exec.Close() })
	return f
}

func (f *front) tell(words []string) []string {
	switch words[0] {
	case "begin":
		f.at(words[3])
		opts := f.exec.call
		switch words[5] {
		case "1":
			WithIdempotent(true).applyCall(&opts)
		case "2":
			WithIdempotent(false).applyCall(&opts)
		}
		c := &call{ctx: until{context.Background(), words[4]}, exec: f.exec, key: ParseKey(words[2]).site(), opts: &opts}
		// As one that begins before its first attempt is made: each event of a trace is the engine's.
		c.eng = f.exec.engine.Load()
		if s := status(c.beginAt(c.eng.now())); s != statusOK {
			return []string{s.Error()}
		}
		f.calls = append(f.calls, c)
		return f.answer(c)
	case "finish":
		f.at(words[2])
		flags := number(words[5])
		return f.finish(words[1], &end{facts: Completion{
			Kind: CompletionKind(number(words[3])), Code: int32(number(words[4])), Method: Method(number(words[6])),
			NotSent: flags&1 != 0, IdempotencyKey: flags&2 != 0, DoNotRetry: flags&4 != 0,
			RetryAfter: time.Duration(number(words[7])),
		}})
	case "finish_as":
		f.at(words[2])
		return f.finish(words[1], &end{decided: true, outcome: Outcome{
			Kind: OutcomeKind(number(words[3])), Failure: Failure(number(words[4])), Backoff: time.Duration(number(words[5])),
		}})
	case "poll":
		f.at(words[2])
		c := f.calls[number(words[1])]
		if !c.eng.poll(c.key, c.id, c.step) {
			return []string{stale}
		}
		return f.answer(c)
	case "cancel":
		c := f.calls[number(words[1])]
		if !c.eng.cancel(c.id) {
			return []string{stale}
		}
		return nil
	}
	panic("no such line: " + strings.Join(words, " "))
}

const stale = "! -5"

func (f *front) finish(name string, e *end) []string {
	a := f.attempts[name]
	of, _, _ := strings.Cut(name, ".")
	c := f.calls[number(of)]
	if !tell(c.eng, a, e, c.step) {
		return []string{stale}
	}
	return f.answer(c)
}

func (f *front) answer(c *call) []string {
	answers := []string{fmt.Sprintf("= %d %s", c.step.flags, word(uint64(c.step.wake_at)))}
	for i := range int(c.step.n_actions) {
		action := &c.step.actions[i]
		of := -1
		for n, known := range f.calls {
			if known.id == action.call {
				of = n
			}
		}
		var text string
		switch action.kind {
		case actionStart:
			a := c.launch(i)
			f.attempts[fmt.Sprintf("%d.%d", of, a.number)] = a
			text = fmt.Sprintf("start %d.%d %d %d %d %s", of, a.number, action.reason, a.retryIndex, a.hedgeIndex, word(a.deadline))
		case actionCancel:
			text = fmt.Sprintf("cancel %s %d", f.name(uint64(action.attempt)), action.reason)
		case actionDone:
			c.end(action)
			text = fmt.Sprintf("done %d %d %s %d %d %d", of, c.done.verdict, f.name(uint64(action.attempt)), c.done.attempts, c.done.answer, c.done.retryAfter)
		}
		answers = append(answers, "+ "+text)
	}
	return answers
}

func (f *front) name(id uint64) string {
	for name, a := range f.attempts {
		if a.id == id {
			return name
		}
	}
	return "-"
}

func (f *front) at(now string) {
	f.clock.now = time.Unix(0, 0).Add(time.Duration(number(now)))
}

func number(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func word(at uint64) string {
	if at == never {
		return "-"
	}
	return strconv.FormatUint(at, 10)
}

// tracedClock shows what a trace says.
type tracedClock struct{ now time.Time }

func (c *tracedClock) Now() time.Time                            { return c.now }
func (c *tracedClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// until is a context with a deadline that a trace says.
type until struct {
	context.Context
	at string
}

func (u until) Deadline() (time.Time, bool) {
	if u.at == "-" {
		return time.Time{}, false
	}
	return time.Unix(0, 0).Add(time.Duration(number(u.at))), true
}
