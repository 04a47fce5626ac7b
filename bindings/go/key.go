package rego

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unique"
)

// Key names a call site: what policies, budgets, latencies and metrics hang on. Keys are few and
// known, such as "user-service.GetUser": no user, no path with an id, nothing random in them.
//
// Keys of the same text are equal. The zero Key is an invalid one, that of no text.
type Key struct {
	k *key
	// The text of one that is not remembered: it is parsed again each time.
	text unique.Handle[string]
}

type key struct {
	text string
	// Where the name begins.
	nameAt int
	err    error
	// It is not remembered.
	passing bool
	// Its place in the tables of engines, counted from 1; 0 if it has none.
	place uint32
}

// MaxKeyBytes is the length of the longest key there is.
const MaxKeyBytes = 256

// How many different keys are remembered, all of them valid.
const maxParsed = 1 << 16

var (
	// ErrInvalidKey is what [Key.Err] tells of, in more words.
	ErrInvalidKey = errors.New("rego: invalid key")

	parsed      sync.Map
	parsedCount atomic.Int64
	places      atomic.Uint32
	// The site that calls share whose key the engine has no room for, or is invalid.
	otherKey = ParseKey("other").k
	noKey    = &key{err: fmt.Errorf("%w: it is empty", ErrInvalidKey)}
)

// ParseKey parses the text of a key: namespace and name, parted by the first dot. It is trimmed;
// without a dot, or with nothing behind it, all of it is the name. Cheap enough to be called for
// every call: the text is parsed once.
//
// A text that is no key (empty, longer than [MaxKeyBytes], with control characters) gives a key
// whose [Key.Err] tells why. Calls of such keys run, and share the site named "other": a wrong name
// is no reason for an outage.
func ParseKey(text string) Key {
	if known, ok := parsed.Load(text); ok {
		return Key{k: known.(*key)}
	}
	return parseNew(text)
}

func parseNew(text string) Key {
	name, err := canonical(text)
	if err == noKey.err {
		return Key{}
	}
	if err != nil {
		return Key{text: unique.Make(text)}
	}
	if parsedCount.Load() >= maxParsed {
		if known, ok := parsed.Load(name); ok {
			return Key{k: known.(*key)}
		}
		return Key{text: unique.Make(name)}
	}
	k := newKey(strings.Clone(name))
	if place := places.Add(1); place <= maxParsed {
		k.place = place
	}
	// By its canonical text first, so that spellings of one key are one key.
	first, loaded := parsed.LoadOrStore(k.text, k)
	if !loaded {
		parsedCount.Add(1)
	}
	if text != name {
		if _, loaded := parsed.LoadOrStore(strings.Clone(text), first); !loaded {
			parsedCount.Add(1)
		}
	}
	return Key{k: first.(*key)}
}

func newKey(name string) *key {
	k := &key{text: name}
	if dot := strings.IndexByte(name, '.'); dot >= 0 && dot+1 < len(name) {
		k.nameAt = dot + 1
	}
	return k
}

// canonical is the spelling under which the engine knows a key.
func canonical(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", noKey.err
	}
	if len(text) > MaxKeyBytes {
		return "", fmt.Errorf("%w: %d bytes, and at most %d", ErrInvalidKey, len(text), MaxKeyBytes)
	}
	for at, r := range text {
		if unicode.IsControl(r) {
			return "", fmt.Errorf("%w: a control character at byte %d", ErrInvalidKey, at)
		}
	}
	if strings.ToValidUTF8(text, "") != text {
		return "", fmt.Errorf("%w: it is not UTF-8", ErrInvalidKey)
	}
	if name, ok := strings.CutPrefix(text, "."); ok && name != "" && !strings.Contains(name, ".") {
		return strings.TrimSpace(name), nil
	}
	return text, nil
}

// Namespace returns what comes before the first dot; "" without one.
func (k Key) Namespace() string {
	return k.get().text[:max(k.get().nameAt-1, 0)]
}

// Name returns what comes after the first dot.
func (k Key) Name() string {
	return k.get().text[k.get().nameAt:]
}

// String returns the text of the key.
func (k Key) String() string {
	return k.get().text
}

// Err returns nil, or why the key is invalid: it wraps [ErrInvalidKey].
func (k Key) Err() error {
	return k.get().err
}

func (k Key) get() *key {
	if k.k != nil {
		return k.k
	}
	return k.parse()
}

// parse is what is known of a key that is not remembered.
func (k Key) parse() *key {
	if k == (Key{}) {
		return noKey
	}
	text := k.text.Value()
	_, err := canonical(text)
	if err != nil {
		return &key{text: text, err: err, passing: true}
	}
	passing := newKey(text)
	passing.passing = true
	return passing
}

// site is the key under which the engine is asked.
func (k Key) site() *key {
	site := k.get()
	if site.err != nil {
		return otherKey
	}
	return site
}

// public is the key as the user knows it.
func (k *key) public() Key {
	if k.passing {
		return Key{text: unique.Make(k.text)}
	}
	return Key{k: k}
}
