/* Calls whose attempts the library runs: on this thread, on others, and on none that will do it. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "pool.h"

#include <string.h>


#define GET(what) __atomic_load_n(&(what), __ATOMIC_SEQ_CST)
#define SET(what, to) __atomic_store_n(&(what), (to), __ATOMIC_SEQ_CST)
#define ADD(what) __atomic_add_fetch(&(what), 1, __ATOMIC_SEQ_CST)

static const char policies[] =
    "schema = 1\n[defaults]\nidempotent = true\n"
    "[defaults.retry]\nmax_attempts = 3\ninitial_backoff = \"1ms\"\njitter = \"none\"\n"
    "budget = \"unlimited\"\n"
    "[policies.\"svc.Slow\".retry]\nmax_attempts = 3\ninitial_backoff = \"20s\"\n"
    "max_backoff = \"20s\"\njitter = \"none\"\nbudget = \"unlimited\"\n"
    "[policies.\"svc.Quick\".retry]\nmax_attempts = 3\ninitial_backoff = \"1ms\"\njitter = \"none\"\n"
    "attempt_timeout = \"100ms\"\nbudget = \"unlimited\"\n"
    "[policies.\"svc.Patient\".hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"300ms\"\n"
    "budget = \"unlimited\"\n"
    "[policies.\"svc.Hedged\".hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"2ms\"\n"
    "budget = \"unlimited\"\n";

static rego_engine *engine;
static struct pool *pool;

/* What one call went through. */
struct log {
  int attempts, hedges, cancels, discards, drops, done;
  int on_caller;
  int failing; /* how many attempts fail */
  int slow;    /* the first attempt waits until it is asked to stop */
  int blocked; /* all attempts wait until this is 0 */
  int deaf;    /* the first attempt waits until this is 0, whatever it is asked */
  int settled; /* it has begun to */
  int heeds;   /* all attempts run into their deadlines, which nobody tells them of */
  int told;    /* how often the slow attempt was asked */
  rego_attempt slow_attempt;
  pthread_t caller;
  rego_call call;
  rego_result result;
};

static void attempt(void *userdata, const rego_attempt_info *info, rego_completion *completion) {
  struct log *log = userdata;
  const int n = ADD(log->attempts);
  if (pthread_equal(pthread_self(), log->caller)) {
    ADD(log->on_caller);
  }
  if (info->kind == REGO_ATTEMPT_HEDGE) {
    ADD(log->hedges);
  }
  completion->result = 100 + info->number;
  CHECK(info->struct_size == sizeof *info && !(info->attempt == 0));
  while (GET(log->blocked)) {
    struct timespec moment = {0, 100000};
    nanosleep(&moment, NULL);
  }
  while (GET(log->deaf) && info->number == 0) {
    SET(log->settled, 1);
    struct timespec moment = {0, 100000};
    nanosleep(&moment, NULL);
  }
  if (GET(log->heeds)) {
    while (pool_now() < info->deadline) {
      CHECK(!rego_attempt_cancelled(engine, info->attempt));
      struct timespec moment = {0, 100000};
      nanosleep(&moment, NULL);
    }
    completion->kind = REGO_COMPLETION_TIMEOUT;
  } else if (GET(log->slow) && info->number == 0) {
    SET(log->slow_attempt, info->attempt);
    while (!rego_attempt_cancelled(engine, info->attempt)) {
      struct timespec moment = {0, 100000};
      nanosleep(&moment, NULL);
    }
    completion->kind = REGO_COMPLETION_CANCELLED;
  } else if (n <= GET(log->failing)) {
    completion->kind = REGO_COMPLETION_HTTP;
    completion->code = 503;
  }
}

static void on_cancel(void *userdata, rego_attempt asked) {
  struct log *log = userdata;
  ADD(log->cancels);
  if (asked == GET(log->slow_attempt)) {
    ADD(log->told);
  }
}
static void discard(void *userdata, uint64_t result) {
  CHECK(result >= 100);
  ADD(((struct log *)userdata)->discards);
}
static void drop(void *userdata) { ADD(((struct log *)userdata)->drops); }
static void on_done(void *userdata, const rego_result *result) {
  struct log *log = userdata;
  log->result = *result;
  ADD(log->done);
}

static rego_work work_of(struct log *log) {
  rego_work work = REGO_WORK_INIT;
  work.userdata = log;
  work.attempt = attempt;
  work.on_cancel = on_cancel;
  work.discard = discard;
  work.on_done = on_done;
  work.drop = drop;
  log->caller = pthread_self();
  return work;
}

static rego_key key_of(const char *name) {
  rego_str text = {name, strlen(name)};
  rego_key key = 0;
  OK(rego_key_intern(engine, text, &key));
  return key;
}

static void set_up(int threads) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_str text = {policies, sizeof policies - 1};
  options.now = pool_now();
  options.max_events = 256;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_engine_load_policies(engine, text, NULL));
  pool = pool_new(threads);
}

static void tear_down(void) {
  pool_free(pool);
  CHECK(rego_engine_release(engine) == 0);
}

static void wait_for(int line, const int *what, int value) {
  for (int i = 0; i < 200000 && __atomic_load_n(what, __ATOMIC_SEQ_CST) != value; i++) {
    struct timespec moment = {0, 100000};
    nanosleep(&moment, NULL);
  }
  check(__FILE__, line, __atomic_load_n(what, __ATOMIC_SEQ_CST) == value, "what was waited for came");
}
#define WAIT_FOR(what, value) wait_for(__LINE__, &(what), (value))

static void without_hedging_all_runs_here(void) {
  set_up(0);
  struct log log = {.failing = 2};
  rego_work work = work_of(&log);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  OK(rego_execute(engine, key_of("svc.Get"), 0, &work, NULL, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && result.attempts == 3 && result.answer == 2);
  CHECK(result.result == 102 && result.completion == REGO_COMPLETION_OK);
  CHECK(log.attempts == 3 && log.on_caller == 3 && log.discards == 2 && log.drops == 1);
  /* The last real failure is the caller's, its result too. */
  struct log bad = {.failing = 9};
  work = work_of(&bad);
  work.flags = REGO_EXECUTE_KEEP;
  OK(rego_execute(engine, key_of("svc.Get"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_MAX_ATTEMPTS && result.result == 102);
  CHECK(result.completion == REGO_COMPLETION_HTTP && result.code == 503);
  CHECK(bad.discards == 2 && bad.drops == 1 && bad.done == 0);
  rego_timeline timeline = REGO_TIMELINE_INIT;
  OK(rego_call_timeline(engine, result.call, &timeline));
  CHECK(timeline.attempts == 3);
  OK(rego_call_end(engine, result.call));
  /* A deadline that has passed is an end without an attempt. */
  struct log none = {0};
  work = work_of(&none);
  OK(rego_execute(engine, key_of("svc.Get"), 1, &work, NULL, &result));
  CHECK(result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED && result.answer == REGO_NO_ATTEMPT);
  CHECK(none.attempts == 0 && none.drops == 1);
  tear_down();
}

static void a_hedge_overtakes_and_the_loser_comes_later(void) {
  set_up(2);
  struct log log = {.slow = 1};
  rego_work work = work_of(&log);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && result.answer >= 1 && log.on_caller == 0);
  WAIT_FOR(log.drops, 1);
  CHECK(log.hedges >= 1 && log.told <= 1 && log.cancels >= log.told);
  CHECK(log.discards == log.attempts - 1);
  tear_down();
}

static void losers_are_waited_for_if_asked(void) {
  set_up(2);
  rego_executor threads = pool_executor(pool);
  for (int i = 0; i < 50; i++) {
    struct log log = {.slow = 1}; /* on the stack */
    rego_work work = work_of(&log);
    rego_result result = REGO_RESULT_INIT;
    work.flags = REGO_EXECUTE_WAIT_LOSERS;
    OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &threads, &result));
    CHECK(result.verdict == REGO_VERDICT_SUCCESS && log.drops == 1);
    CHECK(log.discards == log.attempts - 1);
  }
  tear_down();
}

static void inline_first_costs_no_hand_off(void) {
  set_up(2);
  struct log log = {0}, slow = {.slow = 1}, refused = {0};
  rego_work work = work_of(&log);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  work.flags = REGO_EXECUTE_INLINE_FIRST | REGO_EXECUTE_WAIT_LOSERS;
  OK(rego_execute(engine, key_of("svc.Patient"), 0, &work, &threads, &result));
  CHECK(log.on_caller == 1 && result.verdict == REGO_VERDICT_SUCCESS && log.drops == 1);
  work = work_of(&slow);
  work.flags = REGO_EXECUTE_INLINE_FIRST;
  OK(rego_execute(engine, key_of("svc.Patient"), 0, &work, &threads, &result));
  CHECK(slow.on_caller == 1 && slow.hedges >= 1 && result.answer >= 1 && slow.told <= 1);
  WAIT_FOR(slow.drops, 1);
  work = work_of(&refused);
  work.flags = REGO_EXECUTE_INLINE_FIRST;
  threads.schedule = NULL;
  CHECK(rego_execute(engine, key_of("svc.Patient"), 0, &work, &threads, &result) ==
        REGO_STATUS_INVALID);
  CHECK(refused.attempts == 0 && refused.drops == 1);
  tear_down();
}

/* Where nothing hedges, the host's timer asks if the work says so, and nobody does if it does not. */
static void deadlines_are_asked_for_where_there_is_a_timer(void) {
  set_up(2);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  struct log asked = {.slow = 1};
  rego_work work = work_of(&asked);
  work.flags = REGO_EXECUTE_INLINE_FIRST | REGO_EXECUTE_WAIT_LOSERS;
  OK(rego_execute(engine, key_of("svc.Quick"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && result.attempts == 2 && result.answer == 1);
  CHECK(asked.told == 1 && asked.cancels == 1 && asked.on_caller == 2 && asked.hedges == 0);
  /* The call's own deadline as well. */
  struct log late = {.slow = 1};
  work = work_of(&late);
  work.flags = REGO_EXECUTE_INLINE_FIRST;
  OK(rego_execute(engine, key_of("svc.Get"), pool_now() + 50000000, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED && late.told == 1);
  WAIT_FOR(late.drops, 1); /* the timer's thread may be the last to leave */
  /* Without it attempts have to know their deadlines. */
  struct log knows = {.heeds = 1};
  work = work_of(&knows);
  OK(rego_execute(engine, key_of("svc.Quick"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_MAX_ATTEMPTS && knows.attempts == 3 && knows.cancels == 0);
  tear_down();
}

static int32_t refuse(void *userdata, rego_run_fn run, uint64_t task) {
  (void)userdata;
  run(task); /* and lies about it */
  return 1;
}
static int32_t refuse_all(void *userdata, rego_run_fn run, uint64_t task) {
  (void)userdata, (void)run, (void)task;
  return 1;
}
static int32_t refuse_later(void *userdata, rego_time at, rego_run_fn run, uint64_t task) {
  (void)at;
  return refuse_all(userdata, run, task);
}
static int32_t here(void *userdata, rego_run_fn run, uint64_t task) {
  (void)userdata;
  run(task);
  run(task);
  run(task ^ 1);
  return 0;
}

static void strange_executors_do_no_harm(void) {
  set_up(0);
  rego_executor executor = REGO_EXECUTOR_INIT;
  rego_result result = REGO_RESULT_INIT;
  struct log log = {0}, lied = {0}, twice = {0}, odd = {0};
  rego_work work = work_of(&log);
  rego_call call = 0;
  executor.spawn = refuse_all;
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &executor, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && log.attempts == 1 && log.drops == 1);
  CHECK(log.on_caller == 1);
  executor.spawn = refuse;
  work = work_of(&lied);
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &executor, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && lied.attempts == 1 && lied.drops == 1);
  executor.spawn = here;
  work = work_of(&twice);
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &executor, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && twice.attempts == 1 && twice.drops == 1);
  executor.spawn = refuse_all;
  executor.schedule = pool_schedule;
  executor.userdata = pool;
  work = work_of(&odd);
  CHECK(rego_submit(engine, key_of("svc.Get"), 0, &work, &executor, &call) ==
        REGO_STATUS_CAPACITY);
  CHECK(odd.done == 0 && odd.drops == 1 && call == 0);
  for (uint64_t forged = 0; forged < 4096; forged++) {
    rego_run_task(forged * UINT64_C(0x9E3779B97F4A7C15));
    rego_run_task(forged << 32 | UINT64_C(1) << 31 | 1);
  }
  tear_down();
}

static void cancel_at_once(void *userdata, rego_call call);

/* Takes none but every third, or those after so many. */
static int spawned, every, after;
static int32_t refuse_some(void *userdata, rego_run_fn run, uint64_t task) {
  const int n = ADD(spawned);
  if (every ? n % every != 0 : n <= after) {
    return -1;
  }
  return pool_spawn(userdata, run, task);
}
static int32_t take_first(void *userdata, rego_run_fn run, uint64_t task) {
  return ADD(spawned) > 1 ? 7 : pool_spawn(userdata, run, task);
}

/* A primary that the executor refuses is run by the caller, whichever thread launches it. */
static void refused_primaries_run_here(void) {
  set_up(2);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  /* Retries, launched by a thread of the pool; without a timer of the host's. */
  struct log retried = {.failing = 2};
  rego_work work = work_of(&retried);
  threads.spawn = take_first;
  threads.schedule = NULL;
  spawned = 0;
  OK(rego_execute(engine, key_of("svc.Patient"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_SUCCESS && result.attempts == 3 && result.answer == 2);
  CHECK(result.result == 102 && retried.on_caller == 2 && retried.attempts == 3);
  WAIT_FOR(retried.drops, 1);
  /* With one, what the caller runs is hedged all the same, and asked to stop. */
  threads = pool_executor(pool);
  threads.spawn = refuse_some;
  for (int wait = 0; wait < 2; wait++) {
    struct log slow = {.slow = 1};
    work = work_of(&slow);
    work.flags = wait ? REGO_EXECUTE_WAIT_LOSERS : 0;
    spawned = every = 0;
    after = 1;
    OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &threads, &result));
    CHECK(result.verdict == REGO_VERDICT_SUCCESS && result.answer == 1 && result.result == 101);
    CHECK(slow.on_caller == 1 && slow.hedges == 1 && slow.told == 1 && slow.attempts == 2);
    WAIT_FOR(slow.drops, 1);
    CHECK(slow.discards == 1);
  }
  /* The call's deadline is told, too, and a cancel from elsewhere. */
  struct log late = {.slow = 1};
  work = work_of(&late);
  after = 1 << 30;
  OK(rego_execute(engine, key_of("svc.Hedged"), pool_now() + 20000000, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED && late.told == 1);
  WAIT_FOR(late.drops, 1); /* the timer's thread may be the last to leave */
  CHECK(late.hedges == 0 && late.attempts == 1);
  struct log taken_back = {.slow = 1};
  work = work_of(&taken_back);
  work.on_begin = cancel_at_once;
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &threads, &result));
  CHECK(result.verdict == REGO_VERDICT_CANCELLED);
  WAIT_FOR(taken_back.drops, 1);
  /* A submitted call has no such thread. */
  struct log sent = {0};
  work = work_of(&sent);
  spawned = 0;
  after = 1;
  OK(rego_submit(engine, key_of("svc.Hedged"), 0, &work, &threads, &result.call));
  WAIT_FOR(sent.drops, 1);
  CHECK(sent.done == 1 && sent.attempts == 0);
  CHECK(sent.result.verdict == REGO_VERDICT_EXECUTOR_REJECTED);
  tear_down();
}

/* Nothing is lost, and nothing is run or dropped twice, where an executor refuses now and then. */
static void refusals_lose_nothing(void) {
  set_up(4);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  threads.spawn = refuse_some;
  spawned = 0;
  every = 3;
  for (int i = 0; i < 300; i++) {
    const int in_time = i % 5 != 0;
    struct log log = {.slow = !in_time, .failing = i % 3};
    rego_work work = work_of(&log);
    work.flags = REGO_EXECUTE_WAIT_LOSERS;
    threads.schedule = in_time && i % 2 ? NULL : pool_schedule;
    const rego_time deadline = in_time ? 0 : pool_now() + 8000000;
    OK(rego_execute(engine, key_of("svc.Hedged"), deadline, &work, &threads, &result));
    CHECK(result.verdict == REGO_VERDICT_SUCCESS ||
          (!in_time && result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED));
    CHECK(log.drops == 1 && (uint32_t)log.attempts <= result.attempts);
    CHECK(log.discards == log.attempts - (result.result != 0));
  }
  every = 0;
  tear_down();
}

/* How many warnings there were since the last look, all of one sort, and calls that could not hedge. */
static int warnings(uint32_t sort) {
  rego_event told[64];
  size_t n = 0;
  uint64_t dropped = 0;
  int warned = 0;
  OK(rego_events_drain(engine, told, sizeof told[0], 64, &n, &dropped));
  for (size_t i = 0; i < n; i++) {
    if (told[i].kind == REGO_EVENT_WARNED) {
      CHECK(told[i].reason == sort && strcmp(told[i].key, "svc.Hedged") == 0);
      warned++;
    }
  }
  return warned;
}
static int impossible(void) {
  static char text[1 << 17];
  static const char series[] = "rego_hedges_total{key=\"svc.Hedged\",result=\"impossible\"} ";
  size_t len = 0;
  OK(rego_metrics_write(engine, text, sizeof text, &len));
  const char *line = strstr(text, series);
  return line == NULL ? 0 : atoi(line + sizeof series - 1);
}

/* Calls that cannot be hedged are warned of once for their key, and counted. */
static void impossible_hedges_are_told(void) {
  set_up(2);
  rego_executor threads = pool_executor(pool), none = REGO_EXECUTOR_INIT;
  rego_result result = REGO_RESULT_INIT;
  struct log log = {0}, logs_of_timers[3] = {{.heeds = 1}, {.heeds = 1}, {0}};
  rego_work work = work_of(&log);
  OK(rego_execute(engine, key_of("svc.Get"), 0, &work, NULL, &result));
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, NULL, &result));
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &none, &result));
  work.idempotent = REGO_IDEMPOTENT_NO;
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &none, &result));
  CHECK(warnings(REGO_WARNING_NO_EXECUTOR) == 1 && impossible() == 3);
  tear_down();
  /* A host's timer that refuses: a call is counted once, and not where it was not to be hedged. */
  set_up(2);
  threads = pool_executor(pool);
  threads.schedule = refuse_later;
  for (int i = 0; i < 2; i++) {
    work = work_of(&logs_of_timers[i]);
    work.flags = REGO_EXECUTE_INLINE_FIRST;
    OK(rego_execute(engine, key_of("svc.Hedged"), pool_now() + 5000000, &work, &threads, &result));
    OK(rego_execute(engine, key_of("svc.Get"), 0, &work, &threads, &result));
    CHECK(logs_of_timers[i].hedges == 0);
  }
  CHECK(warnings(REGO_WARNING_NO_TIMER) == 1 && impossible() == 2);
  work = work_of(&logs_of_timers[2]);
  OK(rego_submit(engine, key_of("svc.Hedged"), 0, &work, &threads, &result.call));
  WAIT_FOR(logs_of_timers[2].drops, 1);
  CHECK(warnings(REGO_WARNING_NO_TIMER) == 0 && impossible() == 3);
  tear_down();
  /* Each call that says no is counted once, whatever it is executed by. */
  set_up(2);
  threads = pool_executor(pool);
  threads.schedule = refuse_later;
  struct log no = {.failing = 2};
  work = work_of(&no);
  work.idempotent = REGO_IDEMPOTENT_NO;
  work.flags = REGO_EXECUTE_INLINE_FIRST;
  OK(rego_execute(engine, key_of("svc.Hedged"), 0, &work, &threads, &result));
  CHECK(no.hedges == 0 && warnings(REGO_WARNING_NO_TIMER) == 0 && impossible() == 1);
  tear_down();
}

static void a_submitted_call_tells_its_end(void) {
  set_up(2);
  rego_executor threads = pool_executor(pool);
  struct log log = {.failing = 2}, late = {0}, stuck = {.failing = 9};
  rego_work work = work_of(&log);
  rego_call call = 0;
  OK(rego_submit(engine, key_of("svc.Get"), 0, &work, &threads, &call));
  WAIT_FOR(log.drops, 1);
  CHECK(call != 0 && log.done == 1 && log.on_caller == 0);
  CHECK(log.result.verdict == REGO_VERDICT_SUCCESS && log.result.result == 102);
  CHECK(rego_call_cancel(engine, call) == REGO_STATUS_STALE);
  /* The end is never told by the thread that submits. */
  work = work_of(&late);
  OK(rego_submit(engine, key_of("svc.Get"), 1, &work, &threads, &call));
  WAIT_FOR(late.drops, 1);
  CHECK(late.done == 1 && late.result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED);
  /* One that waits for its backoff can be ended. */
  work = work_of(&stuck);
  OK(rego_submit(engine, key_of("svc.Slow"), 0, &work, &threads, &call));
  WAIT_FOR(stuck.attempts, 1);
  OK(rego_call_cancel(engine, call));
  WAIT_FOR(stuck.drops, 1);
  CHECK(stuck.done == 1 && stuck.result.verdict == REGO_VERDICT_CANCELLED);
  tear_down();
}

static void cancel_at_once(void *userdata, rego_call call) {
  ((struct log *)userdata)->call = call;
  OK(rego_call_cancel(engine, call));
}
static void remember(void *userdata, rego_call call) {
  SET(((struct log *)userdata)->call, call);
}
static void *cancel_later(void *userdata) {
  struct log *log = userdata;
  WAIT_FOR(log->attempts, 1);
  struct timespec moment = {0, 5000000};
  nanosleep(&moment, NULL);
  OK(rego_call_cancel(engine, GET(log->call)));
  return NULL;
}

static void an_executed_call_can_be_cancelled(void) {
  set_up(1);
  struct log log = {0}, waiting = {.failing = 9};
  rego_work work = work_of(&log);
  rego_result result = REGO_RESULT_INIT;
  pthread_t canceller;
  work.on_begin = cancel_at_once;
  OK(rego_execute(engine, key_of("svc.Get"), 0, &work, NULL, &result));
  CHECK(result.verdict == REGO_VERDICT_CANCELLED && log.attempts == 0 && log.drops == 1);
  CHECK(rego_call_cancel(engine, log.call) == REGO_STATUS_STALE);
  work = work_of(&waiting);
  work.on_begin = remember;
  CHECK(pthread_create(&canceller, NULL, cancel_later, &waiting) == 0);
  OK(rego_execute(engine, key_of("svc.Slow"), 0, &work, NULL, &result));
  CHECK(result.verdict == REGO_VERDICT_CANCELLED && waiting.attempts == 1);
  pthread_join(canceller, NULL);
  CHECK(waiting.drops == 1);
  tear_down();
}

#define MANY 1000
static struct log logs[MANY];

static const char hedges[] =
    "schema = 1\n[defaults]\nidempotent = true\n[defaults.retry]\njitter = \"none\"\n"
    "[defaults.hedge]\nenabled = true\n"
    "trigger = \"fixed\"\ndelay = \"2ms\"\nbudget = \"unlimited\"\n";

/* Tasks wait in a queue until they are run by hand, in a time that is set by hand. */
static struct {
  rego_time now;
  uint64_t tasks[8], timers[8];
  int n_tasks, n_timers, refuses;
} desk;

static rego_time desk_now(void *userdata) {
  (void)userdata;
  return desk.now;
}
static int32_t desk_spawn(void *userdata, rego_run_fn run, uint64_t task) {
  (void)userdata, (void)run;
  desk.tasks[desk.n_tasks++] = task;
  return 0;
}
static int32_t desk_schedule(void *userdata, rego_time at, rego_run_fn run, uint64_t task) {
  (void)userdata, (void)at, (void)run;
  if (desk.refuses) {
    return 1;
  }
  desk.timers[desk.n_timers++] = task;
  return 0;
}

/* Submits a call of these policies to the desk. */
static rego_engine *at_the_desk(const char *text, rego_time deadline, struct log *log) {
  rego_engine *mine = NULL;
  rego_options options = REGO_OPTIONS_INIT;
  rego_executor executor = REGO_EXECUTOR_INIT;
  rego_key key = 0;
  rego_call call = 0;
  rego_work work = work_of(log);
  options.now = desk.now;
  OK(rego_engine_new(&options, &mine, NULL));
  OK(rego_engine_load_policies(mine, (rego_str){text, strlen(text)}, NULL));
  OK(rego_key_intern(mine, REGO_STR("svc.Get"), &key));
  executor.spawn = desk_spawn;
  executor.schedule = desk_schedule;
  executor.now = desk_now;
  OK(rego_submit(mine, key, deadline, &work, &executor, &call));
  return mine;
}

/* An attempt that leaves its queue after its call's deadline is not run, and not asked to stop. */
static void what_is_too_late_to_begin_is_not_begun(void) {
  struct log log = {0};
  memset(&desk, 0, sizeof desk);
  desk.now = 1000000;
  rego_engine *mine = at_the_desk("schema = 1", 2000000, &log);
  CHECK(desk.n_tasks == 1 && log.attempts == 0);
  desk.now = 3000000;
  rego_run_task(desk.tasks[0]);
  for (int i = 0; i < desk.n_timers; i++) {
    rego_run_task(desk.timers[i]);
  }
  for (int i = 1; i < desk.n_tasks; i++) {
    rego_run_task(desk.tasks[i]);
  }
  CHECK(log.attempts == 0 && log.cancels == 0 && log.done == 1 && log.drops == 1);
  CHECK(log.result.verdict == REGO_VERDICT_DEADLINE_EXCEEDED);
  CHECK(rego_engine_release(mine) == 0);
}

/* While an attempt runs its end is waited for, whatever the timer says; after that, nothing is. */
static void a_timer_that_has_refused_is_asked_again(void) {
  struct log log = {.failing = 1};
  memset(&desk, 0, sizeof desk);
  desk.now = 1000000;
  desk.refuses = 1;
  rego_engine *mine = at_the_desk(hedges, 0, &log);
  CHECK(desk.n_tasks == 1 && log.done == 0);
  rego_run_task(desk.tasks[0]);
  CHECK(log.attempts == 1 && log.done == 1 && log.drops == 1);
  CHECK(log.result.verdict == REGO_VERDICT_CANCELLED && rego_engine_release(mine) == 0);
  /* Where it has come to its senses, there is another attempt. */
  struct log again = {.failing = 1};
  memset(&desk, 0, sizeof desk);
  desk.now = 1000000;
  desk.refuses = 1;
  mine = at_the_desk(hedges, 0, &again);
  desk.refuses = 0;
  rego_run_task(desk.tasks[0]);
  CHECK(again.attempts == 1 && again.done == 0 && desk.n_timers == 1);
  desk.now += 1000000000;
  rego_run_task(desk.timers[0]);
  CHECK(desk.n_tasks == 2);
  rego_run_task(desk.tasks[1]);
  CHECK(again.attempts == 2 && again.done == 1 && again.drops == 1);
  CHECK(again.result.verdict == REGO_VERDICT_SUCCESS && rego_engine_release(mine) == 0);
}

/* Each task has a thread of its own. */
struct lone {
  rego_run_fn run;
  uint64_t task;
};
static void *lone_main(void *at) {
  const struct lone it = *(struct lone *)at;
  free(at);
  it.run(it.task);
  return NULL;
}
static int32_t lone_spawn(void *userdata, rego_run_fn run, uint64_t task) {
  struct lone *it = malloc(sizeof *it);
  pthread_t thread;
  (void)userdata;
  *it = (struct lone){run, task};
  if (pthread_create(&thread, NULL, lone_main, it) != 0) {
    free(it);
    return 1;
  }
  return pthread_detach(thread);
}

#define LOSERS 200

/* Losers that do not mind being asked come back after their engine was released: eight of each site,
   which are as many as it puts up with. */
static void losers_outlive_their_engine(void) {
  set_up(1);
  rego_executor threads = REGO_EXECUTOR_INIT;
  OK(rego_engine_load_policies(engine, (rego_str){hedges, sizeof hedges - 1}, NULL));
  threads.spawn = lone_spawn;
  threads.schedule = pool_schedule;
  threads.userdata = pool;
  for (int i = 0; i < LOSERS; i++) {
    rego_call call = 0;
    memset(&logs[i], 0, sizeof logs[i]);
    logs[i].deaf = 1;
    rego_work work = work_of(&logs[i]);
    char key[32];
    snprintf(key, sizeof key, "svc.Get%d", i / 8);
    OK(rego_submit(engine, key_of(key), 0, &work, &threads, &call));
  }
  for (int i = 0; i < LOSERS; i++) {
    WAIT_FOR(logs[i].done, 1);
    CHECK(logs[i].result.verdict == REGO_VERDICT_SUCCESS && logs[i].result.answer >= 1);
  }
  /* Where the machine was busy, a first attempt came too late to begin: that is over by now. */
  unsigned losers = 0;
  for (int i = 0; i < LOSERS; i++) {
    while (!GET(logs[i].settled) && !GET(logs[i].drops)) {
      struct timespec moment = {0, 100000};
      nanosleep(&moment, NULL);
    }
    losers += GET(logs[i].drops) == 0;
  }
  CHECK(losers > LOSERS / 2 && rego_engine_release(engine) == losers);
  for (int i = 0; i < LOSERS; i++) {
    SET(logs[i].deaf, 0);
  }
  for (int i = 0; i < LOSERS; i++) {
    WAIT_FOR(logs[i].drops, 1);
    CHECK(logs[i].cancels >= logs[i].settled && logs[i].discards == logs[i].attempts - 1);
  }
  pool_free(pool);
}

static void an_engine_goes_with_its_last_loser(void) {
  set_up(4);
  const rego_key key = key_of("svc.Get");
  rego_executor threads = pool_executor(pool);
  int drops = 0, done = 0;
  for (int i = 0; i < MANY; i++) {
    rego_call call = 0;
    memset(&logs[i], 0, sizeof logs[i]);
    logs[i].blocked = 1;
    rego_work work = work_of(&logs[i]);
    OK(rego_submit(engine, key, 0, &work, &threads, &call));
  }
  CHECK(rego_engine_release(engine) == MANY);
  for (int i = 0; i < MANY; i++) {
    SET(logs[i].blocked, 0);
  }
  for (int i = 0; i < MANY; i++) {
    WAIT_FOR(logs[i].drops, 1);
    drops += logs[i].drops;
    done += logs[i].done;
  }
  CHECK(drops == MANY && done == MANY);
  pool_free(pool);
}

static rego_key known;
static int busy;
static void wait_in_notify(void *userdata) {
  rego_work work = work_of(userdata);
  rego_result result = REGO_RESULT_INIT;
  rego_key key = 0;
  busy += rego_execute(engine, known, 0, &work, NULL, &result) == REGO_STATUS_BUSY;
  busy += rego_key_intern(engine, REGO_STR("svc.Get"), &key) == REGO_STATUS_BUSY;
  rego_error error = REGO_ERROR_INIT;
  busy += rego_engine_load_policies(engine, REGO_STR("schema = 1"), &error) == REGO_STATUS_BUSY;
  busy += error.status == REGO_STATUS_BUSY && strstr(error.message, "notify") != NULL;
}

static void arguments_are_checked(void) {
  set_up(1);
  const rego_key key = key_of("svc.Get");
  rego_executor threads = pool_executor(pool), bare = REGO_EXECUTOR_INIT;
  rego_result result = REGO_RESULT_INIT;
  rego_call call = 0;
  struct log log = {0};
  rego_work work = work_of(&log);
  CHECK(rego_execute(engine, key, 0, NULL, NULL, &result) == REGO_STATUS_NULL);
  CHECK(rego_execute(NULL, key, 0, &work, NULL, &result) == REGO_STATUS_NULL && log.drops == 1);
  CHECK(rego_execute(engine, key, 0, &work, NULL, NULL) == REGO_STATUS_NULL && log.drops == 2);
  CHECK(rego_execute(engine, 7, 0, &work, NULL, &result) == REGO_STATUS_STALE && log.drops == 3);
  CHECK(rego_submit(engine, key, 0, &work, NULL, &call) == REGO_STATUS_INVALID && log.drops == 4);
  CHECK(rego_submit(engine, key, 0, &work, &bare, &call) == REGO_STATUS_INVALID && log.drops == 5);
  work.on_done = NULL;
  CHECK(rego_submit(engine, key, 0, &work, &threads, &call) == REGO_STATUS_NULL && log.drops == 6);
  work.flags = 64;
  CHECK(rego_execute(engine, key, 0, &work, NULL, &result) == REGO_STATUS_UNSUPPORTED);
  CHECK(log.drops == 7);
  work.flags = 0;
  work.attempt = NULL;
  CHECK(rego_execute(engine, key, 0, &work, NULL, &result) == REGO_STATUS_NULL && log.drops == 8);
  CHECK(log.attempts == 0);
  /* What is handed over by a struct of a newer header is dropped, too; by one that is none, not. */
  struct {
    rego_work known;
    uint64_t newer;
  } newer_work = {.known = work_of(&log), .newer = 1};
  struct {
    rego_executor known;
    uint64_t newer;
  } newer_executor = {.known = REGO_EXECUTOR_INIT, .newer = 1};
  newer_work.known.struct_size = sizeof newer_work;
  newer_executor.known.struct_size = sizeof newer_executor;
  newer_executor.known.userdata = &log;
  newer_executor.known.drop = drop;
  rego_status status = rego_execute(engine, key, 0, &newer_work.known, NULL, &result);
  CHECK(status == REGO_STATUS_UNSUPPORTED && log.drops == 9);
  status = rego_submit(engine, key, 0, &newer_work.known, &newer_executor.known, &call);
  CHECK(status == REGO_STATUS_UNSUPPORTED && log.drops == 11);
  work = work_of(&log);
  work.struct_size = 4097;
  status = rego_execute(engine, key, 0, &work, NULL, &result);
  CHECK(status == REGO_STATUS_INVALID && log.drops == 11);
  /* Nobody may wait where a loop is woken. */
  rego_loop *events = NULL;
  rego_begin begin = REGO_BEGIN_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_completion facts = REGO_COMPLETION_INIT;
  OK(rego_loop_new(engine, wait_in_notify, &log, NULL, &events));
  begin.now = pool_now();
  known = key;
  OK(rego_loop_begin(events, key, &begin, &call, &step));
  OK(rego_attempt_finish(engine, step.actions[0].attempt, begin.now, &facts, &step));
  CHECK(busy == 4 && log.drops == 12);
  rego_loop_free(events);
  tear_down();
}

static void nonsense(void *userdata, const rego_attempt_info *info, rego_completion *completion) {
  (void)info;
  ADD(((struct log *)userdata)->attempts);
  completion->kind = 999;
}

static void attempts_of_the_library_are_no_hosts(void) {
  set_up(2);
  struct log log = {.blocked = 1}, odd = {0};
  rego_work work = work_of(&odd);
  rego_executor threads = pool_executor(pool);
  rego_result result = REGO_RESULT_INIT;
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  work.attempt = nonsense;
  OK(rego_execute(engine, key_of("svc.Get"), 0, &work, NULL, &result));
  CHECK(result.verdict == REGO_VERDICT_NON_RETRYABLE && odd.attempts == 1);
  work = work_of(&log);
  OK(rego_submit(engine, key_of("svc.Get"), 0, &work, &threads, &call));
  CHECK(rego_call_poll(engine, call, pool_now(), &step) == REGO_STATUS_STALE);
  CHECK(rego_call_end(engine, call) == REGO_STATUS_STALE);
  CHECK(rego_attempt_finish(engine, call, pool_now(), &facts, &step) == REGO_STATUS_STALE);
  rego_run_task(call);
  OK(rego_call_cancel(engine, call));
  SET(log.blocked, 0);
  WAIT_FOR(log.drops, 1);
  CHECK(log.done == 1);
  tear_down();
}

int main(void) {
  unsetenv("REGO_MODE");
  without_hedging_all_runs_here();
  a_hedge_overtakes_and_the_loser_comes_later();
  losers_are_waited_for_if_asked();
  inline_first_costs_no_hand_off();
  deadlines_are_asked_for_where_there_is_a_timer();
  strange_executors_do_no_harm();
  refused_primaries_run_here();
  refusals_lose_nothing();
  impossible_hedges_are_told();
  a_submitted_call_tells_its_end();
  an_executed_call_can_be_cancelled();
  what_is_too_late_to_begin_is_not_begun();
  a_timer_that_has_refused_is_asked_again();
  losers_outlive_their_engine();
  an_engine_goes_with_its_last_loser();
  arguments_are_checked();
  attempts_of_the_library_are_no_hosts();
  return failures == 0 ? 0 : 1;
}
