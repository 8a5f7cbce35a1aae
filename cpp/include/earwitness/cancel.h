// A handle by which any thread can stop a running call.
#pragma once

#include <atomic>
#include <memory>

#include "earwitness/error.h"

namespace earwitness {

// Copies share one flag, so a token may be handed to any number of calls.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  void cancel() noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }
  void throw_if_cancelled() const {
    if (cancelled()) throw Cancelled();
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace earwitness
