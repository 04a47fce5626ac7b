/* What a tool must notice, to show that it would: a leak, a write past the end, an overflow, a race. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *write_shared(void *nothing) {
  for (int i = 0; i < 1000; i++) {
    shared++;
  }
  return nothing;
}

int main(int argc, char **argv) {
  const char *what = argc == 2 ? argv[1] : "";
  if (strcmp(what, "leak") == 0) {
    char *volatile lost = malloc(100);
    lost = NULL;
    return lost != NULL;
  }
  if (strcmp(what, "overrun") == 0) {
    char *volatile small = malloc(8);
    volatile int index = 8;
    small[index] = 1;
    free(small);
  }
  if (strcmp(what, "overflow") == 0) {
    volatile int large = INT_MAX;
    large = large + argc;
  }
  if (strcmp(what, "race") == 0) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_shared, NULL) == 0) {
      write_shared(NULL);
      pthread_join(thread, NULL);
    }
  }
  return 0;
}
