package rego

import "context"

// Do runs op as a call of key by the default executor ([Init]), and returns nil once an attempt has
// worked, else an [*Error] that wraps the last real error. See [DoValueWith].
func Do(ctx context.Context, key Key, op func(context.Context) error, opts ...CallOption) error {
	_, err := run[none](ctx, theDefault(), key, plainOp(op), opts, nil)
	return err
}

// DoWith is [Do] by an executor of one's own.
func DoWith(ctx context.Context, exec *Executor, key Key, op func(context.Context) error, opts ...CallOption) error {
	_, err := run[none](ctx, exec, key, plainOp(op), opts, nil)
	return err
}

// DoValue runs op as a call of key by the default executor ([Init]), and returns the value of the
// attempt that answered it. See [DoValueWith].
func DoValue[T any](ctx context.Context, key Key, op func(context.Context) (T, error), opts ...CallOption) (T, error) {
	return run[T](ctx, theDefault(), key, valueOp[T](op), opts, nil)
}

// DoValueWith runs op as a call of key: once, and again as its policy allows, until an attempt
// works, another would not help, or there is no time, budget or attempt left. It returns what the
// attempt returned that answered the call. Where none did it returns an [*Error], and with it the
// value that came with the last real error. An attempt that returned no error is never turned into
// one, whatever a [Classifier] makes of it: a response of status 503 is returned, after the last
// attempt. And an error that it calls a success, or [Attempt.Decide] does, is returned as it is.
//
// The deadline of ctx is the call's; the policy's overall timeout holds besides. When ctx ends, the
// attempts' contexts end, and the call, with the cause of ctx ([context.Cause]): by a deadline as far as
// no attempt has returned without an error before, by a cancel in any case.
//
// op gets a context of its own, which ends with the attempt's deadline, with the loss of a race
// ([LostRace] is the cause then), and when op returns: what goes on using it needs [Attempt.Hold].
// If no hedge can happen, op runs in this goroutine. If one can, the primary attempt does as well,
// and a hedge in a goroutine of its own when it is due, so op must be safe to be called by several
// goroutines at once; this one still waits for the primary, whose context has ended when the hedge
// has won. See [WithDetached] for operations that do not mind their contexts.
//
// A panic of op is told to the engine, and goes on in this goroutine, unless another attempt
// answers the call, or it comes after this function has returned; then it is logged ([WithLogger]).
//
// Costs, besides op, of a call that works at once: one allocation, which is the context, two readings
// of the clock, and a thirty-second part of a call of the library; two such calls if the policy hedges,
// the executor keeps events, or there is more to tell of the attempt than that it returned no error.
func DoValueWith[T any](ctx context.Context, exec *Executor, key Key, op func(context.Context) (T, error), opts ...CallOption) (T, error) {
	return run[T](ctx, exec, key, valueOp[T](op), opts, nil)
}

// operation is what is called for an attempt. Both kinds are values without an allocation.
type operation[T any] interface {
	call(ctx context.Context) (T, error)
}

type valueOp[T any] func(context.Context) (T, error)

func (op valueOp[T]) call(ctx context.Context) (T, error) { return op(ctx) }

type plainOp func(context.Context) error

// none is the value of operations that have none.
type none struct{}

func (op plainOp) call(ctx context.Context) (none, error) { return none{}, op(ctx) }

// boxed is a value for those that take any.
func boxed[T any](value T) any {
	if _, ok := any(value).(none); ok {
		return nil
	}
	return value
}

// DoWithTimeline is [Do], and tells what happened.
func DoWithTimeline(ctx context.Context, key Key, op func(context.Context) error, opts ...CallOption) (Timeline, error) {
	return DoWithTimelineWith(ctx, theDefault(), key, op, opts...)
}

// DoWithTimelineWith is [DoWith], and tells what happened.
func DoWithTimelineWith(ctx context.Context, exec *Executor, key Key, op func(context.Context) error, opts ...CallOption) (Timeline, error) {
	tl := Timeline{Key: key}
	_, err := run[none](ctx, exec, key, plainOp(op), opts, &tl)
	return tl, err
}

// DoValueWithTimeline is [DoValue], and tells what happened.
func DoValueWithTimeline[T any](ctx context.Context, key Key, op func(context.Context) (T, error), opts ...CallOption) (T, Timeline, error) {
	return DoValueWithTimelineWith(ctx, theDefault(), key, op, opts...)
}

// DoValueWithTimelineWith is [DoValueWith], and tells what happened. It has its price: what happened
// is written down and read, some microseconds.
func DoValueWithTimelineWith[T any](ctx context.Context, exec *Executor, key Key, op func(context.Context) (T, error), opts ...CallOption) (T, Timeline, error) {
	tl := Timeline{Key: key}
	value, err := run[T](ctx, exec, key, valueOp[T](op), opts, &tl)
	return value, tl, err
}
