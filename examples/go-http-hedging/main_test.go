package main

import "testing"

// The slow answers are one in twenty, so they are the plain client's p99, and hedging takes them
// away.
func TestHedgingTakesTheTailAway(t *testing.T) {
	lanes, err := run(200)
	if err != nil {
		t.Fatal(err)
	}
	plain, hedged := lanes[0], lanes[1]
	if plain.received != plain.requests || hedged.received <= hedged.requests || hedged.received > hedged.requests*3/2 {
		t.Errorf("%d and %d requests came for %d and %d", plain.received, hedged.received, plain.requests, hedged.requests)
	}
	if hedged.p99 >= plain.p99 {
		t.Errorf("p99 %v hedged, %v plain", hedged.p99, plain.p99)
	}
}
