/* Operations on engines, keys, policies and loops. */
#ifndef EVIL_REST_H
#define EVIL_REST_H

#include "evil_work.h"

/* Loops: one of each engine for all, and those that threads have for themselves. */
static rego_loop *loops[ENGINES];
static uint32_t loops_made;

/* Two that are fine, and what is none. */
static const char policies[] =
    "schema = 1\n[defaults]\nidempotent = true\n"
    "[defaults.retry]\nmax_attempts = 3\ninitial_backoff = \"1ms\"\nbudget = \"unlimited\"\n"
    "[defaults.hedge]\nenabled = true\ntrigger = \"fixed\"\ndelay = \"5ms\"\nbudget = \"unlimited\"\n"
    "[policies.\"svc.Own\".retry]\nclassifier = \"own\"\n"
    "[policies.\"svc.Plain\".hedge]\nenabled = false\n";
static const char others[] =
    "{\"schema\": 1, \"defaults\": {\"idempotent\": true, \"retry\": {\"max_attempts\": 2, "
    "\"initial_backoff\": \"1ms\", \"classifier\": \"own\"}, "
    "\"hedge\": {\"enabled\": true, \"trigger\": \"fixed\", \"delay\": \"2ms\"}}}";

static void name_things(struct thread *self) {
  const int32_t status = (int32_t)(draw(self) % 128) - 120;
  RIGHT(self, rego_abi_version() == REGO_ABI_VERSION);
  RIGHT(self, strncmp(rego_version(), "0.", 2) == 0);
  RIGHT(self, rego_status_name(status)[0] != 0);
  RIGHT(self, strcmp(rego_status_name((int32_t)draw(self) | 1), "REGO_STATUS_OK") != 0);
}

static void count_references(struct thread *self) {
  rego_engine *engine = engines[any_engine(self)];
  RIGHT(self, rego_engine_retain(engine) == engine);
  RIGHT(self, rego_engine_retain(NULL) == NULL && rego_engine_release(NULL) == 0);
  begin_call(self);
  (void)rego_engine_release(engine);
}

static void drain(struct thread *self) {
  struct {
    rego_event event;
    uint64_t news;
  } events[8];
  const unsigned engine = any_engine(self);
  size_t n = 0, capacity = draw(self) % 9, size = sizeof *events;
  uint64_t missed = 0;
  int bad = 0;
  const int none = rarely(self, 16);
  rego_event *out = array(self, none ? NULL : &events[0].event, capacity, &bad);
  switch (draw(self) % 32) {
    case 0: size = rarely(self, 2) ? huge(self) : draw(self) % sizeof(rego_event); bad = 1; break;
    case 1: capacity = SIZE_MAX; bad = 1; break;
    default: break;
  }
  size_t *count = at(self, &n, &bad);
  uint64_t *lost = at(self, &missed, &bad);
  if (answer(self, rego_events_drain(engine_at(self, engine, &bad), out, size, capacity, count, lost)) == 0) {
    RIGHT(self, !bad && n <= capacity);
    for (size_t i = 0; i < n && i < 8; i++) {
      const rego_event *event = &events[i].event;
      RIGHT(self, event->kind <= REGO_EVENT_ATTEMPT_REJECTED && events[i].news == 0);
      RIGHT(self, event->struct_size == sizeof *event && memchr(event->key, 0, sizeof event->key));
    }
  }
}

static void write_metrics(struct thread *self) {
  char text[1024];
  size_t len = 0, capacity = draw(self) % (sizeof text + 1);
  int bad = 0;
  const int none = rarely(self, 4);
  if (none) {
    capacity = rarely(self, 2) ? 0 : huge(self);
    bad = capacity != 0;
  }
  rego_engine *engine = engine_at(self, any_engine(self), &bad);
  if (answer(self, rego_metrics_write(engine, none ? NULL : text, capacity, at(self, &len, &bad))) == 0) {
    RIGHT(self, !bad);
    check_text(self, text, none ? 0 : capacity, len);
  }
}

static void load_policies(struct thread *self) {
  static const char broken[] = "schema = 1\n[defaults]\nspeed = \"\xff\"\n";
  rego_error error = REGO_ERROR_INIT;
  rego_str text = {policies, sizeof policies - 1};
  int bad = 0, wrong_size = 0;
  switch (draw(self) % 8) {
    case 0: text.len = draw(self) % (sizeof policies - 40); bad = text.len < 10; break;
    case 1: text.ptr = NULL; text.len = huge(self); bad = 1; break;
    case 2: text.ptr = broken; text.len = sizeof broken - 1; bad = 1; break;
    case 3: text.len = (size_t)1 << 63; bad = 1; break;
    case 4:
    case 5: text.ptr = others; text.len = sizeof others - 1; break;
    default: break;
  }
  error.struct_size = sized(self, sizeof error, &wrong_size);
  const int untold = bad || wrong_size;
  rego_engine *engine = engine_at(self, any_engine(self), &bad);
  const rego_status status = rego_engine_load_policies(engine, text, rarely(self, 2) ? &error : NULL);
  RIGHT(self, !bad || answer(self, status) != REGO_STATUS_OK);
  RIGHT(self, bad || text.ptr != others || status == REGO_STATUS_OK || wrong_size);
  RIGHT(self, untold || memchr(error.message, 0, sizeof error.message) != NULL);
}

static void intern(struct thread *self) {
  static const char odd[] = {'\xff', '\xfe', '\0', '\n', 'a'};
  static char name[300];
  const unsigned engine = any_engine(self), which = (unsigned)(draw(self) % KEYS);
  char fresh[24];
  rego_str text = {names[which], strlen(names[which])};
  rego_key key = 0;
  int bad = 0, known = 0;
  switch (draw(self) % 8) {
    case 0: text.ptr = name, text.len = 257 + draw(self) % 40; bad = 1; break;
    case 1: text.ptr = odd, text.len = 1 + draw(self) % 4; bad = 1; break;
    case 2: text.ptr = NULL, text.len = huge(self); bad = 1; break;
    case 3: text.len = rarely(self, 2) ? 0 : SIZE_MAX / 2 + 1; bad = 1; break;
    case 4:
    case 5:
      text.ptr = fresh;
      text.len = (size_t)snprintf(fresh, sizeof fresh, "odd.%u", (unsigned)(draw(self) % 100));
      break;
    default: known = 1; break;
  }
  rego_engine *place = engine_at(self, engine, &bad);
  if (answer(self, rego_key_intern(place, text, at(self, &key, &bad))) == REGO_STATUS_OK) {
    RIGHT(self, !bad && key != 0 && (!known || key == keys[engine][which]));
  } else {
    RIGHT(self, bad && key == 0);
  }
}

/* Terms stand for a while, and calls that were made on them are settled. */
static void stand(struct thread *self) {
  const unsigned engine = any_engine(self);
  rego_standing terms = REGO_STANDING_INIT;
  uint32_t which = 0;
  int bad = 0;
  const rego_key key = any_key(self, engine, &which, &bad);
  terms.struct_size = sized(self, sizeof terms, &bad);
  const rego_time now = any_time(self, engine, &bad);
  rego_engine *place = engine_at(self, engine, &bad);
  if (answer(self, rego_key_standing(place, key, now, at(self, &terms, &bad))) == REGO_STATUS_OK) {
    RIGHT(self, !bad && terms.current != NULL && terms.flags <= (REGO_STANDING_GRANTED | REGO_STANDING_SHARED));
    RIGHT(self, __atomic_load_n(terms.current, __ATOMIC_ACQUIRE) >= terms.edition);
    RIGHT(self, terms.attempt_timeout > 0 && terms.overall_timeout > 0);
  } else {
    RIGHT(self, bad && terms.current == NULL);
  }
}

static void settle_calls(struct thread *self) {
  const unsigned engine = any_engine(self);
  uint64_t lengths[9];
  rego_settlement calls = REGO_SETTLEMENT_INIT;
  uint32_t which = 0;
  int bad = 0, odd = 0;
  for (size_t i = 0; i < 8; i++) {
    lengths[i] = draw(self) >> draw(self) % 64;
  }
  calls.n_lengths = draw(self) % 9;
  calls.lengths = array(self, lengths, calls.n_lengths, &odd);
  bad = odd && calls.n_lengths > 0; /* else nobody looks */
  if (rarely(self, 64)) {
    calls.lengths = NULL;
    calls.n_lengths = huge(self);
    bad = 1;
  }
  calls.in_flight = (int32_t)(draw(self) % 5) - 2;
  calls.now = any_time(self, engine, &bad);
  calls.struct_size = sized(self, sizeof calls, &bad);
  const rego_key key = any_key(self, engine, &which, &bad);
  rego_engine *place = engine_at(self, engine, &bad);
  const rego_settlement *from = at(self, &calls, &bad);
  RIGHT(self, (answer(self, rego_key_settle(place, key, from)) == REGO_STATUS_OK) == !bad);
}

/* An engine that is not made: what was handed over with it is dropped. */
static void make_no_engine(struct thread *self) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_classifier own = REGO_CLASSIFIER_INIT, *all[] = {&own, NULL};
  struct job *job = job_of(self, 0);
  rego_engine *engine = NULL;
  int bad = 0;
  own.name = REGO_STR("own");
  own.userdata = job;
  own.classify = on_classify;
  own.drop = drop_classifier;
  options.classifiers = (const rego_classifier *const *)all;
  options.n_classifiers = 1;
  job->handed_over = DROP_CLASSIFIER;
  switch (draw(self) % 6) {
    case 0: options.abi_version++; break;
    case 1: options.max_live_calls = UINT32_MAX; break;
    case 2: options.now = UINT64_MAX; break;
    case 3: options.n_classifiers = 2; break;
    case 4: own.name = REGO_STR("auto"); break;
    default:
      options.n_classifiers = huge(self);
      job->handed_over = 0;
      break;
  }
  RIGHT(self, answer(self, rego_engine_new(&options, &engine, NULL)) != REGO_STATUS_OK && engine == NULL);
  options.struct_size = sized(self, sizeof options, &bad);
  if (bad) {
    RIGHT(self, answer(self, rego_engine_new(&options, &engine, NULL)) != REGO_STATUS_OK);
  }
}

static rego_status answer_of_loop(struct thread *self, rego_status status, int is_shared) {
  RIGHT(self, is_shared || status != REGO_STATUS_BUSY);
  return status == REGO_STATUS_BUSY ? status : answer(self, status);
}

static void begin_at(struct thread *self, rego_loop *loop, unsigned engine, uint32_t number) {
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  uint64_t cookie = 0;
  int bad = 0;
  struct record *it = book(self, engine, &cookie);
  if (it == NULL) {
    return;
  }
  it->loop = number;
  rego_begin begin = any_begin(self, engine, it, &bad);
  begin.cookie = told_cookie(cookie);
  const rego_key key = any_key(self, engine, &it->key, &bad);
  rego_step *out = &step;
  if (rarely(self, 2)) {
    out = NULL;
  } else {
    step.struct_size = sized(self, sizeof step, &bad);
  }
  rego_loop *place = at(self, loop, &bad);
  if (answer_of_loop(self, rego_loop_begin(place, key, at(self, &begin, &bad), at(self, &call, &bad), out),
                     number <= ENGINES) == REGO_STATUS_OK) {
    RIGHT(self, !bad && call != 0 && is_or_becomes(&it->call, call));
    if (out != NULL) {
      heed(self, &step, it);
    }
    remember(self, call);
  }
}

static void process(struct thread *self, rego_loop *loop, unsigned engine, uint32_t number) {
  rego_action actions[4];
  size_t n = 0, capacity = draw(self) % 5;
  int bad = 0;
  rego_time now = any_time(self, number <= ENGINES ? 0 : engine, &bad);
  now += now < 1000 * MS ? draw(self) % 3000 * MS : 0;
  const int none = rarely(self, 32);
  if (none) {
    capacity = rarely(self, 2) ? 0 : huge(self);
  }
  rego_action *out = array(self, none ? NULL : actions, capacity, &bad);
  rego_loop *place = at(self, loop, &bad);
  (void)rego_loop_next_deadline(place == loop ? loop : NULL);
  if (answer_of_loop(self, rego_loop_process(place, now, out, capacity, at(self, &n, &bad)),
                     number <= ENGINES) == REGO_STATUS_OK) {
    RIGHT(self, !bad && n <= capacity);
    for (size_t i = 0; i < n && i < 4; i++) {
      hear(self, &actions[i], number);
      struct record *it = record_of(actions[i].cookie);
      if (it != NULL) {
        clear_up(self, it);
      }
    }
  }
}

static void use_loop(struct thread *self) {
  const unsigned engine = any_engine(self);
  begin_at(self, loops[engine], engine, engine + 1);
  process(self, loops[engine], engine, engine + 1);
}

/* A loop of one's own, which goes with what is in it. */
static void own_loop(struct thread *self) {
  const unsigned engine = any_engine(self);
  const uint32_t number = __atomic_add_fetch(&loops_made, 1, __ATOMIC_RELAXED) + ENGINES;
  struct job *job = job_of(self, engine);
  rego_loop *loop = NULL;
  int bad = 0;
  job->handed_over = DROP_LOOP;
  RIGHT(self, rego_loop_next_deadline(NULL) == REGO_TIME_NEVER);
  rego_loop_free(NULL);
  rego_engine *place = engine_at(self, engine, &bad);
  if (answer(self, rego_loop_new(place, rarely(self, 2) ? on_notify : NULL, job, drop_loop,
                                 at(self, &loop, &bad))) != REGO_STATUS_OK) {
    RIGHT(self, bad && loop == NULL);
    return;
  }
  RIGHT(self, !bad);
  for (uint64_t i = draw(self) % 4; i > 0; i--) {
    begin_at(self, loop, engine, number);
    finish(self);
    process(self, loop, engine, number);
  }
  rego_loop_free(loop);
}

#endif
