package rego

// What the header of the library has numbers for has a name here.

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	enumOf     = regexp.MustCompile(`(?s)\nenum (rego_\w+)\n.*?\n};`)
	constantOf = regexp.MustCompile(`\n  (REGO_\w+) = (-?\d+),`)
	versionOf  = regexp.MustCompile(`\n#define REGO_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)`)
)

func headerText(t *testing.T) string {
	text, err := os.ReadFile("../../include/rego.h")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// header are the constants of include/rego.h by enum.
func header(t *testing.T) map[string]map[string]int64 {
	enums := map[string]map[string]int64{}
	for _, enum := range enumOf.FindAllStringSubmatch(headerText(t), -1) {
		constants := map[string]int64{}
		for _, c := range constantOf.FindAllStringSubmatch(enum[0], -1) {
			n, err := strconv.ParseInt(c[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			constants[c[1]] = n
		}
		enums[enum[1]] = constants
	}
	if len(enums) < 20 || len(enums["rego_verdict"]) < 14 {
		t.Fatal("the header is not as this test reads it", enums)
	}
	return enums
}

// headerVersion is the version that a header says, in the order of its macros.
func headerVersion(text string) string {
	var parts []string
	for _, part := range versionOf.FindAllStringSubmatch(text, -1) {
		parts = append(parts, part[1])
	}
	return strings.Join(parts, ".")
}

func TestTheLibraryHasTheVersionOfTheHeader(t *testing.T) {
	text := headerText(t)
	if is, said := headerVersion(text), Version(); is != said {
		t.Errorf("%q with a header of %q", said, is)
	}
	// The control.
	other := strings.Replace(text, "#define REGO_VERSION_MINOR ", "#define REGO_VERSION_MINOR 7", 1)
	if headerVersion(other) == Version() {
		t.Error("another minor version went unnoticed")
	}
}

// What is no matter of this module's: answers of functions, but for those it looks at; what a zero
// says; calls that the library executes.
var notUsed = []string{
	"REGO_STATUS_NULL", "REGO_STATUS_INVALID", "REGO_STATUS_UNSUPPORTED", "REGO_STATUS_BUSY",
	"REGO_STATUS_CAPACITY", "REGO_STATUS_PANIC", "REGO_ACTION_NONE", "REGO_STEP_ELSEWHERE",
	"REGO_EXECUTE_INLINE_FIRST", "REGO_EXECUTE_WAIT_LOSERS", "REGO_EXECUTE_KEEP",
}

func TestEveryConstantOfTheHeaderIsUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
			source.Write(text)
		}
	}
	used := regexp.MustCompile(`C\.(REGO_\w+)`).FindAllStringSubmatch(source.String(), -1)
	for enum, constants := range header(t) {
		for name := range constants {
			is := slices.ContainsFunc(used, func(use []string) bool { return use[1] == name })
			if is == slices.Contains(notUsed, name) {
				t.Errorf("%s of %s: used: %t", name, enum, is)
			}
		}
	}
}

func TestWhatTheEngineTellsHasItsName(t *testing.T) {
	// Where the name is not that of the constant.
	others := map[string]string{"REGO_BUDGET_NONE": "no_budget", "REGO_BUDGET_PANIC": "panic_in_budget"}
	enums := header(t)
	for enum, tell := range map[string]func(uint32) string{
		"rego_event_kind":    func(n uint32) string { return EventKind(n).String() },
		"rego_verdict":       func(n uint32) string { return Verdict(n).String() },
		"rego_attempt_kind":  func(n uint32) string { return AttemptKind(n).String() },
		"rego_outcome_kind":  func(n uint32) string { return OutcomeKind(n).String() },
		"rego_failure":       func(n uint32) string { return Failure(n).String() },
		"rego_budget":        func(n uint32) string { return named(budgetDecisions[:], n) },
		"rego_hedge":         func(n uint32) string { return named(hedgeReasons[:], n) },
		"rego_warning":       func(n uint32) string { return named(warnings[:], n) },
		"rego_policy_source": func(n uint32) string { return named(policySources[:], n) },
		"rego_cancel_reason": func(n uint32) string { return named(cancelReasons[:], n) },
	} {
		if len(enums[enum]) == 0 {
			t.Error(enum, "is not in the header")
		}
		prefix := "REGO_" + strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(enum, "rego_"), "_kind")) + "_"
		prefix = strings.NewReplacer("POLICY_SOURCE_", "POLICY_", "CANCEL_REASON_", "CANCEL_").Replace(prefix)
		for constant, n := range enums[enum] {
			want, ok := others[constant]
			if !ok {
				want = strings.ToLower(strings.TrimPrefix(constant, prefix))
			}
			if got := tell(uint32(n)); got != want {
				t.Errorf("%s is told as %q, not %q", constant, got, want)
			}
		}
	}
	for constant, n := range enums["rego_completion_kind"] {
		if told := facts(uint32(n), 7); strings.HasPrefix(told, "kind_") {
			t.Errorf("%s is told as %q", constant, told)
		}
	}
}
