//! The numbers that fields of structs hold, and the types that are numbers.
//!
//! They are written out because the header is made from this text; `agree` holds them to the
//! engine's own.

mod agree;

/// Nanoseconds, on the host's own monotonic clock, whatever its beginning; or a length between two
/// points of it. The host passes it in: the library reads no clock, but for a `rego_executor` that
/// has none.
pub type rego_time = u64;

/// The time that does not come.
pub const REGO_TIME_NEVER: u64 = u64::MAX;

/// The number of an interned key, for as long as its engine lives. Never 0; of no meaning to other
/// engines.
pub type rego_key = u64;

/// Names one call until it is done, or until `rego_call_end` if it was begun with
/// `REGO_BEGIN_KEEP`. Never 0. What is asked of a call that is over, or of a number that was never
/// given out, answers `REGO_STATUS_STALE`. Of no meaning to other engines.
pub type rego_call = u64;

/// Names one attempt of one call until it is finished. Else as `rego_call`.
pub type rego_attempt = u64;

/// The most actions that one step carries.
pub const REGO_MAX_ACTIONS: usize = 4;

/// What the host is to do: `rego_action.kind`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_action_kind {
    /// Nothing: what an unused action is.
    REGO_ACTION_NONE = 0,
    /// Start an attempt, and finish it once, however it ends. Its time runs from the event that
    /// brought this.
    REGO_ACTION_START = 1,
    /// Ask an attempt to stop. It still has to be finished, whenever it ends.
    REGO_ACTION_CANCEL = 2,
    /// The call has ended. Nothing of it follows; attempts that still run are to be finished all
    /// the same.
    REGO_ACTION_DONE = 3,
}

/// What `rego_step.flags` holds.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_step_flag {
    /// There is more to do than fits: poll again.
    REGO_STEP_MORE = 1,
    /// Another thread drives this call at this moment, has seen the event, and gets the actions.
    REGO_STEP_ELSEWHERE = 2,
}

/// What `rego_standing.flags` holds.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_standing_flag {
    /// First attempts may be made before their calls begin.
    REGO_STANDING_GRANTED = 1,
    /// Calls of other keys may pay into the same budgets, or draw from them.
    REGO_STANDING_SHARED = 2,
}

/// What `rego_begin.flags` may hold.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_begin_flag {
    /// The call is there to be read after its end, until `rego_call_end`.
    REGO_BEGIN_KEEP = 1,
}

/// Whether repeating a request is safe: `rego_begin.idempotent`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_idempotent {
    /// As the policy says.
    REGO_IDEMPOTENT_UNSET = 0,
    /// It is.
    REGO_IDEMPOTENT_YES = 1,
    /// It is not.
    REGO_IDEMPOTENT_NO = 2,
}

/// What sort of attempt it is: `rego_action.reason` of `REGO_ACTION_START`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_attempt_kind {
    /// The first of its call.
    REGO_ATTEMPT_FIRST = 0,
    /// The primary of a later retry group.
    REGO_ATTEMPT_RETRY = 1,
    /// Launched because an earlier one of its group is slow.
    REGO_ATTEMPT_HEDGE = 2,
}

/// Why an attempt is to stop: `rego_action.reason` of `REGO_ACTION_CANCEL`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_cancel_reason {
    /// Another attempt of its group won.
    REGO_CANCEL_LOST_RACE = 0,
    /// Another attempt of its group ended the call.
    REGO_CANCEL_TERMINAL = 1,
    /// The call's or the attempt's time was up.
    REGO_CANCEL_DEADLINE = 2,
    /// The caller cancelled the call.
    REGO_CANCEL_CALLER = 3,
    /// The engine is shutting down.
    REGO_CANCEL_SHUTDOWN = 4,
}

/// How a call ended and why: `rego_action.reason` of `REGO_ACTION_DONE`. In the order of
/// precedence: where several hold at once, the first is told.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_verdict {
    /// An attempt answered.
    REGO_VERDICT_SUCCESS = 0,
    /// The caller cancelled the call.
    REGO_VERDICT_CANCELLED = 1,
    /// The engine was shut down.
    REGO_VERDICT_SHUTDOWN = 2,
    /// The deadline passed, or the next backoff would not have fitted before it.
    REGO_VERDICT_DEADLINE_EXCEEDED = 3,
    /// An attempt failed in a way that another would not mend.
    REGO_VERDICT_NON_RETRYABLE = 4,
    /// An attempt ended the whole call.
    REGO_VERDICT_ABORTED = 5,
    /// The operation panicked, and nothing else answered.
    REGO_VERDICT_PANICKED = 6,
    /// The server wants to be left alone for longer than the policy or the deadline allows.
    REGO_VERDICT_RETRY_AFTER_EXCEEDS_DEADLINE = 7,
    /// The policy allows no more attempts for failures of this class.
    REGO_VERDICT_MAX_ATTEMPTS_PER_CLASS = 8,
    /// The policy allows no more attempts.
    REGO_VERDICT_MAX_ATTEMPTS = 9,
    /// The retry budget does not pay for another attempt.
    REGO_VERDICT_BUDGET_DENIED = 10,
    /// Too many abandoned attempts of this key still run.
    REGO_VERDICT_ABANDONED_LIMIT = 11,
    /// The host rejected the only attempt, or its executor that of a submitted call.
    REGO_VERDICT_EXECUTOR_REJECTED = 12,
    /// The engine stood aside, and the last attempt there was failed: one plain attempt, as a rule.
    REGO_VERDICT_PASS_THROUGH = 13,
}

/// What kind of end an attempt came to: `rego_completion.kind`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_completion_kind {
    /// It worked.
    REGO_COMPLETION_OK = 0,
    /// An HTTP response; `code` is its status, 0 to 65535.
    REGO_COMPLETION_HTTP = 1,
    /// A gRPC status; `code` is it, 0 to 255.
    REGO_COMPLETION_GRPC = 2,
    /// An I/O error; `code` is a `REGO_IO_*`.
    REGO_COMPLETION_IO = 3,
    /// An error of the operating system; `code` is its `errno`.
    REGO_COMPLETION_ERRNO = 4,
    /// An error of the application's own; `code` is too.
    REGO_COMPLETION_APP = 5,
    /// The attempt's time was up.
    REGO_COMPLETION_TIMEOUT = 6,
    /// The attempt was cancelled.
    REGO_COMPLETION_CANCELLED = 7,
    /// The operation panicked, or threw what nobody expected.
    REGO_COMPLETION_PANIC = 8,
}

/// What `rego_completion.flags` may hold.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_completion_flag {
    /// The request is known not to have been processed: it never left, or was turned away.
    REGO_COMPLETION_NOT_SENT = 1,
    /// The request carried an idempotency key, so repeating it is safe whatever its method.
    REGO_COMPLETION_IDEMPOTENCY_KEY = 2,
    /// The server said not to try again; `retry_after` says nothing then.
    REGO_COMPLETION_DO_NOT_RETRY = 4,
}

/// An HTTP method, as far as repeating the request goes: `rego_completion.method`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum rego_method {
    /// It was no HTTP request.
    REGO_METHOD_NONE = 0,
    REGO_METHOD_GET = 1,
    REGO_METHOD_HEAD = 2,
    REGO_METHOD_OPTIONS = 3,
    REGO_METHOD_TRACE = 4,
    REGO_METHOD_PUT = 5,
    REGO_METHOD_DELETE = 6,
    REGO_METHOD_POST = 7,
    REGO_METHOD_PATCH = 8,
    /// Any other.
    REGO_METHOD_OTHER = 9,
}

/// The kind of an I/O error: `rego_completion.code` of `REGO_COMPLETION_IO`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the kinds")]
pub enum rego_io {
    /// Any kind that has no name here.
    REGO_IO_OTHER = 0,
    REGO_IO_NOT_FOUND = 1,
    REGO_IO_PERMISSION_DENIED = 2,
    REGO_IO_CONNECTION_REFUSED = 3,
    REGO_IO_CONNECTION_RESET = 4,
    REGO_IO_HOST_UNREACHABLE = 5,
    REGO_IO_NETWORK_UNREACHABLE = 6,
    REGO_IO_CONNECTION_ABORTED = 7,
    REGO_IO_NOT_CONNECTED = 8,
    REGO_IO_ADDR_IN_USE = 9,
    REGO_IO_ADDR_NOT_AVAILABLE = 10,
    REGO_IO_NETWORK_DOWN = 11,
    REGO_IO_BROKEN_PIPE = 12,
    REGO_IO_ALREADY_EXISTS = 13,
    REGO_IO_WOULD_BLOCK = 14,
    REGO_IO_INVALID_INPUT = 15,
    REGO_IO_INVALID_DATA = 16,
    REGO_IO_TIMED_OUT = 17,
    REGO_IO_WRITE_ZERO = 18,
    REGO_IO_STORAGE_FULL = 19,
    REGO_IO_RESOURCE_BUSY = 20,
    REGO_IO_DEADLOCK = 21,
    REGO_IO_UNSUPPORTED = 22,
    REGO_IO_UNEXPECTED_EOF = 23,
    REGO_IO_OUT_OF_MEMORY = 24,
    REGO_IO_INTERRUPTED = 25,
}

/// What follows from an attempt's end: `rego_outcome.kind`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_outcome_kind {
    /// The call is answered.
    REGO_OUTCOME_SUCCESS = 0,
    /// Another attempt may help.
    REGO_OUTCOME_RETRYABLE = 1,
    /// Another attempt would not help, or might do harm.
    REGO_OUTCOME_NON_RETRYABLE = 2,
    /// The whole call must end now.
    REGO_OUTCOME_ABORT = 3,
}

/// What sort of failure an attempt met; policies may have rules for each: `rego_outcome.failure`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_failure {
    /// Nothing is known.
    REGO_FAILURE_UNKNOWN = 0,
    /// A passing fault of the network or the peer.
    REGO_FAILURE_TRANSIENT = 1,
    /// The peer asks for less.
    REGO_FAILURE_THROTTLED = 2,
    /// Time was up.
    REGO_FAILURE_TIMEOUT = 3,
    /// The request was not processed.
    REGO_FAILURE_NOT_SENT = 4,
    /// A fault of the server's.
    REGO_FAILURE_SERVER = 5,
}

/// What an event tells: `rego_event.kind`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_event_kind {
    /// A call started.
    REGO_EVENT_CALL_STARTED = 0,
    /// A call ended; `reason` is a `REGO_VERDICT_*`, `attempt` the one whose result was returned,
    /// if any, `count` how many attempts were launched, `time` when the call had started.
    REGO_EVENT_CALL_ENDED = 1,
    /// An attempt was launched; `reason` is a `REGO_ATTEMPT_*`. The first of a call has no such
    /// event: it is launched at the start.
    REGO_EVENT_ATTEMPT_LAUNCHED = 2,
    /// An attempt ended; `reason` is a `REGO_OUTCOME_*`, `detail` a `REGO_FAILURE_*`, `count` is 1
    /// if it had been given up before, `time` is when it had started.
    REGO_EVENT_ATTEMPT_ENDED = 3,
    /// An attempt was asked to stop; `reason` is a `REGO_CANCEL_*`, `time` when it had started. Of one
    /// that is given up at its own timeout, `REGO_EVENT_ATTEMPT_ENDED` tells instead.
    REGO_EVENT_CANCEL_REQUESTED = 4,
    /// A budget was asked to pay for an extra attempt; `reason` is a `REGO_BUDGET_*`, `detail` a
    /// `REGO_ATTEMPT_*`, `count` how much it was asked for.
    REGO_EVENT_BUDGET_ASKED = 5,
    /// The next retry group was decided upon; `time` is when it starts.
    REGO_EVENT_BACKING_OFF = 6,
    /// A hedge was due and was not launched; `reason` is a `REGO_HEDGE_*`.
    REGO_EVENT_HEDGE_SKIPPED = 7,
    /// In observe mode: a retry or a hedge would have been launched; `reason` is a
    /// `REGO_ATTEMPT_*`.
    REGO_EVENT_WOULD_HAVE = 8,
    /// The next backoff would have passed the deadline; `time` is how long it would have been.
    REGO_EVENT_WOULD_NOT_FIT = 9,
    /// Something about the engine is not as its owner may think; `reason` is a `REGO_WARNING_*`. It
    /// belongs to no call: `call` is UINT64_MAX.
    REGO_EVENT_WARNED = 10,
    /// Nobody would run an attempt that was launched.
    REGO_EVENT_ATTEMPT_REJECTED = 11,
    /// Something of which this version of the header knows nothing.
    REGO_EVENT_OTHER = 0x7fff_ffff,
}

/// What a budget said of one extra attempt: `rego_event.reason` of `REGO_EVENT_BUDGET_ASKED`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_budget {
    /// It paid.
    REGO_BUDGET_ALLOWED = 0,
    /// The policy wants none.
    REGO_BUDGET_NONE = 1,
    /// It does not pay: it is spent, or kept while nothing is answered.
    REGO_BUDGET_DENIED = 2,
    /// The policy names one that is not defined.
    REGO_BUDGET_NOT_FOUND = 3,
    /// It panicked, which counts as a denial.
    REGO_BUDGET_PANIC = 4,
}

/// Why a hedge was not launched: `rego_event.reason` of `REGO_EVENT_HEDGE_SKIPPED`, but for those of
/// which it is said that they are no events.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_hedge {
    /// Too few samples yet: the fixed delay is used. No event: hedges are launched all the same.
    REGO_HEDGE_TRIGGER_COLD = 0,
    /// The trigger does not exist: the fixed delay is used. No event: a document that names one that
    /// does not is refused.
    REGO_HEDGE_TRIGGER_NOT_FOUND = 1,
    /// Hedging is suspended: the backend is overloaded.
    REGO_HEDGE_SUSPENDED_OVERLOAD = 2,
    /// The key's policy asks for hedges, and does not declare its requests idempotent (see
    /// `REGO_WARNING_NOT_IDEMPOTENT`), or the call says that it is not to be repeated: told once of a
    /// call.
    REGO_HEDGE_NOT_IDEMPOTENT = 3,
    /// There is no executor, or the call runs on its caller's thread alone. No event of a call but
    /// `REGO_WARNING_NO_EXECUTOR`, once for a key; each call is counted as `impossible`.
    REGO_HEDGE_NO_EXECUTOR = 4,
    /// There is no timer to fire the hedge while the caller is busy. No event of a call but
    /// `REGO_WARNING_NO_TIMER`, once for a key; each call is counted as `impossible`.
    REGO_HEDGE_NO_TIMER = 5,
    /// The hedge budget does not pay: tried again after the same delay.
    REGO_HEDGE_DENIED = 6,
    /// Too little time is left for a hedge to answer.
    REGO_HEDGE_DEADLINE_NEAR = 7,
    /// The host took no hedge.
    REGO_HEDGE_EXECUTOR_REJECTED = 8,
    /// Too many abandoned attempts of this key still run.
    REGO_HEDGE_ABANDONED_LIMIT = 9,
}

/// Where a policy came from: `rego_timeline.policy_source`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_policy_source {
    /// Nobody gave one: the built-in default.
    REGO_POLICY_DEFAULT = 0,
    /// The program.
    REGO_POLICY_STATIC = 1,
    /// A document.
    REGO_POLICY_FILE = 2,
    /// A policy server.
    REGO_POLICY_REMOTE = 3,
    /// The last good document, kept from before.
    REGO_POLICY_LAST_KNOWN_GOOD = 4,
}

/// What is not as an engine's owner may think: `rego_event.reason` of `REGO_EVENT_WARNED`.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_warning {
    /// There are as many keys as there may be: this one, and all that come after it, share the
    /// policy, the budgets and the latency of "other". Told once, of the first such key.
    REGO_WARNING_KEYS_FULL = 0,
    /// The key's policy hedges, and its calls are made where no hedge is possible: by `rego_execute`
    /// without a `spawn`. Told once for a key.
    REGO_WARNING_NO_EXECUTOR = 1,
    /// The key's policy hedges, and nobody fires the hedges: `schedule` refuses. Told once for a key.
    REGO_WARNING_NO_TIMER = 2,
    /// `max_live_calls` are in the air, and this key's calls are among those that found no room: each
    /// passes through as one plain attempt.
    REGO_WARNING_NO_ROOM = 3,
    /// The key's policy asks for hedges and does not declare that its requests are idempotent: it is
    /// in force without them. This one and the next are told of every such policy that comes into
    /// force for the key.
    REGO_WARNING_NOT_IDEMPOTENT = 4,
    /// Values of the key's policy are out of their range, and the nearest ones within it are in
    /// force.
    REGO_WARNING_POLICY_CLAMPED = 5,
}
