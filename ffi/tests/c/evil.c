/*
 * A host that keeps to nothing: four threads call everything in any order, with ids that are good,
 * over, forged and of the other kind, and with NULL. Only statuses come back, and what every thread
 * does is told by its seed.
 */
#include <pthread.h>
#include <rego.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define OPERATIONS 50000
#define IDS 64

static rego_engine *engine;
static rego_key key;
/* What all threads have seen of ids; torn by nobody, as each slot is one atomic word. */
static uint64_t ids[IDS];

struct thread {
  uint64_t seed;
  uint64_t wrong;
  uint64_t done;
};

static uint64_t draw(struct thread *self) {
  self->seed += UINT64_C(0x9E3779B97F4A7C15);
  uint64_t z = self->seed;
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static uint64_t any_id(struct thread *self) {
  uint64_t random = draw(self);
  switch (random % 8) {
    case 0: return draw(self);
    case 1: return random & 1 ? 0 : UINT64_MAX;
    default: return __atomic_load_n(&ids[(random >> 8) % IDS], __ATOMIC_RELAXED);
  }
}

static void remember(struct thread *self, uint64_t id) {
  __atomic_store_n(&ids[draw(self) % IDS], id, __ATOMIC_RELAXED);
}

static void count(struct thread *self, rego_status status, const rego_step *step) {
  switch (status) {
    case REGO_STATUS_OK:
      break;
    case REGO_STATUS_NULL:
    case REGO_STATUS_INVALID:
    case REGO_STATUS_UNSUPPORTED:
    case REGO_STATUS_STALE:
      return;
    default:
      self->wrong++;
      return;
  }
  if (step == NULL) {
    return;
  }
  if (step->n_actions > REGO_MAX_ACTIONS) {
    self->wrong++;
    return;
  }
  for (uint32_t i = 0; i < step->n_actions; i++) {
    const rego_action *action = &step->actions[i];
    self->done += action->kind == REGO_ACTION_DONE;
    if (action->kind == REGO_ACTION_START) {
      remember(self, action->attempt);
    }
    if (action->kind < REGO_ACTION_START || action->kind > REGO_ACTION_DONE) {
      self->wrong++;
    }
  }
}

static void one(struct thread *self) {
  rego_begin begin = REGO_BEGIN_INIT;
  rego_completion completion = REGO_COMPLETION_INIT;
  rego_outcome outcome = REGO_OUTCOME_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_step *step_out = draw(self) % 32 == 0 ? NULL : &step;
  rego_engine *at = draw(self) % 64 == 0 ? NULL : engine;
  rego_time now = draw(self) % 1000 * 1000000;
  rego_call call = 0;
  char text[256];
  size_t len = 0;
  uint64_t id = any_id(self);
  switch (draw(self) % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
      begin.now = now;
      begin.flags = (uint32_t)(draw(self) % 3);
      begin.idempotent = (uint32_t)(draw(self) % 4);
      begin.deadline = draw(self) % 2 ? 0 : draw(self) % 2000 * 1000000;
      count(self, rego_call_begin(at, draw(self) % 16 ? key : id, &begin, &call, step_out), &step);
      remember(self, call);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      completion.kind = (uint32_t)(draw(self) % 10);
      completion.code = (int32_t)(draw(self) % 600);
      completion.flags = (uint32_t)(draw(self) % 9);
      completion.struct_size = draw(self) % 16 ? completion.struct_size : (uint32_t)draw(self) % 48;
      count(self, rego_attempt_finish(at, id, now, &completion, step_out), &step);
      break;
    case 8:
      outcome.kind = (uint32_t)(draw(self) % 5);
      outcome.failure = (uint32_t)(draw(self) % 7);
      count(self, rego_attempt_finish_as(at, id, now, &outcome, step_out), &step);
      break;
    case 9:
    case 10: count(self, rego_call_poll(at, id, now, step_out), &step); break;
    case 11: count(self, rego_call_cancel(at, id), NULL); break;
    case 12: count(self, rego_call_end(at, id), NULL); break;
    case 13: count(self, rego_attempt_reject(at, id, now, step_out), &step); break;
    case 14:
      count(self, rego_attempt_queued(at, id, now, step_out), &step);
      count(self, rego_attempt_started(at, id, now, step_out), &step);
      break;
    default:
      (void)rego_attempt_cancelled(at, id);
      count(self, rego_call_timeline_write(at, id, text, sizeof text, &len), NULL);
      break;
  }
}

static void *run(void *argument) {
  struct thread *self = argument;
  for (int i = 0; i < OPERATIONS; i++) {
    one(self);
  }
  return NULL;
}

static int set_up(void) {
  static const char policies[] =
      "schema = 1\n[defaults]\nidempotent = true\n[defaults.hedge]\nenabled = true\n"
      "trigger = \"fixed\"\ndelay = \"5ms\"\n";
  rego_options options = REGO_OPTIONS_INIT;
  rego_str text = {policies, sizeof policies - 1};
  options.seed = 7;
  options.max_live_calls = 512;
  options.max_events = 256;
  return rego_engine_new(&options, &engine, NULL) == REGO_STATUS_OK &&
         rego_engine_load_policies(engine, text, NULL) == REGO_STATUS_OK &&
         rego_key_intern(engine, REGO_STR("svc.Get"), &key) == REGO_STATUS_OK;
}

int main(void) {
  pthread_t threads[THREADS];
  struct thread states[THREADS];
  uint64_t wrong = 0, done = 0;
  if (!set_up()) {
    return 2;
  }
  for (uint64_t i = 0; i < THREADS; i++) {
    memset(&states[i], 0, sizeof states[i]);
    states[i].seed = i + 1;
    if (pthread_create(&threads[i], NULL, run, &states[i]) != 0) {
      return 2;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    wrong += states[i].wrong;
    done += states[i].done;
  }
  rego_engine_release(engine);
  if (wrong != 0 || done == 0) {
    fprintf(stderr, "evil.c: %llu wrong answers, %llu calls done\n", (unsigned long long)wrong,
            (unsigned long long)done);
    return 1;
  }
  return 0;
}
