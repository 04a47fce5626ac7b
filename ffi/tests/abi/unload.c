/*
 * dlopen, dlclose: it must be there still, for threads that used it run its destructors. Then: dlopen, a
 * thread makes calls, dlclose, the thread ends. The argument is the library. With another, `thread`, the
 * first is left out, to show what the second does where the library goes.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <pthread.h>
#include <rego.h>
#include <stdio.h>
#include <string.h>

static pthread_barrier_t used, gone;
static void *library;
static int failed;

/* A function of the library, as a pointer to data. */
static void find(const char *name, void *to) {
  void *found = dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "unload.c: there is no %s\n", name);
    failed = 1;
  }
  memcpy(to, &found, sizeof found);
}

static rego_status (*engine_new)(const rego_options *, rego_engine **, rego_error *);
static rego_status (*intern)(rego_engine *, rego_str, rego_key *);
static rego_status (*begin_call)(rego_engine *, rego_key, const rego_begin *, rego_call *, rego_step *);
static rego_status (*finish)(rego_engine *, rego_attempt, rego_time, const rego_completion *, rego_step *);
static uint64_t (*release)(rego_engine *);

static void *run(void *nothing) {
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_begin begin = REGO_BEGIN_INIT;
  rego_completion ok = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT;
  rego_key key = 0;
  rego_call call = 0;
  failed |= engine_new(&options, &engine, NULL) != REGO_STATUS_OK;
  failed |= intern(engine, REGO_STR("svc.Get"), &key) != REGO_STATUS_OK;
  for (int i = 0; i < 100 && !failed; i++) {
    failed |= begin_call(engine, key, &begin, &call, &step) != REGO_STATUS_OK;
    failed |= finish(engine, step.actions[0].attempt, 1, &ok, &step) != REGO_STATUS_OK;
  }
  release(engine);
  pthread_barrier_wait(&used);
  pthread_barrier_wait(&gone);
  return nothing;
}

int main(int argc, char **argv) {
  pthread_t thread;
  library = argc >= 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (library == NULL) {
    fprintf(stderr, "unload.c: %s\n", argc >= 2 ? dlerror() : "which library?");
    return 2;
  }
  if (argc == 2) {
    dlclose(library);
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (library == NULL) {
      fprintf(stderr, "unload.c: it is gone\n");
      return 4;
    }
  }
  find("rego_engine_new", &engine_new);
  find("rego_key_intern", &intern);
  find("rego_call_begin", &begin_call);
  find("rego_attempt_finish", &finish);
  find("rego_engine_release", &release);
  pthread_barrier_init(&used, NULL, 2);
  pthread_barrier_init(&gone, NULL, 2);
  if (failed || pthread_create(&thread, NULL, run, NULL) != 0) {
    return 3;
  }
  pthread_barrier_wait(&used);
  dlclose(library);
  fprintf(stderr, "unload.c: closed, and now the thread ends\n");
  pthread_barrier_wait(&gone);
  pthread_join(thread, NULL);
  return failed;
}
