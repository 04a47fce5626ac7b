// A thread pool in C++, with hedging: one read in twenty is slow, and no caller waits for it.
//
//   cargo build -p rego-ffi
//   c++ -std=c++17 -Iinclude examples/thread_pool.cpp target/debug/librego.a -lpthread -ldl -lm -o thread_pool
#include <rego.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

// Any pool will do: all that is asked of it is `bool spawn(rego::task)`.
class pool {
 public:
  explicit pool(int threads) {
    for (int i = 0; i < threads; i++) threads_.emplace_back([this] { run(); });
  }
  ~pool() {
    const auto close = [this] {
      const std::lock_guard<std::mutex> lock(lock_);
      closed_ = true;
    };
    close();
    bell_.notify_all();
    for (std::thread &thread : threads_) thread.join();
  }
  bool spawn(rego::task task) {
    const std::lock_guard<std::mutex> lock(lock_);
    if (closed_) return false;
    tasks_.push_back(task);
    bell_.notify_one();
    return true;
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(lock_);
    for (;;) {
      bell_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const rego::task task = tasks_.front();
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }
  std::mutex lock_;
  std::condition_variable bell_;
  std::deque<rego::task> tasks_;
  std::vector<std::thread> threads_;
  bool closed_ = false;
};

// Stands in for a read over the network; stops when it is asked to.
static std::string read(int id, const rego::attempt &attempt) {
  const auto time = id % 20 == 0 && !attempt.is_hedge() ? 500ms : 2ms;
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until && !attempt.cancelled()) std::this_thread::sleep_for(1ms);
  return "user " + std::to_string(id);
}

int main() {
  rego::engine engine = rego::engine::make().value();
  engine.load_policies({rego::policy("users.Get").idempotent().hedge_after(20ms).hedge_budget("unlimited")}).value();
  const rego::key get = engine.key("users.Get").value();
  pool threads(4);
  std::vector<double> times;
  unsigned hedged = 0;
  for (int id = 0; id < 100; id++) {
    const rego::time from = rego::now();
    // Attempts may outlive the call, so what they need they hold.
    auto outcome = engine.call(get, threads, [id](const rego::attempt &attempt) { return read(id, attempt); });
    if (!outcome || outcome->value() != "user " + std::to_string(id)) return 1;
    hedged += outcome->attempts() - 1;
    times.push_back(static_cast<double>(rego::now() - from) / 1e6);
  }
  std::sort(times.begin(), times.end());
  std::printf("100 reads, %u hedges, median %.1f ms, p95 %.1f ms\n", hedged, times[50], times[95]);
  return times[95] < 400 ? 0 : 1;
}
