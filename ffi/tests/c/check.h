/* What the C tests check by: what does not hold is told, and counted, on any thread. */
#ifndef CHECK_H
#define CHECK_H

#include <rego.h>
#include <stdio.h>

#define MS UINT64_C(1000000)
/* When tests begin that say for themselves what time it is. */
#define T0 (1000 * MS)

static int failures;

static inline void check(const char *file, int line, int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
  }
}
#define CHECK(holds) check(__FILE__, __LINE__, (holds), #holds)
#ifndef OK
#define OK(status) CHECK((status) == REGO_STATUS_OK)
#endif

static inline rego_str text_of(const char *text) {
  size_t len = 0;
  while (text[len] != '\0') len++;
  const rego_str it = {text, len};
  return it;
}

#endif
