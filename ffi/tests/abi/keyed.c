/*
 * Destructors of thread-locals by a key, as they are run where the C library has no function for them. glibc
 * has one, and keeps a library for as long as a thread has something for it to destroy; by this one nothing is
 * kept, so that `unload.c` can show what it would notice.
 */
#include <pthread.h>
#include <stdlib.h>

struct entry {
  void (*destroy)(void *);
  void *object;
  struct entry *next;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void destroy_all(void *first) {
  for (struct entry *entry = first, *next; entry != NULL; entry = next) {
    entry->destroy(entry->object);
    next = entry->next;
    free(entry);
  }
}

static void make_key(void) {
  if (pthread_key_create(&key, destroy_all) != 0) abort();
}

/* Hidden, so that the library's own calls come here and nobody else's do. */
__attribute__((visibility("hidden"))) int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library);

int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library) {
  struct entry *entry = malloc(sizeof *entry);
  (void)library;
  pthread_once(&once, make_key);
  if (entry == NULL) abort();
  *entry = (struct entry){destroy, object, pthread_getspecific(key)};
  return pthread_setspecific(key, entry);
}
