/* Ids that are forged, and right: a thread finishes attempts by ids that it works out, while those who
   begin them are still at it. For ThreadSanitizer: a call that is over may be somebody else's slot. */
#include "check.h"

#include <pthread.h>

#define CALLS 50000
#define SECOND UINT64_C(1000000000)
/* In the upper half of an id: slot 0, and its first ticket, or the call itself. */
#define FIRST_TICKET (UINT64_C(0) << 32)
#define CALL UINT64_C(0xff)

static rego_engine *engine;
static rego_key keys[2];
static uint32_t seal, latest;
static int over;
static rego_time clock_now = SECOND;

#define GET(what) __atomic_load_n(&(what), __ATOMIC_RELAXED)
#define SET(what, to) __atomic_store_n(&(what), (to), __ATOMIC_RELAXED)

/* Every call finds its site's latencies to be summed up: two seconds have passed. */
static void *begin_calls(void *key) {
  for (int i = 0; i < CALLS; i++) {
    rego_begin begin = REGO_BEGIN_INIT;
    rego_step step = REGO_STEP_INIT;
    rego_completion ok = REGO_COMPLETION_INIT;
    rego_call call = 0;
    begin.now = __atomic_add_fetch(&clock_now, 2 * SECOND, __ATOMIC_RELAXED);
    OK(rego_call_begin(engine, *(rego_key *)key, &begin, &call, &step));
    if (call >> 32 == CALL) {
      SET(latest, (uint32_t)call ^ seal);
    }
    const rego_status finished =
        rego_attempt_finish(engine, step.actions[0].attempt, begin.now, &ok, &step);
    CHECK(finished == REGO_STATUS_OK || finished == REGO_STATUS_STALE);
  }
  return NULL;
}

static void *forge(void *hits) {
  while (!GET(over)) {
    for (uint32_t next = GET(latest), i = 0; i < 3; i++) {
      rego_completion ok = REGO_COMPLETION_INIT;
      rego_step step = REGO_STEP_INIT;
      const rego_attempt attempt = FIRST_TICKET | ((next + i) ^ seal);
      *(int *)hits += rego_attempt_finish(engine, attempt, SECOND, &ok, &step) == REGO_STATUS_OK;
    }
  }
  return NULL;
}

static void *reload(void *nothing) {
#define HEDGES(load) \
  REGO_STR("schema = 1\n[defaults]\nidempotent = true\n[defaults.hedge]\nenabled = true\n" \
           "trigger = { load = " load " }\n")
  for (int i = 0; !GET(over); i++) {
    OK(rego_engine_load_policies(engine, i % 2 == 0 ? HEDGES("0.02") : HEDGES("0.03"), NULL));
  }
  return nothing;
}

int main(void) {
  pthread_t threads[4];
  rego_options options = REGO_OPTIONS_INIT;
  rego_begin begin = REGO_BEGIN_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_call call = 0;
  int hits = 0;
  options.max_live_calls = 1;
  options.now = begin.now = SECOND;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_key_intern(engine, REGO_STR("svc.A"), &keys[0]));
  OK(rego_key_intern(engine, REGO_STR("svc.B"), &keys[1]));
  OK(rego_call_begin(engine, keys[0], &begin, &call, &step));
  CHECK(call >> 32 == CALL);
  OK(rego_attempt_finish(engine, step.actions[0].attempt, begin.now, &ok, &step));
  latest = 1; /* the first use of the slot, which tells the seal of them all */
  seal = (uint32_t)call ^ latest;
  CHECK(pthread_create(&threads[0], NULL, begin_calls, &keys[0]) == 0);
  CHECK(pthread_create(&threads[1], NULL, begin_calls, &keys[1]) == 0);
  CHECK(pthread_create(&threads[2], NULL, forge, &hits) == 0);
  CHECK(pthread_create(&threads[3], NULL, reload, NULL) == 0);
  for (int i = 0; i < 4; i++) {
    if (i == 2) {
      SET(over, 1);
    }
    pthread_join(threads[i], NULL);
  }
  /* Without any, nothing was shown. */
  CHECK(hits > 0);
  CHECK(rego_engine_release(engine) == 0);
  return failures == 0 ? 0 : 1;
}
