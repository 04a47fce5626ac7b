module github.com/rego-resilience/rego/examples/go-http-hedging

go 1.24.0

require github.com/rego-resilience/rego/bindings/go v0.0.0

replace github.com/rego-resilience/rego/bindings/go => ../../bindings/go
