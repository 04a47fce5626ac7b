package rego

// #include <rego.h>
import "C"

import "fmt"

// The names that telemetry has for what the engine tells in numbers.
var (
	attemptKinds = [...]string{
		C.REGO_ATTEMPT_FIRST: "first", C.REGO_ATTEMPT_RETRY: "retry", C.REGO_ATTEMPT_HEDGE: "hedge",
	}
	outcomeKinds = [...]string{
		C.REGO_OUTCOME_SUCCESS: "success", C.REGO_OUTCOME_RETRYABLE: "retryable",
		C.REGO_OUTCOME_NON_RETRYABLE: "non_retryable", C.REGO_OUTCOME_ABORT: "abort",
	}
	failures = [...]string{
		C.REGO_FAILURE_UNKNOWN: "unknown", C.REGO_FAILURE_TRANSIENT: "transient",
		C.REGO_FAILURE_THROTTLED: "throttled", C.REGO_FAILURE_TIMEOUT: "timeout",
		C.REGO_FAILURE_NOT_SENT: "not_sent", C.REGO_FAILURE_SERVER: "server",
	}
	policySources = [...]string{
		C.REGO_POLICY_DEFAULT: "default", C.REGO_POLICY_STATIC: "static", C.REGO_POLICY_FILE: "file",
		C.REGO_POLICY_REMOTE: "remote", C.REGO_POLICY_LAST_KNOWN_GOOD: "last_known_good",
	}
	budgetDecisions = [...]string{
		C.REGO_BUDGET_ALLOWED: "allowed", C.REGO_BUDGET_NONE: "no_budget", C.REGO_BUDGET_DENIED: "denied",
		C.REGO_BUDGET_NOT_FOUND: "not_found", C.REGO_BUDGET_PANIC: "panic_in_budget",
	}
	hedgeReasons = [...]string{
		C.REGO_HEDGE_TRIGGER_COLD: "trigger_cold", C.REGO_HEDGE_TRIGGER_NOT_FOUND: "trigger_not_found",
		C.REGO_HEDGE_SUSPENDED_OVERLOAD: "suspended_overload", C.REGO_HEDGE_NOT_IDEMPOTENT: "not_idempotent",
		C.REGO_HEDGE_NO_EXECUTOR: "no_executor", C.REGO_HEDGE_NO_TIMER: "no_timer",
		C.REGO_HEDGE_DENIED: "denied", C.REGO_HEDGE_DEADLINE_NEAR: "deadline_near",
		C.REGO_HEDGE_EXECUTOR_REJECTED: "executor_rejected", C.REGO_HEDGE_ABANDONED_LIMIT: "abandoned_limit",
	}
	warnings = [...]string{
		C.REGO_WARNING_KEYS_FULL: "keys_full", C.REGO_WARNING_NO_EXECUTOR: "no_executor",
		C.REGO_WARNING_NO_TIMER: "no_timer", C.REGO_WARNING_NO_ROOM: "no_room",
		C.REGO_WARNING_NOT_IDEMPOTENT: "not_idempotent", C.REGO_WARNING_POLICY_CLAMPED: "policy_clamped",
	}
	cancelReasons = [...]string{
		C.REGO_CANCEL_LOST_RACE: "lost_race", C.REGO_CANCEL_TERMINAL: "terminal",
		C.REGO_CANCEL_DEADLINE: "deadline", C.REGO_CANCEL_CALLER: "caller", C.REGO_CANCEL_SHUTDOWN: "shutdown",
	}
)

// named is the name of a number; of one that a newer library has, the number.
func named(names []string, number uint32) string {
	if int(number) < len(names) {
		return names[number]
	}
	return fmt.Sprint(number)
}

// facts are the facts of an attempt's end in a word.
func facts(kind uint32, code int32) string {
	switch kind {
	case C.REGO_NO_COMPLETION:
		return ""
	case C.REGO_COMPLETION_OK:
		return "ok"
	case C.REGO_COMPLETION_HTTP:
		return fmt.Sprintf("http_%d", code)
	case C.REGO_COMPLETION_GRPC:
		return fmt.Sprintf("grpc_%d", code)
	case C.REGO_COMPLETION_IO:
		return fmt.Sprintf("io_%d", code)
	case C.REGO_COMPLETION_ERRNO:
		return fmt.Sprintf("errno_%d", code)
	case C.REGO_COMPLETION_APP:
		return fmt.Sprintf("app_%d", code)
	case C.REGO_COMPLETION_TIMEOUT:
		return "timeout"
	case C.REGO_COMPLETION_CANCELLED:
		return "cancelled"
	case C.REGO_COMPLETION_PANIC:
		return "panic"
	}
	return fmt.Sprintf("kind_%d_%d", kind, code)
}
