#include "earwitness/options.h"

#include <algorithm>
#include <cmath>

#include "kernels/thread_pool.h"
#include "runtime/check.h"
#include "speech/vocabulary.h"

namespace earwitness {
namespace {

constexpr int kMostHypotheses = 16;
constexpr std::size_t kLongestPrompt = 100'000;

void check_finite(const char* field, const std::optional<double>& value) {
  if (value && !std::isfinite(*value))
    refuse(field, "not finite", "a number, or none to switch it off");
}

}  // namespace

void TranscribeOptions::validate() const {
  if (language && !speech::find_language(*language)) {
    refuse("language", "\"" + *language + "\"",
           "a code such as \"en\" or a name such as \"english\", or none to detect it");
  }
  if (task != "transcribe" && task != "translate") {
    refuse("task", "\"" + task + "\"", "\"transcribe\" or \"translate\"");
  }
  if (prompt.size() > kLongestPrompt) {
    refuse("prompt", std::to_string(prompt.size()) + " bytes long", "at most 100000 bytes long");
  }
  check_range("temperature", temperature, 0.0, 1.0);
  check_range("temperature_increment", temperature_increment, 0.0, 1.0);
  if (temperature_increment > 0.0 && temperature_increment < 0.01) {
    refuse("temperature_increment", "under 0.01", "0, or from 0.01 to 1");
  }
  check_range("best_of", best_of, 1, kMostHypotheses);
  check_range("beam_size", beam_size, 1, kMostHypotheses);
  check_range("fallback_beam_size", fallback_beam_size, 1, kMostHypotheses);
  check_finite("search_threshold", search_threshold);
  check_finite("logprob_threshold", logprob_threshold);
  check_finite("entropy_threshold", entropy_threshold);
  check_finite("compression_ratio_threshold", compression_ratio_threshold);
  check_finite("no_speech_threshold", no_speech_threshold);
  check_range("max_initial_timestamp", max_initial_timestamp, 0.0, 30.0);
  check_threads(threads);
  double previous = 0.0;
  for (const Span& span : spans.value_or(std::vector<Span>{})) {
    if (!std::isfinite(span.start) || !std::isfinite(span.end) || span.start < previous ||
        span.end <= span.start) {
      refuse("spans", "out of order", "ascending, disjoint (start, end) pairs of seconds");
    }
    previous = span.end;
  }
}

int TranscribeOptions::resolved_threads() const { return kernels::resolve_threads(threads); }

}  // namespace earwitness
