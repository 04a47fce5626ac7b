package rego

// #include <rego.h>
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// begin begins the call. An error is the call's; without an error and an engine it passes through.
func (c *call) begin() error {
	c.eng = c.exec.engine.Load()
	if c.eng == nil && c.exec.broken == nil {
		c.done.verdict = VerdictShutdown
		return &Error{Key: c.key.public(), Verdict: VerdictShutdown, Last: ErrClosed}
	}
	if c.keep && c.eng != nil {
		c.began = c.eng.clockNow()
	}
	if c.ctx.Err() != nil {
		c.done.verdict = c.verdictOfContext()
		return c.conclude(nil, false)
	}
	if c.eng == nil {
		return nil
	}
	now := c.eng.now()
	c.site = c.eng.site(c.key)
	if !c.stand(now, c.until()) && c.beginAt(now) != C.REGO_STATUS_OK {
		c.eng = nil
	}
	return nil
}

// until is the deadline of the caller, as the engine counts it.
func (c *call) until() uint64 {
	if at, ok := c.ctx.Deadline(); ok {
		return c.eng.engineTime(at)
	}
	return never
}

// beginAt tells the engine of the call, which began at a time.
func (c *call) beginAt(now uint64) C.rego_status {
	var begin C.rego_begin
	begin.struct_size = C.uint32_t(unsafe.Sizeof(begin))
	begin.now = C.rego_time(now)
	begin.deadline = C.rego_time(c.until())
	begin.idempotent = c.opts.idempotent
	begin.priority = c.opts.priority
	begin.edition = C.uint64_t(c.edition)
	if c.keep {
		begin.flags = C.REGO_BEGIN_KEEP
	}
	c.takeStep()
	return c.eng.begin(c.number(), &begin, &c.id, c.step)
}

// number is the engine's number of the key.
func (c *call) number() C.rego_key {
	if c.site != nil {
		return C.rego_key(c.site.number)
	}
	return c.eng.intern(c.key)
}

// verdictOfContext is how a call ends whose context has, by that.
func (c *call) verdictOfContext() Verdict {
	if c.ctx.Err() == context.DeadlineExceeded {
		return VerdictDeadlineExceeded
	}
	return VerdictCancelled
}

// steps are there for calls that begin: one is too large to be wiped for each call.
var steps = sync.Pool{New: func() any {
	step := newStep()
	return &step
}}

// takeStep makes sure that there is a step to be told.
func (c *call) takeStep() {
	if c.step == nil {
		c.step = steps.Get().(*C.rego_step)
	}
}

func (c *call) leaveStep() {
	if c.step != nil {
		steps.Put(c.step)
		c.step = nil
	}
}
