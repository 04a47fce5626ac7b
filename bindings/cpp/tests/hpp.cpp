// rego.hpp in every dialect, with exceptions and without.
#include "check.hpp"
#include "pool.hpp"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>

using namespace std::chrono_literals;

static rego::engine make() {
  rego::engine engine = rego::engine::make().value();
  engine
      .load_policies({
          rego::policy("svc.Get").max_attempts(3).initial_backoff(1ms).line("retry.jitter = \"none\"").retry_budget("unlimited"),
          rego::policy("svc.Slow").max_attempts(3).initial_backoff(20s).max_backoff(20s).retry_budget("unlimited"),
          rego::policy("svc.Hedged").idempotent().hedge_after(2ms).hedge_budget("unlimited"),
          rego::policy("svc.Patient").idempotent().hedge_after(10s).hedge_budget("unlimited"),
      })
      .value();
  return engine;
}

static void a_value_comes_back() {
  const rego::engine engine = make();
  rego::engine same = engine;
  const rego::key get = same.key("svc.Get").value();
  int made = 0;
  auto outcome = same.run(get, [&](const rego::attempt &attempt) {
    made++;
    if (attempt.number() < 2) attempt.report(rego::completion::http(503));
    return std::string("user ") + std::to_string(attempt.number());
  });
  CHECK(outcome.has_value() && outcome->ok() && outcome->attempts() == 3 && made == 3);
  CHECK(outcome->value() == "user 2");
  // The last real failure is an answer too.
  auto failed = same.run(get, [](const rego::attempt &attempt) {
    attempt.report(rego::completion::http(503).retry_after(1ns));
    return std::make_unique<int>(static_cast<int>(attempt.number()));
  });
  CHECK(!failed->ok() && failed->has_value());
  // A callable without a value.
  CHECK(same.run(get, [](const rego::attempt &) {})->ok());
  CHECK(same.metrics().value().find("svc.Get") != std::string::npos);
}

static std::string fetch(rego::time deadline) { return deadline == 0 ? "" : "user"; }

static void the_header_tells_how_it_begins() {
  const std::string text = "schema = 1\n";
  pool pool(1);
  auto engine = rego::engine::make().value();
  engine.load_policies(text).value();
  rego::key get = engine.key("user-service.GetUser").value();
  auto outcome = engine.call(get, pool, [](const rego::attempt &a) { return fetch(a.deadline()); }).value();
  std::string user = outcome.value();
  CHECK(user == "user");
}

static void budgets_and_loads_are_put_together() {
  rego::engine engine = rego::engine::make().value();
  const auto few = rego::budget("few").ratio(0.1).start(1).min_per_sec(0);
  engine
      .load_policies({rego::policy("svc.Few").max_attempts(5).initial_backoff(1ms).retry_budget("few"),
                      rego::policy("svc.Load").idempotent().hedge_load(0.02, 0.999, 20)},
                     {few, rego::budget("two").concurrency(2)})
      .value();
  auto denied = engine.run(engine.key("svc.Few").value(), [](const rego::attempt &attempt) {
    attempt.report(rego::completion::http(503));
  });
  CHECK(denied->attempts() == 2 && denied->verdict() == REGO_VERDICT_BUDGET_DENIED);
  for (const auto &[objective, fan_out, field] :
       {std::tuple{99.0, 1u, "hedge.objective"}, std::tuple{0.99, 0u, "hedge.fan_out"}}) {
    const auto wrong = engine.load_policies({rego::policy("svc.Load").idempotent().hedge_load(0.02, objective, fan_out)});
    CHECK(!wrong.has_value() && wrong.error().message().find(field) != std::string::npos);
  }
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (const double share : {none, 1e300, -0.5}) {
    const auto wrong = engine.load_policies({}, {rego::budget("odd").ratio(share)});
    CHECK(!wrong.has_value() && wrong.error().message().find("ratio") != std::string::npos);
  }
  // Names are names, whatever is in them, and no lines of the document.
  const std::string_view odd = "a \"b\"\\";
  engine.load_policies({rego::policy("svc.Odd").retry_budget(odd)}, {rego::budget(odd).ratio(1e-7)}).value();
  const auto lines = engine.load_policies({}, {rego::budget("a\"]\n[b").ratio(0.1)});
  CHECK(!lines.has_value() && lines.error().message().find("name of a budget") != std::string::npos);
}

static void a_deadline_that_is_past_is_no_absent_one() {
  using point = std::chrono::steady_clock::time_point;
  CHECK(rego::to_time(point() + 7ns) == 7 && rego::to_time(point()) == 1 && rego::to_time(point() - 1h) == 1);
  rego::engine engine = make();
  rego::options how;
  how.deadline = rego::to_time(point() - 1h);
  const auto late = engine.run(engine.key("svc.Get").value(), [](const rego::attempt &) { return 1; }, how);
  CHECK(late && late->verdict() == REGO_VERDICT_DEADLINE_EXCEEDED);
}

static void what_remains_can_be_waited_for() {
  rego_attempt_info info{};
  rego::completion facts;
  const rego::attempt attempt(nullptr, info, facts);
  CHECK(attempt.remaining() == 0ns);
  info.deadline = REGO_TIME_NEVER;
  CHECK(attempt.remaining() == 365 * 24h);
  const auto now = std::chrono::steady_clock::now();
  CHECK(now + attempt.remaining() > now);
  info.deadline = rego::now() + 3600000000000;
  CHECK(attempt.remaining() > 50min && attempt.remaining() <= 1h);
}

static void results_hand_over_what_they_have() {
  rego::result<std::unique_ptr<int>> there = std::make_unique<int>(3);
  CHECK(*std::move(there).value_or(nullptr) == 3);
  rego::unexpected why{rego::error(REGO_STATUS_STALE)};
  const rego::unexpected &same = why;
  CHECK(why.error().status() == REGO_STATUS_STALE && same.error().status() == REGO_STATUS_STALE);
  rego::result<std::unique_ptr<int>> none = std::move(why);
  CHECK(!none && none.error().status() == REGO_STATUS_STALE && std::move(none).value_or(nullptr) == nullptr);
}

static void members_are_callables() {
  rego::engine engine = make();
  const rego::key get = engine.key("svc.Get").value();
  CHECK(engine.run(get, &rego::attempt::number).value().value() == 0);
}

static void errors_are_told() {
  rego::engine engine = make();
  const auto wrong = engine.load_policies("schema = 1\n[policies.\"a.b\"]\nretry.max_atempts = 3\n");
  CHECK(!wrong && wrong.error().status() == REGO_STATUS_INVALID);
  CHECK(wrong.error().message().find("max_atempts") != std::string::npos);
  CHECK(!engine.key(""));
  const auto stale = engine.run(rego::key(), [](const rego::attempt &) { return 1; });
  CHECK(!stale && std::string(stale.error().name()) == "REGO_STATUS_STALE");
}

static void hedges_run_on_the_pool() {
  rego::engine engine = make();
  pool threads(2);
  std::atomic<int> losers{0};
  rego::options how;
  how.wait_losers = true;
  auto outcome = engine.call(engine.key("svc.Hedged").value(), threads, [&](const rego::attempt &attempt) {
    while (!attempt.is_hedge() && !attempt.cancelled()) std::this_thread::sleep_for(100us);
    if (!attempt.is_hedge()) losers++;
    return std::string(100, 'x');
  }, how);
  CHECK(outcome->ok() && outcome->value().size() == 100 && losers == 1);
  how.inline_first = true;
  const auto here = std::this_thread::get_id();
  auto inlined = engine.call(engine.key("svc.Patient").value(), threads, [&](const rego::attempt &) {
    return std::this_thread::get_id() == here;
  }, how);
  CHECK(inlined->ok() && inlined->value());
}

static void a_submitted_call_tells_its_end() {
  rego::engine engine = make();
  std::atomic<int> done{0};
  std::string value;
  {
    pool threads(2);
    const auto call = engine.submit(engine.key("svc.Get").value(), threads,
        [](const rego::attempt &) { return std::string("told"); },
        [&](rego::outcome<std::string> outcome) {
          value = outcome.value();
          done++;
        });
    CHECK(call && *call != 0);
    while (done == 0) std::this_thread::sleep_for(100us);
  }
  CHECK(value == "told" && done == 1);
}

static void calls_and_loops_are_owned() {
  rego::engine engine = make();
  const rego::key get = engine.key("svc.Get").value();
  int rung = 0;
  rego::loop events = engine.loop([&rung] { rung++; }).value();
  rego::loop moved = std::move(events);
  CHECK(!events && moved);
  CHECK(moved.begin(get, 7));
  bool done = false;
  while (!done) {
    moved.process([&](const rego_action &action) {
      if (action.kind == REGO_ACTION_START) {
        rego_step step = REGO_STEP_INIT;
        const rego_completion ok = REGO_COMPLETION_INIT;
        CHECK(rego_attempt_finish(engine.raw(), action.attempt, rego::now(), &ok, &step) == REGO_STATUS_OK);
      }
      done |= action.kind == REGO_ACTION_DONE && action.cookie == 7;
    }).value();
  }
  rego_begin begin = REGO_BEGIN_INIT;
  begin.now = rego::now();
  begin.flags = REGO_BEGIN_KEEP;
  rego_call raw = 0;
  rego_step step = REGO_STEP_INIT;
  CHECK(rego_call_begin(engine.raw(), get.raw(), &begin, &raw, &step) == REGO_STATUS_OK);
  {
    rego::call call = rego::call::adopt(engine.raw(), raw);
    CHECK(call.poll() && !call.timeline());
    const rego_completion ok = REGO_COMPLETION_INIT;
    CHECK(rego_attempt_finish(engine.raw(), step.actions[0].attempt, rego::now(), &ok, &step) == REGO_STATUS_OK);
    CHECK(call.timeline().value().find("svc.Get") != std::string::npos);
    CHECK(call.timeline_json().value().front() == '{');
  }
  CHECK(rego_call_end(engine.raw(), raw) == REGO_STATUS_STALE);
  rego_engine *released = engine.release();
  CHECK(!engine);
  rego::engine again = rego::engine::adopt(released);
  CHECK(again.key("svc.Get").value().raw() == get.raw());
}

static void classifiers_are_callables() {
  std::vector<rego::classifier> all;
  auto counted = std::make_shared<int>(0);
  all.emplace_back("mine", [counted](const rego_completion &facts, const rego_context &, rego_outcome usual) {
    ++*counted;
    if (facts.code == 7) usual.kind = REGO_OUTCOME_NON_RETRYABLE;
    return usual;
  });
  {
    rego::engine engine = rego::engine::make(rego::engine::defaults(), std::move(all)).value();
    engine.load_policies({rego::policy("svc.Mine").classifier("mine").initial_backoff(1ms)}).value();
    auto outcome = engine.run(engine.key("svc.Mine").value(), [](const rego::attempt &attempt) {
      attempt.report(rego::completion::app(attempt.number() == 0 ? 6 : 7));
      return 0;
    });
    CHECK(outcome->attempts() == 2 && outcome->verdict() == REGO_VERDICT_NON_RETRYABLE);
    CHECK(counted.use_count() == 2);
  }
  CHECK(*counted == 2 && counted.use_count() == 1);
}

#if REGO_HPP_EXCEPTIONS
static void exceptions_are_carried_across() {
  rego::engine engine = make();
  pool threads(2);
  std::atomic<int> made{0};
  auto outcome = engine.run(engine.key("svc.Get").value(), [&](const rego::attempt &) -> int {
    made++;
    throw std::out_of_range("gone");
  });
  CHECK(made == 3 && outcome && !outcome->ok());
  std::string caught;
  try {
    outcome->value();
  } catch (const std::out_of_range &why) {
    caught = why.what();
  }
  CHECK(caught == "gone");
  auto hedged = engine.call(engine.key("svc.Hedged").value(), threads, [&](const rego::attempt &) -> std::string {
    throw 42;
  });
  int number = 0;
  try {
    hedged->value();
  } catch (int thrown) {
    number = thrown;
  }
  CHECK(number == 42);
  // What other callables throw stays where it is.
  std::vector<rego::classifier> throwing;
  throwing.emplace_back("throws", [](const rego_completion &, const rego_context &, rego_outcome) -> rego_outcome {
    throw std::runtime_error("classifier");
  });
  rego::engine other = rego::engine::make(rego::engine::defaults(), std::move(throwing)).value();
  other.load_policies({rego::policy("svc.Get").classifier("throws")}).value();
  auto refused = other.run(other.key("svc.Get").value(), [](const rego::attempt &attempt) {
    attempt.report(rego::completion::http(503));
  });
  CHECK(refused->verdict() == REGO_VERDICT_NON_RETRYABLE && refused->attempts() == 1);
  std::atomic<int> told{0};
  CHECK(engine.submit(engine.key("svc.Get").value(), threads, [](const rego::attempt &) { return 1; },
                      [&](rego::outcome<int>) { told++; throw 1; }));
  while (told == 0) std::this_thread::sleep_for(100us);
  // The next call works.
  CHECK(engine.run(engine.key("svc.Get").value(), [](const rego::attempt &) { return 1; })->value() == 1);
  bool threw = false;
  try {
    (void)engine.key("").value();
  } catch (const std::exception &) {
    threw = true;
  }
  CHECK(threw);
}

/// Threads and a timer that break when they are asked.
struct broken_pool {
  pool threads{1};
  bool spawns = false, schedules = false;
  bool spawn(rego::task task) {
    if (!spawns) throw std::runtime_error("spawn");
    return threads.spawn(task);
  }
  bool schedule(rego::time at, rego::task task) {
    if (!schedules) throw 7;
    return threads.schedule(at, task);
  }
};

/// What they throw is a refusal.
static void what_hosts_throw_is_kept_from_the_library() {
  rego::engine engine = make();
  const rego::key get = engine.key("svc.Get").value(), hedged = engine.key("svc.Hedged").value();
  const auto one = [](const rego::attempt &) { return 1; };
  std::atomic<int> verdict{-1};
  const auto then = [&](rego::outcome<int> outcome) { verdict = static_cast<int>(outcome.verdict()); };
  broken_pool pool;
  // Its caller, who waits anyway, runs what nobody else would.
  std::thread::id ran;
  const auto where = [&](const rego::attempt &) { ran = std::this_thread::get_id(); return 1; };
  const auto here = engine.call(hedged, pool, where);
  CHECK(here->verdict() == REGO_VERDICT_SUCCESS && ran == std::this_thread::get_id());
  const auto nowhere = engine.submit(get, pool, one, then);
  CHECK(!nowhere && nowhere.error().status() == REGO_STATUS_CAPACITY && verdict == -1);
  // Without a timer, what has begun goes on, and what would wait for it ends.
  pool.spawns = true;
  CHECK(engine.submit(get, pool, one, then));
  while (verdict == -1) std::this_thread::sleep_for(100us);
  CHECK(verdict == REGO_VERDICT_SUCCESS);
  verdict = -1;
  CHECK(engine.submit(get, pool, [](const rego::attempt &a) { a.report(rego::completion::http(503)); return 1; }, then));
  while (verdict == -1) std::this_thread::sleep_for(100us);
  CHECK(verdict == REGO_VERDICT_CANCELLED);
  // The next one works.
  pool.schedules = true;
  CHECK(engine.call(hedged, pool, one)->value() == 1);
  // A loop's notify.
  int rung = 0;
  {
    rego::loop loop = engine.loop([&] { rung++; throw 1; }).value();
    rego_begin begin = REGO_BEGIN_INIT;
    begin.now = rego::now();
    rego_call call = 0;
    rego_step step = REGO_STEP_INIT;
    CHECK(rego_loop_begin(loop.raw(), get.raw(), &begin, &call, &step) == REGO_STATUS_OK && step.n_actions == 1);
    const rego_completion ok = REGO_COMPLETION_INIT;
    const rego_attempt attempt = step.actions[0].attempt;
    CHECK(rego_attempt_finish(engine.raw(), attempt, begin.now, &ok, &step) == REGO_STATUS_OK);
    unsigned done = 0;
    loop.process([&](const rego_action &action) { done += action.kind == REGO_ACTION_DONE; }).value();
    CHECK(rung == 1 && done == 1);
  }
}
#endif

#if REGO_HPP_STOP_TOKEN
static void a_stop_token_ends_a_call() {
  rego::engine engine = make();
  std::stop_source source;
  rego::options how;
  how.stop = source.get_token();
  std::thread stopper([&] {
    std::this_thread::sleep_for(5ms);
    source.request_stop();
  });
  auto outcome = engine.run(engine.key("svc.Slow").value(), [](const rego::attempt &attempt) {
    attempt.report(rego::completion::http(503));
    return 0;
  }, how);
  stopper.join();
  CHECK(outcome->verdict() == REGO_VERDICT_CANCELLED && outcome->attempts() == 1);
  // One that was asked for before the call begins.
  auto none = engine.run(engine.key("svc.Slow").value(), [](const rego::attempt &) { return 0; }, how);
  CHECK(none->verdict() == REGO_VERDICT_CANCELLED);
}
#endif

int main() {
  a_value_comes_back();
  the_header_tells_how_it_begins();
  budgets_and_loads_are_put_together();
  a_deadline_that_is_past_is_no_absent_one();
  what_remains_can_be_waited_for();
  results_hand_over_what_they_have();
  members_are_callables();
  errors_are_told();
  hedges_run_on_the_pool();
  a_submitted_call_tells_its_end();
  calls_and_loops_are_owned();
  classifiers_are_callables();
#if REGO_HPP_EXCEPTIONS
  exceptions_are_carried_across();
  what_hosts_throw_is_kept_from_the_library();
#endif
#if REGO_HPP_STOP_TOKEN
  a_stop_token_ends_a_call();
#endif
  return failures == 0 ? 0 : 1;
}
