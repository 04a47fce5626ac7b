package rego

// #include <rego.h>
import "C"

// Timeline is what happened in a call, in order.
type Timeline struct {
	Key Key
}

func (c *call) readTimeline(tl *Timeline) {
	C.rego_call_end(c.eng.c, c.id)
}
