package rego

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func methodOf(method string) Method {
	switch strings.ToUpper(method) {
	case "", http.MethodGet:
		return MethodGet
	case http.MethodHead:
		return MethodHead
	case http.MethodOptions:
		return MethodOptions
	case http.MethodTrace:
		return MethodTrace
	case http.MethodPut:
		return MethodPut
	case http.MethodDelete:
		return MethodDelete
	case http.MethodPost:
		return MethodPost
	case http.MethodPatch:
		return MethodPatch
	}
	return MethodOther
}

// isIdempotent tells whether a method is by its definition (RFC 9110, 9.2.2).
func isIdempotent(method Method) bool {
	return method != MethodPost && method != MethodPatch && method != MethodOther
}

func hasIdempotencyKey(req *http.Request) bool {
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}

// retryAfter is for how long a server wants to be left alone (RFC 9110, 10.2.3): seconds, or a date,
// taken from the response's own Date, or else from now. 0 if it does not say, or nothing that can be
// read; a nanosecond for at once. More seconds than a number holds are as many as one does.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return max(time.Duration(min(seconds, 1<<31))*time.Second, 1)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 1)
}
