package rego

// #include <rego.h>
import "C"

import (
	"fmt"
	"log/slog"
)

// Option is something to ask of an executor: see [NewExecutor].
type Option interface{ applyExecutor(*executorOptions) }

// CallOption is something to ask of one call.
type CallOption interface{ applyCall(*callOptions) }

// SharedOption may be asked of one call, or of an executor for all its calls.
type SharedOption interface {
	Option
	CallOption
}

type executorOptions struct {
	policies     []string
	seed         uint64
	maxLiveCalls uint32
	maxKeys      uint32
	maxEvents    uint32
	clock        Clock
	logger       *slog.Logger
	call         callOptions
	err          error
}

// unsaid is what a call says of repeating its request that does not say.
const unsaid = C.REGO_IDEMPOTENT_UNSET

type callOptions struct {
	idempotent C.uint32_t
	priority   C.uint32_t
	detached   bool
	classify   Classifier
	discard    func(value any, err error)
	// The attempts' contexts have deadlines that can be lifted, and what a call goes on after is
	// told: for [RoundTripper].
	liftable    bool
	provisional func(value any)
}

// drop hands over a result that nobody gets. What panics there is no reason for the call to.
func (o *callOptions) drop(exec *Executor, k *key, value any, err error) {
	if o.discard == nil {
		return
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			exec.report("a discard panicked", k.text, panicked)
		}
	}()
	o.discard(value, err)
}

type executorOption func(*executorOptions)

func (o executorOption) applyExecutor(to *executorOptions) { o(to) }

type callOption func(*callOptions)

func (o callOption) applyCall(to *callOptions) { o(to) }

type sharedOption func(*callOptions)

func (o sharedOption) applyCall(to *callOptions)         { o(to) }
func (o sharedOption) applyExecutor(to *executorOptions) { o(&to.call) }

// WithPolicies puts policies in force from the beginning: TOML, or JSON if the text begins with
// "{". [Executor.LoadPolicies] puts others in their place later. Given twice it is refused, with a
// [*PolicyError]: a document is all there is, so one of them would be lost.
func WithPolicies(text string) Option {
	return executorOption(func(o *executorOptions) { o.policies = append(o.policies, text) })
}

// WithSeed makes all random draws hang on the seed: the same calls in the same order get the same
// jitter. A call that works at once draws none, unless it is begun before its attempt ([WithEvents]):
// then later ones get another. 0 for draws that nobody can foretell, which is the default.
func WithSeed(seed uint64) Option {
	return executorOption(func(o *executorOptions) { o.seed = seed })
}

// WithMaxLiveCalls bounds the calls in the air, 1 to 2^24-1; further ones pass through, each as one
// plain attempt. About 2 KiB each. The default is 65,536. A call whose first attempt runs and can not
// be hedged takes no room, unless it is begun before its attempt ([WithEvents]).
func WithMaxLiveCalls(calls int) Option {
	return bounded("max live calls", calls, 1<<24-1, func(o *executorOptions, n uint32) { o.maxLiveCalls = n })
}

// WithMaxKeys bounds the keys that are told apart, 1 to 65,536; later ones share one, named
// "other". The default is 1,024.
func WithMaxKeys(keys int) Option {
	return bounded("max keys", keys, 1<<16, func(o *executorOptions, n uint32) { o.maxKeys = n })
}

// WithEvents keeps the last events for [Executor.DrainEvents] and [Executor.LogEvents], 1 to 2^20,
// rounded up to a power of two. Without it nobody writes any, and calls that work at once take less
// than half the time.
func WithEvents(events int) Option {
	return bounded("events", events, 1<<20, func(o *executorOptions, n uint32) { o.maxEvents = n })
}

func bounded(what string, given, most int, set func(*executorOptions, uint32)) Option {
	return executorOption(func(o *executorOptions) {
		if given < 1 || given > most {
			o.err = fmt.Errorf("rego: %s: %d, and it must be 1 to %d", what, given, most)
			return
		}
		set(o, uint32(given))
	})
}

// WithClock takes the time from a clock other than the system's: see the package regotest.
func WithClock(clock Clock) Option {
	return executorOption(func(o *executorOptions) { o.clock = clock })
}

// WithLogger tells a logger what cannot be told to any caller: panics of attempts whose call has
// ended without them, of classifiers, of discards. The default is slog.Default() at the time.
func WithLogger(logger *slog.Logger) Option {
	return executorOption(func(o *executorOptions) { o.logger = logger })
}

// WithClassifier takes the facts of attempts from a classifier instead of [CompletionOf].
func WithClassifier(classifier Classifier) SharedOption {
	return sharedOption(func(o *callOptions) { o.classify = classifier })
}

// WithDetached runs every attempt in a goroutine of its own, and returns as soon as the call has
// its answer or its context ends, even where operations do not mind their contexts: those that lost
// go on in the background, and are counted. Without it the caller's goroutine runs the primary
// attempts, and waits for them.
func WithDetached() SharedOption {
	return sharedOption(func(o *callOptions) { o.detached = true })
}

// WithDiscard hands the results that nobody gets to discard, each once: of attempts that lost, that
// came late, that were retried, whose call panicked. For values that hold something, such as
// connections. value is nil for [Do]. It is called in the goroutine of an attempt or of the caller.
func WithDiscard(discard func(value any, err error)) SharedOption {
	return sharedOption(func(o *callOptions) { o.discard = discard })
}

// WithIdempotent says whether repeating this request is safe, whatever the policy says of its key:
// where it is not, it is not hedged, and retried only if it was certainly not processed.
func WithIdempotent(idempotent bool) CallOption {
	return callOption(func(o *callOptions) {
		o.idempotent = C.REGO_IDEMPOTENT_NO
		if idempotent {
			o.idempotent = C.REGO_IDEMPOTENT_YES
		}
	})
}

// WithPriority says how much the call matters, from 0. Carried along; nothing hangs on it yet.
func WithPriority(priority uint8) CallOption {
	return callOption(func(o *callOptions) { o.priority = C.uint32_t(priority) })
}
