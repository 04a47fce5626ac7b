/* Operations on calls that the host drives. None of them waits, so callbacks make them, too. */
#ifndef EVIL_CALLS_H
#define EVIL_CALLS_H

#include <string.h>

#include "evil_args.h"

/* As a newer host would have it: sizes beyond the struct are still sizes of this. */
struct newer_completion {
  rego_completion facts;
  uint64_t news;
};
struct newer_record {
  rego_attempt_record record;
  uint64_t news;
};

static rego_begin any_begin(struct thread *self, unsigned engine, struct record *it, int *bad) {
  rego_begin begin = REGO_BEGIN_INIT;
  begin.struct_size = sized(self, sizeof begin, bad);
  begin.now = any_time(self, engine, bad);
  begin.deadline = any_deadline(self);
  begin.flags = rarely(self, 4) ? REGO_BEGIN_KEEP : 0;
  it->kept = begin.flags;
  begin.idempotent = (uint32_t)(draw(self) % 3);
  begin.priority = (uint32_t)(draw(self) % 256);
  begin.edition = rarely(self, 8) ? draw(self) >> draw(self) % 64 : 0;
  switch (draw(self) % 256) {
    case 0: begin.flags |= 2; *bad = 1; break;
    case 1: begin.idempotent = 3; *bad = 1; break;
    case 2: begin.priority = 256; *bad = 1; break;
    default: break;
  }
  return begin;
}

/* Mostly, what a call that is over has left behind is finished: else no other is retried any more. */
static void clear_up(struct thread *self, struct record *it) {
  const rego_completion facts = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  for (int nth = 0; nth < TRIES && is_over(it) && !rarely(self, 16); nth++) {
    const uint64_t attempt = load(&it->attempts[nth]);
    if (attempt != 0 &&
        answer(self, rego_attempt_finish(engines[it->engine], attempt, 1, &facts, &step)) == 0) {
      RIGHT(self, mark(&it->marks, UINT32_C(1) << nth));
      hear_step(self, &step, it);
    }
  }
}

/* What a step says of its call; and for a while, what comes of it in time. */
static void heed(struct thread *self, rego_step *step, struct record *of) {
  hear_step(self, step, of);
  for (int i = 0; i < 4 && of != NULL && step->wake_at < 1100 * MS && rarely(self, 2); i++) {
    rego_engine *engine = engines[of->engine];
    if (answer(self, rego_call_poll(engine, load(&of->call), step->wake_at, step)) != REGO_STATUS_OK) {
      break;
    }
    hear_step(self, step, of);
  }
  if (of != NULL) {
    clear_up(self, of);
  }
}

static uint64_t told_cookie(uint64_t cookie) {
#if EVIL_CONTROL == 1
  /* Wrong on purpose: now and then another call's. */
  return cookie % 1024 == 1023 ? cookie - 1 : cookie;
#else
  return cookie;
#endif
}

static void begin_call(struct thread *self) {
  const unsigned engine = any_engine(self);
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  uint64_t cookie = 0;
  int bad = 0;
  struct record *it = book(self, engine, &cookie);
  if (it == NULL) {
    return;
  }
  rego_begin begin = any_begin(self, engine, it, &bad);
  begin.cookie = told_cookie(cookie);
  const rego_key key = any_key(self, engine, &it->key, &bad);
  step.struct_size = sized(self, sizeof step, &bad);
  if (answer(self, rego_call_begin(engine_at(self, engine, &bad), key, at(self, &begin, &bad),
                                   at(self, &call, &bad), at(self, &step, &bad))) == 0) {
    RIGHT(self, !bad && call != 0 && is_or_becomes(&it->call, call) && step.n_actions == 1);
    heed(self, &step, it);
    remember(self, call);
  }
}

/*
 * What is over is over, to everything; but that an attempt is, is seen by some only when the thread
 * has seen it that drives its call at this moment.
 */
static void nothing_comes_of(struct thread *self, const struct target *it, rego_engine *engine,
                             int is_seen) {
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_outcome outcome = REGO_OUTCOME_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_timeline timeline = REGO_TIMELINE_INIT;
  size_t n = 0;
  const rego_status stale = REGO_STATUS_STALE;
  RIGHT(self, rego_attempt_finish(engine, it->id, 1, &facts, &step) == stale);
  RIGHT(self, rego_attempt_finish_as(engine, it->id, 1, &outcome, &step) == stale);
  RIGHT(self, rego_attempt_reject(engine, it->id, 1, &step) == stale);
  if (is_seen) {
    RIGHT(self, rego_attempt_queued(engine, it->id, 1, &step) == stale);
    RIGHT(self, rego_attempt_started(engine, it->id, 1, &step) == stale);
    RIGHT(self, rego_attempt_cancelled(engine, it->id));
  }
  RIGHT(self, rego_call_poll(engine, it->id, 1, &step) == stale);
  RIGHT(self, rego_call_cancel(engine, it->id) == stale);
  RIGHT(self, rego_call_end(engine, it->id) == stale);
  RIGHT(self, rego_call_let_go(engine, it->id) == stale);
  RIGHT(self, rego_call_timeline(engine, it->id, &timeline) == stale);
  RIGHT(self, rego_call_attempts(engine, it->id, NULL, sizeof(rego_attempt_record), 0, &n) == stale);
  RIGHT(self, rego_call_timeline_write(engine, it->id, NULL, 0, &n) == stale);
  RIGHT(self, rego_call_timeline_json(engine, it->id, NULL, 0, &n) == stale);
}

/* The other engine knows nothing of it. */
static void stranger(struct thread *self) {
  const struct target it = any_target(self, rarely(self, 2));
  rego_begin begin = REGO_BEGIN_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_call call = 0;
  const unsigned engine = !it.engine;
  const rego_status begun =
      rego_call_begin(engines[engine], keys[!engine][draw(self) % KEYS], &begin, &call, &step);
  RIGHT(self, begun == REGO_STATUS_STALE && call == 0);
  if (it.of != NULL) {
    nothing_comes_of(self, &it, engines[engine], 1);
  }
}

static rego_completion any_facts(struct thread *self, uint64_t result, int *bad) {
  rego_completion facts = REGO_COMPLETION_INIT;
  facts.kind = (uint32_t)(draw(self) % 9);
  facts.code = (int32_t)(draw(self) % (facts.kind == 1 ? 600 : facts.kind == 2 ? 17 : 26));
  facts.flags = rarely(self, 4) ? (uint32_t)(draw(self) % 8) : 0;
  facts.method = (uint32_t)(draw(self) % 10);
  facts.retry_after = rarely(self, 16) ? draw(self) >> draw(self) % 64 : 0;
  facts.result = result;
  switch (draw(self) % 256) {
    case 0: facts.kind = 9; *bad = 1; break;
    case 1: facts.flags = 8; *bad = 1; break;
    case 2: facts.method = 10; *bad = 1; break;
    case 3: facts.reserved = 1; *bad = 1; break;
    case 4: facts.kind = 2; facts.code = -1; *bad = 1; break;
    default: break;
  }
  return facts;
}

static rego_outcome any_outcome(struct thread *self, uint64_t result, int *bad) {
  rego_outcome outcome = REGO_OUTCOME_INIT;
  outcome.struct_size = sized(self, sizeof outcome, bad);
  outcome.kind = (uint32_t)(draw(self) % 4);
  outcome.failure = (uint32_t)(draw(self) % 6);
  outcome.backoff = rarely(self, 8) ? draw(self) >> draw(self) % 64 : 0;
  outcome.result = result;
  switch (draw(self) % 256) {
    case 0: outcome.kind = 4; *bad = 1; break;
    case 1: outcome.failure = 6; *bad = 1; break;
    case 2: outcome.reserved = 1; *bad = 1; break;
    default: break;
  }
  return outcome;
}

/* It has ended, one way or another: once. */
static void finish(struct thread *self) {
  const struct target it = any_target(self, 1);
  const unsigned place = place_of(self, &it);
  rego_step step = REGO_STEP_INIT;
  rego_status status;
  int bad = 0;
  rego_engine *engine = engine_at(self, place, &bad);
  const rego_time now = any_time(self, place, &bad);
  step.struct_size = sized(self, sizeof step, &bad);
  rego_step *out = at(self, &step, &bad);
  if (draw(self) % 8 < 5) {
    struct newer_completion completion = {any_facts(self, it.id, &bad), 0};
    completion.facts.struct_size = sized(self, sizeof completion.facts, &bad);
    if (!bad && rarely(self, 16)) {
      completion.facts.struct_size = sizeof completion;
      completion.news = draw(self) % 2;
      bad = completion.news != 0;
    }
    status = rego_attempt_finish(engine, it.id, now, at(self, &completion.facts, &bad), out);
  } else if (rarely(self, 2)) {
    rego_outcome outcome = any_outcome(self, it.id, &bad);
    status = rego_attempt_finish_as(engine, it.id, now, at(self, &outcome, &bad), out);
  } else {
    status = rego_attempt_reject(engine, it.id, now, out);
  }
  if (of_target(self, status, &it, place, 1, bad) != REGO_STATUS_OK) {
    return;
  }
  heed(self, &step, it.of);
  if (it.of != NULL) {
    RIGHT(self, mark(&it.of->marks, UINT32_C(1) << it.attempt));
    if (rarely(self, 8)) {
      nothing_comes_of(self, &it, engine, !(step.flags & REGO_STEP_ELSEWHERE));
    }
  }
}

static void queue(struct thread *self) {
  const struct target it = any_target(self, 1);
  const unsigned place = place_of(self, &it);
  rego_step step = REGO_STEP_INIT;
  int bad = 0;
  rego_engine *engine = engine_at(self, place, &bad);
  const rego_time now = any_time(self, place, &bad);
  step.struct_size = sized(self, sizeof step, &bad);
  rego_step *out = at(self, &step, &bad);
  if (of_target(self, rego_attempt_queued(engine, it.id, now, out), &it, place, 1, bad) == 0) {
    heed(self, &step, it.of);
  }
  if (of_target(self, rego_attempt_started(engine, it.id, now, out), &it, place, 1, bad) == 0) {
    heed(self, &step, it.of);
  }
  const bool cancelled = rego_attempt_cancelled(engine, it.id);
  RIGHT(self, cancelled || engine == NULL || it.of == NULL || (place == it.engine && it.attempt >= 0));
  RIGHT(self, cancelled || engine != NULL);
}

static void poll(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  rego_step step = REGO_STEP_INIT;
  int bad = 0;
  rego_engine *engine = engine_at(self, place, &bad);
  const rego_time now = any_time(self, place, &bad);
  step.struct_size = sized(self, sizeof step, &bad);
  const int over =
      it.of != NULL && it.attempt < 0 && !it.of->kept && place == it.engine && is_over(it.of);
  const rego_status status = rego_call_poll(engine, it.id, now, at(self, &step, &bad));
  if (of_target(self, status, &it, place, 0, bad) == 0) {
    heed(self, &step, it.of);
  }
  RIGHT(self, !over || bad || status == REGO_STATUS_STALE);
}

static void cancel(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  int bad = 0;
  rego_engine *engine = engine_at(self, place, &bad);
  const int over = it.of != NULL && it.attempt < 0 && is_over(it.of);
  const rego_status status = rego_call_cancel(engine, it.id);
  (void)of_target(self, status, &it, place, 0, bad);
  RIGHT(self, !over || bad || status == REGO_STATUS_STALE);
}

/* What is kept goes once. */
static void let_go(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  int bad = 0;
  rego_engine *engine = engine_at(self, place, &bad);
  const rego_status status =
      rarely(self, 2) ? rego_call_end(engine, it.id) : rego_call_let_go(engine, it.id);
  if (of_target(self, status, &it, place, 0, bad) == 0 && it.of != NULL) {
    RIGHT(self, it.of->kept && mark(&it.of->marks, MARK_LET_GO));
  }
}

/* Text in the way of snprintf. */
static void check_text(struct thread *self, const char *text, size_t capacity, size_t len) {
  const char *end = capacity == 0 ? text : memchr(text, 0, capacity);
  RIGHT(self, end != NULL && len > 0 && (len >= capacity || end == text + len));
}

static void read_text(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  char text[256];
  size_t len = 0, capacity = draw(self) % (sizeof text + 1);
  int bad = 0;
  const int none = rarely(self, 16);
  rego_engine *engine = engine_at(self, place, &bad);
  if (none) {
    capacity = rarely(self, 2) ? 0 : huge(self);
    bad |= capacity != 0;
  }
  size_t *out = at(self, &len, &bad);
  char *buffer = none ? NULL : text;
  const rego_status status =
      rarely(self, 2) ? rego_call_timeline_write(engine, it.id, buffer, capacity, out)
                      : rego_call_timeline_json(engine, it.id, buffer, capacity, out);
  if (of_target(self, status, &it, place, 0, bad) == 0) {
    check_text(self, text, none ? 0 : capacity, len);
    RIGHT(self, it.of == NULL || it.of->kept);
  }
}

static void read_frame(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  rego_timeline timeline = REGO_TIMELINE_INIT;
  int bad = 0;
  timeline.struct_size = sized(self, sizeof timeline, &bad);
  rego_engine *engine = engine_at(self, place, &bad);
  const rego_status status = rego_call_timeline(engine, it.id, at(self, &timeline, &bad));
  if (of_target(self, status, &it, place, 0, bad) == 0) {
    RIGHT(self, timeline.attempts <= TRIES && timeline.struct_size == sizeof timeline);
    RIGHT(self, it.of == NULL || it.of->kept);
    RIGHT(self, it.of == NULL || strcmp(timeline.key, names[it.of->key]) == 0);
  }
}

static void read_attempts(struct thread *self) {
  const struct target it = any_target(self, 0);
  const unsigned place = place_of(self, &it);
  struct newer_record records[TRIES];
  size_t n = 0, capacity = draw(self) % (TRIES + 1), size = sizeof *records;
  int bad = 0;
  const int none = rarely(self, 16);
  rego_engine *engine = engine_at(self, place, &bad);
  rego_attempt_record *out = array(self, none ? NULL : &records[0].record, capacity, &bad);
  switch (draw(self) % 32) {
    case 0: size = rarely(self, 2) ? huge(self) : draw(self) % sizeof(rego_attempt_record); bad = 1; break;
    case 1: capacity = SIZE_MAX; bad = 1; break;
    default: break;
  }
  size_t *count = at(self, &n, &bad);
  const rego_status status = rego_call_attempts(engine, it.id, out, size, capacity, count);
  if (of_target(self, status, &it, place, 0, bad) == 0) {
    RIGHT(self, n <= TRIES && (it.of == NULL || it.of->kept));
    for (size_t i = 0; i < n && i < capacity; i++) {
      RIGHT(self, records[i].record.number == i && records[i].news == 0);
    }
  }
}

#endif
