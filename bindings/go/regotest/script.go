package regotest

import (
	"context"
	"fmt"
	"sync"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

// Turn is how one attempt of a [Script] goes.
type Turn[T any] struct {
	// What the attempt returns.
	Value T
	Err   error
	// How long it takes, on the script's clock. It returns early if its context ends, with the
	// context's error, unless it is Deaf.
	Takes time.Duration
	Deaf  bool
	// What it panics with, in place of returning.
	Panics any
	// The facts that it reports, if any.
	Reports *rego.Completion
}

// Script is an operation whose attempts go as they are told: attempt number n as turn n, and those
// beyond the last turn as the last. Its [Script.Op] is the operation.
type Script[T any] struct {
	// Where attempts take time. The system's if it is nil.
	Clock *Clock
	Turns []Turn[T]

	mu     sync.Mutex
	seen   []rego.Attempt
	causes map[int]error
}

// Seen returns the attempts that were run, in the order of their start.
func (s *Script[T]) Seen() []rego.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]rego.Attempt(nil), s.seen...)
}

// Cause returns why the context of an attempt had ended when it returned; nil if it had not.
func (s *Script[T]) Cause(attempt int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.causes[attempt]
}

// Op runs the turn of the attempt that ctx belongs to.
func (s *Script[T]) Op(ctx context.Context) (T, error) {
	attempt, ok := rego.AttemptFromContext(ctx)
	if !ok || len(s.Turns) == 0 {
		var zero T
		return zero, fmt.Errorf("regotest: a script of %d turns, run outside of a call: %t", len(s.Turns), !ok)
	}
	s.mu.Lock()
	s.seen = append(s.seen, attempt)
	s.mu.Unlock()
	turn := s.Turns[min(attempt.Number(), len(s.Turns)-1)]
	err := s.pass(ctx, turn)
	s.mu.Lock()
	if cause := context.Cause(ctx); cause != nil {
		if s.causes == nil {
			s.causes = map[int]error{}
		}
		s.causes[attempt.Number()] = cause
	}
	s.mu.Unlock()
	if turn.Panics != nil {
		panic(turn.Panics)
	}
	if err != nil {
		return turn.Value, err
	}
	if turn.Reports != nil {
		attempt.Report(*turn.Reports)
	}
	return turn.Value, turn.Err
}

// pass lets the time pass that a turn takes.
func (s *Script[T]) pass(ctx context.Context, turn Turn[T]) error {
	if turn.Takes <= 0 {
		return nil
	}
	// The attempt's own timer first, so that whoever waits for this one finds both.
	done := ctx.Done()
	if turn.Deaf {
		done = nil
	}
	over := make(chan struct{})
	var timer rego.Timer
	if s.Clock == nil {
		timer = time.AfterFunc(turn.Takes, func() { close(over) })
	} else {
		timer = s.Clock.AfterFunc(turn.Takes, func() { close(over) })
	}
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-done:
		return ctx.Err()
	}
}
