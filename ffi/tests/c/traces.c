/* Recorded scripts, replayed from C: the answers must be those that every front gets. See ffi/tests/traces. */
#define _DEFAULT_SOURCE

#include <dirent.h>
#include <inttypes.h>
#include <rego.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS 256
#define ATTEMPTS 64
#define LINE 256

static rego_engine *engine;
static rego_call calls[CALLS];
static rego_attempt attempts[CALLS][ATTEMPTS];
static size_t n_calls;
static rego_step step;
static char answers[16][LINE];
static size_t n_answers;

/* The words of a line. */
static char *words[12];
static size_t n_words;

static void split(char *line) {
  n_words = 0;
  for (char *word = strtok(line, " \n"); word != NULL && n_words < 12; word = strtok(NULL, " \n")) {
    words[n_words++] = word;
  }
}

static uint64_t number(size_t at) {
  if (at >= n_words) {
    return 0;
  }
  return strcmp(words[at], "-") == 0 ? REGO_TIME_NEVER : strtoull(words[at], NULL, 10);
}

static uint32_t small(size_t at) { return (uint32_t)number(at); }

/* "C.N", or a call alone. */
static size_t call_at(size_t at) { return (size_t)strtoull(words[at], NULL, 10) % CALLS; }
static rego_attempt attempt_at(size_t at) {
  const char *dot = strchr(words[at], '.');
  return dot == NULL ? 0 : attempts[call_at(at)][strtoull(dot + 1, NULL, 10) % ATTEMPTS];
}
static uint64_t result_at(size_t at) {
  const char *dot = strchr(words[at], '.');
  return dot == NULL ? 0 : strtoull(dot + 1, NULL, 10) + 1;
}

static const char *time_text(rego_time time, char text[32]) {
  snprintf(text, 32, "%" PRIu64, time);
  return time == REGO_TIME_NEVER ? "-" : text;
}

static const char *attempt_text(size_t call, rego_attempt attempt, char text[32]) {
  for (unsigned n = 0; n < ATTEMPTS && attempt != 0; n++) {
    if (attempts[call][n] == attempt) {
      snprintf(text, 32, "%zu.%u", call, n);
      return text;
    }
  }
  return "-";
}

static void tell(const rego_action *action) {
  char *line = answers[n_answers++], one[32], other[32];
  size_t call = 0;
  while (call < n_calls && calls[call] != action->call) {
    call++;
  }
  call %= CALLS;
  switch (action->kind) {
    case REGO_ACTION_START:
      attempts[call][action->number % ATTEMPTS] = action->attempt;
      snprintf(line, LINE, "+ start %zu.%u %u %u %u %s", call, action->number, action->reason,
               action->retry_index, action->hedge_index, time_text(action->deadline, one));
      break;
    case REGO_ACTION_CANCEL:
      snprintf(line, LINE, "+ cancel %s %u", attempt_text(call, action->attempt, one), action->reason);
      break;
    default:
      snprintf(line, LINE, "+ done %zu %u %s %u %" PRIu64 " %" PRIu64, call, action->reason,
               attempt_text(call, action->attempt, other), action->number, action->result,
               action->retry_after);
      break;
  }
}

static void answer(rego_status status, int with_step) {
  char text[32];
  n_answers = 0;
  if (status != REGO_STATUS_OK) {
    snprintf(answers[n_answers++], LINE, "! %d", (int)status);
  } else if (with_step) {
    snprintf(answers[n_answers++], LINE, "= %u %s", step.flags, time_text(step.wake_at, text));
    for (uint32_t i = 0; i < step.n_actions; i++) {
      tell(&step.actions[i]);
    }
  }
}

static rego_status begin(void) {
  const rego_str name = {words[2], strlen(words[2])};
  rego_begin how = REGO_BEGIN_INIT;
  rego_key key = 0;
  const size_t call = call_at(1);
  how.now = number(3);
  how.deadline = number(4);
  how.idempotent = small(5);
  if (rego_key_intern(engine, name, &key) != REGO_STATUS_OK) {
    return REGO_STATUS_INVALID;
  }
  n_calls = call + 1;
  return rego_call_begin(engine, key, &how, &calls[call], &step);
}

static rego_status finish(void) {
  rego_completion facts = REGO_COMPLETION_INIT;
  facts.kind = small(3);
  facts.code = (int32_t)strtol(words[4], NULL, 10);
  facts.flags = small(5);
  facts.method = small(6);
  facts.retry_after = number(7);
  facts.result = result_at(1);
  return rego_attempt_finish(engine, attempt_at(1), number(2), &facts, &step);
}

static rego_status finish_as(void) {
  rego_outcome outcome = REGO_OUTCOME_INIT;
  outcome.kind = small(3);
  outcome.failure = small(4);
  outcome.backoff = number(5);
  outcome.result = result_at(1);
  return rego_attempt_finish_as(engine, attempt_at(1), number(2), &outcome, &step);
}

/* One event; 0 if the line is none. */
static int replay(void) {
  const char *what = words[0];
  if (strcmp(what, "begin") == 0) answer(begin(), 1);
  else if (strcmp(what, "finish") == 0) answer(finish(), 1);
  else if (strcmp(what, "finish_as") == 0) answer(finish_as(), 1);
  else if (strcmp(what, "queued") == 0) answer(rego_attempt_queued(engine, attempt_at(1), number(2), &step), 1);
  else if (strcmp(what, "started") == 0) answer(rego_attempt_started(engine, attempt_at(1), number(2), &step), 1);
  else if (strcmp(what, "reject") == 0) answer(rego_attempt_reject(engine, attempt_at(1), number(2), &step), 1);
  else if (strcmp(what, "poll") == 0) answer(rego_call_poll(engine, calls[call_at(1)], number(2), &step), 1);
  else if (strcmp(what, "cancel") == 0) answer(rego_call_cancel(engine, calls[call_at(1)]), 0);
  else return 0;
  return 1;
}

static int set_up(const char *folder, uint64_t seed) {
  static char policies[16384];
  char path[512];
  rego_options options = REGO_OPTIONS_INIT;
  rego_error error = REGO_ERROR_INIT;
  snprintf(path, sizeof path, "%s/policies.toml", folder);
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    return 0;
  }
  const rego_str text = {policies, fread(policies, 1, sizeof policies, file)};
  fclose(file);
  options.seed = seed;
  options.now = 1000000000;
  n_calls = n_answers = 0;
  memset(attempts, 0, sizeof attempts);
  if (rego_engine_new(&options, &engine, &error) != REGO_STATUS_OK ||
      rego_engine_load_policies(engine, text, &error) != REGO_STATUS_OK) {
    fprintf(stderr, "%s: %s\n", path, error.message);
    return 0;
  }
  return 1;
}

/* How many answers differ from what is recorded; `wrong` is taken for a line that is, as a control. */
static int check(const char *folder, const char *name, const char *wrong) {
  char path[512], line[LINE], kept[LINE];
  int differ = 0, at = 0;
  size_t heard = 0;
  n_answers = 0;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    at++;
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0') {
      continue;
    }
    if (strchr("=!+", line[0]) != NULL) {
      const char *recorded = wrong != NULL ? wrong : line;
      const char *said = heard < n_answers ? answers[heard] : "nothing more";
      heard++;
      if (strcmp(recorded, said) != 0) {
        differ++;
        if (wrong == NULL) fprintf(stderr, "%s:%d: `%s`, and not `%s`\n", path, at, said, recorded);
      }
      continue;
    }
    if (heard != n_answers) {
      differ++;
      if (wrong == NULL) fprintf(stderr, "%s:%d: %zu answers before it, and not %zu\n", path, at, n_answers, heard);
    }
    memcpy(kept, line, sizeof kept);
    split(line);
    heard = 0;
    n_answers = 0;
    if (strcmp(words[0], "seed") == 0 ? !set_up(folder, number(1)) : !replay()) {
      fprintf(stderr, "%s:%d: `%s` is not understood\n", path, at, kept);
      differ++;
      break;
    }
  }
  differ += heard != n_answers || file == NULL;
  if (file != NULL) fclose(file);
  rego_engine_release(engine);
  engine = NULL;
  return differ;
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : "ffi/tests/traces";
  DIR *all = opendir(folder);
  int files = 0, differ = 0;
  unsetenv("REGO_MODE");
  step.struct_size = sizeof step;
  if (all == NULL && argc == 1) {
    printf("there is no %s to replay\n", folder);
    return 0;
  }
  for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
    const char *end = strrchr(entry->d_name, '.');
    if (end != NULL && strcmp(end, ".trace") == 0) {
      files++;
      differ += check(folder, entry->d_name, NULL);
      if (check(folder, entry->d_name, "= 9 9") == 0) {
        fprintf(stderr, "traces.c: %s has no answers, or none is compared\n", entry->d_name);
        differ++;
      }
    }
  }
  if (all != NULL) closedir(all);
  if (files == 0) fprintf(stderr, "traces.c: there are no traces in %s\n", folder);
  return files > 0 && differ == 0 ? 0 : 1;
}
