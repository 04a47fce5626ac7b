/* Arguments, good as a rule: whoever gets a bad one is told, as nothing may come of it. */
#ifndef EVIL_ARGS_H
#define EVIL_ARGS_H

#include "evil_told.h"

#define KEYS 3
#define MS UINT64_C(1000000)

static const char *const names[KEYS] = {"svc.Get", "svc.Own", "svc.Plain"};
static rego_engine *engines[ENGINES];
static rego_key keys[ENGINES][KEYS];

/* An id, and what is known of it. */
struct target {
  uint64_t id;
  struct record *of; /* NULL: nothing is */
  unsigned engine;
  int attempt; /* less than 0: it is a call's */
};

static rego_status answer(struct thread *self, rego_status status) {
  RIGHT(self, status == REGO_STATUS_OK || status == REGO_STATUS_NULL ||
                  status == REGO_STATUS_INVALID || status == REGO_STATUS_UNSUPPORTED ||
                  status == REGO_STATUS_STALE);
  return status;
}

/* A pointer that is not optional. */
static void *at(struct thread *self, void *pointer, int *bad) {
  const uint64_t random = draw(self) % 128;
  *bad |= random < 2;
  return random == 0 ? NULL : random == 1 ? (char *)pointer + 1 : pointer;
}

/* The beginning of an array, which may be NULL where there is no room in it. */
static void *array(struct thread *self, void *pointer, size_t capacity, int *bad) {
  const uint64_t random = draw(self) % 128;
  pointer = random == 0 ? NULL : pointer;
  *bad |= pointer == NULL ? capacity != 0 : random == 1;
  return pointer != NULL && random == 1 ? (char *)pointer + 1 : pointer;
}

static uint32_t sized(struct thread *self, size_t size, int *bad) {
  const uint32_t odd[] = {0, 1, (uint32_t)size - 1, (uint32_t)(draw(self) % size), 4097, UINT32_MAX};
  if (!rarely(self, 64)) {
    return (uint32_t)size;
  }
  *bad = 1;
  return odd[draw(self) % (sizeof odd / sizeof *odd)];
}

/* More than there is, where there is nothing to be written to. */
static size_t huge(struct thread *self) {
  const size_t all[] = {SIZE_MAX, SIZE_MAX / 2 + 1, (size_t)1 << 40, 4097};
  return all[draw(self) % 4];
}

/* The second engine's host has a clock that leaps, too. */
static rego_time any_time(struct thread *self, unsigned engine, int *bad) {
  const uint64_t random = draw(self);
  switch (random % 512) {
    case 0: return 0;
    case 1: *bad = 1; return UINT64_MAX;
    case 2:
    case 3:
    case 4: return engine == 1 ? UINT64_C(1) << (random >> 16) % 64 : 0;
    case 5: return engine == 1 ? UINT64_MAX - 1 : 1;
    default: return (random >> 16) % 1000 * MS;
  }
}

static rego_time any_deadline(struct thread *self) {
  const uint64_t random = draw(self) % 64;
  return random < 48 ? 0 : random == 48 ? REGO_TIME_NEVER : draw(self) % 2000 * MS;
}

static unsigned any_engine(struct thread *self) { return draw(self) % 4 == 0; }

static rego_engine *engine_at(struct thread *self, unsigned engine, int *bad) {
  const int none = rarely(self, 128);
  *bad |= none;
  return none ? NULL : engines[engine];
}

/* One of the engine's own, or the other's, or none. */
static rego_key any_key(struct thread *self, unsigned engine, uint32_t *which, int *bad) {
  *which = (uint32_t)(draw(self) % KEYS);
  switch (draw(self) % 64) {
    case 0: *bad = 1; return keys[!engine][*which];
    case 1: *bad = 1; return any_id(self);
    default: return keys[engine][*which];
  }
}

/* An id of a call or of an attempt: known, mostly, and recent, and of the kind that is wanted. */
static struct target any_target(struct thread *self, int is_attempt) {
  struct target it = {0, NULL, any_engine(self), -1};
  const struct thread *other = &states[draw(self) % THREADS];
  const uint64_t begun = load(&other->begun), n = begun < CALLS ? begun : CALLS;
  if (n == 0 || rarely(self, 8)) {
    it.id = any_id(self);
    return it;
  }
  const uint64_t back = rarely(self, 4) ? draw(self) % n : draw(self) % 48 % n;
  struct record *of = &other->records[n - 1 - back];
  if (rarely(self, 32) ? !is_attempt : is_attempt) {
    it.attempt = draw(self) % 4 != 0 ? 0 : (int)(draw(self) % (rarely(self, 4) ? TRIES : 3));
  }
  it.id = it.attempt < 0 ? load(&of->call) : load(&of->attempts[it.attempt]);
  if (it.id != 0) {
    it.of = of;
    it.engine = of->engine;
  }
  return it;
}

/* Where it is handed to: to its own engine, as a rule. */
static unsigned place_of(struct thread *self, const struct target *target) {
  return rarely(self, 16) ? !target->engine : target->engine;
}

/* An answer about an id: nothing comes of what is bad, of the other engine's, of the other kind. */
static rego_status of_target(struct thread *self, rego_status status, const struct target *target,
                             unsigned engine, int is_attempt, int bad) {
  if (answer(self, status) == REGO_STATUS_OK) {
    RIGHT(self, !bad);
    RIGHT(self, target->of == NULL || target->engine == engine);
    RIGHT(self, target->of == NULL || is_attempt == (target->attempt >= 0));
  }
  return status;
}

#endif
