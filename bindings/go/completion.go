package rego

// #include <rego.h>
import "C"

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// Completion is the facts of how an attempt ended. The classifier that the key's policy names makes
// of them what follows: so that is data, and changes without a deploy. The zero Completion says
// that it worked.
type Completion struct {
	Kind CompletionKind
	// What the kind says of it: an HTTP status (0 to 65535), a gRPC status (0 to 255), an IOKind,
	// an errno, a number of the application's own.
	Code int32
	// The method of the HTTP request, also where it ended in a timeout or an I/O error: a POST that
	// may have been processed is not repeated.
	Method Method
	// The request is known not to have been processed: it never left, or was turned away.
	NotSent bool
	// The request carried an idempotency key, so repeating it is safe whatever its method.
	IdempotencyKey bool
	// The server said not to try again.
	DoNotRetry bool
	// For how long the server wants to be left alone; 0 if it did not say.
	RetryAfter time.Duration
}

// CompletionKind is what kind of end an attempt came to.
type CompletionKind uint32

// The kinds of ends.
const (
	KindOK        = CompletionKind(C.REGO_COMPLETION_OK)        // it worked
	KindHTTP      = CompletionKind(C.REGO_COMPLETION_HTTP)      // an HTTP response
	KindGRPC      = CompletionKind(C.REGO_COMPLETION_GRPC)      // a gRPC status
	KindIO        = CompletionKind(C.REGO_COMPLETION_IO)        // an I/O error
	KindErrno     = CompletionKind(C.REGO_COMPLETION_ERRNO)     // an error of the operating system
	KindApp       = CompletionKind(C.REGO_COMPLETION_APP)       // an error of the application's own
	KindTimeout   = CompletionKind(C.REGO_COMPLETION_TIMEOUT)   // its time was up
	KindCancelled = CompletionKind(C.REGO_COMPLETION_CANCELLED) // it was cancelled
	KindPanic     = CompletionKind(C.REGO_COMPLETION_PANIC)     // it panicked
)

// Method is an HTTP method, as far as repeating the request goes.
type Method uint32

// The methods.
const (
	MethodNone    = Method(C.REGO_METHOD_NONE) // no HTTP request
	MethodGet     = Method(C.REGO_METHOD_GET)
	MethodHead    = Method(C.REGO_METHOD_HEAD)
	MethodOptions = Method(C.REGO_METHOD_OPTIONS)
	MethodTrace   = Method(C.REGO_METHOD_TRACE)
	MethodPut     = Method(C.REGO_METHOD_PUT)
	MethodDelete  = Method(C.REGO_METHOD_DELETE)
	MethodPost    = Method(C.REGO_METHOD_POST)
	MethodPatch   = Method(C.REGO_METHOD_PATCH)
	MethodOther   = Method(C.REGO_METHOD_OTHER)
)

// IOKind is the kind of an I/O error.
type IOKind int32

// The kinds of I/O errors.
const (
	IOOther              = IOKind(C.REGO_IO_OTHER)
	IONotFound           = IOKind(C.REGO_IO_NOT_FOUND)
	IOPermissionDenied   = IOKind(C.REGO_IO_PERMISSION_DENIED)
	IOConnectionRefused  = IOKind(C.REGO_IO_CONNECTION_REFUSED)
	IOConnectionReset    = IOKind(C.REGO_IO_CONNECTION_RESET)
	IOHostUnreachable    = IOKind(C.REGO_IO_HOST_UNREACHABLE)
	IONetworkUnreachable = IOKind(C.REGO_IO_NETWORK_UNREACHABLE)
	IOConnectionAborted  = IOKind(C.REGO_IO_CONNECTION_ABORTED)
	IONotConnected       = IOKind(C.REGO_IO_NOT_CONNECTED)
	IOAddrInUse          = IOKind(C.REGO_IO_ADDR_IN_USE)
	IOAddrNotAvailable   = IOKind(C.REGO_IO_ADDR_NOT_AVAILABLE)
	IONetworkDown        = IOKind(C.REGO_IO_NETWORK_DOWN)
	IOBrokenPipe         = IOKind(C.REGO_IO_BROKEN_PIPE)
	IOAlreadyExists      = IOKind(C.REGO_IO_ALREADY_EXISTS)
	IOWouldBlock         = IOKind(C.REGO_IO_WOULD_BLOCK)
	IOInvalidInput       = IOKind(C.REGO_IO_INVALID_INPUT)
	IOInvalidData        = IOKind(C.REGO_IO_INVALID_DATA)
	IOTimedOut           = IOKind(C.REGO_IO_TIMED_OUT)
	IOWriteZero          = IOKind(C.REGO_IO_WRITE_ZERO)
	IOStorageFull        = IOKind(C.REGO_IO_STORAGE_FULL)
	IOResourceBusy       = IOKind(C.REGO_IO_RESOURCE_BUSY)
	IODeadlock           = IOKind(C.REGO_IO_DEADLOCK)
	IOUnsupported        = IOKind(C.REGO_IO_UNSUPPORTED)
	IOUnexpectedEOF      = IOKind(C.REGO_IO_UNEXPECTED_EOF)
	IOOutOfMemory        = IOKind(C.REGO_IO_OUT_OF_MEMORY)
	IOInterrupted        = IOKind(C.REGO_IO_INTERRUPTED)
)

// HTTP are the facts of a response with this status.
func HTTP(code int) Completion { return Completion{Kind: KindHTTP, Code: int32(code)} }

// GRPC are the facts of a gRPC status.
func GRPC(code int) Completion { return Completion{Kind: KindGRPC, Code: int32(code)} }

// IO are the facts of an I/O error.
func IO(kind IOKind) Completion { return Completion{Kind: KindIO, Code: int32(kind)} }

// App are the facts of an error of the application's own.
func App(code int) Completion { return Completion{Kind: KindApp, Code: int32(code)} }

// Completer is implemented by errors that carry the facts themselves.
type Completer interface{ Completion() Completion }

// Classifier tells the facts of an attempt that returned value and err: of responses that are
// errors, of errors that only the application knows. value is what the operation returned, nil for
// [Do]. It is called in the goroutine of the attempt, for attempts that worked as well, possibly by
// several at once. [CompletionOf] are the facts where it has nothing to say. A classifier that
// panics is a classifier that says the attempt failed, past mending; the panic is logged
// ([WithLogger]). So are methods of an error that panic when they are asked for its facts.
type Classifier func(value any, err error) Completion

// CompletionOf are the facts of an error as far as they can be told, through everything it wraps: a
// [Completer], the errors of context, net, io, fs and syscall. Of any other error they are App(0),
// which is retried unless the call is said not to be idempotent; those of nil say that it worked.
func CompletionOf(err error) Completion {
	if err == nil {
		return Completion{}
	}
	var completer Completer
	if errors.As(err, &completer) {
		return completer.Completion()
	}
	if errors.Is(err, context.Canceled) {
		return Completion{Kind: KindCancelled}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return ofName(dns)
	}
	facts := ofSystem(err)
	// What fails while connecting was not sent.
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		facts.NotSent = true
	}
	return facts
}

// ofName are the facts of a host whose address is not to be had: nothing was sent.
func ofName(dns *net.DNSError) Completion {
	facts := IO(IOHostUnreachable)
	if dns.IsTimeout {
		facts = IO(IOTimedOut)
	}
	facts.NotSent = true
	return facts
}

func ofSystem(err error) Completion {
	var number syscall.Errno
	if errors.As(err, &number) && number != 0 {
		return Completion{Kind: KindErrno, Code: int32(number)}
	}
	for _, known := range knownErrors {
		if errors.Is(err, known.err) {
			return known.facts
		}
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Completion{Kind: KindTimeout}
	}
	return App(0)
}

var knownErrors = []struct {
	err   error
	facts Completion
}{
	{context.DeadlineExceeded, Completion{Kind: KindTimeout}},
	{os.ErrDeadlineExceeded, Completion{Kind: KindTimeout}},
	{io.ErrUnexpectedEOF, IO(IOUnexpectedEOF)},
	{io.EOF, IO(IOUnexpectedEOF)},
	{io.ErrClosedPipe, IO(IOBrokenPipe)},
	{net.ErrClosed, IO(IOConnectionAborted)},
	{fs.ErrNotExist, IO(IONotFound)},
	{fs.ErrPermission, IO(IOPermissionDenied)},
	{fs.ErrExist, IO(IOAlreadyExists)},
	{fs.ErrInvalid, IO(IOInvalidInput)},
}

// Outcome is what follows from an attempt's end, by the operation's own judgement, past any
// classifier: see [Attempt.Decide]. The zero Outcome says that the call is answered.
type Outcome struct {
	Kind OutcomeKind
	// What sort of failure it was. Policies may have rules for each.
	Failure Failure
	// How long to wait before the next attempt, in place of the policy's backoff: never less, and
	// up to a tenth more. 0 for the policy's.
	Backoff time.Duration
}

// OutcomeKind is what follows from an attempt's end.
type OutcomeKind uint32

// What may follow.
const (
	Success      = OutcomeKind(C.REGO_OUTCOME_SUCCESS)       // the call is answered
	Retryable    = OutcomeKind(C.REGO_OUTCOME_RETRYABLE)     // another attempt may help
	NonRetryable = OutcomeKind(C.REGO_OUTCOME_NON_RETRYABLE) // it would not, or might do harm
	Abort        = OutcomeKind(C.REGO_OUTCOME_ABORT)         // the whole call must end now
)

// Failure is a sort of failure.
type Failure uint32

// The sorts of failures.
const (
	FailureUnknown   = Failure(C.REGO_FAILURE_UNKNOWN)
	FailureTransient = Failure(C.REGO_FAILURE_TRANSIENT) // a passing fault of the network or the peer
	FailureThrottled = Failure(C.REGO_FAILURE_THROTTLED) // the peer asks for less
	FailureTimeout   = Failure(C.REGO_FAILURE_TIMEOUT)
	FailureNotSent   = Failure(C.REGO_FAILURE_NOT_SENT)
	FailureServer    = Failure(C.REGO_FAILURE_SERVER) // a fault of the server's
)
