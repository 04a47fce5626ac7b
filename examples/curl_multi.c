/*
 * libcurl's multi interface with a loop of rego's: fifty GETs of a faulty server, all answered.
 *
 *   cargo build -p rego-ffi
 *   cc -Iinclude examples/curl_multi.c target/debug/librego.a -lcurl -lpthread -ldl -lm -o curl_multi
 */
#define _GNU_SOURCE

#include "faulty.h"

#include <curl/curl.h>
#include <rego.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS 50

static const char policies[] =
    "schema = 1\n"
    "[policies.\"faulty.Get\"]\n"
    "idempotent = true\n"
    "retry = { classifier = \"http\", max_attempts = 6, initial_backoff = \"5ms\", overall_timeout = \"10s\", budget = \"unlimited\" }\n"
    "hedge = { enabled = true, trigger = \"fixed\", delay = \"80ms\", budget = \"unlimited\" }\n";

static rego_engine *engine;
static CURLM *multi;
static char url[64];
static int done, answered, requests;
static struct request { CURL *easy; rego_attempt attempt; struct request *next; } *running;

static rego_time now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (rego_time)at.tv_sec * 1000000000u + (rego_time)at.tv_nsec;
}

static size_t discard(char *data, size_t size, size_t n, void *nothing) {
  (void)data, (void)nothing;
  return size * n;
}

/* Any thread may have something for the loop: curl's own wake-up, which is made for this. */
static void notify(void *userdata) { curl_multi_wakeup(userdata); }

static void start(const rego_action *action) {
  struct request *request = malloc(sizeof *request);
  *request = (struct request){curl_easy_init(), action->attempt, running};
  running = request;
  curl_easy_setopt(request->easy, CURLOPT_URL, url);
  curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, discard);
  curl_multi_add_handle(multi, request->easy);
  requests++;
}

static void finish(struct request **at, uint32_t kind, int32_t code, uint32_t flags) {
  struct request *request = *at;
  rego_completion facts = REGO_COMPLETION_INIT;
  rego_step step = REGO_STEP_INIT; /* says ELSEWHERE: what follows comes out of the loop */
  facts.kind = kind, facts.code = code, facts.flags = flags, facts.method = REGO_METHOD_GET;
  if (rego_attempt_finish(engine, request->attempt, now(), &facts, &step) != REGO_STATUS_OK) abort();
  *at = request->next;
  curl_multi_remove_handle(multi, request->easy);
  curl_easy_cleanup(request->easy);
  free(request);
}

static void act(const rego_action *action) {
  struct request **at = &running;
  if (action->kind == REGO_ACTION_START) start(action);
  if (action->kind == REGO_ACTION_DONE) done++, answered += action->reason == REGO_VERDICT_SUCCESS;
  if (action->kind == REGO_ACTION_CANCEL) {
    while (*at != NULL && (*at)->attempt != action->attempt) at = &(*at)->next;
    if (*at != NULL) finish(at, REGO_COMPLETION_CANCELLED, 0, 0);
  }
}

static void hear(const CURLMsg *message) {
  struct request **at = &running;
  long status = 0;
  while ((*at)->easy != message->easy_handle) at = &(*at)->next;
  curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
  if (message->data.result == CURLE_OK) finish(at, REGO_COMPLETION_HTTP, (int32_t)status, 0);
  else if (message->data.result == CURLE_COULDNT_CONNECT) finish(at, REGO_COMPLETION_IO, REGO_IO_CONNECTION_REFUSED, REGO_COMPLETION_NOT_SENT);
  else finish(at, REGO_COMPLETION_IO, REGO_IO_CONNECTION_RESET, 0);
}

int main(void) {
  const rego_str text = {policies, sizeof policies - 1};
  rego_options options = REGO_OPTIONS_INIT;
  rego_begin begin = REGO_BEGIN_INIT;
  rego_loop *events;
  rego_key key;
  rego_call call;
  options.now = begin.now = now();
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", faulty_start());
  multi = curl_multi_init();
  if (rego_engine_new(&options, &engine, NULL) != REGO_STATUS_OK || rego_engine_load_policies(engine, text, NULL) != REGO_STATUS_OK ||
      rego_key_intern(engine, REGO_STR("faulty.Get"), &key) != REGO_STATUS_OK || rego_loop_new(engine, notify, multi, NULL, &events) != REGO_STATUS_OK)
    return 1;
  for (int i = 0; i < CALLS; i++)
    if (rego_loop_begin(events, key, &begin, &call, NULL) != REGO_STATUS_OK) return 1;
  while (done < CALLS) {
    rego_action action;
    size_t n = 1;
    int active, left;
    while (rego_loop_process(events, now(), &action, 1, &n) == REGO_STATUS_OK && n == 1) act(&action);
    curl_multi_perform(multi, &active);
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) hear(message);
    const rego_time next = rego_loop_next_deadline(events), at = now();
    curl_multi_poll(multi, NULL, 0, next <= at ? 0 : next - at > 1000000000u ? 1000 : (int)((next - at) / 1000000u + 1), NULL);
  }
  printf("%d of %d calls answered, %d requests\n", answered, done, requests);
  while (running != NULL) finish(&running, REGO_COMPLETION_CANCELLED, 0, 0);
  rego_loop_free(events);
  curl_multi_cleanup(multi);
  rego_engine_release(engine);
  return answered == CALLS ? 0 : 1;
}
