// Package rego runs operations by policies: it retries them with bounded backoff and timeouts,
// hedges them against slow answers, within budgets that keep retries from becoming a storm, and
// tells what happened. Policies hang on the key of the call site and change without a deploy.
//
//	user, err := rego.DoValue[User](ctx, rego.ParseKey("user-service.GetUser"), op)
//
// The engine is a library in C's clothes, the same for all languages; this package drives it and
// runs the operations itself, in the caller's goroutine as a rule. See [DoValueWith] for what a
// call does, [NewExecutor] for policies, [RoundTripper] for HTTP.
//
// All of it may be used by any number of goroutines, unless it says otherwise.
package rego
