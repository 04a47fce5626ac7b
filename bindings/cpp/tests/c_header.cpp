// The C header from C++: linkage, macros and types.
#include <rego.h>
#include <rego.h>

#include <cstring>

static_assert(noexcept(rego_version()), "no function throws");

int main() {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = nullptr;
  rego_key key = 0;
  if (rego_engine_new(&options, &engine, nullptr) != REGO_STATUS_OK ||
      rego_key_intern(engine, REGO_STR("svc.Get"), &key) != REGO_STATUS_OK) {
    return 1;
  }
  rego_begin begin = REGO_BEGIN_INIT;
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  if (rego_call_begin(engine, key, &begin, &call, &step) != REGO_STATUS_OK) {
    return 2;
  }
  const rego_attempt attempt = step.actions[0].attempt;
  const rego_status status = rego_attempt_finish(engine, attempt, 1, &ok, &step);
  const bool done = status == REGO_STATUS_OK && step.actions[0].kind == REGO_ACTION_DONE &&
                    step.actions[0].reason == REGO_VERDICT_SUCCESS;
  rego_engine_release(engine);
  return done && std::strcmp(rego_status_name(status), "REGO_STATUS_OK") == 0 ? 0 : 3;
}
