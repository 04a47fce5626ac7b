//go:build rego_system

package rego

// The installed library, found by pkg-config: `go build -tags rego_system`.

// #cgo pkg-config: rego
import "C"
