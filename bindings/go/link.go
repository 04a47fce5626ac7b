//go:build !rego_system

package rego

// The archive of this source tree, made by `cargo build --release -p rego-ffi` at its root.

// #cgo LDFLAGS: ${SRCDIR}/../../target/release/librego.a
// #cgo linux LDFLAGS: -lpthread -ldl -lm
// #cgo darwin LDFLAGS: -liconv -lm
import "C"
