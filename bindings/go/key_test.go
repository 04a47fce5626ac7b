package rego

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// Beyond the number of keys that are remembered nothing changes but what a key costs.
func TestKeysThatAreNotRememberedAreKeys(t *testing.T) {
	remembered := ParseKey("svc.Remembered")
	defer parsedCount.Store(parsedCount.Load())
	parsedCount.Store(maxParsed)
	late := ParseKey(" svc.Late ")
	if late != ParseKey(strings.Clone("svc.Late")) || late == ParseKey("svc.Later") || remembered != ParseKey(" svc.Remembered") {
		t.Error("keys of one text are equal")
	}
	if late.Namespace() != "svc" || late.Name() != "Late" || late.Err() != nil || late.k != nil {
		t.Error(late.Namespace(), late.Name(), late.Err())
	}
	exec, err := NewExecutor(WithMaxKeys(4))
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	bad := errors.New("bad")
	err = DoWith(context.Background(), exec, late, func(ctx context.Context) error {
		a, _ := AttemptFromContext(ctx)
		if a.Key() != late {
			t.Error(a.Key())
		}
		a.Decide(Outcome{Kind: NonRetryable})
		return bad
	})
	var e *Error
	if !errors.As(err, &e) || e.Key != late {
		t.Error(err)
	}
}

// As the engine spells them.
func TestAKeyIsSpeltOneWay(t *testing.T) {
	for _, spelling := range []string{".b", ". b", ".\u00a0b ", " . b", "b"} {
		if key := ParseKey(spelling); key != ParseKey("b") || key.String() != "b" {
			t.Errorf("%q is spelt %q", spelling, key)
		}
	}
	for _, invalid := range []string{"a\x7fb", "a\tb", "é\u009bb"} {
		if err := ParseKey(invalid).Err(); !errors.Is(err, ErrInvalidKey) || !strings.Contains(err.Error(), "control character") {
			t.Errorf("%q: %v", invalid, err)
		}
	}
	for _, other := range []string{"..", ". .b", "a. b"} {
		if key := ParseKey(other); key.String() != other {
			t.Errorf("%q is spelt %q", other, key)
		}
	}
}
