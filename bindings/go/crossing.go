package rego

// The two crossings of a call that begins and then works at once. What they return comes back through a pointer:
// after a C function that returns a value cgo asks whether Go's stack has moved meanwhile, which it
// cannot have, as nothing is called back. And engines go as numbers: a pointer to what Go has no
// definition of would be looked up each time, in case it were Go's.

// #cgo noescape crossing_begin
// #cgo nocallback crossing_begin
// #cgo noescape crossing_finish
// #cgo nocallback crossing_finish
// #include <rego.h>
//
// static void crossing_begin(uintptr_t engine, rego_key key, const rego_begin *begin,
//                            rego_call *id, rego_step *step, rego_status *status) {
//   *status = rego_call_begin((rego_engine *)engine, key, begin, id, step);
// }
//
// static void crossing_finish(uintptr_t engine, rego_attempt attempt, rego_time now,
//                             const rego_completion *completion, rego_step *step,
//                             rego_status *status) {
//   *status = rego_attempt_finish((rego_engine *)engine, attempt, now, completion, step);
// }
import "C"

import "unsafe"

func (e *engine) begin(key C.rego_key, begin *C.rego_begin, id *C.rego_call, step *C.rego_step) (s C.rego_status) {
	C.crossing_begin(e.address(), key, begin, id, step, &s)
	return s
}

func (e *engine) finish(attempt uint64, now C.rego_time, completion *C.rego_completion, step *C.rego_step) (s C.rego_status) {
	C.crossing_finish(e.address(), C.rego_attempt(attempt), now, completion, step, &s)
	return s
}

// address is the engine as C's functions above take it.
func (e *engine) address() C.uintptr_t {
	return C.uintptr_t(uintptr(unsafe.Pointer(e.c)))
}
