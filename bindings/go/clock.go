package rego

import "time"

// Clock is where an executor has the time from. It must be safe for use by several goroutines, and
// its time must not go back.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own when wait has passed, unless it is stopped before.
	AfterFunc(wait time.Duration, f func()) Timer
}

// Timer is what [Clock.AfterFunc] returns: it does what a *time.Timer of time.AfterFunc does.
type Timer interface {
	Stop() bool
	Reset(wait time.Duration) bool
}
