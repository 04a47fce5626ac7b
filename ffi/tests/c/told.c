/* What is told of calls, and what the host decides itself: timelines, classifiers, forks. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>


static const char policies[] =
    "schema = 1\n"
    "[defaults.retry]\n"
    "max_attempts = 3\n"
    "initial_backoff = \"10ms\"\n"
    "jitter = \"none\"\n"
    "budget = \"unlimited\"\n";

static const char with_classifiers[] =
    "schema = 1\n"
    "[defaults.retry]\n"
    "initial_backoff = \"10ms\"\n"
    "jitter = \"none\"\n"
    "budget = \"unlimited\"\n"
    "[policies.\"svc.Own\".retry]\n"
    "classifier = \"own\"\n"
    "[policies.\"svc.Odd\".retry]\n"
    "classifier = \"odd\"\n";

static const char with_hedging[] =
    "schema = 1\n"
    "[defaults]\n"
    "idempotent = true\n"
    "[defaults.hedge]\n"
    "enabled = true\n"
    "trigger = \"fixed\"\n"
    "delay = \"2ms\"\n"
    "budget = \"unlimited\"\n";

static int dropped, asked;

static void own(void *userdata, const rego_completion *facts, const rego_context *context,
                rego_outcome *outcome) {
  ++*(int *)userdata;
  CHECK(facts->struct_size == sizeof *facts && context->struct_size == sizeof *context);
  if (facts->kind == REGO_COMPLETION_APP && facts->code == 1205) {
    CHECK(outcome->kind == REGO_OUTCOME_RETRYABLE);
    outcome->kind = REGO_OUTCOME_NON_RETRYABLE;
    outcome->failure = REGO_FAILURE_SERVER;
  }
}

static void odd(void *userdata, const rego_completion *facts, const rego_context *context,
                rego_outcome *outcome) {
  (void)userdata, (void)context;
  if (facts->code == 7) outcome->kind = 77;
  if (facts->code == 8) outcome->reserved = 1;
  if (facts->code == 9) outcome->struct_size = 0;
  if (facts->code == 10) outcome->struct_size++;
}

static void count_drop(void *userdata) {
  (void)userdata;
  dropped++;
}

static rego_classifier classifier_of(const char *name, rego_classify_fn classify) {
  rego_classifier it = REGO_CLASSIFIER_INIT;
  it.name = text_of(name);
  it.classify = classify;
  it.userdata = &asked;
  it.drop = count_drop;
  return it;
}

static rego_engine *engine_with(const rego_classifier *const *classifiers, size_t n) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  options.now = T0;
  options.classifiers = classifiers;
  options.n_classifiers = n;
  OK(rego_engine_new(&options, &engine, &error));
  OK(rego_engine_load_policies(engine, text_of(n > 0 ? with_classifiers : policies), &error));
  if (error.message[0] != '\0') {
    fprintf(stderr, "%s\n", error.message);
  }
  return engine;
}

static rego_step step;

static rego_attempt start(rego_engine *engine, const char *name, uint32_t flags, rego_call *call) {
  rego_begin begin = REGO_BEGIN_INIT;
  rego_key key = 0;
  begin.now = T0;
  begin.flags = flags;
  OK(rego_key_intern(engine, text_of(name), &key));
  OK(rego_call_begin(engine, key, &begin, call, &step));
  return step.actions[0].attempt;
}

static void a_classifier_of_ones_own_decides(void) {
  const rego_classifier mine = classifier_of("own", own), strange = classifier_of("odd", odd);
  const rego_classifier *all[] = {&mine, &strange};
  rego_engine *engine = engine_with(all, 2);
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_call call = 0;
  dropped = asked = 0;
  facts.kind = REGO_COMPLETION_APP;
  facts.code = 1205;
  rego_attempt attempt = start(engine, "svc.Own", 0, &call);
  OK(rego_attempt_finish(engine, attempt, T0, &facts, &step));
  CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_VERDICT_NON_RETRYABLE);
  CHECK(asked == 1);
  /* What it does not touch is judged as by `auto`. */
  facts.code = 7;
  attempt = start(engine, "svc.Own", 0, &call);
  OK(rego_attempt_finish(engine, attempt, T0, &facts, &step));
  CHECK(step.n_actions == 0 && step.wake_at == T0 + 10 * MS);
  /* One that answers nonsense is no reason to try again. */
  for (facts.code = 7; facts.code <= 10; facts.code++) {
    attempt = start(engine, "svc.Odd", 0, &call);
    OK(rego_attempt_finish(engine, attempt, T0, &facts, &step));
    CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_VERDICT_NON_RETRYABLE);
  }
  CHECK(dropped == 0);
  CHECK(rego_engine_release(engine) == 0);
  CHECK(dropped == 2);
}

static void userdata_is_dropped_where_the_engine_is_not_made(void) {
  const rego_classifier mine = classifier_of("own", own), twice = classifier_of("own", own);
  rego_classifier bad = classifier_of("bad", NULL);
  const rego_classifier *all[] = {&mine, &twice}, *with_bad[] = {&mine, &bad, NULL};
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  options.classifiers = all;
  options.n_classifiers = 2;
  dropped = 0;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_INVALID);
  CHECK(dropped == 2 && strstr(error.message, "own") != NULL);
  CHECK(rego_engine_new(&options, NULL, NULL) == REGO_STATUS_NULL);
  CHECK(dropped == 4);
  options.abi_version = 999;
  CHECK(rego_engine_new(&options, &engine, NULL) == REGO_STATUS_UNSUPPORTED);
  CHECK(dropped == 6);
  options.abi_version = REGO_ABI_VERSION;
  options.classifiers = with_bad;
  options.n_classifiers = 3;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_NULL);
  CHECK(dropped == 8);
  options.classifiers = NULL;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_NULL);
  CHECK(engine == NULL);
}

/* A tail that is refused is no reason to keep what the known part hands over. */
static void what_a_newer_struct_hands_over_is_dropped(void) {
  struct {
    rego_classifier known;
    uint64_t newer;
  } odder = {.known = classifier_of("own", own), .newer = 1};
  struct {
    rego_options known;
    uint64_t newer;
  } newer = {.known = REGO_OPTIONS_INIT, .newer = 1};
  const rego_classifier mine = classifier_of("mine", own);
  const rego_classifier *all[] = {&odder.known}, *good[] = {&mine};
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  odder.known.struct_size = sizeof odder;
  newer.known.struct_size = sizeof newer;
  options.classifiers = all;
  newer.known.classifiers = good;
  options.n_classifiers = newer.known.n_classifiers = 1;
  dropped = 0;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_UNSUPPORTED && dropped == 1);
  CHECK(error.status == REGO_STATUS_UNSUPPORTED && strstr(error.message, "classifiers") != NULL);
  CHECK(rego_engine_new(&newer.known, &engine, &error) == REGO_STATUS_UNSUPPORTED && dropped == 2);
  odder.known.struct_size = 4097;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_INVALID && dropped == 2);
}

static bool tells(const rego_error *error, rego_status status, const char *what) {
  return error->status == status && strstr(error->message, what) != NULL;
}

static void every_failure_is_explained(void) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  const rego_str nothing = {NULL, 4};
  CHECK(rego_engine_new(NULL, &engine, &error) == REGO_STATUS_NULL);
  CHECK(tells(&error, REGO_STATUS_NULL, "options is NULL"));
  CHECK(rego_engine_new(&options, NULL, &error) == REGO_STATUS_NULL);
  CHECK(tells(&error, REGO_STATUS_NULL, "engine_out is NULL"));
  options.struct_size = 4;
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_INVALID);
  CHECK(tells(&error, REGO_STATUS_INVALID, "options"));
  options.struct_size = sizeof options;
  setenv("REGO_MODE", "sideways", 1);
  CHECK(rego_engine_new(&options, &engine, &error) == REGO_STATUS_INVALID);
  CHECK(tells(&error, REGO_STATUS_INVALID, "REGO_MODE"));
  unsetenv("REGO_MODE");
  CHECK(rego_engine_load_policies(NULL, text_of("schema = 1"), &error) == REGO_STATUS_NULL);
  CHECK(tells(&error, REGO_STATUS_NULL, "engine is NULL"));
  OK(rego_engine_new(&options, &engine, &error));
  CHECK(rego_engine_load_policies(engine, nothing, &error) == REGO_STATUS_NULL);
  CHECK(tells(&error, REGO_STATUS_NULL, "policies is NULL"));
  rego_engine_release(engine);
}

static void a_timeline_is_told_in_structs_and_json(void) {
  rego_engine *engine = engine_with(NULL, 0);
  rego_completion unavailable = REGO_COMPLETION_INIT, ok = REGO_COMPLETION_INIT;
  rego_timeline timeline = REGO_TIMELINE_INIT;
  rego_attempt_record records[4];
  rego_call call = 0;
  size_t n = 0, len = 0;
  char json[4096];
  unavailable.kind = REGO_COMPLETION_HTTP;
  unavailable.code = 503;
  rego_attempt attempt = start(engine, "svc.Get", REGO_BEGIN_KEEP, &call);
  CHECK(rego_call_timeline(engine, call, &timeline) == REGO_STATUS_STALE);
  CHECK(rego_call_attempts(engine, call, records, sizeof *records, 4, &n) == REGO_STATUS_STALE);
  CHECK(rego_call_timeline_json(engine, call, json, sizeof json, &len) == REGO_STATUS_STALE);
  OK(rego_attempt_finish(engine, attempt, T0 + 5 * MS, &unavailable, &step));
  OK(rego_call_poll(engine, call, step.wake_at, &step));
  OK(rego_attempt_finish(engine, step.actions[0].attempt, T0 + 20 * MS, &ok, &step));

  OK(rego_call_timeline(engine, call, &timeline));
  CHECK(timeline.struct_size == sizeof timeline && timeline.verdict == REGO_VERDICT_SUCCESS);
  CHECK(timeline.started == T0 && timeline.ended == T0 + 20 * MS && timeline.answer == 1);
  CHECK(timeline.attempts == 2 && strcmp(timeline.key, "svc.Get") == 0);
  OK(rego_call_attempts(engine, call, records, sizeof *records, 1, &n));
  CHECK(n == 2 && records[0].number == 0 && records[0].kind == REGO_ATTEMPT_FIRST);
  OK(rego_call_attempts(engine, call, records, sizeof *records, 4, &n));
  CHECK(n == 2 && records[0].completion == REGO_COMPLETION_HTTP && records[0].code == 503);
  CHECK(records[0].outcome == REGO_OUTCOME_RETRYABLE && records[0].ended == T0 + 5 * MS);
  CHECK(records[0].cancelled == REGO_NONE);
  CHECK(records[1].kind == REGO_ATTEMPT_RETRY && records[1].backoff == 10 * MS);
  CHECK(records[1].outcome == REGO_OUTCOME_SUCCESS && records[1].queued == T0 + 15 * MS);
  OK(rego_call_timeline_json(engine, call, json, sizeof json, &len));
  CHECK(len == strlen(json) && json[0] == '{' && json[len - 1] == '}');
  CHECK(strstr(json, "\"verdict\":\"success\"") != NULL);
  CHECK(strstr(json, "\"reason\":\"http_503\"") != NULL);
  OK(rego_call_end(engine, call));
  rego_engine_release(engine);
}

/* However many there are: 10 groups of a primary and 3 hedges, of which the last answers. */
static void every_attempt_is_in_the_timeline(void) {
  static const char most[] =
      "schema = 1\n[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 10\n"
      "jitter = \"none\"\nbudget = \"unlimited\"\n"
      "[defaults.hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"1ms\"\nmax_hedges = 3\n"
      "budget = \"unlimited\"\n";
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_completion unavailable = REGO_COMPLETION_INIT;
  rego_timeline timeline = REGO_TIMELINE_INIT;
  rego_attempt_record records[64];
  rego_attempt attempts[64];
  rego_call call = 0;
  rego_time now = T0;
  size_t n = 0, launched = 0;
  unavailable.kind = REGO_COMPLETION_HTTP;
  unavailable.code = 503;
  options.now = T0;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_engine_load_policies(engine, text_of(most), NULL));
  attempts[launched++] = start(engine, "svc.Get", REGO_BEGIN_KEEP, &call);
  for (int group = 0; group < 10; group++) {
    const size_t primary = launched - 1;
    for (int hedge = 0; hedge < 3; hedge++) {
      now = step.wake_at;
      OK(rego_call_poll(engine, call, now, &step));
      attempts[launched++] = step.actions[0].attempt;
    }
    for (size_t i = primary; i < primary + 4; i++) {
      OK(rego_attempt_finish(engine, attempts[i], now, &unavailable, &step));
    }
    if (group < 9) {
      now = step.wake_at;
      OK(rego_call_poll(engine, call, now, &step));
      attempts[launched++] = step.actions[0].attempt;
    }
  }
  CHECK(launched == 40 && step.n_actions == 1 && step.actions[0].kind == REGO_ACTION_DONE);
  CHECK(step.actions[0].number == 40);
  OK(rego_call_timeline(engine, call, &timeline));
  CHECK(timeline.attempts == 40 && timeline.answer == 39 && timeline.notes_dropped == 0);
  OK(rego_call_attempts(engine, call, records, sizeof *records, 64, &n));
  CHECK(n == 40);
  for (size_t i = 0; i < n; i++) {
    CHECK(records[i].number == i && records[i].code == 503 && records[i].ended != REGO_TIME_NEVER);
    CHECK(records[i].retry_index == i / 4 && records[i].hedge_index == i % 4);
  }
  OK(rego_call_end(engine, call));
  rego_engine_release(engine);
}

static void a_release_tells_what_is_unfinished(void) {
  rego_engine *engine = engine_with(NULL, 0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_call call = 0;
  start(engine, "svc.Get", 0, &call);
  start(engine, "svc.Get", 0, &call);
  OK(rego_attempt_finish(engine, start(engine, "svc.Get", 0, &call), T0, &ok, &step));
  rego_engine_retain(engine);
  CHECK(rego_engine_release(engine) == 2);
  CHECK(rego_engine_release(engine) == 2);
  CHECK(rego_engine_release(NULL) == 0);
}

#define LOSERS 1000

/* Attempts whose calls have been answered by a hedge come back late, by whoever has a reference. Of
   eight losers at one site, which are as many as it puts up with. */
static void losers_are_reported_and_finish_late(void) {
  rego_engine *engine = engine_with(NULL, 0);
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_call call = 0;
  static rego_attempt losers[LOSERS];
  OK(rego_engine_load_policies(engine, text_of(with_hedging), NULL));
  for (int i = 0; i < LOSERS; i++) {
    char key[32];
    snprintf(key, sizeof key, "svc.Get%d", i / 8);
    losers[i] = start(engine, key, 0, &call);
    OK(rego_call_poll(engine, call, step.wake_at, &step));
    CHECK(step.n_actions == 1 && step.actions[0].reason == REGO_ATTEMPT_HEDGE);
    ok.result = (uint64_t)i;
    OK(rego_attempt_finish(engine, step.actions[0].attempt, T0 + 3 * MS, &ok, &step));
    CHECK(step.n_actions == 2 && step.actions[0].kind == REGO_ACTION_CANCEL);
    CHECK(step.actions[0].attempt == losers[i] && step.actions[1].result == (uint64_t)i);
  }
  CHECK(rego_engine_retain(engine) == engine);
  CHECK(rego_engine_release(engine) == LOSERS);
  for (int i = 0; i < LOSERS; i++) {
    CHECK(rego_attempt_cancelled(engine, losers[i]));
    OK(rego_attempt_finish(engine, losers[i], T0 + 9 * MS, &ok, &step));
    CHECK(step.n_actions == 0);
  }
  CHECK(rego_engine_release(engine) == 0);
}

static uint64_t jitter_of(rego_engine *engine) {
  rego_completion unavailable = REGO_COMPLETION_INIT;
  uint64_t drawn = 0;
  unavailable.kind = REGO_COMPLETION_HTTP;
  unavailable.code = 503;
  for (int i = 0; i < 4; i++) {
    rego_call call = 0;
    rego_attempt attempt = start(engine, "fork.Get", 0, &call);
    OK(rego_attempt_finish(engine, attempt, T0, &unavailable, &step));
    drawn = drawn * 31 + (step.wake_at - T0);
    OK(rego_call_cancel(engine, call));
    OK(rego_call_poll(engine, call, T0, &step));
  }
  return drawn;
}

/* In the child: other jitter, and no call of the parent's. */
static void a_child_has_jitter_of_its_own_and_no_calls(uint64_t seed) {
  static const char jittery[] =
      "schema = 1\n[defaults.retry]\njitter = \"full\"\nbudget = \"unlimited\"\n";
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_call mine = 0;
  options.seed = seed;
  options.now = T0;
  OK(rego_engine_new(&options, &engine, NULL));
  uint64_t childs = 0, parents;
  int pipes[2], status = 0;
  OK(rego_engine_load_policies(engine, text_of(jittery), NULL));
  jitter_of(engine);
  rego_attempt attempt = start(engine, "fork.Get", 0, &mine);
  /* A start that nobody has heard of at the moment of the fork. */
  rego_loop *loop = NULL;
  rego_key key = 0;
  rego_begin begin = REGO_BEGIN_INIT;
  rego_call unheard = 0;
  rego_action action;
  size_t count = 0;
  begin.now = T0;
  OK(rego_key_intern(engine, text_of("fork.Get"), &key));
  OK(rego_loop_new(engine, NULL, NULL, NULL, &loop));
  OK(rego_loop_begin(loop, key, &begin, &unheard, NULL));
  CHECK(pipe(pipes) == 0);
  pid_t child = fork();
  if (child == 0) {
    failures = 0;
    CHECK(rego_engine_after_fork_child(engine) == 0);
    CHECK(rego_call_poll(engine, mine, T0, &step) == REGO_STATUS_STALE);
    CHECK(rego_attempt_finish(engine, attempt, T0, &ok, &step) == REGO_STATUS_STALE);
    CHECK(rego_attempt_cancelled(engine, attempt));
    CHECK(rego_loop_process(loop, T0, &action, 1, &count) == REGO_STATUS_OK && count == 0);
    /* The loop goes on with calls of the child's own. */
    CHECK(rego_loop_begin(loop, key, &begin, &unheard, NULL) == REGO_STATUS_OK);
    CHECK(rego_loop_process(loop, T0, &action, 1, &count) == REGO_STATUS_OK && count == 1);
    CHECK(action.kind == REGO_ACTION_START && action.call == unheard);
    rego_loop_free(loop);
    CHECK(rego_attempt_finish(engine, action.attempt, T0, &ok, &step) == REGO_STATUS_OK);
    childs = jitter_of(engine);
    CHECK(write(pipes[1], &childs, sizeof childs) == sizeof childs);
    CHECK(rego_engine_release(engine) == 0);
    _exit(failures == 0 ? 0 : 1);
  }
  CHECK(read(pipes[0], &childs, sizeof childs) == sizeof childs);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(rego_loop_process(loop, T0, &action, 1, &count));
  CHECK(count == 1 && action.call == unheard);
  /* As many calls as the child has made: with a seed, both draw the same. */
  OK(rego_loop_begin(loop, key, &begin, &unheard, NULL));
  rego_loop_free(loop);
  OK(rego_attempt_finish(engine, action.attempt, T0, &ok, &step));
  parents = jitter_of(engine);
  CHECK((parents != childs) == (seed == 0));
  /* The parent's call is as it was. */
  OK(rego_attempt_finish(engine, attempt, T0, &ok, &step));
  CHECK(step.actions[0].reason == REGO_VERDICT_SUCCESS);
  CHECK(rego_engine_after_fork_child(NULL) == 0);
  rego_engine_release(engine);
}

static struct {
  rego_run_fn run;
  uint64_t task;
} later[4];
static int waiting, attempted, told;

/* Threads that are slow to come. */
static int32_t spawn_later(void *userdata, rego_run_fn run, uint64_t task) {
  (void)userdata;
  later[waiting].run = run;
  later[waiting++].task = task;
  return 0;
}

static int32_t schedule_later(void *userdata, rego_time at, rego_run_fn run, uint64_t task) {
  (void)at;
  return spawn_later(userdata, run, task);
}

static void attempt_it(void *userdata, const rego_attempt_info *info, rego_completion *completion) {
  (void)userdata, (void)info, (void)completion;
  attempted++;
}

static void be_told(void *userdata, const rego_result *result) {
  (void)userdata;
  told += result->verdict == REGO_VERDICT_SUCCESS;
}

static void run_what_waits(void) {
  for (int i = 0; i < waiting; i++) later[i].run(later[i].task);
}

/* In the child its id is stale, and its tasks are none; in the parent it goes on. */
static void a_submitted_call_is_its_parents(void) {
  rego_engine *engine = engine_with(NULL, 0);
  rego_work work = REGO_WORK_INIT;
  rego_executor executor = REGO_EXECUTOR_INIT;
  rego_key key = 0;
  rego_call call = 0;
  int status = 0;
  work.attempt = attempt_it;
  work.on_done = be_told;
  work.drop = executor.drop = count_drop;
  executor.spawn = spawn_later;
  executor.schedule = schedule_later;
  OK(rego_key_intern(engine, text_of("svc.Get"), &key));
  dropped = 0;
  OK(rego_submit(engine, key, 0, &work, &executor, &call));
  pid_t child = fork();
  if (child == 0) {
    failures = 0;
    rego_engine_after_fork_child(engine);
    CHECK(rego_call_cancel(engine, call) == REGO_STATUS_STALE);
    run_what_waits();
    CHECK(attempted == 0 && told == 0 && dropped == 0);
    _exit(failures == 0 ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  run_what_waits();
  CHECK(attempted == 1 && told == 1 && dropped == 2);
  CHECK(rego_call_cancel(engine, call) == REGO_STATUS_STALE);
  rego_engine_release(engine);
}

/* What only a document can say, from C as from any front. */
static void documents_say_it_all(void) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_error error = REGO_ERROR_INIT;
  options.now = T0;
  OK(rego_engine_new(&options, &engine, NULL));
  OK(rego_engine_load_policies(engine, text_of("schema = 1\n"
                                               "[budgets.few]\nkind = \"ratio\"\nratio = 0.1\nstart = 1\n"
                                               "[policies.\"svc.Load\"]\nidempotent = true\n"
                                               "retry.budget = \"few\"\n"
                                               "hedge = { enabled = true, trigger = { load = 0.02 }, "
                                               "objective = 0.999, fan_out = 20 }\n"),
                               &error));
  CHECK(rego_engine_load_policies(engine, text_of("schema = 1\n[policies.\"svc.Load\"]\n"
                                                  "hedge = { objective = 99.0 }\n"),
                                  &error) == REGO_STATUS_INVALID);
  CHECK(strstr(error.message, "hedge.objective") != NULL);
  rego_engine_release(engine);
}

int main(void) {
  documents_say_it_all();
  unsetenv("REGO_MODE");
  step.struct_size = sizeof step;
  a_classifier_of_ones_own_decides();
  userdata_is_dropped_where_the_engine_is_not_made();
  what_a_newer_struct_hands_over_is_dropped();
  every_failure_is_explained();
  a_timeline_is_told_in_structs_and_json();
  every_attempt_is_in_the_timeline();
  a_release_tells_what_is_unfinished();
  losers_are_reported_and_finish_late();
  a_child_has_jitter_of_its_own_and_no_calls(0);
  a_child_has_jitter_of_its_own_and_no_calls(7); /* the control: draws that are meant to repeat */
  a_submitted_call_is_its_parents();
  return failures == 0 ? 0 : 1;
}
