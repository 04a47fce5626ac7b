package rego

import (
	"context"
	"testing"
	"time"
)

// Who comes while somebody tells of what was in the pockets waits until the engine knows of it: else
// a budget would be drawn from that is not paid in to yet.
func TestWhoSettlesWaitsForWhoIsTelling(t *testing.T) {
	exec, err := NewExecutor()
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	k := ParseKey("svc.Told")
	for range 2 {
		if err := DoWith(context.Background(), exec, k, func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	e := exec.engine.Load()
	s := e.site(k.get())
	if !s.some.Load() {
		t.Fatal("nothing is in a pocket")
	}
	// Somebody is about to tell: everything has been taken.
	s.turn.Lock()
	s.telling.Store(true)
	s.some.Store(false)
	settled := make(chan struct{})
	go func() {
		e.settle(k.get())
		close(settled)
	}()
	select {
	case <-settled:
		t.Fatal("it does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	s.telling.Store(false)
	s.turn.Unlock()
	<-settled
	for i := range s.pockets {
		if p := s.pockets[i].Load(); p != nil && (p.n > 0 || p.some.Load()) {
			t.Error("something is left in a pocket")
		}
	}
}
