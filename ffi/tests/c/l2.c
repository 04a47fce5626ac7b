/* Many calls on one loop. Time is what this program says it is, but for the thread at the end. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char policies[] =
    "schema = 1\n[defaults]\nidempotent = true\n"
    "[defaults.retry]\nmax_attempts = 3\ninitial_backoff = \"10ms\"\njitter = \"none\"\n"
    "budget = \"unlimited\"\n"
    "[policies.\"svc.Hedged\".hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"20ms\"\n"
    "budget = \"unlimited\"\n";

static int notified, dropped;
static sem_t rung;

static void notify(void *userdata) {
  __atomic_add_fetch((int *)userdata, 1, __ATOMIC_SEQ_CST);
  sem_post(&rung);
}
static void count_drop(void *userdata) {
  (void)userdata;
  dropped++;
}

static rego_engine *engine;
static rego_loop *events;
static rego_step step;
static rego_action actions[8];

static rego_key key_of(const char *name) {
  rego_key key = 0;
  OK(rego_key_intern(engine, text_of(name), &key));
  return key;
}

static void set_up(void) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_str text = {policies, sizeof policies - 1};
  options.now = T0;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_engine_load_policies(engine, text, NULL));
  notified = dropped = 0;
  CHECK(sem_init(&rung, 0, 0) == 0);
  OK(rego_loop_new(engine, notify, &notified, count_drop, &events));
  step.struct_size = sizeof step;
}

static void tear_down(void) {
  rego_loop_free(events);
  rego_engine_release(engine);
  CHECK(dropped == 1);
}

static rego_begin begin_at(rego_time now) {
  rego_begin begin = REGO_BEGIN_INIT;
  begin.now = now;
  begin.cookie = 42;
  return begin;
}

static void finish(rego_attempt attempt, rego_time now, int32_t http) {
  rego_completion facts = REGO_COMPLETION_INIT;
  facts.kind = REGO_COMPLETION_HTTP;
  facts.code = http;
  OK(rego_attempt_finish(engine, attempt, now, &facts, &step));
  CHECK(step.flags == REGO_STEP_ELSEWHERE && step.n_actions == 0);
}

static size_t process(rego_time now) {
  size_t n = 99;
  OK(rego_loop_process(events, now, actions, 8, &n));
  return n;
}

static void what_follows_comes_out_of_the_loop(void) {
  set_up();
  rego_begin begin = begin_at(T0);
  rego_call call = 0;
  CHECK(rego_loop_next_deadline(events) == REGO_TIME_NEVER);
  OK(rego_loop_begin(events, key_of("svc.Get"), &begin, &call, &step));
  CHECK(step.n_actions == 1 && step.actions[0].kind == REGO_ACTION_START);
  CHECK(process(T0) == 0 && notified == 0);
  finish(step.actions[0].attempt, T0 + MS, 503);
  /* The backoff ends before the call's deadline, so the host is told to come earlier: once. */
  CHECK(notified == 1);
  CHECK(process(T0 + MS) == 0);
  CHECK(rego_loop_next_deadline(events) > T0 + MS);
  CHECK(rego_loop_next_deadline(events) <= T0 + 11 * MS);
  CHECK(process(T0 + 11 * MS) == 1);
  CHECK(actions[0].kind == REGO_ACTION_START && actions[0].reason == REGO_ATTEMPT_RETRY);
  finish(actions[0].attempt, T0 + 12 * MS, 200);
  CHECK(notified == 2 && rego_loop_next_deadline(events) == 0);
  CHECK(process(T0 + 12 * MS) == 1 && actions[0].kind == REGO_ACTION_DONE);
  CHECK(actions[0].cookie == 42 && actions[0].reason == REGO_VERDICT_SUCCESS);
  /* Its timers are nothing to come for. */
  CHECK(rego_loop_next_deadline(events) == REGO_TIME_NEVER);
  CHECK(rego_call_poll(engine, call, T0, &step) == REGO_STATUS_STALE);
  tear_down();
}

static void without_a_step_everything_does(void) {
  set_up();
  rego_begin begin = begin_at(T0);
  rego_call calls[3] = {0, 0, 0};
  rego_attempt attempts[3];
  size_t n = 0;
  for (int i = 0; i < 3; i++) {
    OK(rego_loop_begin(events, key_of("svc.Hedged"), &begin, &calls[i], NULL));
  }
  CHECK(rego_loop_next_deadline(events) == 0);
  OK(rego_loop_process(events, T0, actions, 2, &n));
  CHECK(n == 2);
  OK(rego_loop_process(events, T0, actions + 2, 2, &n));
  CHECK(n == 1);
  for (int i = 0; i < 3; i++) {
    CHECK(actions[i].kind == REGO_ACTION_START && actions[i].call == calls[i]);
    attempts[i] = actions[i].attempt;
  }
  /* Time brings hedges: for the call that is answered, none. */
  finish(attempts[1], T0 + MS, 200);
  CHECK(process(T0 + MS) == 1 && actions[0].call == calls[1]);
  rego_time next = rego_loop_next_deadline(events);
  CHECK(next > T0 && next <= T0 + 20 * MS);
  CHECK(process(T0 + 20 * MS) == 2);
  CHECK(actions[0].reason == REGO_ATTEMPT_HEDGE && actions[1].reason == REGO_ATTEMPT_HEDGE);
  finish(actions[0].attempt, T0 + 21 * MS, 200);
  CHECK(process(T0 + 21 * MS) == 2);
  CHECK(actions[0].kind == REGO_ACTION_CANCEL && actions[1].kind == REGO_ACTION_DONE);
  CHECK(rego_attempt_cancelled(engine, actions[0].attempt));
  tear_down();
}

static void a_loop_that_is_freed_takes_its_calls_along(void) {
  set_up();
  rego_begin begin = begin_at(T0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_call calls[2] = {0, 0};
  OK(rego_loop_begin(events, key_of("svc.Get"), &begin, &calls[0], &step));
  const rego_attempt running = step.actions[0].attempt;
  OK(rego_loop_begin(events, key_of("svc.Get"), &begin, &calls[1], NULL));
  rego_loop_free(events);
  events = NULL;
  OK(rego_attempt_finish(engine, running, T0, &ok, &step));
  CHECK(rego_call_poll(engine, calls[1], T0, &step) == REGO_STATUS_STALE);
  CHECK(rego_engine_retain(engine) == engine && rego_engine_release(engine) == 0);
  tear_down();
}

static void arguments_are_checked(void) {
  set_up();
  rego_begin begin = begin_at(T0);
  rego_loop *none = NULL;
  rego_call call = 0;
  size_t n = 0;
  CHECK(rego_loop_new(NULL, NULL, NULL, count_drop, &none) == REGO_STATUS_NULL && dropped == 1);
  CHECK(rego_loop_new(engine, NULL, NULL, count_drop, NULL) == REGO_STATUS_NULL && dropped == 2);
  dropped = 0;
  CHECK(rego_loop_begin(NULL, 1, &begin, &call, NULL) == REGO_STATUS_NULL);
  CHECK(rego_loop_begin(events, 1, &begin, &call, NULL) == REGO_STATUS_STALE);
  CHECK(rego_loop_process(NULL, T0, actions, 8, &n) == REGO_STATUS_NULL);
  CHECK(rego_loop_process(events, T0, NULL, 8, &n) == REGO_STATUS_NULL);
  CHECK(rego_loop_process(events, T0, actions, 8, NULL) == REGO_STATUS_NULL);
  CHECK(rego_loop_process(events, REGO_TIME_NEVER, actions, 8, &n) == REGO_STATUS_INVALID);
  OK(rego_loop_process(events, T0, NULL, 0, &n));
  CHECK(rego_loop_next_deadline(NULL) == REGO_TIME_NEVER);
  rego_loop_free(NULL);
  tear_down();
}

static rego_attempt todo[64];
static size_t n_todo;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int over;

/* Another thread finishes what the loop starts. */
static void *worker(void *argument) {
  (void)argument;
  rego_step mine = REGO_STEP_INIT;
  rego_completion ok = REGO_COMPLETION_INIT;
  for (;;) {
    rego_attempt attempt = 0;
    pthread_mutex_lock(&lock);
    while (n_todo == 0 && !over) {
      pthread_cond_wait(&more, &lock);
    }
    if (n_todo > 0) {
      attempt = todo[--n_todo];
    }
    pthread_mutex_unlock(&lock);
    if (attempt == 0) {
      return NULL;
    }
    if (rego_attempt_finish(engine, attempt, T0, &ok, &mine) != REGO_STATUS_OK) {
      CHECK(!"an attempt can be finished once");
    }
  }
}

static void others_finish_what_the_loop_starts(void) {
  set_up();
  pthread_t thread;
  const rego_key key = key_of("svc.Get");
  int begun = 0, done = 0;
  over = 0;
  CHECK(pthread_create(&thread, NULL, worker, NULL) == 0);
  while (done < 2000) {
    rego_begin begin = begin_at(T0);
    rego_call call = 0;
    if (begun < 2000 && begun - done < 32) {
      OK(rego_loop_begin(events, key, &begin, &call, NULL));
      begun++;
    }
    size_t n = process(T0);
    for (size_t i = 0; i < n; i++) {
      if (actions[i].kind == REGO_ACTION_START) {
        pthread_mutex_lock(&lock);
        todo[n_todo++] = actions[i].attempt;
        pthread_cond_signal(&more);
        pthread_mutex_unlock(&lock);
      }
      done += actions[i].kind == REGO_ACTION_DONE;
    }
    /* The bell is all that wakes it, so it must be rung. */
    if (n == 0 && (begun == 2000 || begun - done == 32)) {
      struct timespec soon;
      clock_gettime(CLOCK_REALTIME, &soon);
      soon.tv_sec += 120;
      if (sem_timedwait(&rung, &soon) != 0) {
        CHECK(!"a loop that rests is rung for");
        exit(1);
      }
    }
  }
  pthread_mutex_lock(&lock);
  over = 1;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
  pthread_join(thread, NULL);
  CHECK(__atomic_load_n(&notified, __ATOMIC_SEQ_CST) > 0);
  tear_down();
}

int main(void) {
  unsetenv("REGO_MODE");
  what_follows_comes_out_of_the_loop();
  without_a_step_everything_does();
  a_loop_that_is_freed_takes_its_calls_along();
  arguments_are_checked();
  others_finish_what_the_loop_starts();
  return failures == 0 ? 0 : 1;
}
