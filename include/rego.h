/*
 * rego: retries, hedging and budgets as one small state machine.
 *
 * Generated: the source is in ffi/src, and a test rewrites this file. Not the policy language of
 * the same name.
 *
 *   rego_options options = REGO_OPTIONS_INIT;
 *   options.now = now();                     // nanoseconds of your own monotonic clock
 *   rego_engine *engine;
 *   rego_status status = rego_engine_new(&options, &engine, NULL);
 *   rego_key key;
 *   status = rego_key_intern(engine, REGO_STR("user-service.GetUser"), &key);
 *
 *   rego_begin begin = REGO_BEGIN_INIT;
 *   begin.now = now();
 *   rego_call call;
 *   rego_step step = REGO_STEP_INIT;
 *   status = rego_call_begin(engine, key, &begin, &call, &step);
 *   // Do what step.actions says: START an attempt, and when it has ended
 *   rego_completion facts = REGO_COMPLETION_INIT;
 *   status = rego_attempt_finish(engine, step.actions[0].attempt, now(), &facts, &step);
 *   // which for an attempt that worked answers with DONE. After a failure there may be nothing to
 *   // do until step.wake_at: rego_call_poll(engine, call, now(), &step) then.
 *
 * LAYERS
 *
 * There are three ways to make a call. rego_call_*: the host runs attempts and says what time it is,
 * and is told what to do next; nothing is called back. rego_loop_*: the same for many calls on one
 * event loop, whose timers the library keeps. A host to which crossings are dear may make first
 * attempts before their calls begin: see rego_key_standing. rego_execute and rego_submit, which are such a host
 * themselves: the library has attempts run by callbacks, on the calling thread or on threads that
 * the host supplies.
 *
 * THREADS
 *
 * The library starts no thread. What belongs to the first two layers reads no clock, and waits for no
 * other thread in a call's way, but that a begin with hedging now and then sums up its key's
 * latencies, for which it takes a lock that nobody holds for longer than that, and that a begin on an
 * edition that is not in force any more looks for its terms under one. rego_execute waits,
 * that is what it is for. Every function says who may call it; where it says "any thread, at any
 * time", also several at once on the same engine, the same call, the same attempt. Where two threads come with news of one call, one of them drives it and gets the actions, the other a step with
 * REGO_STEP_ELSEWHERE. What a thread passes for a function to write to is that thread's alone
 * until the function returns.
 *
 * LIFETIMES
 *
 * An engine lives until it was released as often as it was made and retained. Whoever calls a
 * function holds a reference while it runs. Keys live as long as their engine. Calls and attempts
 * are numbers that name a place and which use of it: to keep, lose or repeat one does no harm; one
 * that is over, or was never given out, answers REGO_STATUS_STALE. Ids hold for the engine that
 * gave them out. A loop is one owner's to free, once. A call is over with its DONE; one that was
 * begun with REGO_BEGIN_KEEP is there to be read after that, until rego_call_end. Every attempt that
 * was started is to be finished once, also after the DONE. What is passed in is borrowed for the
 * duration of the function; nothing that the library returns is to be freed.
 *
 * POINTERS
 *
 * A pointer that is not said to be optional is checked for NULL, and for its alignment; nothing is
 * written through an output but on success, through rego_error but on failure. Beyond that a
 * pointer must be what its type says. Structs begin with their own size, which the macros named
 * ..._INIT set, together with what else is not 0 by default. A program that was compiled with an
 * older header may pass its smaller structs; one with a newer header, its larger ones, as long as
 * what this library does not know is 0. No struct is larger than 4,096 bytes: a size beyond that, or
 * less than the struct ever had, is none, and REGO_STATUS_INVALID. A callback writes no further into
 * a struct that it is handed than the struct's own size says. An unknown flag or kind, or a reserved
 * field that is not 0, is REGO_STATUS_UNSUPPORTED.
 *
 * RE-ENTRANCY
 *
 * Callbacks are handed the userdata that they were registered with. Where there is a `drop`, it is
 * called exactly once, after the last of the other callbacks has returned, and also where the
 * registration is refused: for an unknown tail, too, but not where the struct cannot be read, as its
 * pointer is NULL or not aligned, or its size is none. None is called while the library holds a
 * lock, so every function may be called from every callback, but: nobody may wait in a `notify`
 * (rego_execute, rego_engine_load_policies and rego_key_intern answer REGO_STATUS_BUSY there), a
 * callback must not free what it is called for, and none may unwind: an exception or a longjmp that
 * leaves it ends the process. Of a submitted call only its id is told
 * from within rego_submit; all else on threads of its executor's, or of those that cancel it. From a signal handler only what is
 * said to be async-signal-safe may be called. Where memory runs out, the process ends.
 *
 * FORK
 *
 * A child of fork draws other jitter than its parent, by itself, unless the engine has a seed of
 * its own. It has copies of the engines and of the calls in the air, which are its own from then
 * on: what it does with them does not reach the parent; rego_engine_after_fork_child ends them
 * instead. What rego_execute and rego_submit run on other threads does not go on in the child.
 * Where another thread was inside a function of this library at the time of the fork, the child must
 * not use that engine, nor free its loops: what the other thread held stays locked and half done.
 * That holds of an attempt, too, which forks within rego_execute: its child calls exec or _exit, and
 * does not return.
 *
 * UNLOADING
 *
 * The library stays in memory after dlclose (it is linked with -z nodelete): threads of the host's
 * run its destructors when they end. To load it again is fine.
 */

#ifndef REGO_H
#define REGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of this header. */
#define REGO_VERSION_MAJOR 0
#define REGO_VERSION_MINOR 1
#define REGO_VERSION_PATCH 0
/** The version of this header as one number, to compare, in #if as well. */
#define REGO_VERSION_NUMBER                                                                    \
  (REGO_VERSION_MAJOR * 1000000U + REGO_VERSION_MINOR * 1000U + REGO_VERSION_PATCH)

/* Define REGO_STATIC where the static library is linked on Windows. */
#if defined(_WIN32) && !defined(REGO_STATIC)
#  define REGO_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(_WIN32)
#  define REGO_API __attribute__((visibility("default")))
#else
#  define REGO_API
#endif
#if defined(__GNUC__)
#  define REGO_NODISCARD __attribute__((warn_unused_result))
#else
#  define REGO_NODISCARD
#endif
#ifdef __cplusplus
#  define REGO_NOEXCEPT noexcept
#else
#  define REGO_NOEXCEPT
#endif

/** A rego_str of a string literal. */
#ifdef __cplusplus
#  define REGO_STR(literal) (rego_str{"" literal, sizeof(literal) - 1})
#else
#  define REGO_STR(literal) ((rego_str){"" literal, sizeof(literal) - 1})
#endif
/* For the macros below: each language as its strictest warnings want it. */
#ifdef __cplusplus
#  define REGO_SIZE_OF(type) static_cast<uint32_t>(sizeof(type))
#  define REGO_NULL nullptr
#else
#  define REGO_SIZE_OF(type) ((uint32_t)sizeof(type))
#  define REGO_NULL NULL
#endif

/** A rego_error of nothing. */
#define REGO_ERROR_INIT {REGO_SIZE_OF(rego_error), 0, {0}}
/** Defaults throughout; say in `now` what time it is. */
#define REGO_OPTIONS_INIT                                                                      \
  {REGO_SIZE_OF(rego_options), REGO_ABI_VERSION, 0, 0, 0, 0, 0, 0, REGO_NULL, 0}
/** A call that asks for nothing but its key's policy; say in `now` what time it is. */
#define REGO_BEGIN_INIT {REGO_SIZE_OF(rego_begin), 0, 0, 0, 0, 0, 0, 0}
/** Room for standing terms. */
#define REGO_STANDING_INIT {REGO_SIZE_OF(rego_standing), 0, 0, 0, 0, REGO_NULL, 0}
/** No call; say in `now` what time it is. */
#define REGO_SETTLEMENT_INIT {REGO_SIZE_OF(rego_settlement), 0, 0, REGO_NULL, 0}
/** It worked. */
#define REGO_COMPLETION_INIT {REGO_SIZE_OF(rego_completion), 0, 0, 0, 0, 0, 0, 0}
/** The call is answered. */
#define REGO_OUTCOME_INIT {REGO_SIZE_OF(rego_outcome), 0, 0, 0, 0, 0}
/** A classifier of yours; say its name and what it does. */
#define REGO_CLASSIFIER_INIT                                                                   \
  {REGO_SIZE_OF(rego_classifier), 0, {REGO_NULL, 0}, REGO_NULL, REGO_NULL, REGO_NULL}
/** Room for a timeline. */
#define REGO_TIMELINE_INIT                                                                     \
  {REGO_SIZE_OF(rego_timeline), 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, {0}}
/** Room for a step. */
#define REGO_STEP_INIT                                                                         \
  {REGO_SIZE_OF(rego_step), 0, 0, 0, UINT64_MAX, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}
/** Work that says nothing but what to do: fill in `attempt`, and what else you need. */
#define REGO_WORK_INIT                                                                         \
  {REGO_SIZE_OF(rego_work), 0,         0,         0,         REGO_NULL, REGO_NULL,             \
   REGO_NULL,               REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL}
/** An executor without threads: fill in `spawn`, and what else you have. */
#define REGO_EXECUTOR_INIT                                                                     \
  {REGO_SIZE_OF(rego_executor), 0, REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL}
/** Room for a result. */
#define REGO_RESULT_INIT {REGO_SIZE_OF(rego_result), 0, 0, 0, 0, 0, 0, 0, 0}

/**
 * The version of the ABI that this header describes. It changes when something that was there
 * changes its meaning or goes; what is only added changes nothing.
 */
#define REGO_ABI_VERSION 1

/**
 * The time that does not come.
 */
#define REGO_TIME_NEVER UINT64_MAX

/**
 * The most actions that one step carries.
 */
#define REGO_MAX_ACTIONS 4

/**
 * Nothing: in those fields of timelines that say so.
 */
#define REGO_NONE UINT32_MAX

/**
 * No attempt: `rego_event.attempt`.
 */
#define REGO_NO_ATTEMPT UINT32_MAX

/**
 * Nothing is known of how an attempt ended: `rego_event.completion`.
 */
#define REGO_NO_COMPLETION UINT32_MAX

/**
 * What a function answers: 0, or why it did nothing. How a call ended is never among them: that
 * is told by `REGO_ACTION_DONE`.
 *
 * New ones are added at the end; none changes its number.
 */
enum rego_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It is done.
   */
  REGO_STATUS_OK = 0,
  /**
   * A pointer that must not be NULL is.
   */
  REGO_STATUS_NULL = -1,
  /**
   * An argument that is wrong in every version: a `struct_size` too small or beyond 4,096, a
   * pointer that is not aligned, text that is not UTF-8, a number out of its range, a policy that
   * is wrong.
   */
  REGO_STATUS_INVALID = -2,
  /**
   * An argument that a newer version may understand: an unknown flag, kind or ABI version, a
   * reserved field or an unknown tail of a struct that is not 0.
   */
  REGO_STATUS_UNSUPPORTED = -3,
  /**
   * The id names nothing, or nothing any more.
   */
  REGO_STATUS_STALE = -5,
  /**
   * Not now: another thread has what only one may have, or this thread is in a callback in which
   * nobody may wait.
   */
  REGO_STATUS_BUSY = -6,
  /**
   * The host took none of the work: its executor refused it.
   */
  REGO_STATUS_CAPACITY = -7,
  /**
   * A defect of the library's own, contained. The engine goes on.
   */
  REGO_STATUS_PANIC = -100,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_status rego_status;
#else
typedef int32_t rego_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the host is to do: `rego_action.kind`.
 */
enum rego_action_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing: what an unused action is.
   */
  REGO_ACTION_NONE = 0,
  /**
   * Start an attempt, and finish it once, however it ends. Its time runs from the event that
   * brought this.
   */
  REGO_ACTION_START = 1,
  /**
   * Ask an attempt to stop. It still has to be finished, whenever it ends.
   */
  REGO_ACTION_CANCEL = 2,
  /**
   * The call has ended. Nothing of it follows; attempts that still run are to be finished all
   * the same.
   */
  REGO_ACTION_DONE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_action_kind rego_action_kind;
#else
typedef uint32_t rego_action_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `rego_step.flags` holds.
 */
enum rego_step_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * There is more to do than fits: poll again.
   */
  REGO_STEP_MORE = 1,
  /**
   * Another thread drives this call at this moment, has seen the event, and gets the actions.
   */
  REGO_STEP_ELSEWHERE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_step_flag rego_step_flag;
#else
typedef uint32_t rego_step_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `rego_begin.flags` may hold.
 */
enum rego_begin_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The call is there to be read after its end, until `rego_call_end`.
   */
  REGO_BEGIN_KEEP = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_begin_flag rego_begin_flag;
#else
typedef uint32_t rego_begin_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `rego_standing.flags` holds.
 */
enum rego_standing_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * First attempts may be made before their calls begin.
   */
  REGO_STANDING_GRANTED = 1,
  /**
   * Calls of other keys may pay into the same budgets, or draw from them.
   */
  REGO_STANDING_SHARED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_standing_flag rego_standing_flag;
#else
typedef uint32_t rego_standing_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether repeating a request is safe: `rego_begin.idempotent`.
 */
enum rego_idempotent
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * As the policy says.
   */
  REGO_IDEMPOTENT_UNSET = 0,
  /**
   * It is.
   */
  REGO_IDEMPOTENT_YES = 1,
  /**
   * It is not.
   */
  REGO_IDEMPOTENT_NO = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_idempotent rego_idempotent;
#else
typedef uint32_t rego_idempotent;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What sort of attempt it is: `rego_action.reason` of `REGO_ACTION_START`.
 */
enum rego_attempt_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The first of its call.
   */
  REGO_ATTEMPT_FIRST = 0,
  /**
   * The primary of a later retry group.
   */
  REGO_ATTEMPT_RETRY = 1,
  /**
   * Launched because an earlier one of its group is slow.
   */
  REGO_ATTEMPT_HEDGE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_attempt_kind rego_attempt_kind;
#else
typedef uint32_t rego_attempt_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why an attempt is to stop: `rego_action.reason` of `REGO_ACTION_CANCEL`.
 */
enum rego_cancel_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Another attempt of its group won.
   */
  REGO_CANCEL_LOST_RACE = 0,
  /**
   * Another attempt of its group ended the call.
   */
  REGO_CANCEL_TERMINAL = 1,
  /**
   * The call's or the attempt's time was up.
   */
  REGO_CANCEL_DEADLINE = 2,
  /**
   * The caller cancelled the call.
   */
  REGO_CANCEL_CALLER = 3,
  /**
   * The engine is shutting down.
   */
  REGO_CANCEL_SHUTDOWN = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_cancel_reason rego_cancel_reason;
#else
typedef uint32_t rego_cancel_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a call ended and why: `rego_action.reason` of `REGO_ACTION_DONE`. In the order of
 * precedence: where several hold at once, the first is told.
 */
enum rego_verdict
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * An attempt answered.
   */
  REGO_VERDICT_SUCCESS = 0,
  /**
   * The caller cancelled the call.
   */
  REGO_VERDICT_CANCELLED = 1,
  /**
   * The engine was shut down.
   */
  REGO_VERDICT_SHUTDOWN = 2,
  /**
   * The deadline passed, or the next backoff would not have fitted before it.
   */
  REGO_VERDICT_DEADLINE_EXCEEDED = 3,
  /**
   * An attempt failed in a way that another would not mend.
   */
  REGO_VERDICT_NON_RETRYABLE = 4,
  /**
   * An attempt ended the whole call.
   */
  REGO_VERDICT_ABORTED = 5,
  /**
   * The operation panicked, and nothing else answered.
   */
  REGO_VERDICT_PANICKED = 6,
  /**
   * The server wants to be left alone for longer than the policy or the deadline allows.
   */
  REGO_VERDICT_RETRY_AFTER_EXCEEDS_DEADLINE = 7,
  /**
   * The policy allows no more attempts for failures of this class.
   */
  REGO_VERDICT_MAX_ATTEMPTS_PER_CLASS = 8,
  /**
   * The policy allows no more attempts.
   */
  REGO_VERDICT_MAX_ATTEMPTS = 9,
  /**
   * The retry budget does not pay for another attempt.
   */
  REGO_VERDICT_BUDGET_DENIED = 10,
  /**
   * Too many abandoned attempts of this key still run.
   */
  REGO_VERDICT_ABANDONED_LIMIT = 11,
  /**
   * The host rejected the only attempt, or its executor that of a submitted call.
   */
  REGO_VERDICT_EXECUTOR_REJECTED = 12,
  /**
   * The engine stood aside, and the last attempt there was failed: one plain attempt, as a rule.
   */
  REGO_VERDICT_PASS_THROUGH = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_verdict rego_verdict;
#else
typedef uint32_t rego_verdict;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What kind of end an attempt came to: `rego_completion.kind`.
 */
enum rego_completion_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It worked.
   */
  REGO_COMPLETION_OK = 0,
  /**
   * An HTTP response; `code` is its status, 0 to 65535.
   */
  REGO_COMPLETION_HTTP = 1,
  /**
   * A gRPC status; `code` is it, 0 to 255.
   */
  REGO_COMPLETION_GRPC = 2,
  /**
   * An I/O error; `code` is a `REGO_IO_*`.
   */
  REGO_COMPLETION_IO = 3,
  /**
   * An error of the operating system; `code` is its `errno`.
   */
  REGO_COMPLETION_ERRNO = 4,
  /**
   * An error of the application's own; `code` is too.
   */
  REGO_COMPLETION_APP = 5,
  /**
   * The attempt's time was up.
   */
  REGO_COMPLETION_TIMEOUT = 6,
  /**
   * The attempt was cancelled.
   */
  REGO_COMPLETION_CANCELLED = 7,
  /**
   * The operation panicked, or threw what nobody expected.
   */
  REGO_COMPLETION_PANIC = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_completion_kind rego_completion_kind;
#else
typedef uint32_t rego_completion_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `rego_completion.flags` may hold.
 */
enum rego_completion_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The request is known not to have been processed: it never left, or was turned away.
   */
  REGO_COMPLETION_NOT_SENT = 1,
  /**
   * The request carried an idempotency key, so repeating it is safe whatever its method.
   */
  REGO_COMPLETION_IDEMPOTENCY_KEY = 2,
  /**
   * The server said not to try again; `retry_after` says nothing then.
   */
  REGO_COMPLETION_DO_NOT_RETRY = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_completion_flag rego_completion_flag;
#else
typedef uint32_t rego_completion_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An HTTP method, as far as repeating the request goes: `rego_completion.method`.
 */
enum rego_method
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It was no HTTP request.
   */
  REGO_METHOD_NONE = 0,
  REGO_METHOD_GET = 1,
  REGO_METHOD_HEAD = 2,
  REGO_METHOD_OPTIONS = 3,
  REGO_METHOD_TRACE = 4,
  REGO_METHOD_PUT = 5,
  REGO_METHOD_DELETE = 6,
  REGO_METHOD_POST = 7,
  REGO_METHOD_PATCH = 8,
  /**
   * Any other.
   */
  REGO_METHOD_OTHER = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_method rego_method;
#else
typedef uint32_t rego_method;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The kind of an I/O error: `rego_completion.code` of `REGO_COMPLETION_IO`.
 */
enum rego_io
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Any kind that has no name here.
   */
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
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_io rego_io;
#else
typedef uint32_t rego_io;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What follows from an attempt's end: `rego_outcome.kind`.
 */
enum rego_outcome_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The call is answered.
   */
  REGO_OUTCOME_SUCCESS = 0,
  /**
   * Another attempt may help.
   */
  REGO_OUTCOME_RETRYABLE = 1,
  /**
   * Another attempt would not help, or might do harm.
   */
  REGO_OUTCOME_NON_RETRYABLE = 2,
  /**
   * The whole call must end now.
   */
  REGO_OUTCOME_ABORT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_outcome_kind rego_outcome_kind;
#else
typedef uint32_t rego_outcome_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What sort of failure an attempt met; policies may have rules for each: `rego_outcome.failure`.
 */
enum rego_failure
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing is known.
   */
  REGO_FAILURE_UNKNOWN = 0,
  /**
   * A passing fault of the network or the peer.
   */
  REGO_FAILURE_TRANSIENT = 1,
  /**
   * The peer asks for less.
   */
  REGO_FAILURE_THROTTLED = 2,
  /**
   * Time was up.
   */
  REGO_FAILURE_TIMEOUT = 3,
  /**
   * The request was not processed.
   */
  REGO_FAILURE_NOT_SENT = 4,
  /**
   * A fault of the server's.
   */
  REGO_FAILURE_SERVER = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_failure rego_failure;
#else
typedef uint32_t rego_failure;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an event tells: `rego_event.kind`.
 */
enum rego_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * A call started.
   */
  REGO_EVENT_CALL_STARTED = 0,
  /**
   * A call ended; `reason` is a `REGO_VERDICT_*`, `attempt` the one whose result was returned,
   * if any, `count` how many attempts were launched, `time` when the call had started.
   */
  REGO_EVENT_CALL_ENDED = 1,
  /**
   * An attempt was launched; `reason` is a `REGO_ATTEMPT_*`. The first of a call has no such
   * event: it is launched at the start.
   */
  REGO_EVENT_ATTEMPT_LAUNCHED = 2,
  /**
   * An attempt ended; `reason` is a `REGO_OUTCOME_*`, `detail` a `REGO_FAILURE_*`, `count` is 1
   * if it had been given up before, `time` is when it had started.
   */
  REGO_EVENT_ATTEMPT_ENDED = 3,
  /**
   * An attempt was asked to stop; `reason` is a `REGO_CANCEL_*`, `time` when it had started. Of one
   * that is given up at its own timeout, `REGO_EVENT_ATTEMPT_ENDED` tells instead.
   */
  REGO_EVENT_CANCEL_REQUESTED = 4,
  /**
   * A budget was asked to pay for an extra attempt; `reason` is a `REGO_BUDGET_*`, `detail` a
   * `REGO_ATTEMPT_*`, `count` how much it was asked for.
   */
  REGO_EVENT_BUDGET_ASKED = 5,
  /**
   * The next retry group was decided upon; `time` is when it starts.
   */
  REGO_EVENT_BACKING_OFF = 6,
  /**
   * A hedge was due and was not launched; `reason` is a `REGO_HEDGE_*`.
   */
  REGO_EVENT_HEDGE_SKIPPED = 7,
  /**
   * In observe mode: a retry or a hedge would have been launched; `reason` is a
   * `REGO_ATTEMPT_*`.
   */
  REGO_EVENT_WOULD_HAVE = 8,
  /**
   * The next backoff would have passed the deadline; `time` is how long it would have been.
   */
  REGO_EVENT_WOULD_NOT_FIT = 9,
  /**
   * Something about the engine is not as its owner may think; `reason` is a `REGO_WARNING_*`. It
   * belongs to no call: `call` is UINT64_MAX.
   */
  REGO_EVENT_WARNED = 10,
  /**
   * Nobody would run an attempt that was launched.
   */
  REGO_EVENT_ATTEMPT_REJECTED = 11,
  /**
   * Something of which this version of the header knows nothing.
   */
  REGO_EVENT_OTHER = 2147483647,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_event_kind rego_event_kind;
#else
typedef uint32_t rego_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a budget said of one extra attempt: `rego_event.reason` of `REGO_EVENT_BUDGET_ASKED`.
 */
enum rego_budget
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It paid.
   */
  REGO_BUDGET_ALLOWED = 0,
  /**
   * The policy wants none.
   */
  REGO_BUDGET_NONE = 1,
  /**
   * It does not pay: it is spent, or kept while nothing is answered.
   */
  REGO_BUDGET_DENIED = 2,
  /**
   * The policy names one that is not defined.
   */
  REGO_BUDGET_NOT_FOUND = 3,
  /**
   * It panicked, which counts as a denial.
   */
  REGO_BUDGET_PANIC = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_budget rego_budget;
#else
typedef uint32_t rego_budget;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a hedge was not launched: `rego_event.reason` of `REGO_EVENT_HEDGE_SKIPPED`, but for those of
 * which it is said that they are no events.
 */
enum rego_hedge
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Too few samples yet: the fixed delay is used. No event: hedges are launched all the same.
   */
  REGO_HEDGE_TRIGGER_COLD = 0,
  /**
   * The trigger does not exist: the fixed delay is used. No event: a document that names one that
   * does not is refused.
   */
  REGO_HEDGE_TRIGGER_NOT_FOUND = 1,
  /**
   * Hedging is suspended: the backend is overloaded.
   */
  REGO_HEDGE_SUSPENDED_OVERLOAD = 2,
  /**
   * The key's policy asks for hedges, and does not declare its requests idempotent (see
   * `REGO_WARNING_NOT_IDEMPOTENT`), or the call says that it is not to be repeated: told once of a
   * call.
   */
  REGO_HEDGE_NOT_IDEMPOTENT = 3,
  /**
   * There is no executor, or the call runs on its caller's thread alone. No event of a call but
   * `REGO_WARNING_NO_EXECUTOR`, once for a key; each call is counted as `impossible`.
   */
  REGO_HEDGE_NO_EXECUTOR = 4,
  /**
   * There is no timer to fire the hedge while the caller is busy. No event of a call but
   * `REGO_WARNING_NO_TIMER`, once for a key; each call is counted as `impossible`.
   */
  REGO_HEDGE_NO_TIMER = 5,
  /**
   * The hedge budget does not pay: tried again after the same delay.
   */
  REGO_HEDGE_DENIED = 6,
  /**
   * Too little time is left for a hedge to answer.
   */
  REGO_HEDGE_DEADLINE_NEAR = 7,
  /**
   * The host took no hedge.
   */
  REGO_HEDGE_EXECUTOR_REJECTED = 8,
  /**
   * Too many abandoned attempts of this key still run.
   */
  REGO_HEDGE_ABANDONED_LIMIT = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_hedge rego_hedge;
#else
typedef uint32_t rego_hedge;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where a policy came from: `rego_timeline.policy_source`.
 */
enum rego_policy_source
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nobody gave one: the built-in default.
   */
  REGO_POLICY_DEFAULT = 0,
  /**
   * The program.
   */
  REGO_POLICY_STATIC = 1,
  /**
   * A document.
   */
  REGO_POLICY_FILE = 2,
  /**
   * A policy server.
   */
  REGO_POLICY_REMOTE = 3,
  /**
   * The last good document, kept from before.
   */
  REGO_POLICY_LAST_KNOWN_GOOD = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_policy_source rego_policy_source;
#else
typedef uint32_t rego_policy_source;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `rego_work.flags` may hold.
 */
enum rego_execute_flag
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Run first attempts and retries on the calling thread, and hedges alone on the executor, if
   * they become due: no hand-off for calls that go well. While the caller is busy the executor's
   * `schedule` is the timer, of hedges and of deadlines, so there must be one, whatever the key's
   * policy says. An attempt that does not heed its cancel keeps the caller.
   */
  REGO_EXECUTE_INLINE_FIRST = 1,
  /**
   * Do not return before the last attempt has, and `drop` has been called: for `userdata` on the
   * caller's stack.
   */
  REGO_EXECUTE_WAIT_LOSERS = 2,
  /**
   * The call is there to be read after its end, until `rego_call_end`: `rego_result.call`.
   */
  REGO_EXECUTE_KEEP = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_execute_flag rego_execute_flag;
#else
typedef uint32_t rego_execute_flag;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is not as an engine's owner may think: `rego_event.reason` of `REGO_EVENT_WARNED`.
 */
enum rego_warning
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * There are as many keys as there may be: this one, and all that come after it, share the
   * policy, the budgets and the latency of "other". Told once, of the first such key.
   */
  REGO_WARNING_KEYS_FULL = 0,
  /**
   * The key's policy hedges, and its calls are made where no hedge is possible: by `rego_execute`
   * without a `spawn`. Told once for a key.
   */
  REGO_WARNING_NO_EXECUTOR = 1,
  /**
   * The key's policy hedges, and nobody fires the hedges: `schedule` refuses. Told once for a key.
   */
  REGO_WARNING_NO_TIMER = 2,
  /**
   * `max_live_calls` are in the air, and this key's calls are among those that found no room: each
   * passes through as one plain attempt.
   */
  REGO_WARNING_NO_ROOM = 3,
  /**
   * The key's policy asks for hedges and does not declare that its requests are idempotent: it is
   * in force without them. This one and the next are told of every such policy that comes into
   * force for the key.
   */
  REGO_WARNING_NOT_IDEMPOTENT = 4,
  /**
   * Values of the key's policy are out of their range, and the nearest ones within it are in
   * force.
   */
  REGO_WARNING_POLICY_CLAMPED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rego_warning rego_warning;
#else
typedef uint32_t rego_warning;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An engine: policies by key, and what calls of the same key share. Counted references: it lives
 * until it was released as often as it was made and retained. It has no thread.
 */
typedef struct rego_engine rego_engine;

/**
 * An event loop: calls, their timers, and what there is to do for them. It has no thread and no
 * descriptor. One thread at a time has it; which one may change.
 */
typedef struct rego_loop rego_loop;

/**
 * Nanoseconds, on the host's own monotonic clock, whatever its beginning; or a length between two
 * points of it. The host passes it in: the library reads no clock, but for a `rego_executor` that
 * has none.
 */
typedef uint64_t rego_time;

/**
 * Text, borrowed for the duration of the call: UTF-8, and not ended by a NUL. `ptr` may be NULL
 * if `len` is 0. Made from a literal by `REGO_STR`.
 *
 * The one struct that is passed by value: it is as small as it will ever be.
 */
typedef struct rego_str {
  /**
   * Where it begins.
   */
  const char *ptr;
  /**
   * How many bytes it has.
   */
  size_t len;
} rego_str;

/**
 * The facts of how an attempt ended; the policy's classifier makes of them what follows. Begin
 * with `REGO_COMPLETION_INIT`, which says that it worked.
 */
typedef struct rego_completion {
  /**
   * `sizeof(rego_completion)`.
   */
  uint32_t struct_size;
  /**
   * What kind of end it was: a `REGO_COMPLETION_*`.
   */
  uint32_t kind;
  /**
   * What the kind says of it; not looked at for kinds that say nothing.
   */
  int32_t code;
  /**
   * Any of `REGO_COMPLETION_NOT_SENT`, `REGO_COMPLETION_IDEMPOTENCY_KEY`,
   * `REGO_COMPLETION_DO_NOT_RETRY`.
   */
  uint32_t flags;
  /**
   * The method of the HTTP request: a `REGO_METHOD_*`. Say it of timeouts and I/O errors, too:
   * a POST that may have been processed is not repeated.
   */
  uint32_t method;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * For how many nanoseconds the server wants to be left alone; 0 if it did not say. Where it
   * says "at once", say 1.
   */
  uint64_t retry_after;
  /**
   * Comes back with `REGO_ACTION_DONE`, if this attempt answers the call.
   */
  uint64_t result;
} rego_completion;

/**
 * What a classifier knows besides the facts.
 */
typedef struct rego_context {
  /**
   * `sizeof(rego_context)`, as the library knows it.
   */
  uint32_t struct_size;
  /**
   * Whether repeating the request is safe, as the call says, else its policy: a
   * `REGO_IDEMPOTENT_*`.
   */
  uint32_t idempotent;
  /**
   * The number of the attempt in its call, in launch order from 0.
   */
  uint32_t attempt;
  /**
   * 0.
   */
  uint32_t reserved;
} rego_context;

/**
 * What follows from an attempt's end, by the host's own judgement. Begin with `REGO_OUTCOME_INIT`,
 * which says that the call is answered.
 */
typedef struct rego_outcome {
  /**
   * `sizeof(rego_outcome)`.
   */
  uint32_t struct_size;
  /**
   * What follows: a `REGO_OUTCOME_*`.
   */
  uint32_t kind;
  /**
   * What sort of failure it was: a `REGO_FAILURE_*`. Policies may have rules for each.
   */
  uint32_t failure;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * How many nanoseconds to wait before the next attempt, in place of the policy's backoff: never
   * less, and up to a tenth more. 0 for the policy's.
   */
  uint64_t backoff;
  /**
   * Comes back with `REGO_ACTION_DONE`, if this attempt answers the call.
   */
  uint64_t result;
} rego_outcome;

/**
 * Makes an outcome of the facts of how an attempt ended. `outcome_out` already says what the
 * built-in classifier `auto` makes of them, so only what is seen otherwise has to be written. An
 * outcome that is none (an unknown kind, a wrong size, a reserved field that is not 0) counts as
 * one that is not to be repeated.
 *
 * Called by the thread that finishes the attempt, and by several at once. Must not unwind. May
 * call every function; what waits keeps the attempt from being finished.
 */
typedef void (*rego_classify_fn)(void *userdata,
                                 const struct rego_completion *facts,
                                 const struct rego_context *context,
                                 struct rego_outcome *outcome_out);

/**
 * The last that is heard of a `userdata`: called once, when no other callback that was registered
 * with it is running or will be, on whichever thread that comes about; also where the registration
 * fails. NULL if there is nothing to do.
 */
typedef void (*rego_drop_fn)(void *userdata);

/**
 * A classifier of the host's own, which policies can name: `rego_options.classifiers`. Begin with
 * `REGO_CLASSIFIER_INIT`.
 */
typedef struct rego_classifier {
  /**
   * `sizeof(rego_classifier)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * What policies call it: not the name of a built-in one, nor of another.
   */
  struct rego_str name;
  /**
   * Handed to the callbacks.
   */
  void *userdata;
  /**
   * What it does. Not NULL.
   */
  rego_classify_fn classify;
  /**
   * Called once, when the engine is gone, or was not made; not if this struct cannot be read.
   */
  rego_drop_fn drop;
} rego_classifier;

/**
 * What an engine is made with. Begin with `REGO_OPTIONS_INIT`.
 */
typedef struct rego_options {
  /**
   * `sizeof(rego_options)`.
   */
  uint32_t struct_size;
  /**
   * `REGO_ABI_VERSION`, as this program was compiled with.
   */
  uint32_t abi_version;
  /**
   * What all random draws hang on: the same calls in the same order get the same jitter. 0 for
   * draws that nobody can foretell, different in every process.
   */
  uint64_t seed;
  /**
   * What time it is.
   */
  rego_time now;
  /**
   * How many calls are in the air at most, fewer than 2^24; further ones pass through. About
   * 2 KiB each; memory comes as it is needed and stays. 0 for 65,536.
   */
  uint32_t max_live_calls;
  /**
   * How many keys are told apart, at most 65,536; later ones share one, named "other". 0 for
   * 1,024.
   */
  uint32_t max_keys;
  /**
   * How many events are kept for `rego_events_drain`, at most 2^20, rounded up to a power of
   * two. 0 for none: then nobody writes any.
   */
  uint32_t max_events;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Classifiers of the host's own: `n_classifiers` pointers. NULL if there are none. With them
   * their `userdata` becomes the library's, also where the function fails for whatever reason,
   * unless the options or this array cannot be read: it is crooked, or has more than 1,024. One
   * that cannot be read itself hands nothing over.
   */
  const struct rego_classifier *const *classifiers;
  /**
   * How many, at most 1,024.
   */
  size_t n_classifiers;
} rego_options;

/**
 * Why a function failed, for people. Begin with `REGO_ERROR_INIT`; written wherever the function
 * fails, and only there, unless it cannot be written itself: that is what the function answers then.
 */
typedef struct rego_error {
  /**
   * `sizeof(rego_error)`.
   */
  uint32_t struct_size;
  /**
   * The status that the function answers.
   */
  int32_t status;
  /**
   * UTF-8, ended by a NUL, cut where it is too long.
   */
  char message[248];
} rego_error;

/**
 * The number of an interned key, for as long as its engine lives. Never 0; of no meaning to other
 * engines.
 */
typedef uint64_t rego_key;

/**
 * How a call begins. Start with `REGO_BEGIN_INIT` and say what time it is.
 */
typedef struct rego_begin {
  /**
   * `sizeof(rego_begin)`.
   */
  uint32_t struct_size;
  /**
   * `REGO_BEGIN_KEEP` or 0.
   */
  uint32_t flags;
  /**
   * What time it is.
   */
  rego_time now;
  /**
   * Until when the caller will wait; 0 and `REGO_TIME_NEVER` if there is no such time. The
   * policy's overall timeout holds besides.
   */
  rego_time deadline;
  /**
   * Comes back with every action of the call.
   */
  uint64_t cookie;
  /**
   * Whether repeating this request is safe, whatever the policy says of its key: a
   * `REGO_IDEMPOTENT_*`.
   */
  uint32_t idempotent;
  /**
   * How much the call matters, 0 to 255. Carried along; nothing hangs on it yet.
   */
  uint32_t priority;
  /**
   * `rego_standing.edition`, of a call whose first attempt was made on standing terms before this; 0
   * of any other.
   */
  uint64_t edition;
} rego_begin;

/**
 * Names one call until it is done, or until `rego_call_end` if it was begun with
 * `REGO_BEGIN_KEEP`. Never 0. What is asked of a call that is over, or of a number that was never
 * given out, answers `REGO_STATUS_STALE`. Of no meaning to other engines.
 */
typedef uint64_t rego_call;

/**
 * Names one attempt of one call until it is finished. Else as `rego_call`.
 */
typedef uint64_t rego_attempt;

/**
 * One thing that the host is to do.
 */
typedef struct rego_action {
  /**
   * What to do: a `REGO_ACTION_*`.
   */
  uint32_t kind;
  /**
   * START: a `REGO_ATTEMPT_*`. CANCEL: a `REGO_CANCEL_*`. DONE: a `REGO_VERDICT_*`.
   */
  uint32_t reason;
  /**
   * Whose it is.
   */
  rego_call call;
  /**
   * What the call was begun with. The DONE of a call that found no room is always the answer to its
   * own finish; where more than 65,536 of them are in the air, further ones have 0 in it.
   */
  uint64_t cookie;
  /**
   * START, CANCEL: which attempt. DONE: the one whose result is the call's, the winner or the
   * last real failure; 0 if there is none.
   */
  rego_attempt attempt;
  /**
   * START: when the attempt must be over; it is given up then, if the host says what time it is.
   */
  rego_time deadline;
  /**
   * DONE: what was handed in with the answer's finish.
   */
  uint64_t result;
  /**
   * DONE: for how many nanoseconds the server wants to be left alone, if the failure that is told
   * said so, or a ready outcome of the host's asked to wait; else 0. At most 34 years, and rounded
   * up by less than a millionth.
   */
  uint64_t retry_after;
  /**
   * START: the attempt's number in its call, in launch order from 0. DONE: how many attempts
   * were launched.
   */
  uint32_t number;
  /**
   * START: the attempt's retry group; 0 for the first.
   */
  uint32_t retry_index;
  /**
   * START: its place in its group; 0 for the primary, then the hedges.
   */
  uint32_t hedge_index;
  /**
   * 0.
   */
  uint32_t reserved;
} rego_action;

/**
 * What follows from an event: what to do, and when to come again. Begin with `REGO_STEP_INIT`, and
 * use it again and again: nothing is looked at but `struct_size`, and what is beyond this version.
 */
typedef struct rego_step {
  /**
   * `sizeof(rego_step)`.
   */
  uint32_t struct_size;
  /**
   * How many of `actions` there are. The others are left as they were.
   */
  uint32_t n_actions;
  /**
   * Any of `REGO_STEP_MORE`, `REGO_STEP_ELSEWHERE`.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * When to poll, if nothing happens before; never past the call's deadline. `REGO_TIME_NEVER`
   * when there is nothing to wait for.
   *
   * Where several threads drive one call, their steps may reach a host out of order. Polling too
   * often does no harm, so poll at each of these times, or at the earliest.
   */
  rego_time wake_at;
  /**
   * What to do, in this order.
   */
  struct rego_action actions[REGO_MAX_ACTIONS];
} rego_step;

/**
 * On what terms first attempts of a key may be made before their calls begin. Start with
 * `REGO_STANDING_INIT`.
 */
typedef struct rego_standing {
  /**
   * `sizeof(rego_standing)`.
   */
  uint32_t struct_size;
  /**
   * Any of `REGO_STANDING_GRANTED`, without which every call is to be begun first, and
   * `REGO_STANDING_SHARED`.
   */
  uint32_t flags;
  /**
   * Which terms these are; never 0. They stand for as long as this is in `*current`.
   */
  uint64_t edition;
  /**
   * How long an attempt may run, and how long a call may take, its first attempt included;
   * `REGO_TIME_NEVER` where there is no limit.
   */
  uint64_t attempt_timeout;
  /**
   * See `attempt_timeout`.
   */
  uint64_t overall_timeout;
  /**
   * The edition in force, for as long as the engine lives: a word that the library writes, and
   * the host reads with an atomic load.
   */
  const uint64_t *current;
  /**
   * 0.
   */
  size_t reserved;
} rego_standing;

/**
 * Calls that are over. Start with `REGO_SETTLEMENT_INIT`.
 */
typedef struct rego_settlement {
  /**
   * `sizeof(rego_settlement)`.
   */
  uint32_t struct_size;
  /**
   * By how many the calls in the air that were made on standing terms are more than when this was
   * told last; for the gauge of that name.
   */
  int32_t in_flight;
  /**
   * What time it is.
   */
  rego_time now;
  /**
   * How long each call took: `n_lengths` of them. NULL if there are none.
   */
  const uint64_t *lengths;
  /**
   * How many.
   */
  size_t n_lengths;
} rego_settlement;

/**
 * The frame of a call. Begin with `REGO_TIMELINE_INIT`.
 */
typedef struct rego_timeline {
  /**
   * `sizeof(rego_timeline)`.
   */
  uint32_t struct_size;
  /**
   * How the call ended: a `REGO_VERDICT_*`.
   */
  uint32_t verdict;
  /**
   * Where its policy came from: a `REGO_POLICY_*`.
   */
  uint32_t policy_source;
  /**
   * The number of the attempt whose result was returned, or `REGO_NONE`.
   */
  uint32_t answer;
  /**
   * How many attempts were launched.
   */
  uint32_t attempts;
  /**
   * How many notes there was no room for: of hedges that were not launched, time and again. Of
   * attempts none is left out.
   */
  uint32_t notes_dropped;
  /**
   * When the call began.
   */
  rego_time started;
  /**
   * When its first attempt started to run.
   */
  rego_time first_started;
  /**
   * When it ended.
   */
  rego_time ended;
  /**
   * 0.
   */
  uint64_t reserved;
  /**
   * The key, ended by a NUL; of a longer one the first 63 bytes, or as many as make whole
   * characters.
   */
  char key[64];
  /**
   * The policy's id, likewise.
   */
  char policy_id[64];
  /**
   * The policy's version, likewise.
   */
  char policy_version[64];
} rego_timeline;

/**
 * One attempt of a call.
 */
typedef struct rego_attempt_record {
  /**
   * How much of it was written.
   */
  uint32_t struct_size;
  /**
   * Its number in its call, in launch order from 0.
   */
  uint32_t number;
  /**
   * What sort it is: a `REGO_ATTEMPT_*`.
   */
  uint32_t kind;
  /**
   * Its retry group; 0 for the first.
   */
  uint32_t retry_index;
  /**
   * Its place in its group; 0 for the primary, then the hedges.
   */
  uint32_t hedge_index;
  /**
   * What was made of its end: a `REGO_OUTCOME_*`; `REGO_NONE` while it runs, and of one that nobody
   * would run, which has ended.
   */
  uint32_t outcome;
  /**
   * What sort of failure it was: a `REGO_FAILURE_*`.
   */
  uint32_t failure;
  /**
   * The facts of its end: a `REGO_COMPLETION_*`; `REGO_NONE` if they are not known, as of a call's
   * first attempt that succeeds while there is no other: nothing is written down of it.
   */
  uint32_t completion;
  /**
   * What the facts' kind says of it.
   */
  int32_t code;
  /**
   * Why it was asked to stop: a `REGO_CANCEL_*`, or `REGO_NONE`; that also where it was given up at
   * its own timeout, of which its outcome tells.
   */
  uint32_t cancelled;
  /**
   * What the budget said of it: a `REGO_BUDGET_*`; `REGO_NONE` if none was asked.
   */
  uint32_t budget;
  /**
   * How much the budget was asked for.
   */
  uint32_t budget_cost;
  /**
   * 1 if it ended after it had been given up.
   */
  uint32_t late;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * When it was launched.
   */
  rego_time queued;
  /**
   * When it started to run.
   */
  rego_time started;
  /**
   * When it ended or was asked to stop; `REGO_TIME_NEVER` while it runs.
   */
  rego_time ended;
  /**
   * For how long the call had waited before it.
   */
  uint64_t backoff;
} rego_attempt_record;

/**
 * Wakes the thread that has the loop: there is something to do earlier than
 * `rego_loop_next_deadline` has said. Called once until the loop has been processed, by any thread
 * that brings news of a call of the loop or polls it, and may do no more than a signal handler may:
 * write to an eventfd or a pipe, `uv_async_send`.
 */
typedef void (*rego_notify_fn)(void *userdata);

/**
 * One attempt, as its callback is told.
 */
typedef struct rego_attempt_info {
  /**
   * `sizeof(rego_attempt_info)`, as the library knows it.
   */
  uint32_t struct_size;
  /**
   * Its number in its call, in launch order from 0.
   */
  uint32_t number;
  /**
   * What sort it is: a `REGO_ATTEMPT_*`.
   */
  uint32_t kind;
  /**
   * Its retry group; 0 for the first.
   */
  uint32_t retry_index;
  /**
   * Its place in its group; 0 for the primary, then the hedges.
   */
  uint32_t hedge_index;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * For `rego_attempt_cancelled`.
   */
  rego_attempt attempt;
  /**
   * For `rego_call_cancel` alone; 0 for a `rego_execute` without `on_begin`.
   */
  rego_call call;
  /**
   * When it must be over. It is asked to stop then, unless all attempts run on the calling
   * thread and nobody is there to ask: see `rego_execute`.
   */
  rego_time deadline;
} rego_attempt_info;

/**
 * Makes one attempt, and says how it ended in `completion_out`, which already says that it worked.
 * Called by several threads at once where a call is hedged. Must not unwind.
 */
typedef void (*rego_attempt_fn)(void *userdata,
                                const struct rego_attempt_info *info,
                                struct rego_completion *completion_out);

/**
 * Asks an attempt to stop: at most once for each, never where its callback is not called, never
 * after it has returned (it is waited for there). It may come at the callback's very beginning: what
 * that is about to wait for should be known to it before it asks `rego_attempt_cancelled`. Called by the thread that found out. Must not
 * wait for the attempt, nor unwind.
 */
typedef void (*rego_cancel_fn)(void *userdata, rego_attempt attempt);

/**
 * Takes a `rego_completion.result` that is not 0 and that nobody will get. Must not unwind.
 */
typedef void (*rego_discard_fn)(void *userdata, uint64_t result);

/**
 * Tells the id of a call before anything of it runs, on the thread that executes or submits it: for
 * `rego_call_cancel` alone. Must not unwind.
 */
typedef void (*rego_begin_fn)(void *userdata, rego_call call);

/**
 * How an executed call ended. Begin with `REGO_RESULT_INIT`.
 */
typedef struct rego_result {
  /**
   * `sizeof(rego_result)`.
   */
  uint32_t struct_size;
  /**
   * How the call ended and why: a `REGO_VERDICT_*`.
   */
  uint32_t verdict;
  /**
   * How many attempts were launched.
   */
  uint32_t attempts;
  /**
   * The number of the attempt that answers the call, the winner or the last real failure;
   * `REGO_NO_ATTEMPT` if there is none.
   */
  uint32_t answer;
  /**
   * The facts of that attempt's end: a `REGO_COMPLETION_*`, or `REGO_NO_COMPLETION`.
   */
  uint32_t completion;
  /**
   * What the facts' kind says of it.
   */
  int32_t code;
  /**
   * What that attempt left in `rego_completion.result`; it is the caller's now.
   */
  uint64_t result;
  /**
   * For how many nanoseconds the server wants to be left alone, if it said so last, else 0.
   */
  uint64_t retry_after;
  /**
   * For what reads a call, `rego_call_end` and `rego_call_let_go`, with `REGO_EXECUTE_KEEP`; else
   * 0. It is not the id by which the call could be cancelled.
   */
  rego_call call;
} rego_result;

/**
 * Tells how a submitted call ended: once, on a thread of the executor's; where that takes no task any
 * more, on the one that cancels the call. Must not unwind.
 */
typedef void (*rego_done_fn)(void *userdata, const struct rego_result *result);

/**
 * What is to be executed. Begin with `REGO_WORK_INIT`. Every callback but `attempt` may be NULL,
 * and all are handed `userdata`.
 */
typedef struct rego_work {
  /**
   * `sizeof(rego_work)`.
   */
  uint32_t struct_size;
  /**
   * Any of `REGO_EXECUTE_*`.
   */
  uint32_t flags;
  /**
   * Whether repeating this request is safe, whatever the policy says: a `REGO_IDEMPOTENT_*`.
   */
  uint32_t idempotent;
  /**
   * How much the call matters, 0 to 255.
   */
  uint32_t priority;
  /**
   * Handed to the callbacks.
   */
  void *userdata;
  /**
   * Makes one attempt.
   */
  rego_attempt_fn attempt;
  /**
   * Asks one to stop.
   */
  rego_cancel_fn on_cancel;
  /**
   * Takes results that nobody gets.
   */
  rego_discard_fn discard;
  /**
   * Tells the call's id.
   */
  rego_begin_fn on_begin;
  /**
   * Tells the end of a submitted call. Not NULL for `rego_submit`, not looked at otherwise.
   */
  rego_done_fn on_done;
  /**
   * Called once, after everything else, by the last attempt's thread; also where the work is
   * refused, unless this struct cannot be read.
   */
  rego_drop_fn drop;
} rego_work;

/**
 * Runs a task. Any number does: one that was run already, or never was given out, does nothing.
 */
typedef void (*rego_run_fn)(uint64_t task);

/**
 * Has `run(task)` called once, by another thread, soon; answers 0. Or not at all, and answers
 * anything else: what becomes of the attempt, `rego_execute` and `rego_submit` say.
 */
typedef int32_t (*rego_spawn_fn)(void *userdata, rego_run_fn run, uint64_t task);

/**
 * Has `run(task)` called once, by another thread, at this time or soon after; answers 0. Or not at
 * all, and answers anything else.
 */
typedef int32_t (*rego_schedule_fn)(void *userdata, rego_time at, rego_run_fn run, uint64_t task);

/**
 * What time it is.
 */
typedef rego_time (*rego_now_fn)(void *userdata);

/**
 * Threads and a timer, the host's. Begin with `REGO_EXECUTOR_INIT`.
 */
typedef struct rego_executor {
  /**
   * `sizeof(rego_executor)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Handed to the callbacks.
   */
  void *userdata;
  /**
   * Runs tasks. NULL for none: everything runs on the calling thread, and nothing is hedged.
   */
  rego_spawn_fn spawn;
  /**
   * The host's timer. May be NULL where it is not said that it must not.
   */
  rego_schedule_fn schedule;
  /**
   * The host's clock, in nanoseconds, which runs as fast as any. NULL for CLOCK_MONOTONIC.
   */
  rego_now_fn now;
  /**
   * Called once for each call that was executed by it, after everything else; also where the
   * call is refused, unless this struct cannot be read. May be NULL.
   */
  rego_drop_fn drop;
} rego_executor;

/**
 * One event. What its fields hold hangs on `kind`; those of which the kind says nothing are 0, or
 * `REGO_NO_ATTEMPT` and `REGO_NO_COMPLETION`.
 */
typedef struct rego_event {
  /**
   * How much of it was written.
   */
  uint32_t struct_size;
  /**
   * What it tells: a `REGO_EVENT_*`.
   */
  uint32_t kind;
  /**
   * Which call: the engine's calls are numbered from 0. No `rego_call`.
   */
  uint64_t call;
  /**
   * When it happened.
   */
  rego_time at;
  /**
   * Another time, or a length of time.
   */
  rego_time time;
  /**
   * The number of the attempt in its call, in launch order from 0.
   */
  uint32_t attempt;
  /**
   * What is told of it, or why.
   */
  uint32_t reason;
  /**
   * More of it.
   */
  uint32_t detail;
  /**
   * How many.
   */
  uint32_t count;
  /**
   * `REGO_EVENT_ATTEMPT_ENDED`: the facts, a `REGO_COMPLETION_*`.
   */
  uint32_t completion;
  /**
   * `REGO_EVENT_ATTEMPT_ENDED`: what the facts' kind says of it.
   */
  int32_t code;
  /**
   * The key, ended by a NUL; of a longer one the first 47 bytes, or as many as make whole
   * characters.
   */
  char key[48];
} rego_event;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the ABI that the library has, to compare with `REGO_ABI_VERSION`.
 *
 * Threads: any thread, at any time; async-signal-safe.
 */
REGO_API uint32_t rego_abi_version(void) REGO_NOEXCEPT;

/**
 * The version of the library, such as "0.1.0". Lives as long as the library.
 *
 * Threads: any thread, at any time; async-signal-safe.
 */
REGO_API const char *rego_version(void) REGO_NOEXCEPT;

/**
 * The name of a status, such as "REGO_STATUS_STALE"; of a number that is none, "unknown". Lives
 * as long as the library.
 *
 * Threads: any thread, at any time; async-signal-safe.
 */
REGO_API const char *rego_status_name(int32_t status) REGO_NOEXCEPT;

/**
 * Makes an engine, which is the caller's to release. `error` may be NULL.
 *
 * The variable `REGO_MODE` of the environment sets its mode: `active`, `observe` (one attempt per
 * call, and a record of what would have been done) or `off` (one plain attempt). Any other value is
 * `REGO_STATUS_INVALID`, and `error` says so: an engine that was to stand aside must not run.
 *
 * `REGO_STATUS_UNSUPPORTED` if the library's ABI is not that of `abi_version`.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_engine_new(const struct rego_options *options,
                            struct rego_engine **engine_out,
                            struct rego_error *error)
REGO_NOEXCEPT;

/**
 * One more reference to an engine, to be released as well. Answers `engine`; NULL for NULL.
 *
 * Threads: any thread, at any time.
 */
REGO_API struct rego_engine *rego_engine_retain(struct rego_engine *engine) REGO_NOEXCEPT;

/**
 * One reference less. Answers how many attempts had been started and not finished at that moment;
 * 0 for NULL.
 *
 * With the last reference the engine goes, its calls with it, and all ids become worthless: those
 * who are to finish attempts need a reference. Attempts that the library itself runs hold one, so
 * they come to their end, and the last of them takes the engine with it.
 *
 * Threads: any thread, at any time. Goes through all calls in the air.
 */
REGO_API uint64_t rego_engine_release(struct rego_engine *engine) REGO_NOEXCEPT;

/**
 * For the child of a fork, before it has a second thread: its parent's calls end without anybody
 * being told, their attempts count as finished, and their ids become stale. What the parent had
 * registered for them is not dropped: it was a copy.
 *
 * Answers how many calls there were that another thread of the parent's was driving at the moment
 * of the fork: their ids are good for nothing, and their places stay taken. 0 for NULL.
 *
 * A child that goes on with the calls as with its own, which are copies, need not call this.
 * It draws other jitter than its parent in either case.
 *
 * Threads: the only one there is.
 */
REGO_API uint64_t rego_engine_after_fork_child(struct rego_engine *engine) REGO_NOEXCEPT;

/**
 * Puts policies in force, in place of those loaded before: all of them, or none. TOML, or JSON if
 * the text begins with `{`. Calls in the air keep the policy that they began with; budgets that
 * keep their name and kind keep their balance. `error` may be NULL.
 *
 * `REGO_STATUS_INVALID` if anything is wrong with them: `error` tells line, column and field of
 * the first fault. `REGO_STATUS_BUSY` in a `notify`.
 *
 * Threads: any thread, at any time. Allocates; waits for other threads that do the same.
 */
REGO_API
REGO_NODISCARD
rego_status rego_engine_load_policies(struct rego_engine *engine,
                                      struct rego_str policies,
                                      struct rego_error *error)
REGO_NOEXCEPT;

/**
 * The number of a key, such as "user-service.GetUser": the same for the same name, at any time.
 * Keys are names of call sites, few and known: of those beyond `max_keys` all get the number of
 * the key that they share.
 *
 * `REGO_STATUS_INVALID` if it is empty, longer than 256 bytes, or has control characters.
 * `REGO_STATUS_BUSY` in a `notify`.
 *
 * Threads: any thread, at any time. May allocate, and wait for other threads that do the
 * same: for the start of a program, not for a call.
 */
REGO_API
REGO_NODISCARD
rego_status rego_key_intern(struct rego_engine *engine,
                            struct rego_str name,
                            rego_key *key_out)
REGO_NOEXCEPT;

/**
 * Writes all metrics as OpenMetrics text, in the way of `snprintf`: what fits of it and a NUL into
 * `buffer`, and how long all of it is, without the NUL, into `len_out`. `buffer` may be NULL if
 * `capacity` is 0. Leave some room: it grows from call to call.
 *
 * Threads: any thread, at any time. Allocates; up to 50 microseconds for each key.
 */
REGO_API
REGO_NODISCARD
rego_status rego_metrics_write(const struct rego_engine *engine,
                               char *buffer,
                               size_t capacity,
                               size_t *len_out)
REGO_NOEXCEPT;

/**
 * Begins a call: its first attempt is in the step, or its end, if its deadline has passed already.
 * With the finish of an attempt that works, that is the whole call: two crossings.
 *
 * Where an engine has `max_live_calls` in the air, further calls pass through: each is one plain
 * attempt, which has until the call's deadline, counted in the metrics, without a timeline. A cancel
 * and its deadline end it as any; one of a loop belongs to none, so poll it at `wake_at`. Its status
 * is `REGO_STATUS_OK` all the same. Its ids are as good as others', until 65,536 such attempts are in
 * the air: of those beyond, nothing is kept, no poll ends them, and a second finish is not known for
 * one.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_begin(struct rego_engine *engine,
                            rego_key key,
                            const struct rego_begin *begin,
                            rego_call *call_out,
                            struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * An attempt has ended, and these are the facts; the policy's classifier judges them. An attempt
 * of a call that is over is settled and counted as late; nothing follows from it.
 *
 * `REGO_STATUS_STALE` if it was finished already, or never was. If the facts are refused, it is
 * still to be finished.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_attempt_finish(struct rego_engine *engine,
                                rego_attempt attempt,
                                rego_time now,
                                const struct rego_completion *completion,
                                struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * An attempt has ended, and this is what follows from it, past any classifier. Else as
 * `rego_attempt_finish`.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_attempt_finish_as(struct rego_engine *engine,
                                   rego_attempt attempt,
                                   rego_time now,
                                   const struct rego_outcome *outcome,
                                   struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * An attempt was not started and will not be: the host has no room for it. A hedge is skipped;
 * without its only attempt the call ends with `REGO_VERDICT_EXECUTOR_REJECTED`. Else as
 * `rego_attempt_finish`, whose place this takes.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_attempt_reject(struct rego_engine *engine,
                                rego_attempt attempt,
                                rego_time now,
                                struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * The host has put an attempt into a queue of its own: its time does not run yet, and no hedge is
 * launched while it waits. `rego_attempt_started` must follow. Hosts that start attempts when they
 * are told need neither.
 *
 * `REGO_STATUS_STALE` if the attempt is over, or never was.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_attempt_queued(struct rego_engine *engine,
                                rego_attempt attempt,
                                rego_time now,
                                struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * The host has taken an attempt out of its queue: its time runs from now.
 *
 * `REGO_STATUS_STALE` if the attempt is over, or never was.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_attempt_started(struct rego_engine *engine,
                                 rego_attempt attempt,
                                 rego_time now,
                                 struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * Says what time it is, and asks what there is to do: when a `wake_at` has come, when a step says
 * `REGO_STEP_MORE`, after a `rego_call_cancel`. At any other time nothing comes of it, and no harm.
 *
 * `REGO_STATUS_STALE` if the call is over, or never was. One that was begun with `REGO_BEGIN_KEEP` is
 * there until `rego_call_end`: with nothing to do, once it is done.
 *
 * Threads: any thread, at any time.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_poll(struct rego_engine *engine,
                           rego_call call,
                           rego_time now,
                           struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * Asks for the end of a call, and no more: the thread that drives it at this moment, or the next
 * poll or finish, gets what follows. So poll it soon. A call that the library executes needs no
 * poll: see `rego_submit`.
 *
 * `REGO_STATUS_STALE` if the call is done, kept or not, or never was.
 *
 * Threads: any thread, at any time; async-signal-safe, but for calls that the library executes.
 */
REGO_API rego_status rego_call_cancel(struct rego_engine *engine, rego_call call) REGO_NOEXCEPT;

/**
 * Whether an attempt should stop: it was given up, its call was cancelled, or it is over anyhow;
 * so it is of an attempt that never was, and where `engine` is NULL. A few loads.
 *
 * Threads: any thread, at any time; async-signal-safe.
 */
REGO_API
bool rego_attempt_cancelled(const struct rego_engine *engine,
                            rego_attempt attempt)
REGO_NOEXCEPT;

/**
 * Ends what is kept of a call that was begun with `REGO_BEGIN_KEEP` and is done. Attempts that
 * still run may finish.
 *
 * `REGO_STATUS_STALE` if it was let go already, is not kept (one that passes through never is), or is
 * not done: see `rego_call_let_go`.
 *
 * Threads: any thread, at any time.
 */
REGO_API
rego_status rego_call_end(struct rego_engine *engine,
                          rego_call call)
REGO_NOEXCEPT;

/**
 * Lets go of a call that was begun with `REGO_BEGIN_KEEP`, done or not. One that is not done is
 * not over by this: it goes on, is told as any other, and is not kept then. For owners that go
 * while other threads may drive the call: they let go of it, cancel it, and poll it.
 *
 * `REGO_STATUS_STALE` if it was let go already, or is not kept.
 *
 * Threads: any thread, at any time.
 */
REGO_API rego_status rego_call_let_go(struct rego_engine *engine, rego_call call) REGO_NOEXCEPT;

/**
 * On what terms first attempts of a key may be made before their calls begin: for hosts to which a
 * crossing is dear, as from a language with a runtime of its own. Ask again when `edition` is not
 * what is in `*current` any more: after policies were loaded, say.
 *
 * A host makes the first attempt on these terms: until `attempt_timeout` has passed, at most, and
 * within `overall_timeout` and the caller's own deadline. Where the attempt has worked in the call's
 * time, and facts of its own are not to be told (`REGO_COMPLETION_OK`), the call is over, and is
 * handed to `rego_key_settle`, with others. In any other case the call begins now: `rego_call_begin`,
 * with the time at which the attempt was started and the edition of its terms, and at once the finish
 * of the attempt that the step tells. What follows is as of any call. Until then the engine does not
 * know of it: it has no id, it is not counted by `rego_engine_release`, and takes no room of
 * `max_live_calls`. So a call that works takes a small part of a crossing instead of two.
 *
 * The library remembers the terms of eight editions. A call that begins when as many others have come
 * into force has the policy of that time.
 *
 * It is granted where nobody but the host sees a difference: not where the policy hedges, or stands
 * aside by its mode, events are kept, a budget counts calls as they begin, or a classifier of the
 * host's own judges successes, too.
 *
 * Threads: any thread, at any time. Takes a lock, for a moment: for once in each edition.
 */
REGO_API
REGO_NODISCARD
rego_status rego_key_standing(struct rego_engine *engine,
                              rego_key key,
                              rego_time now,
                              struct rego_standing *standing_out)
REGO_NOEXCEPT;

/**
 * Takes in calls that were made on standing terms, and whose first attempts worked. What they leave,
 * latencies, metrics and deposits in budgets, is not there before. So hand over those of a key, and of
 * all keys with `REGO_STANDING_SHARED`, before an attempt of the key is finished otherwise than by
 * `REGO_COMPLETION_OK`, and before one of its calls is polled; and those of all keys before policies
 * are loaded and metrics are read. And do not keep them for longer than some milliseconds while calls
 * go on: latencies count from when they are handed over.
 *
 * Tell `in_flight` at the same times, where calls of the key are made that may give attempts up: how
 * many of those may run on hangs on how many calls are in the air.
 *
 * `REGO_STATUS_INVALID` if there are more than a million, and nothing is taken in.
 *
 * Threads: any thread, at any time. Some nanoseconds for each call.
 */
REGO_API
REGO_NODISCARD
rego_status rego_key_settle(struct rego_engine *engine,
                            rego_key key,
                            const struct rego_settlement *settlement)
REGO_NOEXCEPT;

/**
 * Tells the frame of a call that was begun with `REGO_BEGIN_KEEP` and is done.
 *
 * `REGO_STATUS_STALE` of any other call.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_timeline(const struct rego_engine *engine,
                               rego_call call,
                               struct rego_timeline *timeline_out)
REGO_NOEXCEPT;

/**
 * Tells the attempts of a call that was begun with `REGO_BEGIN_KEEP` and is done, in launch order,
 * at most `capacity`, into an array whose elements have `record_size` bytes:
 * `sizeof(rego_attempt_record)`. How many attempts were launched goes to `count_out`, whether there
 * was room for them or not. `records` may be NULL if `capacity` is 0.
 *
 * `REGO_STATUS_STALE` of any other call.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_attempts(const struct rego_engine *engine,
                               rego_call call,
                               struct rego_attempt_record *records,
                               size_t record_size,
                               size_t capacity,
                               size_t *count_out)
REGO_NOEXCEPT;

/**
 * Writes what happened in a call that was begun with `REGO_BEGIN_KEEP` and is done, as text for
 * people, in the way of `snprintf`: what fits of it and a NUL into `buffer`, and how long all of
 * it is, without the NUL, into `len_out`. `buffer` may be NULL if `capacity` is 0.
 *
 * `REGO_STATUS_STALE` of any other call.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_timeline_write(const struct rego_engine *engine,
                                     rego_call call,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *len_out)
REGO_NOEXCEPT;

/**
 * Writes what happened in a call that was begun with `REGO_BEGIN_KEEP` and is done, as one JSON
 * object on one line, in the way of `snprintf`, as `rego_call_timeline_write`. Times are
 * nanoseconds on the host's clock; reasons have the names that metrics have. Fields may be added.
 *
 * `REGO_STATUS_STALE` of any other call.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_call_timeline_json(const struct rego_engine *engine,
                                    rego_call call,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len_out)
REGO_NOEXCEPT;

/**
 * Makes a loop, which is the caller's to free. It holds a reference to the engine. `notify` may be
 * NULL for hosts that look at the loop again after each finish; `drop` too.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_loop_new(struct rego_engine *engine,
                          rego_notify_fn notify,
                          void *userdata,
                          rego_drop_fn drop,
                          struct rego_loop **loop_out)
REGO_NOEXCEPT;

/**
 * Begins a call that belongs to the loop. What is to be done at once is in the step; what follows
 * comes out of `rego_loop_process`, whoever brings it about: the steps of those who finish its
 * attempts say `REGO_STEP_ELSEWHERE`. `step_out` may be NULL: then everything comes out of
 * `rego_loop_process`. Nobody is notified: ask for the next deadline before you sleep.
 *
 * Else as `rego_call_begin`. A call that passes through belongs to no loop: its end is the answer
 * to its own finish.
 *
 * `REGO_STATUS_BUSY` if another thread has the loop at this moment.
 *
 * Threads: one at a time, checked.
 */
REGO_API
REGO_NODISCARD
rego_status rego_loop_begin(struct rego_loop *loop,
                            rego_key key,
                            const struct rego_begin *begin,
                            rego_call *call_out,
                            struct rego_step *step_out)
REGO_NOEXCEPT;

/**
 * When to process the loop, unless notified before: no later than anything that time brings; 0,
 * which is at once, when there is something to do; `REGO_TIME_NEVER` when there is nothing to wait
 * for, as when all calls are done, and for NULL. 0 also while a thread is processing the loop.
 * While there are calls it may be a time of one that is done, at which there is nothing to do: now
 * and then, not once for each call.
 *
 * Threads: any thread, at any time.
 */
REGO_API rego_time rego_loop_next_deadline(const struct rego_loop *loop) REGO_NOEXCEPT;

/**
 * Tells what there is to do, at most `capacity` actions, and how many they are. If there were as
 * many as there is room for, there may be more: come again before you sleep.
 *
 * Time does not go backwards in here: an earlier `now` than before counts as the latest; so one of
 * another clock, if it is later, cannot be taken back.
 *
 * `REGO_STATUS_BUSY` if another thread has the loop at this moment.
 *
 * Threads: one at a time, checked.
 */
REGO_API
REGO_NODISCARD
rego_status rego_loop_process(struct rego_loop *loop,
                              rego_time now,
                              struct rego_action *actions,
                              size_t capacity,
                              size_t *count_out)
REGO_NOEXCEPT;

/**
 * Frees the loop. Its calls end as `REGO_VERDICT_SHUTDOWN` without anybody being told; attempts
 * that still run should stop, and may be finished. NULL is fine.
 *
 * Threads: the one that has the loop.
 */
REGO_API void rego_loop_free(struct rego_loop *loop) REGO_NOEXCEPT;

/**
 * Executes a call and returns when it is done: `result_out` tells how it ended, and the status
 * only whether it was executed.
 *
 * Where the key's policy does not hedge, or there is no executor, all attempts run on the calling
 * thread, and nobody asks them to stop at their deadlines: they know them. Where it hedges, they
 * run on the executor's threads, and the caller is the timer of its own call; it returns as soon
 * as one has answered, and the others, asked to stop, come back later. To wait in a pool for a
 * thread of the same pool can take for ever. For the other ways see `REGO_EXECUTE_INLINE_FIRST`
 * and `REGO_EXECUTE_WAIT_LOSERS`.
 *
 * A first attempt or a retry that `spawn` refuses is run by the calling thread; meanwhile the timer
 * is `schedule`, if there is one, and such an attempt that does not heed its cancel keeps the
 * caller. A hedge that it refuses is not launched.
 *
 * `deadline` is until when the caller will wait, on the executor's clock; 0 and `REGO_TIME_NEVER`
 * if there is no such time. That clock must be the one that the engine is told the time of.
 * `executor` may be NULL.
 *
 * Whatever is answered, `drop` of the work and of the executor is called once, of each whose struct
 * can be read.
 *
 * `REGO_STATUS_BUSY` in a `notify`, where nobody may wait.
 *
 * Threads: any thread, at any time. Allocates; waits.
 */
REGO_API
REGO_NODISCARD
rego_status rego_execute(struct rego_engine *engine,
                         rego_key key,
                         rego_time deadline,
                         const struct rego_work *work,
                         const struct rego_executor *executor,
                         struct rego_result *result_out)
REGO_NOEXCEPT;

/**
 * Executes a call and does not wait: all attempts run on the executor's threads, its timer is the
 * timer, and `on_done` tells the end there. So the work needs `on_done`, the executor `spawn` and
 * `schedule`; `REGO_EXECUTE_INLINE_FIRST` asks for nothing here, and `REGO_EXECUTE_WAIT_LOSERS` is
 * refused, as nobody waits. Where the host's timer refuses and nothing runs, the call ends as
 * `REGO_VERDICT_CANCELLED`: better an end than none.
 *
 * `rego_call_cancel` with the id ends the call; it is not async-signal-safe for such a call, and
 * may call `on_cancel`. The id is good until the call is done, and for nothing else: to all other
 * functions of calls it is stale, and what can be read after the end has the id `rego_result.call`.
 *
 * Nobody else runs an attempt that `spawn` refuses: one that is all there is ends the call as
 * `REGO_VERDICT_EXECUTOR_REJECTED`.
 *
 * `REGO_STATUS_CAPACITY` if the executor takes nothing, or would not even tell the end: then
 * `on_done` is not called. Else as `rego_execute`.
 *
 * Threads: any thread, at any time. Allocates.
 */
REGO_API
REGO_NODISCARD
rego_status rego_submit(struct rego_engine *engine,
                        rego_key key,
                        rego_time deadline,
                        const struct rego_work *work,
                        const struct rego_executor *executor,
                        rego_call *call_out)
REGO_NOEXCEPT;

/**
 * Runs a task that an executor was given: what `rego_run_fn` points to. Of a number that names no
 * task, or no longer, nothing comes.
 *
 * Threads: any thread, at any time, but not from a signal handler.
 */
REGO_API void rego_run_task(uint64_t task) REGO_NOEXCEPT;

/**
 * Moves the oldest events out of the engine, at most `capacity`, into an array whose elements have
 * `event_size` bytes: `sizeof(rego_event)`. How many they are goes to `count_out`; how many there
 * was no room for since the beginning, to `dropped_out`. `events` may be NULL if `capacity` is 0.
 *
 * An engine without `max_events` has none.
 *
 * Threads: any thread, at any time; threads that drain at once share the events.
 */
REGO_API
REGO_NODISCARD
rego_status rego_events_drain(struct rego_engine *engine,
                              struct rego_event *events,
                              size_t event_size,
                              size_t capacity,
                              size_t *count_out,
                              uint64_t *dropped_out)
REGO_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REGO_H */
