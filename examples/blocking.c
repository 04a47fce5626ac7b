/*
 * A blocking call in C: two crossings when all goes well, a loop of ten lines for when it does not.
 *
 *   cargo build -p rego-ffi
 *   cc -Iinclude examples/blocking.c target/debug/librego.a -lpthread -ldl -lm -o blocking && ./blocking
 */
#define _POSIX_C_SOURCE 200809L

#include <rego.h>
#include <stdio.h>
#include <time.h>

static const char policies[] =
    "schema = 1\n"
    "[policies.\"user-service.GetUser\".retry]\n"
    "max_attempts = 4\n"
    "initial_backoff = \"5ms\"\n"
    "overall_timeout = \"2s\"\n";

static rego_time now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (rego_time)at.tv_sec * 1000000000u + (rego_time)at.tv_nsec;
}

static void sleep_until(rego_time at) {
  const struct timespec until = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
  }
}

/* Stands in for a request: busy twice, then well. */
static int get_user(int number) { return number < 2 ? 503 : 200; }

/* One call, to its end: its verdict, or -1. */
static int call(rego_engine *engine, rego_key key) {
  rego_begin begin = REGO_BEGIN_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call id;
  begin.now = now();
  rego_status status = rego_call_begin(engine, key, &begin, &id, &step);
  while (status == REGO_STATUS_OK) {
    const rego_action *action = &step.actions[0];
    if (step.n_actions == 0) {
      sleep_until(step.wake_at);
      status = rego_call_poll(engine, id, now(), &step);
    } else if (action->kind == REGO_ACTION_DONE) {
      printf("attempts: %u\n", action->number);
      return (int)action->reason;
    } else {
      rego_completion facts = REGO_COMPLETION_INIT;
      facts.kind = REGO_COMPLETION_HTTP;
      facts.code = get_user((int)action->number);
      printf("attempt %u: HTTP %d\n", action->number, facts.code);
      status = rego_attempt_finish(engine, action->attempt, now(), &facts, &step);
    }
  }
  fprintf(stderr, "%s\n", rego_status_name(status));
  return -1;
}

int main(void) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_error error = REGO_ERROR_INIT;
  rego_engine *engine;
  rego_key key;
  options.now = now();
  const rego_str text = {policies, sizeof policies - 1};
  if (rego_engine_new(&options, &engine, &error) != REGO_STATUS_OK ||
      rego_engine_load_policies(engine, text, &error) != REGO_STATUS_OK ||
      rego_key_intern(engine, REGO_STR("user-service.GetUser"), &key) != REGO_STATUS_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  const int verdict = call(engine, key);
  rego_engine_release(engine);
  return verdict == REGO_VERDICT_SUCCESS ? 0 : 1;
}
