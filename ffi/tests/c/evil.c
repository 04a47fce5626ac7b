/*
 * A host that keeps to nothing: four threads call everything in any order, with ids that are good,
 * over, forged and of the other kind, and with NULL. Only statuses come back, and none of them is a
 * panic. Work is executed by threads that are this one, run twice, late, or never, on a clock that
 * jumps about. The argument is how many operations each thread makes.
 */
#include <pthread.h>
#include <rego.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
/* Of each thread in one round. */
#define OPERATIONS 25000
#define IDS 64

static rego_engine *engine;
static rego_loop *events;
static rego_key key;
/* What the threads have seen of ids. Each is one atomic word. */
static uint64_t ids[IDS];

struct thread {
  uint64_t seed;
  uint64_t wrong;
  uint64_t done;
};

static uint64_t draw(struct thread *self) {
  /* Atomic: callbacks draw, too, on whatever thread they are called. */
  uint64_t z = __atomic_add_fetch(&self->seed, UINT64_C(0x9E3779B97F4A7C15), __ATOMIC_RELAXED);
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
    case REGO_STATUS_BUSY:
    case REGO_STATUS_CAPACITY:
      return;
    default:
      __atomic_add_fetch(&self->wrong, 1, __ATOMIC_RELAXED);
      return;
  }
  if (step == NULL) {
    return;
  }
  if (step->n_actions > REGO_MAX_ACTIONS) {
    __atomic_add_fetch(&self->wrong, 1, __ATOMIC_RELAXED);
    return;
  }
  for (uint32_t i = 0; i < step->n_actions; i++) {
    const rego_action *action = &step->actions[i];
    self->done += action->kind == REGO_ACTION_DONE;
    if (action->kind == REGO_ACTION_START) {
      remember(self, action->attempt);
    }
    if (action->kind < REGO_ACTION_START || action->kind > REGO_ACTION_DONE) {
      __atomic_add_fetch(&self->wrong, 1, __ATOMIC_RELAXED);
    }
  }
}

static uint64_t handed_over, dropped, notified, attempts;

static void attempt(void *userdata, const rego_attempt_info *info, rego_completion *completion) {
  struct thread *self = userdata;
  rego_step step = REGO_STEP_INIT;
  __atomic_add_fetch(&attempts, 1, __ATOMIC_RELAXED);
  completion->kind = (uint32_t)(info->attempt % 12);
  completion->code = 503;
  completion->result = info->attempt;
  /* From within: the call's own end, and what is not one's own. */
  if (info->number % 2 == 0) {
    (void)rego_call_cancel(engine, info->call);
  }
  count(self, rego_attempt_finish(engine, info->attempt, 1, completion, &step), NULL);
  rego_run_task(info->attempt ^ info->call);
}

static void count_drop(void *userdata) {
  (void)userdata;
  __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
}

static void remember_call(void *userdata, rego_call call) { remember(userdata, call); }
static void ignore_cancel(void *userdata, rego_attempt id) { (void)userdata, (void)id; }
static void ignore_result(void *userdata, uint64_t result) { (void)userdata, (void)result; }
static void done(void *userdata, const rego_result *result) { (void)userdata, (void)result; }

/* Runs a task at once, twice, late, or not at all. */
static int32_t spawn(void *userdata, rego_run_fn run, uint64_t task) {
  struct thread *self = userdata;
  const uint64_t late = any_id(self);
  remember(self, task);
  switch (draw(self) % 4) {
    case 0: return 1;
    case 1: run(late); break;
    case 2: run(task); break;
    default: break;
  }
  run(task);
  return 0;
}

static int32_t schedule(void *userdata, rego_time at, rego_run_fn run, uint64_t task) {
  (void)at;
  return draw(userdata) % 2 ? spawn(userdata, run, task) : 1;
}

/* Jumps about, and often to where no wait goes: nobody waits for long. */
static rego_time now_of(void *userdata) {
  return draw(userdata) % 2 ? draw(userdata) % 1000 * 1000000 : UINT64_C(1) << draw(userdata) % 64;
}

/* Work for threads that are this one. */
static void execute(struct thread *self) {
  rego_work work = REGO_WORK_INIT;
  rego_executor executor = REGO_EXECUTOR_INIT;
  rego_result result = REGO_RESULT_INIT;
  rego_call call = 0;
  work.flags = (uint32_t)(draw(self) % 9);
  work.idempotent = (uint32_t)(draw(self) % 4);
  work.userdata = self;
  work.attempt = draw(self) % 32 == 0 ? NULL : attempt;
  work.on_begin = draw(self) % 2 ? remember_call : NULL;
  work.on_cancel = ignore_cancel;
  work.discard = ignore_result;
  work.on_done = draw(self) % 8 == 0 ? NULL : done;
  executor.userdata = self;
  executor.spawn = draw(self) % 8 == 0 ? NULL : spawn;
  executor.schedule = draw(self) % 8 == 0 ? NULL : schedule;
  executor.now = now_of;
  work.drop = executor.drop = count_drop;
  __atomic_add_fetch(&handed_over, 2, __ATOMIC_RELAXED);
  if (draw(self) % 2) {
    count(self, rego_execute(engine, key, 1 + draw(self) % 1000 * 1000000, &work, &executor, &result), NULL);
  } else {
    count(self, rego_submit(engine, key, 1 + draw(self) % 1000 * 1000000, &work, &executor, &call), NULL);
    remember(self, call);
  }
}

static void notify(void *userdata) {
  (void)userdata;
  __atomic_add_fetch(&notified, 1, __ATOMIC_RELAXED);
}

static void loop(struct thread *self) {
  rego_begin begin = REGO_BEGIN_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_action actions[4];
  rego_call call = 0;
  size_t n = 0;
  begin.now = draw(self) % 1000 * 1000000;
  begin.flags = (uint32_t)(draw(self) % 3);
  const rego_status begun =
      rego_loop_begin(events, key, &begin, &call, draw(self) % 2 ? &step : NULL);
  count(self, begun, NULL);
  if (begun == REGO_STATUS_OK && step.n_actions > 0) {
    remember(self, step.actions[0].attempt);
  }
  remember(self, call);
  (void)rego_loop_next_deadline(events);
  count(self, rego_loop_process(events, begin.now, draw(self) % 16 ? actions : NULL, draw(self) % 5, &n), NULL);
  for (size_t i = 0; i < n && i < 4; i++) {
    remember(self, actions[i].attempt);
  }
}

static void one(struct thread *self) {
  rego_begin begin = REGO_BEGIN_INIT;
  /* As a newer host would have it: sizes beyond the struct are still sizes of this. */
  struct {
    rego_completion facts;
    uint64_t news;
  } completion = {REGO_COMPLETION_INIT, 0};
  rego_outcome outcome = REGO_OUTCOME_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_step *step_out = draw(self) % 32 == 0 ? NULL : &step;
  rego_engine *at = draw(self) % 64 == 0 ? NULL : engine;
  rego_time now = draw(self) % 1000 * 1000000;
  rego_call call = 0;
  char text[256];
  size_t len = 0;
  uint64_t id = any_id(self);
  if (draw(self) % 16 == 0) {
    if (draw(self) % 2) {
      execute(self);
    } else {
      loop(self);
    }
    return;
  }
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
      completion.facts.kind = (uint32_t)(draw(self) % 10);
      completion.facts.code = (int32_t)(draw(self) % 600);
      completion.facts.flags = (uint32_t)(draw(self) % 9);
      completion.news = draw(self) % 2;
      if (draw(self) % 16 == 0) {
        completion.facts.struct_size = (uint32_t)(draw(self) % (sizeof completion + 1));
      }
      count(self, rego_attempt_finish(at, id, now, &completion.facts, step_out), &step);
      break;
    case 8:
      outcome.kind = (uint32_t)(draw(self) % 5);
      outcome.failure = (uint32_t)(draw(self) % 7);
      count(self, rego_attempt_finish_as(at, id, now, &outcome, step_out), &step);
      break;
    case 9:
    case 10: count(self, rego_call_poll(at, id, now, step_out), &step); break;
    case 11: count(self, rego_call_cancel(at, id), NULL); break;
    case 12: count(self, draw(self) % 2 ? rego_call_end(at, id) : rego_call_let_go(at, id), NULL); break;
    case 13: count(self, rego_attempt_reject(at, id, now, step_out), &step); break;
    case 14:
      count(self, rego_attempt_queued(at, id, now, step_out), &step);
      count(self, rego_attempt_started(at, id, now, step_out), &step);
      break;
    default:
      (void)rego_attempt_cancelled(at, id);
      count(self, rego_call_timeline_write(at, id, text, sizeof text, &len), NULL);
      count(self, rego_call_timeline_json(at, id, text, sizeof text, &len), NULL);
      rego_run_task(id);
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

static int set_up(uint64_t seed) {
  static const char policies[] =
      "schema = 1\n[defaults]\nidempotent = true\n[defaults.hedge]\nenabled = true\n"
      "trigger = \"fixed\"\ndelay = \"5ms\"\n";
  rego_options options = REGO_OPTIONS_INIT;
  rego_str text = {policies, sizeof policies - 1};
  options.seed = seed;
  options.max_live_calls = 2048;
  options.max_events = 256;
  return rego_engine_new(&options, &engine, NULL) == REGO_STATUS_OK &&
         rego_engine_load_policies(engine, text, NULL) == REGO_STATUS_OK &&
         rego_key_intern(engine, REGO_STR("svc.Get"), &key) == REGO_STATUS_OK &&
         ++handed_over > 0 && rego_loop_new(engine, notify, NULL, count_drop, &events) == REGO_STATUS_OK;
}

/* A fresh engine for the threads: in the one before, calls that were never finished pile up. */
static int round_of(struct thread *states, uint64_t number) {
  pthread_t threads[THREADS];
  if (!set_up(number)) {
    return 0;
  }
  for (int i = 0; i < THREADS; i++) {
    if (pthread_create(&threads[i], NULL, run, &states[i]) != 0) {
      return 0;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  rego_loop_free(events);
  rego_engine_release(engine);
  return 1;
}

int main(int argc, char **argv) {
  struct thread states[THREADS];
  uint64_t wrong = 0, done = 0;
  const int rounds = argc > 1 ? (atoi(argv[1]) + OPERATIONS - 1) / OPERATIONS : 1;
  memset(states, 0, sizeof states);
  for (uint64_t i = 0; i < THREADS; i++) {
    states[i].seed = i + 1;
  }
  for (int i = 0; i < rounds; i++) {
    if (!round_of(states, (uint64_t)i + 1)) {
      return 2;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    wrong += states[i].wrong;
    done += states[i].done;
  }
  /* Nothing is dropped twice; calls whose tasks were forgotten on purpose still hold their own. */
  wrong += dropped > handed_over;
  printf("%d operations: %llu calls done, %llu attempts by callback, %llu of %llu dropped\n",
         rounds * OPERATIONS * THREADS, (unsigned long long)done, (unsigned long long)attempts,
         (unsigned long long)dropped, (unsigned long long)handed_over);
  if (wrong != 0 || done == 0) {
    fprintf(stderr, "evil.c: %llu wrong answers, %llu calls done\n", (unsigned long long)wrong,
            (unsigned long long)done);
    return 1;
  }
  return 0;
}
