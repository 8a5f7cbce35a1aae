// A few threads that share the tasks of one loop at a time, and sleep in between: the cores may
// belong to other work.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace earwitness::kernels {

// What a caller's number of threads means: 0 = as many as the machine has cores, 4 at most.
int resolve_threads(int wanted);

class ThreadPool {
 public:
  // threads: how many work at a time, the caller included; at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // What is run: the task's number, and which of the size() threads runs it (0 is the caller).
  using Task = std::function<void(int index, int worker)>;

  // Runs tasks 0 ... count - 1, each once, in no particular order, and returns when all have ended.
  // The first exception that a task throws is thrown here; tasks not yet begun are then dropped.
  // One caller at a time; a task may not call run() itself.
  void run(int count, const Task& task);

 private:
  void work(int worker);
  void take_tasks(std::unique_lock<std::mutex>& lock, int worker);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const Task* task_ = nullptr;
  int next_ = 0;
  int count_ = 0;
  int running_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace earwitness::kernels
