module github.com/rego-resilience/rego/bindings/go

go 1.24.0
