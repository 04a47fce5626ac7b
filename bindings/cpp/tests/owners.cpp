// Who owns what, and what becomes of it when its owner goes or somebody throws half-way.
#include "check.hpp"
#include "pool.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

static constexpr unsigned ROOM = 8;

/// An engine with room for few calls, so that one that is not given back is missed.
static rego::engine make() {
  rego_options raw = rego::engine::defaults();
  raw.max_live_calls = ROOM;
  return rego::engine::make(raw).value();
}

struct begun {
  rego::call call;
  rego_attempt attempt = 0;
  /// One that passes through has no policy's time to wake at.
  bool has_room = false;
};

static begun begin(const rego::engine &engine, std::uint32_t flags) {
  rego_begin begin = REGO_BEGIN_INIT;
  begin.now = rego::now();
  begin.flags = flags;
  rego_call raw = 0;
  rego_step step = REGO_STEP_INIT;
  CHECK(rego_call_begin(engine.raw(), engine.key("svc.Get").value().raw(), &begin, &raw, &step) == REGO_STATUS_OK);
  return {rego::call::adopt(engine.raw(), raw), step.actions[0].attempt, step.wake_at != REGO_TIME_NEVER};
}

static rego_step finish(const rego::engine &engine, rego_attempt attempt) {
  rego_step step = REGO_STEP_INIT;
  const rego_completion ok = REGO_COMPLETION_INIT;
  CHECK(rego_attempt_finish(engine.raw(), attempt, rego::now(), &ok, &step) == REGO_STATUS_OK);
  return step;
}

/// Everything that was taken has been given back.
static bool has_all_its_room(const rego::engine &engine) {
  std::vector<begun> all;
  bool room = true;
  for (unsigned i = 0; i < ROOM; i++) {
    all.push_back(begin(engine, 0));
    room &= all.back().has_room;
  }
  for (const begun &one : all) finish(engine, one.attempt);
  return room;
}

static void a_call_ends_with_its_owner() {
  const rego::engine engine = make();
  for (const std::uint32_t flags : {std::uint32_t{0}, std::uint32_t{REGO_BEGIN_KEEP}}) {
    for (unsigned i = 0; i < 3 * ROOM; i++) {
      rego_attempt attempt = 0;
      {
        begun it = begin(engine, flags);
        attempt = it.attempt;
        CHECK(it.has_room && !rego_attempt_cancelled(engine.raw(), attempt));
      }
      CHECK(rego_attempt_cancelled(engine.raw(), attempt));
      // It comes back late: nothing follows.
      CHECK(finish(engine, attempt).n_actions == 0);
    }
  }
  CHECK(has_all_its_room(engine));
}

static void a_kept_call_is_there_until_it_is_let_go() {
  const rego::engine engine = make();
  begun it = begin(engine, REGO_BEGIN_KEEP);
  CHECK(!it.call.timeline() && it.call.timeline().error().status() == REGO_STATUS_STALE);
  CHECK(finish(engine, it.attempt).actions[0].kind == REGO_ACTION_DONE);
  CHECK(it.call.timeline());
  const auto polled = it.call.poll();
  CHECK(polled && polled->n_actions == 0 && polled->flags == 0 && polled->wake_at == REGO_TIME_NEVER);
  const auto cancelled = it.call.cancel();
  CHECK(!cancelled && cancelled.error().status() == REGO_STATUS_STALE);
  const rego_call raw = it.call.raw();
  it.call.end();
  CHECK(!it.call && rego_call_end(engine.raw(), raw) == REGO_STATUS_STALE);
  it.call.end();
  CHECK(has_all_its_room(engine));
}

static void who_was_moved_from_owns_nothing() {
  const rego::engine engine = make();
  begun it = begin(engine, REGO_BEGIN_KEEP);
  {
    rego::call elsewhere = std::move(it.call);
    rego::call nobodys = std::move(it.call);
    CHECK(elsewhere && !nobodys && !it.call);
    it.call = std::move(elsewhere);
    rego::call &same = it.call;
    it.call = std::move(same);
  }
  CHECK(it.call && !rego_attempt_cancelled(engine.raw(), it.attempt));
  // Whoever takes another's place lets go of what it had.
  begun second = begin(engine, REGO_BEGIN_KEEP);
  it.call = std::move(second.call);
  CHECK(rego_attempt_cancelled(engine.raw(), it.attempt) && !rego_attempt_cancelled(engine.raw(), second.attempt));
  finish(engine, it.attempt);
  finish(engine, second.attempt);
  it.call = rego::call();
  CHECK(has_all_its_room(engine));
}

static void owners_go_while_others_finish() {
  const rego::engine engine = make();
  for (int i = 0; i < 2000; i++) {
    begun it = begin(engine, REGO_BEGIN_KEEP);
    CHECK(it.has_room);
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go) std::this_thread::yield();
      finish(engine, it.attempt);
    });
    go = true;
    it.call = rego::call();
    other.join();
  }
  CHECK(has_all_its_room(engine));
}

int main() {
  a_call_ends_with_its_owner();
  a_kept_call_is_there_until_it_is_let_go();
  who_was_moved_from_owns_nothing();
  owners_go_while_others_finish();
  return failures == 0 ? 0 : 1;
}
