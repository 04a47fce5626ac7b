package rego

import "context"

// passThrough is one plain attempt, past an engine that cannot take it.
func passThrough[T any, O operation[T]](c *call, op O) (T, error) {
	if c.opts.detached {
		return passDetached[T](c, op)
	}
	value, err := op.call(c.ctx)
	return value, c.passed(err)
}

// passDetached is one in a goroutine of its own, which is not waited for any longer than the caller's
// context lasts.
func passDetached[T any, O operation[T]](c *call, op O) (T, error) {
	exec, opts, ctx := c.exec, c.opts, c.ctx
	a := &attemptContext{parent: ctx, key: c.key, deadline: never}
	landed := make(chan *landing[T])
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		l := &landing[T]{result: result[T]{from: a}}
		defer func() {
			select {
			case landed <- l:
			case <-gone:
				l.lost(exec, opts)
			}
		}()
		l.call(ctx, op.call)
	}()
	var l *landing[T]
	select {
	case l = <-landed:
	case <-ctx.Done():
		select {
		case l = <-landed: // It was in time all the same.
		default:
			var zero T
			c.done = outcome{verdict: c.verdictOfContext(), attempts: 1}
			return zero, c.conclude(nil, false)
		}
	}
	if l.thrown != nil {
		l.thrown.goOn()
	}
	return l.value, c.passed(l.err)
}

// passed is the error of a call that has passed through, whose attempt returned this one.
func (c *call) passed(err error) error {
	c.note(0, err)
	c.done = outcome{verdict: VerdictSuccess, attempts: 1, answer: 1}
	if err == nil {
		return nil
	}
	c.done.verdict = VerdictPassThrough
	if c.ctx.Err() == context.DeadlineExceeded {
		// As of any call: what fails past the deadline is the deadline's.
		c.done.verdict = VerdictDeadlineExceeded
	}
	return c.conclude(err, true)
}
