/* The call as a state machine, through the header alone. Time is what this program says it is. */
#define _POSIX_C_SOURCE 200809L

#define OK(status) answered(__LINE__, REGO_STATUS_OK, (status))
#include "check.h"

#include <stdlib.h>
#include <string.h>

static int crossings;

/* Counts what crosses, and says what was answered instead of what was expected. */
static void answered(int line, rego_status expected, rego_status status) {
  crossings++;
  if (status != expected) {
    fprintf(stderr, "l1.c:%d: %s, not %s\n", line, rego_status_name(status),
            rego_status_name(expected));
    failures++;
  }
}
#define ANSWERS(expected, status) answered(__LINE__, (expected), (status))

static const char policies[] =
    "schema = 1\n"
    "[defaults]\n"
    "idempotent = true\n"
    "[defaults.retry]\n"
    "max_attempts = 3\n"
    "initial_backoff = \"10ms\"\n"
    "jitter = \"none\"\n"
    "budget = \"unlimited\"\n"
    "[policies.\"svc.Hedged\".hedge]\n"
    "enabled = true\n"
    "trigger = \"fixed\"\n"
    "delay = \"20ms\"\n"
    "budget = \"unlimited\"\n";

static rego_engine *new_engine(const rego_options *options) {
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  OK(rego_engine_new(options, &engine, &error));
  OK(rego_engine_load_policies(engine, text_of(policies), &error));
  if (error.message[0] != '\0') {
    fprintf(stderr, "%s\n", error.message);
  }
  if (engine == NULL) {
    exit(1);
  }
  return engine;
}

static rego_engine *engine_of_now(void) {
  rego_options options = REGO_OPTIONS_INIT;
  options.seed = 7;
  options.now = T0;
  options.max_events = 64;
  return new_engine(&options);
}

static rego_key key_of(rego_engine *engine, const char *name) {
  rego_key key = 0;
  OK(rego_key_intern(engine, text_of(name), &key));
  CHECK(key != 0);
  return key;
}

static rego_begin begin_at(rego_time now) {
  rego_begin begin = REGO_BEGIN_INIT;
  begin.now = now;
  begin.cookie = 99;
  return begin;
}

static rego_completion http(int32_t status) {
  rego_completion facts = REGO_COMPLETION_INIT;
  facts.kind = REGO_COMPLETION_HTTP;
  facts.code = status;
  facts.result = (uint64_t)status;
  return facts;
}

/* The one attempt that a step starts. */
static rego_attempt only_start(const rego_step *step) {
  CHECK(step->n_actions == 1);
  CHECK(step->actions[0].kind == REGO_ACTION_START);
  return step->actions[0].attempt;
}

static void a_success_is_two_crossings(void) {
  rego_engine *engine = engine_of_now();
  rego_key key = key_of(engine, "svc.Get");
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;

  crossings = 0;
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt attempt = only_start(&step);
  CHECK(step.actions[0].call == call && call != 0);
  CHECK(step.actions[0].cookie == 99);
  CHECK(step.actions[0].reason == REGO_ATTEMPT_FIRST && step.actions[0].number == 0);
  CHECK(step.actions[0].deadline == step.wake_at && step.wake_at > T0);
  CHECK(step.flags == 0);
  CHECK(!rego_attempt_cancelled(engine, attempt));

  ok.result = 4711;
  OK(rego_attempt_finish(engine, attempt, T0 + 3 * MS, &ok, &step));
  CHECK(crossings == 2);
  CHECK(step.n_actions == 1 && step.wake_at == REGO_TIME_NEVER);
  const rego_action *done = &step.actions[0];
  CHECK(done->kind == REGO_ACTION_DONE && done->reason == REGO_VERDICT_SUCCESS);
  CHECK(done->attempt == attempt && done->result == 4711);
  CHECK(done->cookie == 99 && done->number == 1 && done->retry_after == 0);

  /* What is over is stale, and changes nothing. */
  step.n_actions = 77;
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, attempt, T0, &ok, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_poll(engine, call, T0, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_cancel(engine, call));
  ANSWERS(REGO_STATUS_STALE, rego_call_end(engine, call));
  CHECK(rego_attempt_cancelled(engine, attempt));
  CHECK(step.n_actions == 77);
  rego_engine_release(engine);
}

static void a_failure_is_retried_after_its_backoff(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion unavailable = http(503);
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));

  rego_attempt first = only_start(&step);
  OK(rego_attempt_finish(engine, first, T0 + 5 * MS, &unavailable, &step));
  CHECK(step.n_actions == 0 && step.wake_at == T0 + 15 * MS);
  OK(rego_call_poll(engine, call, T0 + 14 * MS, &step));
  CHECK(step.n_actions == 0 && step.wake_at == T0 + 15 * MS);
  OK(rego_call_poll(engine, call, T0 + 15 * MS, &step));

  rego_attempt second = only_start(&step);
  CHECK(step.actions[0].reason == REGO_ATTEMPT_RETRY);
  CHECK(step.actions[0].number == 1 && step.actions[0].retry_index == 1);
  /* The host knows better than any classifier, and how long to wait. */
  rego_outcome throttled = REGO_OUTCOME_INIT;
  throttled.kind = REGO_OUTCOME_RETRYABLE;
  throttled.failure = REGO_FAILURE_THROTTLED;
  throttled.backoff = 40 * MS;
  OK(rego_attempt_finish_as(engine, second, T0 + 20 * MS, &throttled, &step));
  CHECK(step.n_actions == 0);
  CHECK(step.wake_at >= T0 + 60 * MS && step.wake_at <= T0 + 64 * MS);

  OK(rego_call_poll(engine, call, step.wake_at, &step));
  rego_attempt third = only_start(&step);
  unavailable.result = 3;
  OK(rego_attempt_finish(engine, third, T0 + 70 * MS, &unavailable, &step));
  CHECK(step.n_actions == 1 && step.actions[0].kind == REGO_ACTION_DONE);
  CHECK(step.actions[0].reason == REGO_VERDICT_MAX_ATTEMPTS);
  CHECK(step.actions[0].attempt == third && step.actions[0].result == 3);
  CHECK(step.actions[0].number == 3);
  rego_engine_release(engine);
}

static void a_slow_attempt_is_hedged_by_time(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  OK(rego_call_begin(engine, key_of(engine, "svc.Hedged"), &begin, &call, &step));
  rego_attempt primary = only_start(&step);
  CHECK(step.wake_at == T0 + 20 * MS);
  OK(rego_call_poll(engine, call, T0 + 20 * MS, &step));
  rego_attempt hedge = only_start(&step);
  CHECK(step.actions[0].reason == REGO_ATTEMPT_HEDGE && step.actions[0].hedge_index == 1);
  CHECK(!rego_attempt_cancelled(engine, primary));

  ok.result = 2;
  OK(rego_attempt_finish(engine, hedge, T0 + 25 * MS, &ok, &step));
  CHECK(step.n_actions == 2);
  CHECK(step.actions[0].kind == REGO_ACTION_CANCEL && step.actions[0].attempt == primary);
  CHECK(step.actions[0].reason == REGO_CANCEL_LOST_RACE);
  CHECK(step.actions[1].kind == REGO_ACTION_DONE && step.actions[1].attempt == hedge);
  CHECK(step.actions[1].result == 2);
  CHECK(rego_attempt_cancelled(engine, primary));

  /* The loser finishes late, once. */
  OK(rego_attempt_finish(engine, primary, T0 + 90 * MS, &ok, &step));
  CHECK(step.n_actions == 0);
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, primary, T0 + 91 * MS, &ok, &step));
  rego_engine_release(engine);
}

static void a_cancel_is_told_to_whoever_drives_next(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion cancelled = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));
  rego_attempt attempt = only_start(&step);
  OK(rego_call_cancel(engine, call));
  CHECK(rego_attempt_cancelled(engine, attempt));
  OK(rego_call_poll(engine, call, T0 + MS, &step));
  CHECK(step.n_actions == 2);
  CHECK(step.actions[0].kind == REGO_ACTION_CANCEL && step.actions[0].attempt == attempt);
  CHECK(step.actions[0].reason == REGO_CANCEL_CALLER);
  CHECK(step.actions[1].reason == REGO_VERDICT_CANCELLED && step.actions[1].attempt == 0);
  cancelled.kind = REGO_COMPLETION_CANCELLED;
  OK(rego_attempt_finish(engine, attempt, T0 + 2 * MS, &cancelled, &step));
  rego_engine_release(engine);
}

static void an_attempt_may_wait_or_be_rejected(void) {
  rego_engine *engine = engine_of_now();
  rego_key key = key_of(engine, "svc.Hedged");
  rego_begin begin = begin_at(T0);
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt attempt = only_start(&step);
  OK(rego_attempt_queued(engine, attempt, T0, &step));
  OK(rego_call_poll(engine, call, T0 + 30 * MS, &step));
  CHECK(step.n_actions == 0);
  OK(rego_attempt_started(engine, attempt, T0 + 30 * MS, &step));
  CHECK(step.wake_at == T0 + 50 * MS);
  OK(rego_attempt_reject(engine, attempt, T0 + 31 * MS, &step));
  CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_VERDICT_EXECUTOR_REJECTED);
  ANSWERS(REGO_STATUS_STALE, rego_attempt_reject(engine, attempt, T0, &step));
  ANSWERS(REGO_STATUS_STALE, rego_attempt_queued(engine, attempt, T0, &step));
  ANSWERS(REGO_STATUS_STALE, rego_attempt_started(engine, attempt, T0, &step));
  rego_engine_release(engine);
}

static void a_kept_call_can_be_read_until_its_end(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  char text[2048];
  size_t len = 0;
  begin.flags = REGO_BEGIN_KEEP;
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_end(engine, call));
  ANSWERS(REGO_STATUS_STALE, rego_call_timeline_write(engine, call, text, sizeof text, &len));
  OK(rego_attempt_finish(engine, only_start(&step), T0 + MS, &ok, &step));
  OK(rego_call_timeline_write(engine, call, text, sizeof text, &len));
  CHECK(len > 0 && len < sizeof text && strlen(text) == len);
  CHECK(strstr(text, "svc.Get") != NULL);
  OK(rego_call_poll(engine, call, T0 + MS, &step));
  CHECK(step.n_actions == 0);
  OK(rego_call_end(engine, call));
  ANSWERS(REGO_STATUS_STALE, rego_call_end(engine, call));
  ANSWERS(REGO_STATUS_STALE, rego_call_timeline_write(engine, call, text, sizeof text, &len));
  /* Who lets go of it before is told of the end, and it is not kept. */
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));
  OK(rego_call_let_go(engine, call));
  ANSWERS(REGO_STATUS_STALE, rego_call_let_go(engine, call));
  OK(rego_attempt_finish(engine, only_start(&step), T0 + MS, &ok, &step));
  CHECK(step.n_actions == 1 && step.actions[0].kind == REGO_ACTION_DONE);
  ANSWERS(REGO_STATUS_STALE, rego_call_timeline_write(engine, call, text, sizeof text, &len));
  ANSWERS(REGO_STATUS_STALE, rego_call_poll(engine, call, T0 + MS, &step));
  rego_engine_release(engine);
}

static void calls_beyond_the_limit_pass_through(void) {
  rego_options options = REGO_OPTIONS_INIT;
  options.max_live_calls = 1;
  rego_engine *engine = new_engine(&options);
  rego_key key = key_of(engine, "svc.Get");
  rego_begin begin = begin_at(T0);
  rego_completion facts = http(503);
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt kept = only_start(&step);
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt plain = only_start(&step);
  OK(rego_attempt_finish(engine, plain, T0, &facts, &step));
  CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_VERDICT_PASS_THROUGH);
  CHECK(step.actions[0].cookie == begin.cookie);
  // It is known to be over, as any other.
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, plain, T0, &facts, &step));
  ANSWERS(REGO_STATUS_STALE, rego_attempt_reject(engine, plain, T0, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_poll(engine, call, T0, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_cancel(engine, call));
  CHECK(rego_attempt_cancelled(engine, plain));
  /* Its caller may leave it, as any other; its attempt comes late then. */
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt left = only_start(&step);
  OK(rego_call_cancel(engine, call));
  CHECK(rego_attempt_cancelled(engine, left));
  OK(rego_call_poll(engine, call, T0, &step));
  CHECK(step.n_actions == 2 && step.actions[1].reason == REGO_VERDICT_CANCELLED);
  OK(rego_attempt_finish(engine, left, T0, &facts, &step));
  CHECK(step.n_actions == 0);
  /* When its attempt must be over it is given up, also where the host has a queue. */
  begin.deadline = T0 + 50 * MS;
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  CHECK(step.wake_at == T0 + 50 * MS && step.actions[0].deadline == step.wake_at);
  rego_attempt late = only_start(&step);
  OK(rego_attempt_queued(engine, late, T0, &step));
  CHECK(step.n_actions == 0 && step.wake_at == T0 + 50 * MS);
  OK(rego_attempt_started(engine, late, T0, &step));
  CHECK(step.n_actions == 0 && step.wake_at == T0 + 50 * MS);
  OK(rego_attempt_finish(engine, late, T0 + 51 * MS, &facts, &step));
  CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_VERDICT_DEADLINE_EXCEEDED);
  for (uint64_t i = 1; i < 2000; i++) {
    ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, plain + i, T0, &facts, &step));
  }
  static char text[1 << 16];
  size_t len = 0;
  OK(rego_metrics_write(engine, text, sizeof text, &len));
  CHECK(strstr(text, "rego_calls_passed_through_total{key=\"svc.Get\"} 3") != NULL);
  CHECK(strstr(text, "rego_call_stops_total{key=\"svc.Get\",stop=\"pass_through\"} 1") != NULL);
  OK(rego_attempt_finish(engine, kept, T0, &facts, &step));
  CHECK(step.n_actions == 0);
  rego_engine_release(engine);
}

static void forged_ids_are_stale(void) {
  static const uint64_t forged[] = {0, 1, 42, UINT64_C(1) << 32, UINT64_C(0x0000ff0000000001),
                                    UINT64_C(0x00000fff00000001), UINT64_MAX};
  rego_engine *engine = engine_of_now();
  rego_engine *other = engine_of_now();
  rego_key key = key_of(engine, "svc.Get");
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_outcome success = REGO_OUTCOME_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 7;
  for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
    uint64_t id = forged[i];
    ANSWERS(REGO_STATUS_STALE, rego_call_begin(engine, id, &begin, &call, &step));
    ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, id, T0, &ok, &step));
    ANSWERS(REGO_STATUS_STALE, rego_attempt_finish_as(engine, id, T0, &success, &step));
    ANSWERS(REGO_STATUS_STALE, rego_call_poll(engine, id, T0, &step));
    ANSWERS(REGO_STATUS_STALE, rego_call_cancel(engine, id));
    ANSWERS(REGO_STATUS_STALE, rego_call_end(engine, id));
    ANSWERS(REGO_STATUS_STALE, rego_call_let_go(engine, id));
    CHECK(rego_attempt_cancelled(engine, id));
  }
  ANSWERS(REGO_STATUS_STALE, rego_call_begin(other, key, &begin, &call, &step));
  CHECK(call == 7);
  /* An id of the one kind is none of the other. */
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt attempt = only_start(&step);
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, call, T0, &ok, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_poll(engine, attempt, T0, &step));
  /* Nor is that of another engine, which has begun the same call. */
  rego_call foreign = 0;
  OK(rego_call_begin(other, key_of(other, "svc.Get"), &begin, &foreign, &step));
  rego_attempt theirs = only_start(&step);
  CHECK(foreign != call && theirs != attempt);
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(engine, theirs, T0, &ok, &step));
  ANSWERS(REGO_STATUS_STALE, rego_attempt_finish(other, attempt, T0, &ok, &step));
  ANSWERS(REGO_STATUS_STALE, rego_call_cancel(other, call));
  OK(rego_attempt_finish(other, theirs, T0, &ok, &step));
  OK(rego_attempt_finish(engine, attempt, T0, &ok, &step));
  rego_engine_release(engine);
  rego_engine_release(other);
}

static void null_is_refused_wherever_it_is_not_allowed(void) {
  rego_engine *engine = engine_of_now();
  rego_key key = key_of(engine, "svc.Get");
  rego_options options = REGO_OPTIONS_INIT;
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_outcome success = REGO_OUTCOME_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  rego_str nowhere = {NULL, 1};
  size_t n = 0;
  uint64_t dropped = 0;
  char text[8];
  rego_event event;
  rego_engine *made = NULL;
  const rego_status null = REGO_STATUS_NULL;

  ANSWERS(null, rego_engine_new(NULL, &made, NULL));
  ANSWERS(null, rego_engine_new(&options, NULL, NULL));
  ANSWERS(null, rego_engine_load_policies(NULL, text_of(policies), NULL));
  ANSWERS(null, rego_engine_load_policies(engine, nowhere, NULL));
  ANSWERS(null, rego_key_intern(NULL, REGO_STR("k"), &key));
  ANSWERS(null, rego_key_intern(engine, nowhere, &key));
  ANSWERS(null, rego_key_intern(engine, REGO_STR("k"), NULL));
  ANSWERS(null, rego_call_begin(NULL, key, &begin, &call, &step));
  ANSWERS(null, rego_call_begin(engine, key, NULL, &call, &step));
  ANSWERS(null, rego_call_begin(engine, key, &begin, NULL, &step));
  ANSWERS(null, rego_call_begin(engine, key, &begin, &call, NULL));
  ANSWERS(null, rego_attempt_finish(NULL, 1, T0, &ok, &step));
  ANSWERS(null, rego_attempt_finish(engine, 1, T0, NULL, &step));
  ANSWERS(null, rego_attempt_finish(engine, 1, T0, &ok, NULL));
  ANSWERS(null, rego_attempt_finish_as(NULL, 1, T0, &success, &step));
  ANSWERS(null, rego_attempt_finish_as(engine, 1, T0, NULL, &step));
  ANSWERS(null, rego_attempt_finish_as(engine, 1, T0, &success, NULL));
  ANSWERS(null, rego_attempt_reject(NULL, 1, T0, &step));
  ANSWERS(null, rego_attempt_reject(engine, 1, T0, NULL));
  ANSWERS(null, rego_attempt_queued(NULL, 1, T0, &step));
  ANSWERS(null, rego_attempt_queued(engine, 1, T0, NULL));
  ANSWERS(null, rego_attempt_started(NULL, 1, T0, &step));
  ANSWERS(null, rego_attempt_started(engine, 1, T0, NULL));
  ANSWERS(null, rego_call_poll(NULL, 1, T0, &step));
  ANSWERS(null, rego_call_poll(engine, 1, T0, NULL));
  ANSWERS(null, rego_call_cancel(NULL, 1));
  ANSWERS(null, rego_call_end(NULL, 1));
  ANSWERS(null, rego_call_let_go(NULL, 1));
  ANSWERS(null, rego_call_timeline_write(NULL, 1, text, sizeof text, &n));
  ANSWERS(null, rego_call_timeline_write(engine, 1, text, sizeof text, NULL));
  ANSWERS(null, rego_metrics_write(NULL, text, sizeof text, &n));
  ANSWERS(null, rego_metrics_write(engine, NULL, 1, &n));
  ANSWERS(null, rego_metrics_write(engine, text, sizeof text, NULL));
  ANSWERS(null, rego_events_drain(NULL, &event, sizeof event, 1, &n, &dropped));
  ANSWERS(null, rego_events_drain(engine, NULL, sizeof event, 1, &n, &dropped));
  ANSWERS(null, rego_events_drain(engine, &event, sizeof event, 1, NULL, &dropped));
  ANSWERS(null, rego_events_drain(engine, &event, sizeof event, 1, &n, NULL));
  CHECK(made == NULL);
  CHECK(rego_attempt_cancelled(NULL, 1));
  CHECK(rego_engine_retain(NULL) == NULL);
  rego_engine_release(NULL);
  rego_engine_release(engine);
}

static void arguments_are_checked(void) {
  rego_engine *engine = engine_of_now();
  rego_key key = key_of(engine, "svc.Get");
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  rego_engine *made = NULL;
  rego_error error = REGO_ERROR_INIT;
  rego_options options = REGO_OPTIONS_INIT;
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  size_t n = 0;
  uint64_t dropped = 0;
  rego_event event;

  options.abi_version++;
  ANSWERS(REGO_STATUS_UNSUPPORTED, rego_engine_new(&options, &made, &error));
  CHECK(strstr(error.message, "ABI") != NULL && error.status == REGO_STATUS_UNSUPPORTED);
  options.abi_version = REGO_ABI_VERSION;
  options.max_keys = UINT32_MAX;
  ANSWERS(REGO_STATUS_INVALID, rego_engine_new(&options, &made, &error));
  CHECK(strstr(error.message, "max_keys") != NULL);
  CHECK(made == NULL);

  ANSWERS(REGO_STATUS_INVALID,
          rego_engine_load_policies(engine, REGO_STR("schema = 1\n[defaults]\nspeed = 1\n"), &error));
  CHECK(strstr(error.message, "policies:3:") != NULL);
  ANSWERS(REGO_STATUS_INVALID,
          rego_engine_load_policies(engine, REGO_STR("schema = 1\n# \xff"), &error));
  CHECK(strstr(error.message, "2:3: this is not UTF-8") != NULL);
  static char metrics[1 << 16];
  size_t len = 0;
  OK(rego_metrics_write(engine, metrics, sizeof metrics, &len));
  CHECK(strstr(metrics, "rego_policy_updates_total{source=\"file\",result=\"rejected\"} 2") != NULL);
  OK(rego_engine_load_policies(engine, REGO_STR("\n {\"schema\": 1}"), NULL));
  ANSWERS(REGO_STATUS_INVALID, rego_key_intern(engine, REGO_STR(" "), &key));

  begin.struct_size--;
  ANSWERS(REGO_STATUS_INVALID, rego_call_begin(engine, key, &begin, &call, &step));
  begin = begin_at(REGO_TIME_NEVER);
  ANSWERS(REGO_STATUS_INVALID, rego_call_begin(engine, key, &begin, &call, &step));
  begin = begin_at(T0);
  begin.priority = 256;
  ANSWERS(REGO_STATUS_INVALID, rego_call_begin(engine, key, &begin, &call, &step));
  begin = begin_at(T0);
  begin.flags = 2;
  ANSWERS(REGO_STATUS_UNSUPPORTED, rego_call_begin(engine, key, &begin, &call, &step));
  begin = begin_at(T0);
  step.struct_size = 8;
  ANSWERS(REGO_STATUS_INVALID, rego_call_begin(engine, key, &begin, &call, &step));
  CHECK(call == 0);

  /* What is refused has not happened. */
  step.struct_size = (uint32_t)sizeof step;
  OK(rego_call_begin(engine, key, &begin, &call, &step));
  rego_attempt attempt = only_start(&step);
  ok.kind = 1000;
  ANSWERS(REGO_STATUS_UNSUPPORTED, rego_attempt_finish(engine, attempt, T0, &ok, &step));
  ok.kind = REGO_COMPLETION_OK;
  ANSWERS(REGO_STATUS_INVALID, rego_attempt_finish(engine, attempt, REGO_TIME_NEVER, &ok, &step));
  OK(rego_attempt_finish(engine, attempt, T0, &ok, &step));
  ANSWERS(REGO_STATUS_INVALID, rego_events_drain(engine, &event, 8, 1, &n, &dropped));
  rego_engine_release(engine);
}

static void a_newer_struct_is_taken_if_its_news_are_zero(void) {
  struct {
    rego_begin begin;
    uint64_t news;
  } newer = {REGO_BEGIN_INIT, 0};
  rego_engine *engine = engine_of_now();
  rego_key key = key_of(engine, "svc.Get");
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  newer.begin.struct_size = (uint32_t)sizeof newer;
  newer.begin.now = T0;
  OK(rego_call_begin(engine, key, &newer.begin, &call, &step));
  newer.news = 1;
  ANSWERS(REGO_STATUS_UNSUPPORTED, rego_call_begin(engine, key, &newer.begin, &call, &step));
  rego_engine_release(engine);
}

static void metrics_are_written_like_snprintf(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  size_t len = 0, again = 0;
  char head[16];
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));
  OK(rego_attempt_finish(engine, only_start(&step), T0 + MS, &ok, &step));
  OK(rego_metrics_write(engine, NULL, 0, &len));
  OK(rego_metrics_write(engine, head, sizeof head, &again));
  CHECK(strlen(head) == sizeof head - 1 && again == len);
  char *all = malloc(len + 1);
  OK(rego_metrics_write(engine, all, len + 1, &again));
  CHECK(strlen(all) == len && again == len);
  CHECK(strstr(all, "rego_calls_total{key=\"svc.Get\",outcome=\"success\",via=\"first\"} 1") != NULL);
  free(all);
  rego_engine_release(engine);
}

static void events_are_drained(void) {
  rego_engine *engine = engine_of_now();
  rego_begin begin = begin_at(T0);
  rego_completion unavailable = http(503);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  rego_event events[16];
  size_t n = 0;
  uint64_t dropped = 9;
  OK(rego_call_begin(engine, key_of(engine, "svc.Get"), &begin, &call, &step));
  OK(rego_attempt_finish(engine, only_start(&step), T0 + 5 * MS, &unavailable, &step));
  OK(rego_call_poll(engine, call, step.wake_at, &step));
  OK(rego_attempt_finish(engine, only_start(&step), T0 + 20 * MS, &ok, &step));

  OK(rego_events_drain(engine, events, sizeof events[0], 1, &n, &dropped));
  CHECK(n == 1 && dropped == 0 && events[0].kind == REGO_EVENT_CALL_STARTED);
  CHECK(events[0].at == T0 && strcmp(events[0].key, "svc.Get") == 0);
  OK(rego_events_drain(engine, events, sizeof events[0], 16, &n, &dropped));
  CHECK(n >= 4 && n < 16);
  CHECK(events[0].kind == REGO_EVENT_ATTEMPT_ENDED && events[0].attempt == 0);
  CHECK(events[0].reason == REGO_OUTCOME_RETRYABLE);
  CHECK(events[0].completion == REGO_COMPLETION_HTTP && events[0].code == 503);
  CHECK(events[n - 1].kind == REGO_EVENT_CALL_ENDED && events[n - 1].attempt == 1);
  CHECK(events[n - 1].reason == REGO_VERDICT_SUCCESS && events[n - 1].count == 2);
  CHECK(events[n - 1].time == T0);
  int backed_off = 0;
  for (size_t i = 0; i < n; i++) {
    backed_off += events[i].kind == REGO_EVENT_BACKING_OFF && events[i].time == T0 + 15 * MS;
    CHECK(events[i].kind != REGO_EVENT_OTHER);
  }
  CHECK(backed_off == 1);
  OK(rego_events_drain(engine, NULL, sizeof events[0], 0, &n, &dropped));
  CHECK(n == 0);
  rego_engine_release(engine);
}

static void an_engine_lives_until_its_last_reference(void) {
  rego_engine *engine = engine_of_now();
  rego_engine *mine = rego_engine_retain(engine);
  rego_key key = key_of(engine, "svc.Get");
  CHECK(mine == engine);
  rego_engine_release(engine);
  CHECK(key_of(mine, "svc.Get") == key);
  rego_engine_release(mine);
}

int main(void) {
  unsetenv("REGO_MODE");
  CHECK(rego_abi_version() == REGO_ABI_VERSION);
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", REGO_VERSION_MAJOR, REGO_VERSION_MINOR,
           REGO_VERSION_PATCH);
  CHECK(strcmp(rego_version(), version) == 0);
  CHECK(strcmp(rego_status_name(REGO_STATUS_STALE), "REGO_STATUS_STALE") == 0);
  CHECK(strcmp(rego_status_name(12345), "unknown") == 0);

  a_success_is_two_crossings();
  a_failure_is_retried_after_its_backoff();
  a_slow_attempt_is_hedged_by_time();
  a_cancel_is_told_to_whoever_drives_next();
  an_attempt_may_wait_or_be_rejected();
  a_kept_call_can_be_read_until_its_end();
  calls_beyond_the_limit_pass_through();
  forged_ids_are_stale();
  null_is_refused_wherever_it_is_not_allowed();
  arguments_are_checked();
  a_newer_struct_is_taken_if_its_news_are_zero();
  metrics_are_written_like_snprintf();
  events_are_drained();
  an_engine_lives_until_its_last_reference();
  return failures == 0 ? 0 : 1;
}
