/* First attempts before their calls begin: a host that crosses once for many calls. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char policies[] =
    "schema = 1\n"
    "[budgets.extra]\n"
    "kind = \"ratio\"\n"
    "ratio = 0.5\n"
    "start = 0\n"
    "min_per_sec = 0.0\n"
    "[defaults.retry]\n"
    "max_attempts = 2\n"
    "initial_backoff = \"10ms\"\n"
    "jitter = \"none\"\n"
    "attempt_timeout = \"300ms\"\n"
    "overall_timeout = \"700ms\"\n"
    "budget = \"extra\"\n"
    "[policies.\"svc.Hedged\"]\n"
    "idempotent = true\n"
    "[policies.\"svc.Hedged\".hedge]\n"
    "enabled = true\n";

static rego_engine *engine_with(uint32_t max_events) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  options.now = T0;
  options.max_events = max_events;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_engine_load_policies(engine, text_of(policies), NULL));
  return engine;
}

static rego_key key_of(rego_engine *engine, const char *name) {
  rego_key key = 0;
  OK(rego_key_intern(engine, text_of(name), &key));
  return key;
}

static rego_standing terms_of(rego_engine *engine, rego_key key) {
  rego_standing terms = REGO_STANDING_INIT;
  OK(rego_key_standing(engine, key, T0, &terms));
  return terms;
}

static int stands(const rego_standing *terms) {
  return __atomic_load_n(terms->current, __ATOMIC_ACQUIRE) == terms->edition;
}

static rego_status settle(rego_engine *engine, rego_key key, const uint64_t *lengths, size_t n,
                          int32_t in_flight) {
  rego_settlement calls = REGO_SETTLEMENT_INIT;
  calls.now = T0 + 1000 * MS;
  calls.in_flight = in_flight;
  calls.lengths = lengths;
  calls.n_lengths = n;
  return rego_key_settle(engine, key, &calls);
}

/* The number behind a line's beginning. */
static long metric(rego_engine *engine, const char *line) {
  static char text[1 << 18];
  size_t len = 0;
  OK(rego_metrics_write(engine, text, sizeof text, &len));
  const char *at = strstr(text, line);
  return at == NULL ? -1 : atol(at + strlen(line));
}

#define WORKED "rego_calls_total{key=\"svc.Get\",outcome=\"success\",via=\"first\"} "
#define FLYING "rego_calls_in_flight{key=\"svc.Get\"} "

static void terms_are_those_of_the_policy_until_others_are(void) {
  rego_engine *engine = engine_with(0);
  rego_key get = key_of(engine, "svc.Get"), hedged = key_of(engine, "svc.Hedged");
  rego_standing terms = terms_of(engine, get);
  CHECK(terms.flags == (REGO_STANDING_GRANTED | REGO_STANDING_SHARED) && stands(&terms));
  CHECK(terms.attempt_timeout == 300 * MS && terms.overall_timeout == 700 * MS);
  CHECK(terms_of(engine, hedged).flags == REGO_STANDING_SHARED);

  static const char others[] = "schema = 1\n[defaults.retry]\nattempt_timeout = \"20ms\"\n";
  OK(rego_engine_load_policies(engine, text_of(others), NULL));
  CHECK(!stands(&terms));
  terms = terms_of(engine, get);
  CHECK(terms.attempt_timeout == 20 * MS && terms.flags == REGO_STANDING_GRANTED && stands(&terms));
  CHECK(rego_engine_release(engine) == 0);

  engine = engine_with(64);
  CHECK(terms_of(engine, key_of(engine, "svc.Get")).flags == REGO_STANDING_SHARED);
  CHECK(rego_engine_release(engine) == 0);
}

static void what_is_settled_pays_for_a_call_that_begins_in_retrospect(void) {
  rego_engine *engine = engine_with(0);
  rego_key get = key_of(engine, "svc.Get");
  const uint64_t lengths[] = {5 * MS, 1, UINT64_MAX};
  for (int funded = 0; funded < 2; funded++) {
    if (funded) {
      OK(settle(engine, get, lengths, 3, 0));
      CHECK(metric(engine, WORKED) == 3);
    }
    rego_begin begin = REGO_BEGIN_INIT;
    rego_completion facts = REGO_COMPLETION_INIT;
    rego_step step = REGO_STEP_INIT;
    rego_call call = 0;
    begin.now = T0 + 100 * MS;
    OK(rego_call_begin(engine, get, &begin, &call, &step));
    CHECK(step.n_actions == 1 && step.actions[0].kind == REGO_ACTION_START);
    CHECK(step.actions[0].deadline == begin.now + 300 * MS);
    facts.kind = REGO_COMPLETION_IO;
    facts.code = REGO_IO_CONNECTION_RESET;
    OK(rego_attempt_finish(engine, step.actions[0].attempt, begin.now + 250 * MS, &facts, &step));
    if (funded) { /* One and a half attempts were paid in. */
      CHECK(step.n_actions == 0 && step.wake_at == begin.now + 260 * MS);
      OK(rego_call_poll(engine, call, step.wake_at, &step));
      facts.kind = REGO_COMPLETION_OK;
      OK(rego_attempt_finish(engine, step.actions[0].attempt, begin.now + 270 * MS, &facts, &step));
      CHECK(step.actions[0].reason == REGO_VERDICT_SUCCESS && step.actions[0].number == 2);
    } else {
      CHECK(step.actions[0].kind == REGO_ACTION_DONE);
      CHECK(step.actions[0].reason == REGO_VERDICT_BUDGET_DENIED);
    }
  }
  OK(settle(engine, get, NULL, 0, 7));
  OK(settle(engine, get, NULL, 0, -3));
  CHECK(metric(engine, FLYING) == 4);
  CHECK(rego_engine_release(engine) == 0);
}

static void a_call_keeps_the_policy_on_which_its_attempt_was_made(void) {
  static const char others[] = "schema = 1\n[defaults.retry]\nattempt_timeout = \"20ms\"\n";
  rego_engine *engine = engine_with(0);
  rego_key get = key_of(engine, "svc.Get");
  rego_standing terms = terms_of(engine, get);
  OK(rego_engine_load_policies(engine, text_of(others), NULL));
  for (int late = 0; late < 2; late++) {
    rego_begin begin = REGO_BEGIN_INIT;
    rego_step step = REGO_STEP_INIT;
    rego_call call = 0;
    begin.now = T0;
    begin.edition = late ? terms.edition : 0;
    OK(rego_call_begin(engine, get, &begin, &call, &step));
    CHECK(step.actions[0].deadline == T0 + (late ? 300 : 20) * MS);
  }
  CHECK(rego_engine_release(engine) == 2);
}

static void arguments_are_checked(void) {
  rego_engine *engine = engine_with(0);
  rego_key get = key_of(engine, "svc.Get");
  struct {
    uint64_t lengths[2];
  } one = {{1, 2}};
  const uint64_t *crooked = (const uint64_t *)(const void *)((const char *)one.lengths + 1);
  CHECK(settle(NULL, get, one.lengths, 1, 0) == REGO_STATUS_NULL);
  CHECK(settle(engine, get, NULL, 1, 0) == REGO_STATUS_NULL);
  CHECK(settle(engine, get, crooked, 1, 0) == REGO_STATUS_INVALID);
  CHECK(settle(engine, get, one.lengths, 1000001, 0) == REGO_STATUS_INVALID);
  CHECK(settle(engine, get, one.lengths, SIZE_MAX, 0) == REGO_STATUS_INVALID);
  CHECK(settle(engine, 0, one.lengths, 1, 0) == REGO_STATUS_STALE);
  CHECK(settle(engine, get + 99, one.lengths, 1, 0) == REGO_STATUS_STALE);
  CHECK(rego_key_settle(engine, get, NULL) == REGO_STATUS_NULL);
  rego_settlement calls = REGO_SETTLEMENT_INIT;
  calls.now = REGO_TIME_NEVER;
  CHECK(rego_key_settle(engine, get, &calls) == REGO_STATUS_INVALID);
  calls.now = T0;
  calls.struct_size = 3;
  CHECK(rego_key_settle(engine, get, &calls) == REGO_STATUS_INVALID);

  rego_standing terms = REGO_STANDING_INIT;
  CHECK(rego_key_standing(NULL, get, T0, &terms) == REGO_STATUS_NULL);
  CHECK(rego_key_standing(engine, get, T0, NULL) == REGO_STATUS_NULL);
  CHECK(rego_key_standing(engine, 0, T0, &terms) == REGO_STATUS_STALE);
  CHECK(rego_key_standing(engine, get, REGO_TIME_NEVER, &terms) == REGO_STATUS_INVALID);
  terms.struct_size--;
  CHECK(rego_key_standing(engine, get, T0, &terms) == REGO_STATUS_INVALID);
  CHECK(terms.current == NULL && metric(engine, WORKED) <= 0);
  CHECK(rego_engine_release(engine) == 0);
}

enum { THREADS = 4, BATCHES = 2000, BATCH = 16 };

struct host {
  rego_engine *engine;
  rego_key get;
};

/* Settles, and asks again when terms do not stand any more. */
static void *work(void *of) {
  const struct host *host = of;
  rego_standing terms = terms_of(host->engine, host->get);
  uint64_t lengths[BATCH];
  for (int batch = 0; batch < BATCHES; batch++) {
    if (!stands(&terms)) {
      terms = terms_of(host->engine, host->get);
    }
    CHECK(terms.attempt_timeout == 300 * MS || terms.attempt_timeout == 20 * MS);
    for (int i = 0; i < BATCH; i++) {
      lengths[i] = (uint64_t)(batch + i) * 1000;
    }
    OK(settle(host->engine, host->get, lengths, BATCH, batch % 2 ? 1 : -1));
  }
  return NULL;
}

static void threads_settle_while_policies_come_and_go(void) {
  static const char others[] = "schema = 1\n[defaults.retry]\nattempt_timeout = \"20ms\"\n";
  struct host host = {engine_with(0), 0};
  pthread_t threads[THREADS];
  host.get = key_of(host.engine, "svc.Get");
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, work, &host) == 0);
  }
  long seen = 0;
  for (int load = 0; load < 50; load++) {
    OK(rego_engine_load_policies(host.engine, text_of(load % 2 ? policies : others), NULL));
    const long now = metric(host.engine, WORKED);
    CHECK(now < 0 || now >= seen);
    seen = now < 0 ? seen : now;
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
  CHECK(metric(host.engine, WORKED) == (long)THREADS * BATCHES * BATCH);
  CHECK(metric(host.engine, FLYING) == 0);
  CHECK(rego_engine_release(host.engine) == 0);
}

int main(void) {
  unsetenv("REGO_MODE");
  terms_are_those_of_the_policy_until_others_are();
  what_is_settled_pays_for_a_call_that_begins_in_retrospect();
  a_call_keeps_the_policy_on_which_its_attempt_was_made();
  arguments_are_checked();
  threads_settle_while_policies_come_and_go();
  return failures == 0 ? 0 : 1;
}
