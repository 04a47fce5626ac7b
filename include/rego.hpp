// rego for C++: owners for what rego.h counts, results for its statuses, callables for its callbacks.
//
//   auto engine = rego::engine::make().value();
//   engine.load_policies(text).value();
//   rego::key get = engine.key("user-service.GetUser").value();
//   auto outcome = engine.call(get, pool, [](const rego::attempt &a) { return fetch(a.deadline()); }).value();
//   std::string user = outcome.value();
//
// C++17 and later, this header and rego.h alone. Works without exceptions and without RTTI: then
// `value()` of an error, and a callable that would throw, end the program.
//
// What throws in a callable is caught there and thrown again by `value()` on the caller's side, when
// its attempt is the one that answers the call; nothing is ever thrown through the library. So a thread
// must not be ended in a callable either, by pthread_exit or pthread_cancel.
#ifndef REGO_HPP
#define REGO_HPP

#include <rego.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <locale>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#  define REGO_HPP_EXCEPTIONS 1
#  include <exception>
#  include <stdexcept>
#else
#  define REGO_HPP_EXCEPTIONS 0
#endif
#if __cplusplus > 202002L && defined(__has_include)
#  if __has_include(<expected>)
#    include <expected>
#  endif
#endif
#if __cplusplus >= 202002L && defined(__has_include)
#  if __has_include(<stop_token>)
#    include <stop_token>
#  endif
#endif
// Each, once included, says itself whether it is there.
#if defined(__cpp_lib_expected) && __cpp_lib_expected >= 202202L
#  define REGO_HPP_EXPECTED 1
#else
#  define REGO_HPP_EXPECTED 0
#endif
#if defined(__cpp_lib_jthread)
#  define REGO_HPP_STOP_TOKEN 1
#else
#  define REGO_HPP_STOP_TOKEN 0
#endif

// Dialect and version decide how things are laid out, so they are in the names: parts of a program that were
// compiled otherwise do not take each other's for their own. They hand on what is C's, by `raw()` and `adopt`.
#define REGO_HPP_NAME_OF(major, minor, patch, exceptions, expected, stop_token) \
  v##major##_##minor##_##patch##_##exceptions##expected##stop_token
#define REGO_HPP_NAME(major, minor, patch, exceptions, expected, stop_token) \
  REGO_HPP_NAME_OF(major, minor, patch, exceptions, expected, stop_token)

namespace rego {
inline namespace REGO_HPP_NAME(REGO_VERSION_MAJOR, REGO_VERSION_MINOR, REGO_VERSION_PATCH, REGO_HPP_EXCEPTIONS,
                               REGO_HPP_EXPECTED, REGO_HPP_STOP_TOKEN) {

static_assert(REGO_VERSION_MAJOR == 0 && REGO_VERSION_MINOR == 1, "rego.hpp is of another version than rego.h");

/// A point of the host's monotonic clock, or a length of it, in nanoseconds. `steady_clock` is that
/// clock on every system the library knows.
using time = rego_time;

/// A point at the clock's epoch or before it is 1: as a deadline it is past, where 0 would be none.
inline time to_time(std::chrono::steady_clock::time_point at) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
  return static_cast<time>(since > 0 ? since : 1);
}
inline time now() noexcept { return to_time(std::chrono::steady_clock::now()); }

/// Why a function did nothing: a status, and what is to be said of it where something is.
class error {
 public:
  explicit error(::rego_status status, std::string message = {})
      : status_(status), message_(std::move(message)) {}
  ::rego_status status() const noexcept { return status_; }
  const char *name() const noexcept { return ::rego_status_name(static_cast<std::int32_t>(status_)); }
  std::string message() const { return message_.empty() ? std::string(name()) : message_; }

 private:
  ::rego_status status_;
  std::string message_;
};

namespace detail {

[[noreturn]] inline void fail(const error &why);

inline ::rego_str str(std::string_view text) noexcept { return ::rego_str{text.data(), text.size()}; }

/// A pointer as a number that comes back, and what it was: as bytes, for systems whose pointers are shorter.
template <class T>
std::uint64_t number_of(T *at) noexcept {
  std::uint64_t number = 0;
  std::memcpy(&number, &at, sizeof at);
  return number;
}
template <class T>
T *pointer_of(std::uint64_t number) noexcept {
  T *at = nullptr;
  std::memcpy(&at, &number, sizeof at);
  return at;
}

/// What the library hands to a callback: it may know less of it than this header, and its size says how much.
/// What is not there is 0.
template <class T>
T handed(const T *from) noexcept {
  const std::size_t size = from->struct_size;
  T it{};
  std::memcpy(&it, from, size < sizeof(T) ? size : sizeof(T));
  it.struct_size = sizeof(T);
  return it;
}

/// Writes `it` over what the library handed out to be written, as far as that goes.
template <class T>
void hand_back(const T &it, T *to) noexcept {
  const std::uint32_t size = to->struct_size;
  std::memcpy(to, &it, size < sizeof(T) ? size : sizeof(T));
  to->struct_size = size;
}

/// What a `void` callable returns.
struct unit {};
/// What is kept of what a callable returns.
template <class T>
struct stored {
  using type = T;
};
template <>
struct stored<void> {
  using type = unit;
};
template <class T>
struct stored<T &> {
  using type = std::reference_wrapper<T>;
};
template <class T>
struct stored<T &&> {
  using type = T;
};

}  // namespace detail

#if REGO_HPP_EXCEPTIONS
/// What `value()` throws of a result that is an error, but where results are `std::expected`: there it is
/// `std::bad_expected_access<error>`; and of an outcome without a value, everywhere.
class bad_result : public std::runtime_error {
 public:
  explicit bad_result(const error &why) : std::runtime_error(why.message()), status_(why.status()) {}
  ::rego_status status() const noexcept { return status_; }

 private:
  ::rego_status status_;
};
inline void detail::fail(const error &why) { throw bad_result(why); }
#else
inline void detail::fail(const error &) { std::abort(); }
#endif

#if REGO_HPP_EXPECTED
template <class T>
using result = std::expected<T, error>;
using unexpected = std::unexpected<error>;
#else
class unexpected {
 public:
  explicit unexpected(rego::error e) : error_(std::move(e)) {}
  rego::error &error() & noexcept { return error_; }
  const rego::error &error() const & noexcept { return error_; }
  rego::error &&error() && noexcept { return std::move(error_); }

 private:
  rego::error error_;
};

/// A value, or why there is none: the part of `std::expected` that is used here.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;
  result(T value) : value_(std::move(value)) {}
  result(unexpected e) : error_(std::move(e).error()) {}
  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  T &value() & { return check(), *value_; }
  const T &value() const & { return check(), *value_; }
  T &&value() && { return check(), std::move(*value_); }
  T &operator*() & noexcept { return *value_; }
  const T &operator*() const & noexcept { return *value_; }
  T &&operator*() && noexcept { return std::move(*value_); }
  T *operator->() noexcept { return &*value_; }
  const T *operator->() const noexcept { return &*value_; }
  template <class U>
  T value_or(U &&other) const & { return has_value() ? *value_ : static_cast<T>(std::forward<U>(other)); }
  template <class U>
  T value_or(U &&other) && { return has_value() ? std::move(*value_) : static_cast<T>(std::forward<U>(other)); }
  const rego::error &error() const noexcept { return *error_; }

 private:
  void check() const {
    if (!has_value()) detail::fail(*error_);
  }
  std::optional<T> value_;
  std::optional<rego::error> error_;
};

template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  result() = default;
  result(unexpected e) : error_(std::move(e).error()) {}
  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (!has_value()) detail::fail(*error_);
  }
  void operator*() const noexcept {}
  const rego::error &error() const noexcept { return *error_; }

 private:
  std::optional<rego::error> error_;
};
#endif

namespace detail {

inline result<void> check(::rego_status status) {
  if (status == REGO_STATUS_OK) return {};
  return unexpected(error(status));
}

inline result<void> check(::rego_status status, const ::rego_error &why) {
  if (status == REGO_STATUS_OK) return {};
  return unexpected(error(status, why.message));
}

/// Text of a length that is known when it has been written once. `write(buffer, capacity, &len)`.
template <class Write>
result<std::string> text(Write write) {
  std::string text(4096, '\0');
  for (;;) {
    std::size_t len = 0;
    const ::rego_status status = write(text.data(), text.size(), &len);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    const bool all = len < text.size();
    text.resize(all ? len : len + 1024);
    if (all) return text;
  }
}

}  // namespace detail

/// The number of a call site's name. Good for as long as its engine.
class key {
 public:
  constexpr key() noexcept = default;
  static constexpr key adopt(::rego_key raw) noexcept { return key(raw); }
  constexpr ::rego_key raw() const noexcept { return raw_; }
  ::rego_key release() noexcept { return std::exchange(raw_, 0); }

 private:
  constexpr explicit key(::rego_key raw) noexcept : raw_(raw) {}
  ::rego_key raw_ = 0;
};

/// The facts of how an attempt ended.
class completion {
 public:
  completion() noexcept = default;
  static completion ok() noexcept { return completion(); }
  static completion http(int status) noexcept { return completion(REGO_COMPLETION_HTTP, status); }
  static completion grpc(int status) noexcept { return completion(REGO_COMPLETION_GRPC, status); }
  static completion io(std::uint32_t kind) noexcept { return completion(REGO_COMPLETION_IO, static_cast<std::int32_t>(kind)); }
  static completion sys(int number) noexcept { return completion(REGO_COMPLETION_ERRNO, number); }
  static completion app(int code) noexcept { return completion(REGO_COMPLETION_APP, code); }
  static completion timeout() noexcept { return completion(REGO_COMPLETION_TIMEOUT, 0); }
  static completion cancelled() noexcept { return completion(REGO_COMPLETION_CANCELLED, 0); }
  static completion panic() noexcept { return completion(REGO_COMPLETION_PANIC, 0); }
  completion &method(std::uint32_t method) noexcept { return raw_.method = method, *this; }
  completion &retry_after(std::chrono::nanoseconds wait) noexcept {
    raw_.retry_after = static_cast<std::uint64_t>(wait.count() > 0 ? wait.count() : 1);
    return *this;
  }
  completion &not_sent() noexcept { return raw_.flags |= REGO_COMPLETION_NOT_SENT, *this; }
  completion &idempotency_key() noexcept { return raw_.flags |= REGO_COMPLETION_IDEMPOTENCY_KEY, *this; }
  completion &do_not_retry() noexcept { return raw_.flags |= REGO_COMPLETION_DO_NOT_RETRY, *this; }
  const ::rego_completion &raw() const noexcept { return raw_; }
  ::rego_completion &raw() noexcept { return raw_; }

 private:
  completion(std::uint32_t kind, std::int32_t code) noexcept {
    raw_.kind = kind;
    raw_.code = code;
  }
  ::rego_completion raw_ = REGO_COMPLETION_INIT;
};

/// One attempt, as a callable is told.
class attempt {
 public:
  attempt(const ::rego_engine *engine, const ::rego_attempt_info &info, completion &facts) noexcept
      : engine_(engine), info_(&info), facts_(&facts) {}
  std::uint32_t number() const noexcept { return info_->number; }
  bool is_hedge() const noexcept { return info_->kind == REGO_ATTEMPT_HEDGE; }
  /// When it must be over; `REGO_TIME_NEVER` if there is no such time.
  time deadline() const noexcept { return info_->deadline; }
  /// How long that is from now: 0 if it is past, and never more than a year, also where there is no such time. So it
  /// can be added to now, as whoever waits so long does.
  std::chrono::nanoseconds remaining() const noexcept {
    constexpr std::chrono::nanoseconds longest = std::chrono::hours(365 * 24);
    const time at = now();
    const time left = deadline() > at ? deadline() - at : 0;
    return left < static_cast<time>(longest.count()) ? std::chrono::nanoseconds(static_cast<std::int64_t>(left)) : longest;
  }
  /// Whether it should stop.
  bool cancelled() const noexcept { return ::rego_attempt_cancelled(engine_, info_->attempt); }
  /// The facts, where the returned value does not tell them: an HTTP client's 503, say.
  void report(const completion &facts) const noexcept { *facts_ = facts; }
  const ::rego_attempt_info &raw() const noexcept { return *info_; }

 private:
  const ::rego_engine *engine_;
  const ::rego_attempt_info *info_;
  completion *facts_;
};

/// How a call ended: a verdict, and the value of the attempt that answers it.
template <class T>
class [[nodiscard]] outcome {
  using stored = typename detail::stored<T>::type;

 public:
  /// What an attempt left: a value, or an exception.
  struct left {
    std::optional<stored> value;
#if REGO_HPP_EXCEPTIONS
    std::exception_ptr thrown;
#endif
  };

  outcome(const ::rego_result &raw, std::unique_ptr<left> it) noexcept : raw_(raw), left_(std::move(it)) {}
  /// Whether an attempt answered.
  bool ok() const noexcept { return raw_.verdict == REGO_VERDICT_SUCCESS; }
  explicit operator bool() const noexcept { return ok(); }
  std::uint32_t verdict() const noexcept { return raw_.verdict; }
  std::uint32_t attempts() const noexcept { return raw_.attempts; }
  std::chrono::nanoseconds retry_after() const noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(raw_.retry_after < INT64_MAX ? raw_.retry_after : INT64_MAX));
  }
  const ::rego_result &raw() const noexcept { return raw_; }
  /// The value of the attempt that answers the call, the winner or the last real failure, if it
  /// left one. Never turned into an error.
  bool has_value() const noexcept { return left_ && left_->value.has_value(); }
  /// That value, moved out of here. If that attempt threw, this throws the same; if there is none, `bad_result`.
  T value() {
    if (has_value()) {
      if constexpr (std::is_void_v<T>) return;
      else return std::move(*left_->value);
    }
#if REGO_HPP_EXCEPTIONS
    if (left_ && left_->thrown) std::rethrow_exception(left_->thrown);
#endif
    detail::fail(error(REGO_STATUS_STALE, "the call ended without a value"));
  }

 private:
  ::rego_result raw_;
  std::unique_ptr<left> left_;
};

/// What a call asks for besides its key's policy.
struct options {
  time deadline = 0;  ///< until when the caller will wait; 0 if there is no such time
  std::uint32_t idempotent = REGO_IDEMPOTENT_UNSET;
  std::uint32_t priority = 0;
  bool inline_first = false;  ///< see REGO_EXECUTE_INLINE_FIRST
  bool wait_losers = false;   ///< see REGO_EXECUTE_WAIT_LOSERS: for callables that refer to a stack; not for `submit`
#if REGO_HPP_STOP_TOKEN
  std::stop_token stop{};  ///< asks for the end of the call
#endif
};

/// What a pool is given to run. `Pool`, for calls, is threads and perhaps a timer: it has `bool spawn(task)`, and may have
/// `bool schedule(time, task)`; a `task` is called once, by another thread, or never if false was
/// returned. The pool must outlive the attempts of its calls.
class task {
 public:
  task(::rego_run_fn run, std::uint64_t id) noexcept : run_(run), id_(id) {}
  void operator()() const noexcept { run_(id_); }
  std::uint64_t id() const noexcept { return id_; }

 private:
  ::rego_run_fn run_;
  std::uint64_t id_;
};

namespace detail {

template <class Pool, class = void>
struct has_schedule : std::false_type {};
template <class Pool>
struct has_schedule<Pool, std::void_t<decltype(std::declval<Pool &>().schedule(time{}, std::declval<task>()) ? 0 : 1)>>
    : std::true_type {};

/// Whether it has something of that name for a time and a task, whatever that wants and answers.
template <class Pool, class Task, class = void>
struct names_schedule : std::false_type {};
template <class Pool, class Task>
struct names_schedule<Pool, Task, std::void_t<decltype(std::declval<Pool &>().schedule(time{}, std::declval<Task>()))>>
    : std::true_type {};

template <class Pool, class = void>
struct has_spawn : std::false_type {};
template <class Pool>
struct has_spawn<Pool, std::void_t<decltype(std::declval<Pool &>().spawn(std::declval<task>()) ? 0 : 1)>>
    : std::true_type {};

template <class F, class G>
void contained(F &&f, G otherwise) noexcept;

template <class F>
std::int32_t refused_unless(F accepted) noexcept {
  std::int32_t refused = 1;
  detail::contained([&] { refused = accepted() ? 0 : 1; }, [] {});
  return refused;
}

template <class Pool>
::rego_executor executor(Pool &pool) noexcept {
  static_assert(has_spawn<Pool>::value, "a pool has `bool spawn(rego::task)`");
  constexpr bool times = names_schedule<Pool, task>::value || names_schedule<Pool, task &>::value;
  static_assert(has_schedule<Pool>::value || !times, "a pool that is the timer has `bool schedule(rego::time, rego::task)`");
  ::rego_executor raw = REGO_EXECUTOR_INIT;
  raw.userdata = const_cast<void *>(static_cast<const void *>(std::addressof(pool)));
  raw.spawn = [](void *at, ::rego_run_fn run, std::uint64_t id) noexcept -> std::int32_t {
    return refused_unless([&] { return static_cast<Pool *>(at)->spawn(task(run, id)); });
  };
  if constexpr (has_schedule<Pool>::value) {
    raw.schedule = [](void *at, time when, ::rego_run_fn run, std::uint64_t id) noexcept -> std::int32_t {
      return refused_unless([&] { return static_cast<Pool *>(at)->schedule(when, task(run, id)); });
    };
  }
  return raw;
}

/// Runs `f`; what it throws is kept from whoever called, and `otherwise` runs.
template <class F, class G>
void contained(F &&f, G otherwise) noexcept {
#if REGO_HPP_EXCEPTIONS
  try {
    f();
  } catch (...) {
    otherwise();
  }
#else
  f();
  (void)otherwise;
#endif
}

/// Says of what cannot be an operation why, where it is handed in.
template <class F>
constexpr bool is_operation() {
  constexpr bool callable = std::is_invocable_v<F &, const attempt &>;
  static_assert(callable, "an operation is called with a `const rego::attempt &`");
  if constexpr (callable) {
    static_assert(!std::is_rvalue_reference_v<std::invoke_result_t<F &, const attempt &>>,
                  "what an operation returns outlives it: a value, or a reference to what does; no rvalue reference");
  }
  return true;
}

/// A callable on its way through C: what `userdata` points to.
template <class F>
struct job {
  using returned = std::invoke_result_t<F &, const attempt &>;
  using left = typename outcome<returned>::left;

  F op;
  ::rego_engine *engine;
#if REGO_HPP_STOP_TOKEN
  struct stopper {
    ::rego_engine *engine;
    ::rego_call call;
    void operator()() const noexcept { ::rego_call_cancel(engine, call); }
  };
  std::stop_token stop{};
  std::optional<std::stop_callback<stopper>> stopping{};
#endif

  static void run(void *at, const ::rego_attempt_info *info, ::rego_completion *out) noexcept {
    job &self = *static_cast<job *>(at);
    const ::rego_attempt_info told = handed(info);
    completion facts;
    std::unique_ptr<typename job::left> left;
#if REGO_HPP_EXCEPTIONS
    try {
      left = std::make_unique<typename job::left>();
      self.make(attempt(self.engine, told, facts), *left);
    } catch (...) {
      // Where there was no memory for what it leaves, it was not called, and leaves nothing.
      if (left) left->thrown = std::current_exception();
      if (facts.raw().kind == REGO_COMPLETION_OK) facts = completion::app(0);
    }
#else
    left = std::make_unique<typename job::left>();
    self.make(attempt(self.engine, told, facts), *left);
#endif
    facts.raw().result = number_of(left.release());
    hand_back(facts.raw(), out);
  }

  void make(const attempt &it, left &to) {
    if constexpr (std::is_void_v<returned>) {
      std::invoke(op, it);
      to.value.emplace();
    } else {
      to.value.emplace(std::invoke(op, it));
    }
  }

  static std::unique_ptr<left> claim(std::uint64_t result) noexcept {
    return std::unique_ptr<left>(pointer_of<left>(result));
  }
  static void discard(void *, std::uint64_t result) noexcept { claim(result); }
  static void drop(void *at) noexcept { delete static_cast<job *>(at); }
#if REGO_HPP_STOP_TOKEN
  static void begin(void *at, ::rego_call call) noexcept {
    job &self = *static_cast<job *>(at);
    self.stopping.emplace(self.stop, stopper{self.engine, call});
  }
#endif

  /// The job is the library's from here on.
  static ::rego_work work(std::unique_ptr<job> self, const options &how) noexcept {
    ::rego_work raw = REGO_WORK_INIT;
    raw.flags = (how.inline_first ? std::uint32_t{REGO_EXECUTE_INLINE_FIRST} : 0u) |
                (how.wait_losers ? std::uint32_t{REGO_EXECUTE_WAIT_LOSERS} : 0u);
    raw.idempotent = how.idempotent;
    raw.priority = how.priority;
    raw.attempt = run;
    raw.discard = discard;
    raw.drop = drop;
#if REGO_HPP_STOP_TOKEN
    if (how.stop.stop_possible()) {
      self->stop = how.stop;
      raw.on_begin = begin;
    }
#endif
    raw.userdata = self.release();
    return raw;
  }
};

/// The same for a call that is submitted, with who is told its end.
template <class F, class Done>
struct submitted : job<F> {
  Done then;
  submitted(F f, ::rego_engine *of, Done d) : job<F>{std::move(f), of}, then(std::move(d)) {}

  static void done(void *at, const ::rego_result *raw) noexcept {
    submitted &self = *static_cast<submitted *>(static_cast<job<F> *>(at));
    const ::rego_result told = handed(raw);
    outcome<typename job<F>::returned> it(told, job<F>::claim(told.result));
    detail::contained([&] { static_cast<void>(std::invoke(self.then, std::move(it))); }, [] {});
  }
  static void drop(void *at) noexcept { delete static_cast<submitted *>(static_cast<job<F> *>(at)); }
};

}  // namespace detail

class engine;

/// The owner of a call of the first or second layer, by its id: with it goes the call. The engine
/// must be there until then. One that was moved from owns nothing.
class call {
 public:
  call() noexcept = default;
  static call adopt(::rego_engine *engine, ::rego_call raw) noexcept { return call(engine, raw); }
  call(call &&other) noexcept : engine_(other.engine_), raw_(std::exchange(other.raw_, 0)) {}
  call &operator=(call &&other) noexcept {
    call taken(std::move(other));
    taken.swap(*this);
    return *this;
  }
  call(const call &) = delete;
  call &operator=(const call &) = delete;
  /// As `end`.
  ~call() {
    if (raw_ != 0) end();
  }
  ::rego_call raw() const noexcept { return raw_; }
  /// The call is the caller's to end.
  ::rego_call release() noexcept { return std::exchange(raw_, 0); }
  explicit operator bool() const noexcept { return raw_ != 0; }
  /// Lets go of the call, kept or not. One that goes on is cancelled, and nobody gets its actions, the DONE
  /// neither: attempts that still run hear of it by `rego_attempt_cancelled`. They are to be finished all the
  /// same; with the last of them goes what the engine holds of the call. `at` is for an engine that is told
  /// another time than `now()`.
  ///
  /// The actions of a loop's call come out of `loop::process` even so.
  void end(time at = now()) noexcept {
    const ::rego_call raw = release();
    // First: then it keeps nothing when it is over, whoever drives it to its end.
    ::rego_call_let_go(engine_, raw);
    if (::rego_call_cancel(engine_, raw) != REGO_STATUS_OK) return;
    ::rego_step step = REGO_STEP_INIT;
    do step.flags = 0;
    while (::rego_call_poll(engine_, raw, at, &step) == REGO_STATUS_OK && (step.flags & REGO_STEP_MORE) != 0);
  }
  /// `REGO_STATUS_STALE` if the call is over. A kept one is there until it is let go: to have nothing more to do
  /// after its DONE is no error.
  result<::rego_step> poll(time at = now()) {
    ::rego_step step = REGO_STEP_INIT;
    const ::rego_status status = ::rego_call_poll(engine_, raw_, at, &step);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return step;
  }
  /// `REGO_STATUS_STALE` of a call that is done, kept or not: there is nothing to cancel.
  result<void> cancel() { return detail::check(::rego_call_cancel(engine_, raw_)); }
  /// Of a call that was kept and is done; else `REGO_STATUS_STALE`.
  result<std::string> timeline() const {
    return detail::text([&](char *to, std::size_t room, std::size_t *len) {
      return ::rego_call_timeline_write(engine_, raw_, to, room, len);
    });
  }
  result<std::string> timeline_json() const {
    return detail::text([&](char *to, std::size_t room, std::size_t *len) {
      return ::rego_call_timeline_json(engine_, raw_, to, room, len);
    });
  }
  void swap(call &other) noexcept {
    std::swap(engine_, other.engine_);
    std::swap(raw_, other.raw_);
  }

 private:
  call(::rego_engine *engine, ::rego_call raw) noexcept : engine_(engine), raw_(raw) {}
  ::rego_engine *engine_ = nullptr;
  ::rego_call raw_ = 0;
};

/// Many calls on one event loop.
class loop {
 public:
  loop() noexcept = default;
  /// `engine` is the one that it was made for: see `process`.
  static loop adopt(::rego_loop *raw, ::rego_engine *engine = nullptr) noexcept { return loop(raw, engine); }
  loop(loop &&other) noexcept { swap(other); }
  loop &operator=(loop &&other) noexcept {
    loop taken(std::move(other));
    taken.swap(*this);
    return *this;
  }
  loop(const loop &) = delete;
  loop &operator=(const loop &) = delete;
  ~loop() {
    ::rego_engine *const engine = raw_ != nullptr && next_ < count_ ? ::rego_engine_retain(engine_) : nullptr;
    ::rego_loop_free(raw_);
    // Attempts that the host has not heard of and will not. Their calls are over, so the time says nothing.
    for (; engine != nullptr && next_ < count_; next_++) {
      ::rego_step step = REGO_STEP_INIT;
      if (batch_[next_].kind != REGO_ACTION_START) continue;
      static_cast<void>(detail::check(::rego_attempt_reject(engine, batch_[next_].attempt, 0, &step)));
    }
    ::rego_engine_release(engine);
  }
  ::rego_loop *raw() const noexcept { return raw_; }
  /// What an exception has kept back stays here, for `process`.
  ::rego_loop *release() noexcept { return std::exchange(raw_, nullptr); }
  explicit operator bool() const noexcept { return raw_ != nullptr; }
  /// What is to be done comes out of `process`. Of `how`, the stop token is not looked at, nor what says how to
  /// execute.
  result<::rego_call> begin(key of, std::uint64_t cookie, const options &how = {}, time at = now()) {
    ::rego_begin begin = REGO_BEGIN_INIT;
    begin.now = at;
    begin.deadline = how.deadline;
    begin.cookie = cookie;
    begin.idempotent = how.idempotent;
    begin.priority = how.priority;
    ::rego_call call = 0;
    const ::rego_status status = ::rego_loop_begin(raw_, of.raw(), &begin, &call, nullptr);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return call;
  }
  time next_deadline() const noexcept { return next_ < count_ ? 0 : ::rego_loop_next_deadline(raw_); }
  /// Hands every action that is due to `act`, once, in order. What `act` throws comes out of here; its action
  /// counts as handed out, and the next `process` begins with those that were due after it: until then
  /// `next_deadline` is 0. Attempts among them of which `act` never hears, because the loop goes before, are
  /// rejected, if the loop knows its engine. `act` may process and begin, but not destroy the loop.
  template <class Act>
  result<void> process(Act &&act, time at = now()) {
    static_assert(std::is_invocable_v<Act &, const ::rego_action &>, "`act` is called with a `const rego_action &`");
    for (bool more = true;;) {
      while (next_ < count_) {
        const ::rego_action action = batch_[next_++];
        static_cast<void>(std::invoke(act, action));
      }
      if (!more) return {};
      std::size_t count = 0;
      const ::rego_status status = ::rego_loop_process(raw_, at, batch_.data(), batch_.size(), &count);
      if (status != REGO_STATUS_OK) return unexpected(error(status));
      next_ = 0;
      count_ = count;
      more = count == batch_.size();
    }
  }
  void swap(loop &other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(engine_, other.engine_);
    std::swap(batch_, other.batch_);
    std::swap(next_, other.next_);
    std::swap(count_, other.count_);
  }

 private:
  loop(::rego_loop *raw, ::rego_engine *engine) noexcept : raw_(raw), engine_(engine) {}
  ::rego_loop *raw_ = nullptr;
  ::rego_engine *engine_ = nullptr;  // the loop's reference keeps it
  std::array<::rego_action, 16> batch_{};
  std::size_t next_ = 0;   // which of the batch is handed out next
  std::size_t count_ = 0;  // how many there are
};

namespace detail {

/// A number as the document has it, whatever the locale. One that is none is the engine's to refuse.
inline std::string number(double value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(15);
  out << value;
  return out.str();
}

/// A text as the document has it, whatever is in it.
inline std::string quoted(std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
      out.append("\\u00").append({hex[byte >> 4], hex[byte & 15]});
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

}  // namespace detail

/// A budget that policies can name, put together line by line, among those that `engine::load_policies` takes.
class budget {
 public:
  explicit budget(std::string_view name) : text_(std::string("[budgets.") + detail::quoted(name) + "]\n") {}
  /// Extra attempts are a share of the calls that servers answer.
  budget &ratio(double share) { return line("kind = \"ratio\"").set("ratio", detail::number(share)); }
  /// What a ratio starts with.
  budget &start(unsigned attempts) { return set("start", std::to_string(attempts)); }
  /// What comes on top of a ratio each second while the site is healthy.
  budget &min_per_sec(double attempts) { return set("min_per_sec", detail::number(attempts)); }
  /// So many extra attempts at a time.
  budget &concurrency(unsigned max) { return line("kind = \"concurrency\"").set("max", std::to_string(max)); }
  /// Any other line of the budget's table.
  budget &line(std::string_view line) {
    text_.append(line).push_back('\n');
    return *this;
  }
  const std::string &raw() const noexcept { return text_; }

 private:
  budget &set(std::string_view name, std::string_view value) {
    text_.append(name).append(" = ");
    return line(value);
  }
  std::string text_;
};

/// A set of policies as text, put together line by line: what `engine::load_policies` takes.
class policy {
 public:
  /// The policies of a key or, with ".*" at its end, of a namespace.
  explicit policy(std::string_view key) : text_(std::string("[policies.") + detail::quoted(key) + "]\n") {}
  policy &idempotent(bool yes = true) { return line(yes ? "idempotent = true" : "idempotent = false"); }
  policy &max_attempts(unsigned n) { return set("retry.max_attempts", std::to_string(n)); }
  policy &initial_backoff(std::chrono::nanoseconds d) { return set("retry.initial_backoff", text(d)); }
  policy &max_backoff(std::chrono::nanoseconds d) { return set("retry.max_backoff", text(d)); }
  policy &attempt_timeout(std::chrono::nanoseconds d) { return set("retry.attempt_timeout", text(d)); }
  policy &overall_timeout(std::chrono::nanoseconds d) { return set("retry.overall_timeout", text(d)); }
  policy &classifier(std::string_view name) { return set("retry.classifier", detail::quoted(name)); }
  policy &retry_budget(std::string_view name) { return set("retry.budget", detail::quoted(name)); }
  policy &hedge_budget(std::string_view name) { return set("hedge.budget", detail::quoted(name)); }
  policy &hedge_after(std::chrono::nanoseconds d) {
    return line("hedge.enabled = true\nhedge.trigger = \"fixed\"").set("hedge.delay", text(d));
  }
  /// Hedges so that they add `share` of the calls' own load, where that shortens most the percentile `objective`
  /// of requests that make `fan_out` calls each.
  policy &hedge_load(double share, double objective = 0.99, unsigned fan_out = 1) {
    line("hedge.enabled = true").set("hedge.trigger", std::string("{ load = ") + detail::number(share) + " }");
    return set("hedge.objective", detail::number(objective)).set("hedge.fan_out", std::to_string(fan_out));
  }
  /// Any other line of the document's.
  policy &line(std::string_view line) {
    text_.append(line).push_back('\n');
    return *this;
  }
  const std::string &raw() const noexcept { return text_; }
  std::string release() noexcept { return std::move(text_); }
  static policy adopt(std::string text) noexcept { return policy(std::move(text), detail::unit()); }

 private:
  policy(std::string text, detail::unit) noexcept : text_(std::move(text)) {}
  policy &set(std::string_view name, std::string_view value) {
    text_.append(name).append(" = ");
    return line(value);
  }
  static std::string text(std::chrono::nanoseconds d) { return std::string("\"") + std::to_string(d.count()) + "ns\""; }
  std::string text_;
};

namespace detail {

/// A callable that C may drop while its owner has not let go of it yet: it goes when both have.
struct lent {
  bool owned = true;
  bool dropped = false;
};
template <class F>
struct lent_callable : lent {
  F f;
  explicit lent_callable(F &&it) : f(std::move(it)) {}
  static lent_callable &of(void *at) noexcept { return *static_cast<lent_callable *>(static_cast<lent *>(at)); }
  static void drop(void *at) noexcept {
    lent_callable &self = of(at);
    self.dropped = true;
    if (!self.owned) delete &self;
  }
};

}  // namespace detail

/// A classifier of one's own: `rego_outcome(const rego_completion &, const rego_context &, rego_outcome usual)`.
/// Called by several threads at once. One that throws counts as saying that the attempt is not to be repeated.
/// One that was moved from is none.
class classifier {
 public:
  template <class F>
  classifier(std::string name, F f) : name_(std::move(name)) {
    using callable = detail::lent_callable<F>;
    constexpr bool classifies = std::is_invocable_r_v<::rego_outcome, F &, const ::rego_completion &,
                                                      const ::rego_context &, ::rego_outcome &>;
    static_assert(classifies, "it is rego_outcome(const rego_completion &, const rego_context &, rego_outcome)");
    lent_ = new callable(std::move(f));
    raw_.name = detail::str(name_);
    raw_.userdata = lent_;
    raw_.classify = [](void *at, const ::rego_completion *facts, const ::rego_context *context,
                       ::rego_outcome *out) noexcept {
      const auto classify = [&] {
        const ::rego_completion how = detail::handed(facts);
        const ::rego_context known = detail::handed(context);
        ::rego_outcome usual = detail::handed(out);
        detail::hand_back<::rego_outcome>(std::invoke(callable::of(at).f, how, known, usual), out);
      };
      detail::contained(classify, [&] { out->kind = UINT32_MAX; });
    };
    raw_.drop = callable::drop;
  }
  classifier(classifier &&other) noexcept
      : name_(std::move(other.name_)),
        lent_(std::exchange(other.lent_, nullptr)),
        raw_(std::exchange(other.raw_, none())) {
    raw_.name = detail::str(name_);
  }
  classifier &operator=(classifier &&) = delete;
  classifier(const classifier &) = delete;
  classifier &operator=(const classifier &) = delete;
  ~classifier() {
    if (lent_ != nullptr) lent_->dropped = true;
    release();
  }
  const ::rego_classifier &raw() const noexcept { return raw_; }
  /// After `rego_engine_new` has had it, whatever that answered: it goes when the library drops it, or has.
  void release() noexcept {
    if (lent_ == nullptr) return;
    lent_->owned = false;
    if (lent_->dropped) raw_.drop(raw_.userdata);
    lent_ = nullptr;
    raw_ = none();
  }

 private:
  static ::rego_classifier none() noexcept { return REGO_CLASSIFIER_INIT; }
  std::string name_;
  detail::lent *lent_ = nullptr;
  ::rego_classifier raw_ = REGO_CLASSIFIER_INIT;
};

/// Policies by key, and what calls of the same key share. Copies are references to the same engine.
class engine {
 public:
  engine() noexcept = default;
  static engine adopt(::rego_engine *raw) noexcept { return engine(raw); }
  static ::rego_options defaults() noexcept {
    ::rego_options raw = REGO_OPTIONS_INIT;
    raw.now = rego::now();
    return raw;
  }
  static result<engine> make(::rego_options raw = defaults(), detail::unit = {}) { return make_of(raw, nullptr, 0); }
  /// The same with classifiers, besides those that `raw` has: `make(defaults(), {{"mine", f}, {"other", g}})`.
  template <std::size_t N>
  static result<engine> make(::rego_options raw, classifier (&&classifiers)[N]) {
    return make_of(raw, classifiers, N);
  }
  /// The same; `Classifiers` is a `std::vector<classifier>`.
  template <class Classifiers, std::enable_if_t<std::is_same_v<Classifiers, std::vector<classifier>>, int> = 0>
  static result<engine> make(::rego_options raw, Classifiers classifiers) {
    return make_of(raw, classifiers.data(), classifiers.size());
  }
  engine(const engine &other) noexcept : raw_(::rego_engine_retain(other.raw_)) {}
  engine(engine &&other) noexcept : raw_(other.release()) {}
  engine &operator=(engine other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~engine() { ::rego_engine_release(raw_); }
  ::rego_engine *raw() const noexcept { return raw_; }
  /// The reference is the caller's to release.
  ::rego_engine *release() noexcept { return std::exchange(raw_, nullptr); }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

  result<void> load_policies(std::string_view text) {
    ::rego_error why = REGO_ERROR_INIT;
    return detail::check(::rego_engine_load_policies(raw_, detail::str(text), &why), why);
  }
  result<void> load_policies(const std::vector<policy> &policies, const std::vector<budget> &budgets = {}) {
    std::string text = "schema = 1\n";
    for (const budget &one : budgets) text += one.raw();
    for (const policy &one : policies) text += one.raw();
    return load_policies(text);
  }
  result<rego::key> key(std::string_view name) const {
    ::rego_key raw = 0;
    const ::rego_status status = ::rego_key_intern(raw_, detail::str(name), &raw);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return rego::key::adopt(raw);
  }
  result<std::string> metrics() const {
    return detail::text([&](char *to, std::size_t room, std::size_t *len) {
      return ::rego_metrics_write(raw_, to, room, len);
    });
  }
  /// A loop; `notify` is called by whoever has something for it, and may do what a signal handler may.
  template <class Notify>
  result<rego::loop> loop(Notify notify) {
    static_assert(std::is_invocable_v<Notify &>, "`notify` is called with nothing");
    auto held = std::make_unique<Notify>(std::move(notify));
    ::rego_loop *made = nullptr;
    const ::rego_status status = ::rego_loop_new(
        raw_, [](void *at) noexcept { detail::contained(*static_cast<Notify *>(at), [] {}); }, held.release(),
        [](void *at) noexcept { delete static_cast<Notify *>(at); }, &made);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return rego::loop::adopt(made, raw_);
  }

  /// Executes a call and waits for its end. `op` is `T(const attempt &)`, called by several threads
  /// at once where the key hedges, and lives until its last attempt has come back. `T` may be `void`,
  /// and a reference to what outlives the call.
  template <class Pool, class F>
  auto call(rego::key of, Pool &pool, F op, const options &how = {}) {
    static_assert(detail::is_operation<F>());
    const ::rego_executor executor = detail::executor(pool);
    return execute(of, &executor, std::move(op), how);
  }
  /// The same on this thread alone.
  template <class F>
  auto run(rego::key of, F op, const options &how = {}) {
    static_assert(detail::is_operation<F>());
    return execute(of, nullptr, std::move(op), how);
  }
  /// Executes a call and does not wait: `then` is called with the outcome, on a thread of the pool's;
  /// what it throws is lost. The pool needs `schedule`.
  template <class Pool, class F, class Done>
  result<::rego_call> submit(rego::key of, Pool &pool, F op, Done then, const options &how = {}) {
    static_assert(detail::is_operation<F>());
    using job = detail::submitted<F, Done>;
    static_assert(std::is_invocable_v<Done &, outcome<typename job::returned>>, "`then` is called with the outcome");
    static_assert(detail::has_schedule<Pool>::value, "nobody waits, so the pool must be the timer");
    const ::rego_executor executor = detail::executor(pool);
    std::unique_ptr<detail::job<F>> held(new job(std::move(op), raw_, std::move(then)));
    ::rego_work work = job::work(std::move(held), how);
    work.on_done = job::done;
    work.drop = job::drop;
    ::rego_call call = 0;
    const ::rego_status status = ::rego_submit(raw_, of.raw(), how.deadline, &work, &executor, &call);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return call;
  }

 private:
  explicit engine(::rego_engine *raw) noexcept : raw_(raw) {}

  static result<engine> make_of(::rego_options raw, classifier *first, std::size_t count) {
    std::vector<const ::rego_classifier *> all;
    if (count != 0) {
      if (raw.classifiers != nullptr) all.assign(raw.classifiers, raw.classifiers + raw.n_classifiers);
      for (std::size_t i = 0; i < count; i++) all.push_back(&first[i].raw());
      raw.classifiers = all.data();
      raw.n_classifiers = all.size();
    }
    ::rego_engine *made = nullptr;
    ::rego_error why = REGO_ERROR_INIT;
    const ::rego_status status = ::rego_engine_new(&raw, &made, &why);
    // What was refused unread nobody drops: it goes with its owner.
    if (status != REGO_STATUS_OK) return unexpected(error(status, why.message));
    for (std::size_t i = 0; i < count; i++) first[i].release();
    return engine(made);
  }

  template <class F>
  auto execute(rego::key of, const ::rego_executor *executor, F op, const options &how)
      -> result<outcome<typename detail::job<F>::returned>> {
    using job = detail::job<F>;
    std::unique_ptr<job> held(new job{std::move(op), raw_});
    const ::rego_work work = job::work(std::move(held), how);
    ::rego_result raw = REGO_RESULT_INIT;
    const ::rego_status status = ::rego_execute(raw_, of.raw(), how.deadline, &work, executor, &raw);
    if (status != REGO_STATUS_OK) return unexpected(error(status));
    return outcome<typename job::returned>(raw, job::claim(raw.result));
  }

  ::rego_engine *raw_ = nullptr;
};

}  // inline namespace
}  // namespace rego

#undef REGO_HPP_NAME
#undef REGO_HPP_NAME_OF

#endif  // REGO_HPP
