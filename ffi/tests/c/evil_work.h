/*
 * Work for threads that are the host's own: run at once, twice, late, by whoever comes along, or
 * refused; and everything that is handed over with a `drop`, which is to be called once for each.
 */
#ifndef EVIL_WORK_H
#define EVIL_WORK_H

#include "evil_calls.h"
#include "evil_pool.h"

/* What was handed over with a job: each is dropped once. */
#define DROP_WORK 1u
#define DROP_EXECUTOR 2u
#define DROP_LOOP 4u
#define DROP_CLASSIFIER 8u


/* What callbacks are handed. Kept until the round is over, so that what comes too late is seen. */
struct job {
  struct job *next;
  struct thread *self;
  unsigned engine;
  uint32_t handed_over;
  uint32_t dropped;
  int is_named;  /* `on_begin` or `rego_submit` tell its id */
  int may_wait;  /* for tasks that other threads run */
  int is_submitted;
  uint32_t ends; /* how often `on_done` is to be called */
  uint32_t ended;
  uint64_t call;
  uint64_t attempts[TRIES];
  uint64_t asked[TRIES];
  /* Results that attempts left, and that came back: one bit for each. */
  uint32_t left;
  uint32_t returned;
  uint64_t clock;
};

static int closing;
static uint64_t attempts, notified, refused, dropped, handed_over;

/* Calls anything; from where nobody may wait, only what does not. */
static void anything(struct thread *self);

static void within(struct job *job, int is_careful) {
  if (depth >= DEEP || !rarely(job->self, 3) || __atomic_load_n(&closing, __ATOMIC_RELAXED)) {
    return;
  }
  depth++;
  careful += is_careful;
  anything(job->self);
  careful -= is_careful;
  depth--;
}

static struct job *job_of(struct thread *self, unsigned engine) {
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    abort();
  }
  job->self = self;
  job->engine = engine;
  job->clock = draw(self) % 1000 * MS + 1;
  job->next = __atomic_load_n(&self->jobs, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&self->jobs, &job->next, job, 0, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED)) {
  }
  return job;
}

static void drop(struct job *job, uint32_t what) {
#if EVIL_CONTROL == 2
  /* Wrong on purpose: now and then not counted. */
  if (what == DROP_WORK && rarely(job->self, 1024)) {
    return;
  }
#endif
  RIGHT(job->self, mark(&job->dropped, what));
}

static void here(struct job *job, uint32_t what) {
  RIGHT(job->self, (__atomic_load_n(&job->dropped, __ATOMIC_ACQUIRE) & what) == 0);
}

static void drop_work(void *userdata) {
  drop(userdata, DROP_WORK);
  within(userdata, 0);
}

static void drop_executor(void *userdata) {
  drop(userdata, DROP_EXECUTOR);
  within(userdata, 0);
}

/* Their engine may be going: nothing of it is touched. */
static void drop_loop(void *userdata) { drop(userdata, DROP_LOOP); }

static void drop_classifier(void *userdata) { drop(userdata, DROP_CLASSIFIER); }

static int of_job(struct job *job, uint64_t attempt) {
  int found = TRIES;
  while (--found >= 0 && load(&job->attempts[found]) != attempt) {
  }
  return found;
}

/* A result comes back: it is one that an attempt of this job has left, and comes back once. */
static void take_result(struct job *job, uint64_t result) {
  const int attempt = of_job(job, result);
  RIGHT(job->self, result == 0 || (attempt >= 0 && mark(&job->returned, UINT32_C(1) << attempt)));
}

static void on_attempt(void *userdata, const rego_attempt_info *info, rego_completion *completion) {
  struct job *job = userdata;
  struct thread *self = job->self;
  const uint32_t nth = info->number % TRIES;
  int bad = 0;
  here(job, DROP_WORK);
  add(&attempts);
  RIGHT(self, info->number < TRIES && is_first(&job->attempts[nth], info->attempt));
  RIGHT(self, job->is_named ? is_or_becomes(&job->call, info->call) : info->call == 0);
  remember(self, info->attempt);
  if (info->number % 2 == 0 && rarely(self, 2)) {
    (void)rego_call_cancel(engines[job->engine], info->call);
  }
  /* From within: its own end, which is not the host's to tell. */
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  RIGHT(self, rego_attempt_finish(engines[job->engine], info->attempt, 1, &facts, &step) ==
                  REGO_STATUS_STALE);
  within(job, 0);
  if (rarely(self, 4)) {
    return;
  }
  *completion = any_facts(self, info->attempt, &bad);
  completion->retry_after %= 4 * MS; /* the caller waits for it */
  (void)mark(&job->left, UINT32_C(1) << nth);
}

static void on_cancel(void *userdata, rego_attempt id) {
  struct job *job = userdata;
  size_t nth = 0;
  here(job, DROP_WORK);
  while (nth < TRIES && !is_first(&job->asked[nth], id)) {
    RIGHT(job->self, load(&job->asked[nth]) != id);
    nth++;
  }
  RIGHT(job->self, nth < TRIES);
  within(job, 1);
}

static void on_begin(void *userdata, rego_call call) {
  struct job *job = userdata;
  here(job, DROP_WORK);
  RIGHT(job->self, is_first(&job->call, call));
  remember(job->self, call);
  within(job, 0);
}

static void on_discard(void *userdata, uint64_t result) {
  here(userdata, DROP_WORK);
  take_result(userdata, result);
  within(userdata, 0);
}

static void check_result(struct job *job, const rego_result *result) {
  RIGHT(job->self, result->attempts <= TRIES);
  RIGHT(job->self, result->answer == REGO_NO_ATTEMPT || result->answer < TRIES);
  RIGHT(job->self, result->result == 0 || result->answer == REGO_NO_ATTEMPT ||
                       load(&job->attempts[result->answer % TRIES]) == result->result);
  take_result(job, result->result);
}

static void on_done(void *userdata, const rego_result *result) {
  struct job *job = userdata;
  here(job, DROP_WORK);
  __atomic_add_fetch(&job->ended, 1, __ATOMIC_RELAXED);
  check_result(job, result);
  remember(job->self, result->call);
  within(job, 0);
}

/* Goes on by itself, now and then far, and a little back. */
static rego_time on_now(void *userdata) {
  struct job *job = userdata;
  struct thread *self = job->self;
  const uint64_t random = draw(self);
  here(job, DROP_EXECUTOR);
  if (__atomic_load_n(&closing, __ATOMIC_RELAXED)) {
    return __atomic_add_fetch(&job->clock, 1000 * MS, __ATOMIC_RELAXED);
  }
  if (random % 4096 == 0 && job->engine == 1) {
    __atomic_fetch_or(&job->clock, UINT64_C(1) << (random >> 16) % 63, __ATOMIC_RELAXED);
  }
  const rego_time now = __atomic_add_fetch(&job->clock, (random >> 16) % (8 * MS), __ATOMIC_RELAXED);
  if (random % 64 == 1) {
    within(job, 1);
  }
  return random % 32 == 2 && now > MS ? now - MS : now;
}

/* Runs a task at once, twice, late, after another, or refuses it, also after it was run. */
static int32_t on_spawn(void *userdata, rego_run_fn run, uint64_t number) {
  struct job *job = userdata;
  struct thread *self = job->self;
  const uint64_t late = any_id(self), random = draw(self);
  here(job, DROP_EXECUTOR);
  remember(self, number);
  within(job, 0);
  if (random % 5 == 0) {
    add(&refused);
    return 1;
  }
  if (random % 5 == 1 || depth >= DEEP || careful || __atomic_load_n(&closing, __ATOMIC_RELAXED)) {
    return job->may_wait ? put_off(run, number) : 1;
  }
  depth++;
  if (random % 5 == 2) {
    run(late);
  } else if (random % 5 == 3) {
    run(number);
  }
  run(number);
  depth--;
  return random % 64 == 6;
}

static int32_t on_schedule(void *userdata, rego_time at, rego_run_fn run, uint64_t number) {
  struct job *job = userdata;
  (void)at;
  here(job, DROP_EXECUTOR);
  if (job->is_submitted) {
    return rarely(job->self, 4) ? 1 : put_off(run, number);
  }
  return rarely(job->self, 2) ? on_spawn(userdata, run, number) : 1;
}

/* Facts are judged where nobody may wait, as is seen fit, and in ways that are none. */
static void on_classify(void *userdata, const rego_completion *facts, const rego_context *context,
                        rego_outcome *outcome) {
  struct job *job = userdata;
  struct thread *self = job->self;
  int bad = 0;
  here(job, DROP_CLASSIFIER);
  RIGHT(self, facts->struct_size == sizeof *facts && context->attempt < TRIES);
  if (rarely(self, 2)) {
    *outcome = any_outcome(self, 0, &bad);
    outcome->backoff %= 4 * MS;
    if (outcome->kind != REGO_OUTCOME_SUCCESS) {
      outcome->kind = REGO_OUTCOME_RETRYABLE;
    }
  }
  within(job, 1);
}

static void execute(struct thread *self);

/* There is something to do for a loop. Nobody may wait here. */
static void on_notify(void *userdata) {
  struct job *job = userdata;
  here(job, DROP_LOOP);
  add(&notified);
  within(job, 1);
  if (depth < DEEP && rarely(job->self, 16)) {
    depth++, careful++, notifying++;
    execute(job->self);
    depth--, careful--, notifying--;
  }
}

static rego_work any_work(struct thread *self, struct job *job, int *bad) {
  rego_work work = REGO_WORK_INIT;
  work.flags = (uint32_t)(draw(self) % 8) & (rarely(self, 2) ? 7u : 4u);
  work.idempotent = (uint32_t)(draw(self) % 3);
  work.priority = (uint32_t)(draw(self) % 256);
  work.userdata = job;
  work.attempt = on_attempt;
  work.on_begin = rarely(self, 2) ? on_begin : NULL;
  work.on_cancel = on_cancel;
  work.discard = on_discard;
  work.on_done = on_done;
  work.drop = drop_work;
  switch (draw(self) % 256) {
    case 0: work.flags |= 8; *bad = 1; break;
    case 1: work.idempotent = 3; *bad = 1; break;
    case 2: work.priority = 256; *bad = 1; break;
    case 3: work.attempt = NULL; *bad = 1; break;
    default: break;
  }
  return work;
}

static rego_executor any_executor(struct thread *self, struct job *job) {
  rego_executor executor = REGO_EXECUTOR_INIT;
  executor.userdata = job;
  executor.spawn = rarely(self, 8) ? NULL : on_spawn;
  executor.schedule = rarely(self, 8) ? NULL : on_schedule;
  executor.now = on_now;
  executor.drop = drop_executor;
  executor.reserved = rarely(self, 256) ? 1u : 0u;
  return executor;
}

/* Hands a struct over, unless it cannot be read. */
static const void *hand_over(struct thread *self, struct job *job, void *it, uint32_t what, int *bad) {
  int unread = 0;
  uint32_t *size = it;
  *size = sized(self, *size, &unread);
  const void *given = at(self, it, &unread);
  job->handed_over |= unread ? 0 : what;
  *bad |= unread;
  return given;
}

static void execute(struct thread *self) {
  const unsigned engine = any_engine(self);
  struct job *job = job_of(self, engine);
  rego_result result = REGO_RESULT_INIT;
  rego_call call = 0;
  uint32_t which = 0;
  int bad = 0, unread = 0;
  rego_work work = any_work(self, job, &bad);
  rego_executor executor = any_executor(self, job);
  const int submits = !notifying && rarely(self, 2), alone = !submits && rarely(self, 8);
  job->may_wait = depth == 0 || submits;
  job->is_submitted = submits;
  job->is_named = submits || work.on_begin != NULL;
  const void *works = hand_over(self, job, &work, DROP_WORK, &bad);
  const void *by = alone ? NULL : hand_over(self, job, &executor, DROP_EXECUTOR, &unread);
  bad |= by == NULL ? submits : unread || executor.reserved;
  rego_engine *place = engine_at(self, engine, &bad);
  const rego_key key = any_key(self, engine, &which, &bad);
  const rego_time deadline = rarely(self, 4) ? 0 : job->clock + draw(self) % 1000 * MS;
  rego_status status;
  if (submits) {
    if (rarely(self, 32)) {
      work.on_done = NULL;
      bad = 1;
    }
    status = rego_submit(place, key, deadline, works, by, at(self, &call, &bad));
    job->ends = status == REGO_STATUS_OK;
    RIGHT(self, status != REGO_STATUS_OK || is_or_becomes(&job->call, call));
  } else {
    result.struct_size = sized(self, sizeof result, &bad);
    status = rego_execute(place, key, deadline, works, by, at(self, &result, &bad));
    if (status == REGO_STATUS_OK) {
      check_result(job, &result);
      remember(self, result.call);
    }
    RIGHT(self, status != REGO_STATUS_OK || !(work.flags & REGO_EXECUTE_WAIT_LOSERS) ||
                    (__atomic_load_n(&job->dropped, __ATOMIC_ACQUIRE) & DROP_WORK));
    RIGHT(self, notifying ? status != REGO_STATUS_OK && (bad || status == REGO_STATUS_BUSY)
                          : status != REGO_STATUS_BUSY);
  }
  RIGHT(self, !bad || status != REGO_STATUS_OK);
  if (status != REGO_STATUS_BUSY && status != REGO_STATUS_CAPACITY) {
    (void)answer(self, status);
  }
}

/* Everything that was handed over was dropped, and all that was to be told was told. */
static void bury(struct thread *self) {
  while (self->jobs != NULL) {
    struct job *job = self->jobs;
    self->jobs = job->next;
    RIGHT(self, job->dropped == job->handed_over);
    RIGHT(self, job->ended == job->ends);
    RIGHT(self, job->left == job->returned);
    for (size_t i = 0; i < TRIES; i++) {
      RIGHT(self, job->asked[i] == 0 || of_job(job, job->asked[i]) >= 0);
    }
    for (uint32_t bits = job->handed_over; bits != 0; bits &= bits - 1) handed_over++;
    for (uint32_t bits = job->dropped; bits != 0; bits &= bits - 1) dropped++;
    free(job);
  }
}

#endif
