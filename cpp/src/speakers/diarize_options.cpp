#include <algorithm>
#include <string>

#include "earwitness/diarize.h"
#include "earwitness/error.h"
#include "kernels/thread_pool.h"
#include "runtime/check.h"

namespace earwitness {
namespace {

constexpr double kShortRecording = 120.0;  // seconds

// 0 stands for "not bound", which is not among what is said to be allowed.
void check_speakers(const char* field, int value) {
  if (value != 0) check_range(field, value, 1, DiarizeOptions::kMostSpeakers);
}

}  // namespace

void DiarizeOptions::validate() const {
  check_speakers("min_speakers", min_speakers);
  check_speakers("max_speakers", max_speakers);
  check_speakers("num_speakers", num_speakers);
  check_threads(threads);
  if (max_speakers > 0 && min_speakers > max_speakers) {
    throw InvalidOption("min_speakers is " + std::to_string(min_speakers) +
                        ", more than max_speakers " + std::to_string(max_speakers));
  }
  if (num_speakers > 0 &&
      (num_speakers < min_speakers || (max_speakers > 0 && num_speakers > max_speakers))) {
    throw InvalidOption("num_speakers is " + std::to_string(num_speakers) +
                        ", outside min_speakers to max_speakers; give either the number or bounds");
  }
  if (hop != 0.0 && !(hop >= 0.5 && hop <= 5.0)) {
    throw InvalidOption("hop is " + std::to_string(hop) +
                        "; it must be within 0.5 to 5 seconds, or 0 for the usual");
  }
}

int DiarizeOptions::resolved_threads() const { return kernels::resolve_threads(threads); }

double DiarizeOptions::resolved_hop(double duration) const {
  if (hop > 0.0) return hop;
  return duration < kShortRecording ? 1.0 : 2.0;
}

bool DiarizeOptions::hop_is_known(double duration) const {
  return hop > 0.0 || duration >= kShortRecording;
}

}  // namespace earwitness
