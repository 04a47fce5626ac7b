/* Tasks that are put off, and a thread of the host's that runs them late. */
#ifndef EVIL_POOL_H
#define EVIL_POOL_H

#include <pthread.h>
#include <rego.h>
#include <stdlib.h>

#define DEEP 3

/* How deep in callbacks this thread is, and in how many of those in which it may not wait. */
static _Thread_local int depth, careful, notifying;

struct task {
  rego_run_fn run;
  uint64_t number;
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t bell;
  struct task *tasks;
  size_t n, room;
  int closed;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = PTHREAD_COND_INITIALIZER};

static int put_off(rego_run_fn run, uint64_t number) {
  pthread_mutex_lock(&pool.lock);
  if (pool.n == pool.room) {
    pool.room = 2 * pool.room + 64;
    pool.tasks = realloc(pool.tasks, pool.room * sizeof *pool.tasks);
    if (pool.tasks == NULL) {
      abort();
    }
  }
  pool.tasks[pool.n].run = run;
  pool.tasks[pool.n++].number = number;
  pthread_cond_signal(&pool.bell);
  pthread_mutex_unlock(&pool.lock);
  return 0;
}

/* One of the tasks that were put off, if there is any: the last or another. */
static int take_task(uint64_t random, struct task *task) {
  pthread_mutex_lock(&pool.lock);
  const int any = pool.n > 0;
  if (any) {
    const size_t nth = (size_t)(random % pool.n);
    *task = pool.tasks[nth];
    pool.tasks[nth] = pool.tasks[--pool.n];
  }
  pthread_mutex_unlock(&pool.lock);
  return any;
}

static int work_off(uint64_t random) {
  struct task task;
  if (!take_task(random, &task)) {
    return 0;
  }
  depth++;
  task.run(task.number);
  depth--;
  return 1;
}

/* A host's thread: it runs what was put off, so that nobody waits for it in vain. */
static void *help(void *nothing) {
  pthread_mutex_lock(&pool.lock);
  while (!pool.closed) {
    if (pool.n == 0) {
      pthread_cond_wait(&pool.bell, &pool.lock);
      continue;
    }
    pthread_mutex_unlock(&pool.lock);
    (void)work_off(0);
    pthread_mutex_lock(&pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
  return nothing;
}

#endif
