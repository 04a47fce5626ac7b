// An HTTP client that hedges, against a server of which every twentieth answer is slow.
//
//	cargo build --release -p rego-ffi
//	cd examples/go-http-hedging && go run .
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	rego "github.com/rego-resilience/rego/bindings/go"
)

const policies = `
schema = 1
[policies."users.Get"]
idempotent = true
[policies."users.Get".hedge]
enabled = true
trigger = "fixed"
delay = "15ms"
budget = "hedges"
[budgets.hedges]
kind = "ratio"
ratio = 0.1
`

// lane is what became of the requests of one client.
type lane struct {
	name               string
	median, p99        time.Duration
	requests, received int64
}

func main() {
	lanes, err := run(400)
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range lanes {
		fmt.Printf("%-7s p50 %7.2f ms   p99 %7.2f ms   load %.3f\n", l.name,
			float64(l.median.Microseconds())/1e3, float64(l.p99.Microseconds())/1e3,
			float64(l.received)/float64(l.requests))
	}
}

// run sends so many requests with a plain client and as many with one that hedges.
func run(requests int) ([]lane, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var received atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if received.Add(1)%20 == 0 {
			select {
			case <-time.After(120 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		fmt.Fprintln(w, `{"name": "Ada"}`)
	})}
	go server.Serve(listener)
	defer server.Close()

	exec, err := rego.NewExecutor(rego.WithPolicies(policies))
	if err != nil {
		return nil, err
	}
	defer exec.Close()
	hedged := &rego.RoundTripper{
		Base:     &http.Transport{},
		Executor: exec,
		Key:      func(*http.Request) rego.Key { return rego.ParseKey("users.Get") },
	}
	url := "http://" + listener.Addr().String()
	var lanes []lane
	for _, l := range []struct {
		name      string
		transport http.RoundTripper
	}{{"plain", &http.Transport{}}, {"hedged", hedged}} {
		received.Store(0)
		took, err := measure(&http.Client{Transport: l.transport}, url, requests)
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, lane{l.name, took[requests/2], took[requests*99/100], int64(requests), received.Load()})
	}
	return lanes, nil
}

// measure is how long the requests took, the fastest first.
func measure(client *http.Client, url string, requests int) ([]time.Duration, error) {
	took := make([]time.Duration, requests)
	for i := range took {
		began := time.Now()
		resp, err := client.Get(url)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return nil, err
		}
		resp.Body.Close()
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took, nil
}
