// How a caller follows and stops a running call.
#pragma once

#include <functional>

#include "earwitness/cancel.h"
#include "earwitness/types.h"

namespace earwitness {

// Every function here runs on the thread that made the call, and may throw: the call then stops
// and the exception leaves it.
struct Control {
  CancelToken cancel;

  // Asked several times a second whether something else wants the call to stop, such as a signal.
  std::function<void()> poll;

  // Share of the audio that is done, 0 to 1, never falling.
  std::function<void(double)> on_progress;

  // Each segment as soon as it is final.
  std::function<void(const Segment&)> on_segment;
};

}  // namespace earwitness
