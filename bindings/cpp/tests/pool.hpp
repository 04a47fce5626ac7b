// Threads and a timer, as a host might have them.
#pragma once

#include <rego.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

class pool {
 public:
  explicit pool(int threads) {
    for (int i = 0; i < threads; i++) threads_.emplace_back([this] { run(); });
  }
  pool(const pool &) = delete;
  pool &operator=(const pool &) = delete;
  ~pool() {
    {
      const std::lock_guard<std::mutex> lock(lock_);
      closed_ = true;
    }
    bell_.notify_all();
    for (std::thread &thread : threads_) thread.join();
  }
  bool spawn(rego::task task) { return schedule(0, task); }
  bool schedule(rego::time at, rego::task task) {
    {
      const std::lock_guard<std::mutex> lock(lock_);
      if (closed_) return false;
      tasks_.emplace(at, task);
    }
    bell_.notify_one();
    return true;
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(lock_);
    for (;;) {
      const auto first = tasks_.begin();
      const rego::time now = rego::now();
      if (first != tasks_.end() && first->first <= now) {
        const rego::task task = first->second;
        tasks_.erase(first);
        lock.unlock();
        task();
        lock.lock();
      } else if (closed_) {
        return;
      } else if (first == tasks_.end()) {
        bell_.wait(lock);
      } else {
        bell_.wait_for(lock, std::chrono::nanoseconds(first->first - now));
      }
    }
  }
  std::mutex lock_;
  std::condition_variable bell_;
  std::multimap<rego::time, rego::task> tasks_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};
