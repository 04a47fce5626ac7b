/*
 * What the evil host was told, to hold everything that it is told later against: each call has a
 * cookie that says who began it and which one it was, so an action that is handed out for another
 * call's id, or with an attempt of another call's, is seen.
 */
#ifndef EVIL_TOLD_H
#define EVIL_TOLD_H

#include <rego.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define ENGINES 2
/* Calls of one thread in one round, and attempts of one call. */
#define CALLS (1 << 14)
#define TRIES 8
#define LATER 4096
#define IDS 64

/* Marks of a record: below them, one for each attempt that was finished. */
#define MARK_DONE (UINT32_C(1) << 16)
#define MARK_LET_GO (UINT32_C(1) << 17)

/* One call that the host drives. What several threads write is atomic. */
struct record {
  uint64_t call;
  uint64_t attempts[TRIES];
  uint32_t marks;
  /* Written before the call begins. */
  uint32_t engine;
  uint32_t kept;
  uint32_t key;
  uint32_t loop; /* 0 for none */
};

/* An attempt that was named before the thread that was told to start it had written that down. */
struct later {
  const struct record *of;
  uint64_t attempt;
};

struct job;

struct thread {
  uint64_t seed;
  uint64_t wrong;
  uint64_t done;
  uint64_t number;
  uint64_t begun;
  uint64_t n_later;
  struct record *records;
  struct later *later;
  struct job *jobs;
};

static struct thread states[THREADS];
static uint64_t round_number;
/* What the threads have seen of ids of all kinds. Each is one atomic word. */
static uint64_t ids[IDS];

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static uint64_t add(uint64_t *word) { return __atomic_fetch_add(word, 1, __ATOMIC_RELAXED); }

/* Whether the mark is new. */
static int mark(uint32_t *marks, uint32_t new_one) {
  return (__atomic_fetch_or(marks, new_one, __ATOMIC_ACQ_REL) & new_one) == 0;
}

/* Writes a word once: whether it has this value now. */
static int is_or_becomes(uint64_t *word, uint64_t value) {
  uint64_t seen = 0;
  return __atomic_compare_exchange_n(word, &seen, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
         seen == value;
}

/* Whether the word was still free. */
static int is_first(uint64_t *word, uint64_t value) {
  uint64_t seen = 0;
  return __atomic_compare_exchange_n(word, &seen, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* What does not hold is counted, and the first few are told. */
static void right(struct thread *self, const char *file, int line, int holds, const char *what) {
  if (!holds && add(&self->wrong) < 4) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
  }
}
#define RIGHT(self, holds) right(self, __FILE__, __LINE__, (holds), #holds)

static uint64_t draw(struct thread *self) {
  /* Atomic: callbacks draw, too, on whatever thread they are called. */
  uint64_t z = __atomic_add_fetch(&self->seed, UINT64_C(0x9E3779B97F4A7C15), __ATOMIC_RELAXED);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

/* Once in so many times. */
static int rarely(struct thread *self, uint64_t times) { return draw(self) % times == 0; }

static uint64_t any_id(struct thread *self) {
  uint64_t random = draw(self);
  switch (random % 8) {
    case 0: return draw(self);
    case 1: return random & 8 ? 0 : UINT64_MAX;
    default: return load(&ids[(random >> 8) % IDS]);
  }
}

static void remember(struct thread *self, uint64_t id) {
  __atomic_store_n(&ids[draw(self) % IDS], id, __ATOMIC_RELEASE);
}

/* A record for a call that is about to begin; NULL where there were enough. */
static struct record *book(struct thread *self, unsigned engine, uint64_t *cookie) {
  const uint64_t nth = add(&self->begun);
  if (nth >= CALLS) {
    return NULL;
  }
  *cookie = round_number << 24 | (uint64_t)engine << 20 | self->number << 16 | nth;
  self->records[nth].engine = engine;
  return &self->records[nth];
}

/* Whose cookie it is; NULL if it is nobody's, in this round. */
static struct record *record_of(uint64_t cookie) {
  const uint64_t nth = cookie & 0xffff, number = cookie >> 16 & 15, engine = cookie >> 20 & 15;
  const int good = cookie >> 24 == round_number && engine < ENGINES && number < THREADS &&
                   nth < CALLS && nth < load(&states[number].begun);
  return good ? &states[number].records[nth] : NULL;
}

static int attempt_of(const struct record *it, uint64_t attempt) {
  int found = TRIES;
  while (--found >= 0 && load(&it->attempts[found]) != attempt) {
  }
  return found;
}

/* An attempt is named that is to be the call's. */
static void named(struct thread *self, const struct record *it, uint64_t attempt) {
  if (attempt_of(it, attempt) >= 0) {
    return;
  }
  const uint64_t nth = add(&self->n_later);
  RIGHT(self, nth < LATER);
  if (nth < LATER) {
    self->later[nth].of = it;
    self->later[nth].attempt = attempt;
  }
}

/* One action, of a loop perhaps. */
static void hear(struct thread *self, const rego_action *action, uint32_t loop) {
  struct record *it = record_of(action->cookie);
  RIGHT(self, it != NULL && is_or_becomes(&it->call, action->call));
  if (it == NULL) {
    return;
  }
  RIGHT(self, loop == 0 || it->loop == loop);
  switch (action->kind) {
    case REGO_ACTION_START:
      RIGHT(self, action->number < TRIES && action->attempt != 0 &&
                      is_first(&it->attempts[action->number % TRIES], action->attempt));
      remember(self, action->attempt);
      break;
    case REGO_ACTION_CANCEL: named(self, it, action->attempt); break;
    case REGO_ACTION_DONE:
      if (action->attempt != 0) {
        named(self, it, action->attempt);
      }
      /* Attempts are finished with their own ids for results. */
      RIGHT(self, action->result == 0 || action->result == action->attempt);
      RIGHT(self, mark(&it->marks, MARK_DONE));
      add(&self->done);
      break;
    default: RIGHT(self, !"a kind of action that is none");
  }
}

static void hear_step(struct thread *self, const rego_step *step, const struct record *of) {
  RIGHT(self, step->n_actions <= REGO_MAX_ACTIONS && step->reserved == 0);
  for (uint32_t i = 0; i < step->n_actions && i < REGO_MAX_ACTIONS; i++) {
    hear(self, &step->actions[i], 0);
    RIGHT(self, of == NULL || step->actions[i].call == load(&of->call));
  }
}

static int is_over(const struct record *it) {
  return (__atomic_load_n(&it->marks, __ATOMIC_ACQUIRE) & MARK_DONE) != 0;
}

static int by_value(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

/* After a round: who was named was started, and no number names two things. */
static void settle(void) {
  size_t n = 0;
  uint64_t *all = calloc((size_t)THREADS * CALLS * (TRIES + 1), sizeof *all);
  for (struct thread *self = states; all != NULL && self < states + THREADS; self++) {
    for (uint64_t i = 0; i < self->n_later && i < LATER; i++) {
      const struct record *it = self->later[i].of;
      /* A loop may have gone before it said what its call's first attempt was. */
      const int untold = it->loop != 0 && it->attempts[0] == 0;
      RIGHT(self, untold || attempt_of(it, self->later[i].attempt) >= 0);
    }
    for (uint64_t i = 0; i < self->begun && i < CALLS; i++) {
      const struct record *it = &self->records[i];
      all[n] = it->call;
      n += it->call != 0;
      for (size_t attempt = 0; attempt < TRIES; attempt++) {
        all[n] = it->attempts[attempt];
        n += it->attempts[attempt] != 0;
      }
    }
  }
  if (n > 0) {
    qsort(all, n, sizeof *all, by_value);
  }
  for (size_t i = 1; i < n; i++) {
    RIGHT(&states[0], all[i - 1] != all[i]);
  }
  free(all);
}

#endif
