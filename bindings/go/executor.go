package rego

// #include <rego.h>
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// Executor runs calls by the policies of their keys. It may be used by any number of goroutines.
type Executor struct {
	// Nil once it is closed.
	engine atomic.Pointer[engine]
	// Why there never was an engine.
	broken error
	call   callOptions
	logger *slog.Logger
	// How many events its ring has at most.
	maxEvents int
}

// NewExecutor makes an executor. An error tells which option or which line of a policy is wrong.
//
// The variable REGO_MODE of the environment sets its mode: active, observe (one attempt per call,
// and a record of what would have been done) or off (one plain attempt).
func NewExecutor(opts ...Option) (*Executor, error) {
	var o executorOptions
	for _, opt := range opts {
		if opt != nil {
			opt.applyExecutor(&o)
		}
		if o.err != nil {
			return nil, o.err
		}
	}
	if len(o.policies) > 1 {
		return nil, &PolicyError{Message: "WithPolicies was given more than once, and each document takes the place of all before: make them one"}
	}
	eng, err := newEngine(&o)
	if err != nil {
		return nil, err
	}
	for _, text := range o.policies {
		if err := eng.load(text); err != nil {
			return nil, err
		}
	}
	e := &Executor{call: o.call, logger: o.logger, maxEvents: 2 * int(o.maxEvents)}
	e.engine.Store(eng)
	return e, nil
}

// NewDefaultExecutor makes an executor with safe defaults: three attempts, full jitter, a budget
// that stops retry storms, no hedging.
//
// Where no engine can be made, because REGO_MODE says something unknown, say, it is one that passes
// calls through as one plain attempt each, and an error is logged.
func NewDefaultExecutor() *Executor {
	e, err := NewExecutor()
	if err != nil {
		slog.Error("calls pass through: there is no resilience engine", "error", err)
		return &Executor{broken: err}
	}
	return e
}

// LoadPolicies puts policies in force, in place of those before: all of them, or none, with a
// [*PolicyError]. TOML, or JSON if the text begins with "{". Calls in the air keep the policy they
// began with; budgets that keep their name and kind keep their balance.
func (e *Executor) LoadPolicies(text string) error {
	eng := e.engine.Load()
	if eng == nil {
		return e.gone()
	}
	return eng.load(text)
}

// Metrics returns all metrics as OpenMetrics text.
func (e *Executor) Metrics() (string, error) {
	eng := e.engine.Load()
	if eng == nil {
		return "", e.gone()
	}
	return eng.metrics()
}

// Close lets go of the executor: further calls answer [ErrClosed], those in the air go on to their
// ends. The memory is given back when the last attempt has returned. An executor that is never
// closed is let go of when nothing refers to it any more. It always answers nil.
func (e *Executor) Close() error {
	e.engine.Store(nil)
	return nil
}

func (e *Executor) gone() error {
	if e.broken != nil {
		return e.broken
	}
	return ErrClosed
}

// report logs a panic of which no caller is told. It is called while it is recovered, for its stack.
func (e *Executor) report(what, key string, panicked any) {
	e.reportFrom(what, key, panicked, debug.Stack())
}

// reportFrom is report with the stack of elsewhere. It may be the last that a goroutine of nobody's
// does, so a logger that panics is left at that.
func (e *Executor) reportFrom(what, key string, panicked any, stack []byte, more ...slog.Attr) {
	defer func() { _ = recover() }()
	logger := e.logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := append([]slog.Attr{slog.String("key", key)}, more...)
	attrs = append(attrs, slog.String("panic", fmt.Sprint(panicked)), slog.String("stack", string(stack)))
	logger.LogAttrs(context.Background(), slog.LevelError, what, attrs...)
}

var defaultExecutor atomic.Pointer[Executor]

// Init makes an executor the default one: of [Do] and the others that take none. Once, and before
// the first of them is called: later it answers [ErrInitialised], and changes nothing.
func Init(exec *Executor) error {
	if exec == nil {
		panic("rego: Init of a nil executor")
	}
	if !defaultExecutor.CompareAndSwap(nil, exec) {
		return ErrInitialised
	}
	return nil
}

func theDefault() *Executor {
	if e := defaultExecutor.Load(); e != nil {
		return e
	}
	e := NewDefaultExecutor()
	if !defaultExecutor.CompareAndSwap(nil, e) {
		_ = e.Close()
	}
	return defaultExecutor.Load()
}
