// A program with a header that is newer than the library: each struct that callbacks are handed ends in a field,
// `later`, of which the library knows nothing.
#include "../tests/check.hpp"
#include "../tests/pool.hpp"

#include <cstddef>
#include <cstring>
#include <new>

/// What the library hands out: a `T` without its last field, and what is behind it is somebody else's.
template <class T>
class older {
 public:
  explicit older(const T &init) {
    std::memset(bytes_, OTHERS, sizeof bytes_);
    std::memcpy(bytes_, &init, SIZE);
    std::memcpy(bytes_, &SIZE, sizeof SIZE);
  }
  T *get() { return std::launder(reinterpret_cast<T *>(bytes_)); }
  bool is_whole() const {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes_, sizeof size);
    bool whole = size == SIZE;
    for (std::size_t i = SIZE; i < sizeof bytes_; i++) whole &= bytes_[i] == OTHERS;
    return whole;
  }

 private:
  static constexpr unsigned char OTHERS = 0xaa;
  static constexpr std::uint32_t SIZE = offsetof(T, later);
  alignas(T) unsigned char bytes_[sizeof(T)];
};

static void what_is_handed_out_is_written_as_far_as_it_goes() {
  rego::engine engine = rego::engine::make().value();
  const auto op = [](const rego::attempt &attempt) {
    CHECK(attempt.number() == 3 && attempt.raw().later == 0);
    attempt.report(rego::completion::http(200));
    return 7;
  };
  rego_result ended = REGO_RESULT_INIT;
  bool told = false;
  const auto then = [&](rego::outcome<int> outcome) { told = outcome.raw().later == 0 && outcome.value() == 7; };
  using job = rego::detail::submitted<decltype(op), decltype(then)>;
  std::unique_ptr<rego::detail::job<decltype(op)>> held(new job(op, engine.raw(), then));
  const rego_work work = job::work(std::move(held), {});
  rego_attempt_info one{};
  one.number = 3;
  older<rego_attempt_info> info(one);
  older<rego_completion> facts(REGO_COMPLETION_INIT);
  work.attempt(work.userdata, info.get(), facts.get());
  CHECK(facts.is_whole() && facts.get()->code == 200);
  ended.result = facts.get()->result;
  older<rego_result> result(ended);
  job::done(work.userdata, result.get());
  CHECK(told);
  job::drop(work.userdata);

  const rego::classifier mine("mine", [](const rego_completion &how, const rego_context &context, rego_outcome usual) {
    CHECK(how.code == 200 && how.later == 0 && context.attempt == 3 && context.later == 0 && usual.later == 0);
    usual.kind = REGO_OUTCOME_ABORT;
    usual.later = 1;
    return usual;
  });
  rego_context known{};
  known.attempt = 3;
  older<rego_context> context(known);
  older<rego_outcome> outcome(REGO_OUTCOME_INIT);
  mine.raw().classify(mine.raw().userdata, facts.get(), context.get(), outcome.get());
  CHECK(outcome.is_whole() && outcome.get()->kind == REGO_OUTCOME_ABORT);
}

static void calls_are_made() {
  std::vector<rego::classifier> all;
  all.emplace_back("mine", [](const rego_completion &, const rego_context &, rego_outcome usual) { return usual; });
  rego::engine engine = rego::engine::make(rego::engine::defaults(), std::move(all)).value();
  engine.load_policies({rego::policy("svc.Get").classifier("mine").line("retry.initial_backoff = \"1ms\"")}).value();
  pool threads(1);
  auto outcome = engine.call(engine.key("svc.Get").value(), threads, [](const rego::attempt &attempt) {
    if (attempt.number() == 0) attempt.report(rego::completion::http(503));
    return attempt.number();
  });
  CHECK(outcome && outcome->attempts() == 2 && outcome->value() == 1);
}

int main() {
  what_is_handed_out_is_written_as_far_as_it_goes();
  calls_are_made();
  return failures == 0 ? 0 : 1;
}
