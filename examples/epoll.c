/*
 * A hundred calls on one epoll loop. The "backend" is a timer for each request: one request in ten
 * is never answered and is overtaken by its hedge, one in seven fails and is repeated.
 *
 *   cargo build -p rego-ffi
 *   cc -Iinclude examples/epoll.c target/debug/librego.a -lpthread -ldl -lm -o epoll && ./epoll
 */
#define _GNU_SOURCE

#include <rego.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CALLS 100

static const char policies[] =
    "schema = 1\n"
    "[policies.\"backend.Get\"]\n"
    "idempotent = true\n"
    "retry = { max_attempts = 4, attempt_timeout = \"100ms\", initial_backoff = \"2ms\", overall_timeout = \"5s\", budget = \"unlimited\" }\n"
    "hedge = { enabled = true, trigger = \"fixed\", delay = \"20ms\", budget = \"unlimited\" }\n";

static rego_engine *engine;
static rego_loop *events;
static int wakeup, epoll, requests, done, answered, hedges;
static struct { int fd; rego_attempt attempt; } sent[8 * CALLS]; /* a timer each */

static rego_time now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (rego_time)at.tv_sec * 1000000000u + (rego_time)at.tv_nsec;
}

/* Whoever has something for the loop wakes it: all that is allowed here. */
static void notify(void *userdata) {
  (void)userdata;
  if (eventfd_write(wakeup, 1) != 0) _exit(3);
}

static void send_request(const rego_action *action) {
  const int n = requests++;
  const struct itimerspec after = {{0, 0}, {n % 10 == 3 && action->reason != REGO_ATTEMPT_HEDGE ? 3600 : 0, 1000000 * (1 + n % 5)}};
  struct epoll_event event = {EPOLLIN, {.u32 = (uint32_t)n + 1}};
  sent[n].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  sent[n].attempt = action->attempt;
  timerfd_settime(sent[n].fd, 0, &after, NULL);
  epoll_ctl(epoll, EPOLL_CTL_ADD, sent[n].fd, &event);
  hedges += action->reason == REGO_ATTEMPT_HEDGE;
}

static void finish(int n, uint32_t kind, int32_t code) {
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT; /* says ELSEWHERE: what follows comes out of the loop */
  facts.kind = kind;
  facts.code = code;
  close(sent[n].fd);
  if (rego_attempt_finish(engine, sent[n].attempt, now(), &facts, &step) != REGO_STATUS_OK) _exit(4);
}

static void act(const rego_action *action) {
  if (action->kind == REGO_ACTION_START) {
    send_request(action);
  } else if (action->kind == REGO_ACTION_CANCEL) {
    int n = 0;
    while (sent[n].attempt != action->attempt) n++;
    finish(n, REGO_COMPLETION_CANCELLED, 0);
  } else {
    answered += action->reason == REGO_VERDICT_SUCCESS;
    done++;
  }
}

int main(void) {
  const rego_str text = {policies, sizeof policies - 1};
  rego_options options = REGO_OPTIONS_INIT;
  struct epoll_event event = {EPOLLIN, {.u32 = 0}};
  rego_begin begin = REGO_BEGIN_INIT;
  rego_key key;
  options.now = begin.now = now();
  wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event);
  if (rego_engine_new(&options, &engine, NULL) != REGO_STATUS_OK ||
      rego_engine_load_policies(engine, text, NULL) != REGO_STATUS_OK ||
      rego_key_intern(engine, REGO_STR("backend.Get"), &key) != REGO_STATUS_OK ||
      rego_loop_new(engine, notify, NULL, NULL, &events) != REGO_STATUS_OK) {
    return 1;
  }
  rego_call call;
  for (int i = 0; i < CALLS; i++) {
    if (rego_loop_begin(events, key, &begin, &call, NULL) != REGO_STATUS_OK) return 1;
  }
  while (done < CALLS) {
    rego_action actions[16];
    size_t count = 16;
    while (count == 16 && rego_loop_process(events, now(), actions, 16, &count) == REGO_STATUS_OK) {
      for (size_t i = 0; i < count; i++) act(&actions[i]);
    }
    const rego_time next = rego_loop_next_deadline(events), at = now();
    const int wait = next == REGO_TIME_NEVER ? -1 : next <= at ? 0 : (int)((next - at) / 1000000u + 1);
    struct epoll_event ready[16];
    const int n = epoll_wait(epoll, ready, 16, wait);
    for (int i = 0; i < n; i++) {
      eventfd_t ignored;
      if (ready[i].data.u32 == 0) eventfd_read(wakeup, &ignored);
      else finish((int)ready[i].data.u32 - 1, REGO_COMPLETION_HTTP, ready[i].data.u32 % 7 == 0 ? 503 : 200);
    }
  }
  printf("%d of %d calls answered, %d requests, %d hedges\n", answered, done, requests, hedges);
  rego_loop_free(events);
  rego_engine_release(engine);
  return answered == CALLS ? 0 : 1;
}
