module github.com/rego-resilience/rego/bindings/go/bench

go 1.24.0

require (
	github.com/failsafe-go/failsafe-go v0.9.8
	github.com/rego-resilience/rego/bindings/go v0.0.0
)

require github.com/bits-and-blooms/bitset v1.24.4 // indirect

replace github.com/rego-resilience/rego/bindings/go => ..
