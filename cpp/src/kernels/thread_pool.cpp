#include "kernels/thread_pool.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "earwitness/error.h"

namespace earwitness::kernels {

int resolve_threads(int wanted) {
  constexpr int kMostByDefault = 4;
  if (wanted > 0) return wanted;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostByDefault);
}

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) {
    throw InvalidOption("threads is " + std::to_string(threads) + "; it must be at least 1");
  }
  try {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {
    // A system that gives no more threads still gets its answer from those there are.
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// A lock per task is enough: a task is some hundred microseconds of work.
void ThreadPool::take_tasks(std::unique_lock<std::mutex>& lock, int worker) {
  while (next_ < count_) {
    const int index = next_++;
    const Task* task = task_;
    ++running_;
    lock.unlock();
    std::exception_ptr error;
    try {
      (*task)(index, worker);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --running_;
    if (error) {
      if (!error_) error_ = error;
      next_ = count_;
    }
  }
}

void ThreadPool::work(int worker) {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || next_ < count_; });
    if (stop_) return;
    take_tasks(lock, worker);
    if (running_ == 0) done_.notify_one();
  }
}

void ThreadPool::run(int count, const Task& task) {
  if (count <= 0) return;
  if (threads_.empty() || count == 1) {
    for (int i = 0; i < count; ++i) task(i, 0);
    return;
  }
  std::unique_lock lock(mutex_);
  task_ = &task;
  next_ = 0;
  count_ = count;
  wake_.notify_all();
  take_tasks(lock, 0);
  done_.wait(lock, [this] { return running_ == 0; });
  count_ = 0;
  next_ = 0;
  task_ = nullptr;
  const std::exception_ptr error = std::exchange(error_, nullptr);
  lock.unlock();
  if (error) std::rethrow_exception(error);
}

}  // namespace earwitness::kernels
