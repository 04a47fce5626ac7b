/*
 * A host that keeps to nothing: four threads call everything in any order, also from within
 * callbacks, with ids that are good, over, forged, of the other kind and of another engine, with
 * NULL, with structs of any size, pointers that are crooked, and times that leap. Only statuses
 * come back, and none of them is a panic; what is told is told of the call that it belongs to; and
 * all that was handed over is dropped, once. The argument is how many operations each thread makes.
 */
#include <string.h>

#include "evil_rest.h"

/* Of each thread in one round, at most. */
#define OPERATIONS 25000

static int operations = OPERATIONS;

/* What does not wait for other threads, nor runs anybody's work. */
static void carefully(struct thread *self) {
  const uint64_t random = draw(self);
  if (random % 2 == 0) {
    finish(self);
    return;
  }
  switch ((random >> 8) % 25) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: begin_call(self); break;
    case 7:
    case 8:
    case 9: poll(self); break;
    case 10: cancel(self); break;
    case 11:
    case 12: let_go(self); break;
    case 13: queue(self); break;
    case 14: read_text(self); break;
    case 15: read_frame(self); break;
    case 16: read_attempts(self); break;
    case 17: stranger(self); break;
    case 18: name_things(self); break;
    case 19: count_references(self); break;
    case 20: drain(self); break;
    case 21:
      if (rarely(self, 64)) {
        write_metrics(self);
      }
      break;
    case 22: rarely(self, 4) ? stand(self) : settle_calls(self); break;
    default: use_loop(self); break;
  }
}

static void anything(struct thread *self) {
  const uint64_t random = draw(self);
  if (careful || random % 8 != 0) {
    carefully(self);
    return;
  }
  switch ((random >> 8) % 16) {
    case 0:
      if (rarely(self, 64)) {
        load_policies(self);
      }
      break;
    case 1:
      if (rarely(self, 8)) {
        intern(self);
      }
      break;
    case 2:
      if (rarely(self, 4)) {
        make_no_engine(self);
      }
      break;
    case 3: own_loop(self); break;
    case 4:
    case 5: (void)work_off(draw(self)); break;
    case 6:
      depth++;
      rego_run_task(any_id(self));
      depth--;
      break;
    default: execute(self); break;
  }
}

static void *run(void *argument) {
  struct thread *self = argument;
  for (int i = 0; i < operations; i++) {
    anything(self);
  }
  return NULL;
}

static int set_up(unsigned engine) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_classifier own = REGO_CLASSIFIER_INIT;
  const rego_classifier *all[] = {&own};
  const rego_str text = {policies, sizeof policies - 1};
  struct job *job = job_of(&states[0], engine);
  job->handed_over = DROP_CLASSIFIER | DROP_LOOP;
  own.name = REGO_STR("own");
  own.userdata = job;
  own.classify = on_classify;
  own.drop = drop_classifier;
  options.seed = round_number;
  /* The second one's calls find no room, as a rule. */
  options.max_live_calls = engine == 0 ? 8192 : 512;
  options.max_events = 256;
  options.max_keys = 32;
  options.classifiers = all;
  options.n_classifiers = 1;
  if (rego_engine_new(&options, &engines[engine], NULL) != REGO_STATUS_OK ||
      rego_engine_load_policies(engines[engine], text, NULL) != REGO_STATUS_OK) {
    return 0;
  }
  for (int i = 0; i < KEYS; i++) {
    const rego_str name = {names[i], strlen(names[i])};
    if (rego_key_intern(engines[engine], name, &keys[engine][i]) != REGO_STATUS_OK) {
      return 0;
    }
  }
  return rego_loop_new(engines[engine], on_notify, job, drop_loop, &loops[engine]) == REGO_STATUS_OK;
}

/* Nothing waits any more: what was put off is run, and what that puts off, and all is let go. */
static void tear_down(void) {
  __atomic_store_n(&closing, 1, __ATOMIC_RELAXED);
  while (work_off(0)) {
  }
  for (int i = 0; i < ENGINES; i++) {
    rego_loop_free(loops[i]);
    (void)rego_engine_release(engines[i]);
  }
  settle();
  for (int i = 0; i < THREADS; i++) {
    bury(&states[i]);
  }
}

/* Fresh engines for the threads: in those before, calls that were never finished pile up. */
static int round_of(uint64_t number) {
  pthread_t threads[THREADS], helper;
  round_number = number;
  __atomic_store_n(&closing, 0, __ATOMIC_RELAXED);
  pool.closed = 0;
  for (int i = 0; i < THREADS; i++) {
    memset(states[i].records, 0, CALLS * sizeof(struct record));
    states[i].begun = states[i].n_later = 0;
  }
  if (!set_up(0) || !set_up(1) || pthread_create(&helper, NULL, help, NULL) != 0) {
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
  pthread_mutex_lock(&pool.lock);
  pool.closed = 1;
  pthread_cond_signal(&pool.bell);
  pthread_mutex_unlock(&pool.lock);
  pthread_join(helper, NULL);
  tear_down();
  return 1;
}

int main(int argc, char **argv) {
  uint64_t wrong = 0, done = 0, begun = 0;
  const int wanted = argc > 1 ? atoi(argv[1]) : OPERATIONS;
  const int rounds = (wanted + OPERATIONS - 1) / OPERATIONS;
  operations = wanted < OPERATIONS ? wanted : OPERATIONS;
  for (int i = 0; i < THREADS; i++) {
    states[i].number = (uint64_t)i;
    states[i].seed = (uint64_t)i + 1;
    states[i].records = calloc(CALLS, sizeof(struct record));
    states[i].later = calloc(LATER, sizeof(struct later));
    if (states[i].records == NULL || states[i].later == NULL) {
      return 2;
    }
  }
  for (int i = 0; i < rounds; i++) {
    if (!round_of((uint64_t)i + 1)) {
      return 2;
    }
    for (int nth = 0; nth < THREADS; nth++) {
      begun += states[nth].begun;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    wrong += states[i].wrong;
    done += states[i].done;
    free(states[i].records);
    free(states[i].later);
  }
  free(pool.tasks);
  wrong += dropped != handed_over;
  printf("%d operations: %llu of %llu calls done, %llu attempts by callback, %llu refused, "
         "%llu notified, %llu of %llu dropped\n",
         rounds * operations * THREADS, (unsigned long long)done, (unsigned long long)begun,
         (unsigned long long)attempts, (unsigned long long)refused, (unsigned long long)notified,
         (unsigned long long)dropped, (unsigned long long)handed_over);
  if (wrong != 0 || done == 0) {
    fprintf(stderr, "evil.c: %llu wrong answers, %llu calls done\n", (unsigned long long)wrong,
            (unsigned long long)done);
    return 1;
  }
  return 0;
}
