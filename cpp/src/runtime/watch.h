// Lets compute code ask, often and cheaply, whether its caller wants it to stop.
#pragma once

#include <chrono>
#include <exception>

#include "earwitness/control.h"

namespace earwitness {

// One call's Control as seen from inside compute. Not shared between threads: it belongs to the
// thread that made the call.
class Watch {
 public:
  explicit Watch(const Control& control) : control_(control) {}

  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // For C callbacks: never throws, remembers what a poll threw.
  bool should_stop() noexcept {
    if (stopped_ || control_.cancel.cancelled()) return stopped_ = true;
    const auto now = Clock::now();
    if (!control_.poll || now < next_poll_) return false;
    next_poll_ = now + kPollInterval;
    try {
      control_.poll();
    } catch (...) {
      thrown_ = std::current_exception();
      stopped_ = true;
    }
    return stopped_;
  }

  // Throws what made the call stop: Cancelled, or what the poll threw.
  void check() {
    if (!should_stop()) return;
    if (thrown_) std::rethrow_exception(thrown_);
    throw Cancelled();
  }

  const Control& control() const { return control_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPollInterval{20};

  const Control& control_;
  Clock::time_point next_poll_{};
  std::exception_ptr thrown_;
  bool stopped_ = false;
};

}  // namespace earwitness
