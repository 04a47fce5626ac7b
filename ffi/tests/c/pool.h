/* Threads and a timer, as a host might have them: what tests execute calls on. */
#ifndef POOL_H
#define POOL_H

#include <errno.h>
#include <pthread.h>
#include <rego.h>
#include <stdlib.h>
#include <time.h>

#define POOL_TASKS 8192

struct pool_task {
  rego_time at; /* 0: at once */
  rego_run_fn run;
  uint64_t task;
};

struct pool {
  pthread_mutex_t lock;
  pthread_cond_t bell;
  struct pool_task tasks[POOL_TASKS];
  size_t n_tasks;
  pthread_t threads[16];
  int n_threads;
  int closed;
};

static inline rego_time pool_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (rego_time)now.tv_sec * 1000000000u + (rego_time)now.tv_nsec;
}

static inline int pool_push(struct pool *pool, rego_time at, rego_run_fn run, uint64_t task) {
  const struct pool_task it = {at, run, task};
  pthread_mutex_lock(&pool->lock);
  const int full = pool->n_tasks == POOL_TASKS || pool->closed;
  if (!full) {
    pool->tasks[pool->n_tasks++] = it;
  }
  pthread_cond_broadcast(&pool->bell);
  pthread_mutex_unlock(&pool->lock);
  return full;
}

static inline int32_t pool_spawn(void *userdata, rego_run_fn run, uint64_t task) {
  return pool_push((struct pool *)userdata, 0, run, task);
}

static inline int32_t pool_schedule(void *userdata, rego_time at, rego_run_fn run, uint64_t task) {
  return pool_push((struct pool *)userdata, at, run, task);
}

/* One task that is due, or none and when to look again. */
static inline int pool_take(struct pool *pool, struct pool_task *task, rego_time *next) {
  const rego_time now = pool_now();
  *next = REGO_TIME_NEVER;
  for (size_t i = 0; i < pool->n_tasks; i++) {
    if (pool->tasks[i].at <= now) {
      *task = pool->tasks[i];
      pool->n_tasks--;
      for (size_t j = i; j < pool->n_tasks; j++) {
        pool->tasks[j] = pool->tasks[j + 1];
      }
      return 1;
    }
    if (pool->tasks[i].at < *next) {
      *next = pool->tasks[i].at;
    }
  }
  return 0;
}

static inline void *pool_thread(void *argument) {
  struct pool *pool = (struct pool *)argument;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    struct pool_task task;
    rego_time next;
    if (pool_take(pool, &task, &next)) {
      pthread_mutex_unlock(&pool->lock);
      task.run(task.task);
      pthread_mutex_lock(&pool->lock);
    } else if (pool->closed) {
      break;
    } else if (next == REGO_TIME_NEVER) {
      pthread_cond_wait(&pool->bell, &pool->lock);
    } else {
      struct timespec until = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
      pthread_cond_timedwait(&pool->bell, &pool->lock, &until);
    }
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static inline struct pool *pool_new(int threads) {
  struct pool *pool = (struct pool *)calloc(1, sizeof *pool);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->bell, &monotonic);
  pthread_condattr_destroy(&monotonic);
  for (; pool->n_threads < threads; pool->n_threads++) {
    if (pthread_create(&pool->threads[pool->n_threads], NULL, pool_thread, pool) != 0) {
      abort();
    }
  }
  return pool;
}

/* Runs what is due, forgets what is not, and ends. */
static inline void pool_free(struct pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->closed = 1;
  pthread_cond_broadcast(&pool->bell);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->n_threads; i++) {
    pthread_join(pool->threads[i], NULL);
  }
  pthread_cond_destroy(&pool->bell);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

static inline rego_executor pool_executor(struct pool *pool) {
  rego_executor executor = REGO_EXECUTOR_INIT;
  executor.userdata = pool;
  executor.spawn = pool_spawn;
  executor.schedule = pool_schedule;
  return executor;
}

#endif /* POOL_H */
