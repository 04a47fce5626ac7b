/* Calls that succeed at once, from C: begin and finish, and nothing else. */
#include <rego.h>

static rego_engine *engine;
static rego_key key;

/* 0 if all is ready. */
int boundary_set_up(uint32_t max_events) {
  rego_options options = REGO_OPTIONS_INIT;
  options.now = 1;
  options.max_events = max_events;
  rego_engine_release(engine);
  engine = 0;
  return rego_engine_new(&options, &engine, 0) != REGO_STATUS_OK ||
         rego_key_intern(engine, REGO_STR("user-service.GetUser"), &key) != REGO_STATUS_OK;
}

/* How many of `n` calls did not end well. */
uint64_t boundary_calls(uint64_t n) {
  rego_begin begin = REGO_BEGIN_INIT;
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  uint64_t bad = 0;
  for (uint64_t i = 1; i <= n; i++) {
    rego_call call;
    begin.now = i;
    const rego_status begun = rego_call_begin(engine, key, &begin, &call, &step);
    const rego_status ended = rego_attempt_finish(engine, step.actions[0].attempt, i, &ok, &step);
    bad += begun != REGO_STATUS_OK || ended != REGO_STATUS_OK ||
           step.actions[0].kind != REGO_ACTION_DONE;
  }
  return bad;
}
