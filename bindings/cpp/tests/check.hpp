// What holds, and a line for what does not.
#pragma once

#include <cstdio>

static int failures;

static void check(const char *file, int line, bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
    failures++;
  }
}
#define CHECK(holds) check(__FILE__, __LINE__, (holds) ? true : false, #holds)
