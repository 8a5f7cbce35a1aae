// A handle by which any thread can stop a running call.
#pragma once

#include <atomic>
#include <memory>

#include "earwitness/error.h"

namespace earwitness {

// Copies share one flag, so a token may be handed to any number of calls.
class CancelToken {
 public:
  CancelToken() : state_(std::make_shared<State>()) {}

  void cancel() noexcept { state_->flag.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept {
    for (const State* s = state_.get(); s; s = s->parent.get()) {
      if (s->flag.load(std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void throw_if_cancelled() const {
    if (cancelled()) throw Cancelled();
  }

  // A token that is cancelled with this one, and by itself without this one.
  CancelToken child() const {
    CancelToken token;
    token.state_->parent = state_;
    return token;
  }

 private:
  struct State {
    std::atomic<bool> flag{false};
    std::shared_ptr<const State> parent;
  };

  std::shared_ptr<State> state_;
};

}  // namespace earwitness
