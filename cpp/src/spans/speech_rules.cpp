// Probabilities → spans, with the two thresholds of Silero's own post-processing
// (get_speech_timestamps in utils_vad.py of silero-vad 6.2).
#include <algorithm>
#include <cmath>
#include <string>

#include "earwitness/spans.h"
#include "runtime/check.h"

namespace earwitness {
namespace {

constexpr double kHysteresis = 0.15;
constexpr double kLowest = 0.01;  // of the lower threshold

}  // namespace

void SpeechRules::validate() const {
  check_range("threshold", threshold, 0.0, 1.0);
  check_range("padding", padding, 0.0, 10.0);
  check_range("min_silence", min_silence, 0.0, 30.0);
  check_range("min_speech", min_speech, 0.0, 30.0);
}

std::vector<Span> speech_spans(std::span<const float> probabilities, double duration,
                               const SpeechRules& rules) {
  rules.validate();
  constexpr double kFrame = static_cast<double>(kSpeechFrame) / kSampleRate;
  const double lower = std::max(rules.threshold - kHysteresis, kLowest);
  std::vector<Span> found;
  const auto add = [&](double start, double end) {
    if (end - start > rules.min_speech) found.push_back({start, end});
  };
  bool speaking = false;
  double start = 0.0;
  double quiet_since = -1.0;  // negative: it is not quiet
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const auto p = static_cast<double>(probabilities[i]);
    const double at = static_cast<double>(i) * kFrame;
    if (p >= rules.threshold) {
      quiet_since = -1.0;
      if (!speaking) start = at;
      speaking = true;
    } else if (speaking && p < lower) {
      if (quiet_since < 0.0) quiet_since = at;
      if (at - quiet_since >= rules.min_silence) {
        add(start, quiet_since);
        speaking = false;
        quiet_since = -1.0;
      }
    }
  }
  if (speaking) add(start, duration);

  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i == 0) found[i].start = std::max(0.0, found[i].start - rules.padding);
    if (i + 1 < found.size()) {
      const double side = std::min(rules.padding, (found[i + 1].start - found[i].end) / 2.0);
      found[i].end += side;
      found[i + 1].start -= side;
    } else {
      found[i].end = std::min(duration, found[i].end + rules.padding);
    }
  }
  return found;
}

}  // namespace earwitness
