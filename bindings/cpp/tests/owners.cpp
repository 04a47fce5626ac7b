// Who owns what, and what becomes of it when its owner goes or somebody throws half-way.
#include "check.hpp"
#include "pool.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if REGO_HPP_EXCEPTIONS
/// How much memory is not to be had at once.
static std::atomic<std::size_t> too_much{SIZE_MAX};

// Not inline: GCC takes what it sees of one for another's.
[[gnu::noinline]] void *operator new(std::size_t size) {
  void *const at = size < too_much ? std::malloc(size) : nullptr;
  if (at == nullptr) throw std::bad_alloc();
  return at;
}
[[gnu::noinline]] void operator delete(void *at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void *at, std::size_t) noexcept { std::free(at); }
#endif

static constexpr unsigned ROOM = 8;

template <class... All>
constexpr bool moves_without_throwing = (std::is_nothrow_move_constructible_v<All> && ...);
static_assert(moves_without_throwing<rego::call, rego::loop, rego::engine, rego::classifier, rego::outcome<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<rego::call> && std::is_nothrow_move_assignable_v<rego::loop>);
static_assert(!std::is_copy_constructible_v<rego::call> && !std::is_copy_constructible_v<rego::loop>);

/// An engine with room for few calls, so that one that is not given back is missed.
static rego::engine make() {
  rego_options raw = rego::engine::defaults();
  raw.max_live_calls = ROOM;
  return rego::engine::make(raw).value();
}

struct begun {
  rego::call call;
  rego_attempt attempt = 0;
  bool has_room = false;
};

/// How many calls have found no room so far: nothing else tells.
static std::string passed_through(const rego::engine &engine) {
  const std::string all = engine.metrics().value();
  const std::size_t at = all.find("rego_calls_passed_through_total{");
  return at == std::string::npos ? "" : all.substr(at, all.find('\n', at) - at);
}

static begun begin(const rego::engine &engine, std::uint32_t flags) {
  rego_begin begin = REGO_BEGIN_INIT;
  begin.now = rego::now();
  begin.flags = flags;
  rego_call raw = 0;
  rego_step step = REGO_STEP_INIT;
  const rego::key get = engine.key("svc.Get").value();
  const std::string before = passed_through(engine);
  CHECK(rego_call_begin(engine.raw(), get.raw(), &begin, &raw, &step) == REGO_STATUS_OK);
  return {rego::call::adopt(engine.raw(), raw), step.actions[0].attempt, passed_through(engine) == before};
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

/// That is noticed where something has not.
static void a_call_too_many_has_no_room() {
  const rego::engine engine = make();
  CHECK(has_all_its_room(engine));
  const begun one = begin(engine, 0);
  CHECK(one.has_room && !has_all_its_room(engine));
  finish(engine, one.attempt);
  CHECK(has_all_its_room(engine));
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

static void calls_that_wait_and_calls_that_hedge_end_with_their_owners() {
  rego_options raw = rego::engine::defaults();
  raw.max_live_calls = ROOM;
  raw.now = 1000;
  rego::engine engine = rego::engine::make(raw).value();
  using namespace std::chrono_literals;
  engine.load_policies({rego::policy("svc.Get").idempotent().initial_backoff(1h).max_backoff(1h).overall_timeout(10h)
                            .attempt_timeout(10h).retry_budget("unlimited").hedge_after(1ms).hedge_budget("unlimited")}).value();
  const rego::key get = engine.key("svc.Get").value();
  // In a time of its own: of the clock nothing is heard.
  for (rego::time now = 2000; now < 2000 + 3 * ROOM; now++) {
    rego_begin begin = REGO_BEGIN_INIT;
    begin.now = now;
    begin.flags = REGO_BEGIN_KEEP;
    rego_step step = REGO_STEP_INIT;
    rego_call calls[2] = {0, 0};
    std::vector<rego_attempt> attempts;
    for (rego_call &call : calls) {
      CHECK(rego_call_begin(engine.raw(), get.raw(), &begin, &call, &step) == REGO_STATUS_OK);
      CHECK(step.wake_at != REGO_TIME_NEVER);
      attempts.push_back(step.actions[0].attempt);
    }
    rego::call waits = rego::call::adopt(engine.raw(), calls[0]);
    rego::call hedges = rego::call::adopt(engine.raw(), calls[1]);
    const auto hedged = hedges.poll(step.wake_at);
    CHECK(hedged && hedged->n_actions == 1 && hedged->actions[0].reason == REGO_ATTEMPT_HEDGE);
    const rego_completion busy = rego::completion::http(503).raw();
    CHECK(rego_attempt_finish(engine.raw(), attempts[0], now, &busy, &step) == REGO_STATUS_OK && step.n_actions == 0);
    waits.end(now);
    hedges.end(now);
    for (const rego_attempt attempt : {attempts[1], hedged->actions[0].attempt}) {
      CHECK(rego_attempt_cancelled(engine.raw(), attempt));
      CHECK(rego_attempt_reject(engine.raw(), attempt, now, &step) == REGO_STATUS_OK && step.n_actions == 0);
    }
  }
  CHECK(rego_engine_release(engine.release()) == 0);
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

/// Begins `count` calls with the cookies 1 to `count`.
static rego::loop loop_of(rego::engine &engine, unsigned count) {
  rego::loop loop = engine.loop([] {}).value();
  const rego::key get = engine.key("svc.Get").value();
  for (unsigned i = 1; i <= count; i++) CHECK(loop.begin(get, i));
  return loop;
}

static void a_loops_call_is_told_its_end_all_the_same() {
  rego::engine engine = make();
  for (const std::uint32_t flags : {std::uint32_t{0}, std::uint32_t{REGO_BEGIN_KEEP}}) {
    for (unsigned i = 0; i < 2 * ROOM; i++) {
      int rung = 0;
      rego::loop loop = engine.loop([&rung] { rung++; }).value();
      rego_begin begin = REGO_BEGIN_INIT;
      begin.now = rego::now();
      begin.flags = flags;
      rego_call raw = 0;
      rego_step step = REGO_STEP_INIT;
      const rego::key get = engine.key("svc.Get").value();
      CHECK(rego_loop_begin(loop.raw(), get.raw(), &begin, &raw, &step) == REGO_STATUS_OK);
      loop.process([](const rego_action &) {}).value();
      rego::call::adopt(engine.raw(), raw).end();
      CHECK(rung == 1 && loop.next_deadline() == 0);
      unsigned done = 0;
      loop.process([&](const rego_action &action) {
        if (action.kind != REGO_ACTION_DONE) return;
        done += action.reason == REGO_VERDICT_CANCELLED && action.call == raw;
      }).value();
      CHECK(done == 1);
      CHECK(rego_call_end(engine.raw(), raw) == REGO_STATUS_STALE);
      finish(engine, step.actions[0].attempt);
    }
  }
  CHECK(has_all_its_room(engine));
}

static void a_loop_is_moved_with_all_that_is_in_it() {
  rego::engine engine = rego::engine::make().value();
  rego::loop loop = loop_of(engine, 20);
  rego::loop other = loop_of(engine, 0);
  other = std::move(loop);
  rego::loop &same = other;
  other = std::move(same);
  std::vector<std::uint64_t> seen;
  // Who processes while it processes gets what is left, in order, and all of it once.
  const auto told = other.process([&](const rego_action &action) {
    seen.push_back(action.cookie);
    if (seen.size() == 3) CHECK(other.process([&](const rego_action &next) { seen.push_back(next.cookie); }));
  });
  CHECK(told && seen.size() == 20);
  for (std::size_t i = 0; i < seen.size(); i++) CHECK(seen[i] == i + 1);
  CHECK(!loop && loop.next_deadline() == REGO_TIME_NEVER);
  CHECK(!loop.process([](const rego_action &) {}));
}

#if REGO_HPP_EXCEPTIONS
static void what_an_exception_keeps_back_comes_next() {
  rego::engine engine = rego::engine::make().value();
  for (const unsigned count : {3u, 16u, 40u}) {
    rego::loop loop = loop_of(engine, count);
    std::vector<std::uint64_t> seen;
    std::vector<rego_attempt> attempts;
    unsigned thrown = 0;
    for (bool through = false; !through;) {
      try {
        loop.process([&](const rego_action &action) {
          seen.push_back(action.cookie);
          attempts.push_back(action.attempt);
          if (seen.size() % 5 == 1) throw 1;
        }).value();
        through = true;
      } catch (int) {
        thrown++;
        // There is something to do at once, elsewhere too.
        CHECK(seen.size() == count || loop.next_deadline() == 0);
        rego::loop elsewhere = std::move(loop);
        CHECK(loop.next_deadline() == REGO_TIME_NEVER);
        loop = std::move(elsewhere);
      }
    }
    // What threw was handed out, and is not handed out again.
    CHECK(seen.size() == count && thrown == (count + 4) / 5);
    for (std::size_t i = 0; i < seen.size(); i++) CHECK(seen[i] == i + 1);
    for (const rego_attempt attempt : attempts) finish(engine, attempt);
    unsigned done = 0;
    loop.process([&](const rego_action &action) { done += action.kind == REGO_ACTION_DONE; }).value();
    CHECK(done == count);
  }
}

static void what_is_kept_back_goes_with_its_loop() {
  rego::engine engine = make();
  for (unsigned i = 0; i < 4; i++) {
    rego_attempt first = 0;
    {
      rego::loop loop = loop_of(engine, ROOM);
      try {
        (void)loop.process([&](const rego_action &action) {
          first = action.attempt;
          throw 1;
        });
      } catch (int) {
      }
    }
    // Of this attempt the host knows; of the others it never heard.
    finish(engine, first);
  }
  CHECK(has_all_its_room(engine));
  // A loop that holds the last reference.
  rego::loop last = loop_of(engine, ROOM);
  try {
    (void)last.process([](const rego_action &) { throw 1; });
  } catch (int) {
  }
  engine = rego::engine();
}
#endif

static rego_outcome usual(const rego_completion &, const rego_context &, rego_outcome usual) { return usual; }

/// One that says, by `counted`, whether it is still there.
static auto counting(std::shared_ptr<int> counted) {
  return [counted](const rego_completion &facts, const rego_context &context, rego_outcome before) {
    ++*counted;
    return usual(facts, context, before);
  };
}

static void classifiers_go_whatever_becomes_of_the_engine() {
  const auto counted = std::make_shared<int>(0);
  const auto all_of = [&](unsigned count, const char *name) {
    std::vector<rego::classifier> all;
    for (unsigned i = 0; i < count; i++) all.emplace_back(name + std::to_string(i), counting(counted));
    return all;
  };
  // Options that cannot be read; of another ABI; with one that is refused; with more than there may be.
  rego_options unreadable = rego::engine::defaults();
  unreadable.struct_size = 0;
  rego_options foreign = rego::engine::defaults();
  foreign.abi_version++;
  const auto refuses = [&](const rego_options &raw, std::vector<rego::classifier> all) {
    CHECK(counted.use_count() > 1);
    { CHECK(!rego::engine::make(raw, std::move(all))); }
    CHECK(counted.use_count() == 1);
  };
  refuses(unreadable, all_of(3, "mine"));
  refuses(foreign, all_of(3, "mine"));
  auto twice = all_of(3, "mine");
  twice.emplace_back("mine1", usual);
  refuses(rego::engine::defaults(), std::move(twice));
  refuses(rego::engine::defaults(), all_of(1025, "mine"));
  // One that was moved from is none, and drops nothing.
  auto moved = all_of(2, "mine");
  rego::classifier elsewhere = std::move(moved[0]);
  CHECK(elsewhere.raw().userdata != nullptr && moved[0].raw().userdata == nullptr);
  const auto refused = rego::engine::make(rego::engine::defaults(), std::move(moved));
  CHECK(!refused && refused.error().status() == REGO_STATUS_NULL && counted.use_count() == 2);
}

static void classifiers_are_given_to_c_by_hand() {
  const auto counted = std::make_shared<int>(0);
  rego_engine *made = nullptr;
  for (const std::uint32_t abi : {REGO_ABI_VERSION + 1u, REGO_ABI_VERSION + 0u}) {
    rego::classifier mine("mine", counting(counted));
    const rego_classifier *const all[] = {&mine.raw()};
    rego_options raw = rego::engine::defaults();
    raw.abi_version = abi;
    raw.classifiers = all;
    raw.n_classifiers = 1;
    CHECK((rego_engine_new(&raw, &made, nullptr) == REGO_STATUS_OK) == (abi == REGO_ABI_VERSION));
    mine.release();
    CHECK(mine.raw().userdata == nullptr);
    CHECK(counted.use_count() == (made == nullptr ? 1 : 2));
  }
  rego_engine_release(made);
  CHECK(counted.use_count() == 1);
}

static void classifiers_are_listed() {
  const auto counted = std::make_shared<int>(0);
  const char *const policies = "schema = 1\n[policies.\"svc.A\"]\nretry.classifier = \"a\"\n[policies.\"svc.B\"]\nretry.classifier = \"b\"\n";
  {
    rego::engine both = rego::engine::make(rego::engine::defaults(), {rego::classifier("a", counting(counted)),
                                                                      rego::classifier("b", usual)}).value();
    CHECK(both.load_policies(policies));
    CHECK(both.run(both.key("svc.A").value(), [](const rego::attempt &it) { it.report(rego::completion::http(404)); }));
    CHECK(*counted == 1 && counted.use_count() == 2);
    CHECK(rego::engine::make(rego::engine::defaults(), {{"a", counting(counted)}, {"b", usual}}).value().load_policies(policies));
    CHECK(rego::engine::make(rego::engine::defaults(), {rego::classifier("a", usual)}));
    CHECK(rego::engine::make(rego::engine::defaults(), {{"a", usual}}));
    CHECK(rego::engine::make(rego::engine::defaults(), {}));
    CHECK(rego::engine::make(rego::engine::defaults(), std::vector<rego::classifier>()));
    std::vector<rego::classifier> all;
    all.emplace_back("a", usual);
    CHECK(rego::engine::make(rego::engine::defaults(), std::move(all)));
  }
  CHECK(counted.use_count() == 1);
}

static void classifiers_of_the_options_stay() {
  const auto counted = std::make_shared<int>(0);
  rego::classifier by_hand("a", counting(counted));
  const rego_classifier *const all[] = {&by_hand.raw()};
  rego_options raw = rego::engine::defaults();
  raw.classifiers = all;
  raw.n_classifiers = 1;
  rego::engine engine = rego::engine::make(raw, {rego::classifier("b", usual)}).value();
  by_hand.release();
  CHECK(engine.load_policies({rego::policy("svc.A").classifier("a"), rego::policy("svc.B").classifier("b")}));
  CHECK(counted.use_count() == 2);
}

struct shape {
  virtual ~shape() = default;
  virtual int corners() const = 0;
};
struct square : shape {
  int corners() const override { return 4; }
};

static void references_stay_references() {
  rego::engine engine = make();
  const rego::key get = engine.key("svc.Get").value();
  pool threads(1);
  int there = 3;
  int &same = engine.run(get, [&](const rego::attempt &) -> int & { return there; }).value().value();
  same++;
  CHECK(there == 4 && &same == &there);
  const square it;
  CHECK(engine.call(get, threads, [&](const rego::attempt &) -> const shape & { return it; }).value().value().corners() == 4);
  std::atomic<const int *> told{nullptr};
  CHECK(engine.submit(get, threads, [&](const rego::attempt &) -> const int & { return there; },
                      [&](rego::outcome<const int &> outcome) { told = &outcome.value(); }));
  while (told == nullptr) std::this_thread::yield();
  CHECK(told == &there);
  // What cannot be changed is a value like any other.
  CHECK(engine.run(get, [](const rego::attempt &) -> const std::string { return "x"; }).value().value() == "x");
}

#if REGO_HPP_EXCEPTIONS
struct large {
  char bytes[1 << 20];
};

static void what_an_attempt_leaves_may_find_no_memory() {
  rego::engine engine = make();
  bool ran = false;
  too_much = sizeof(large);
  auto outcome = engine.run(engine.key("svc.Get").value(), [&](const rego::attempt &) {
    ran = true;
    return large();
  });
  too_much = SIZE_MAX;
  CHECK(outcome && !outcome->ok() && !outcome->has_value() && !ran);
  bool threw = false;
  try {
    static_cast<void>(outcome->value());
  } catch (const rego::bad_result &) {
    threw = true;
  }
  CHECK(threw);
}
#endif

int main() {
  a_call_too_many_has_no_room();
  a_call_ends_with_its_owner();
  calls_that_wait_and_calls_that_hedge_end_with_their_owners();
  a_kept_call_is_there_until_it_is_let_go();
  who_was_moved_from_owns_nothing();
  owners_go_while_others_finish();
  a_loops_call_is_told_its_end_all_the_same();
  a_loop_is_moved_with_all_that_is_in_it();
  classifiers_go_whatever_becomes_of_the_engine();
  classifiers_are_given_to_c_by_hand();
  classifiers_are_listed();
  classifiers_of_the_options_stay();
  references_stay_references();
#if REGO_HPP_EXCEPTIONS
  what_an_exception_keeps_back_comes_next();
  what_is_kept_back_goes_with_its_loop();
  what_an_attempt_leaves_may_find_no_memory();
#endif
  return failures == 0 ? 0 : 1;
}
