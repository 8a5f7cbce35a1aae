#include "earwitness/options.h"

#include <algorithm>
#include <cmath>

#include "earwitness/error.h"
#include "kernels/thread_pool.h"
#include "speech/vocabulary.h"

namespace earwitness {
namespace {

constexpr int kMostThreads = 256;
constexpr int kMostHypotheses = 16;
constexpr std::size_t kLongestPrompt = 100'000;

[[noreturn]] void fail(const std::string& field, const std::string& value,
                       const std::string& allowed) {
  throw InvalidOption(field + " is " + value + "; it must be " + allowed);
}

void check_range(const char* field, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    const auto number = [](double x) {
      std::string text = std::to_string(x);
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
      return text;
    };
    fail(field, number(value), "within " + number(low) + " to " + number(high));
  }
}

void check_finite(const char* field, const std::optional<double>& value) {
  if (value && !std::isfinite(*value))
    fail(field, "not finite", "a number, or none to switch it off");
}

}  // namespace

void TranscribeOptions::validate() const {
  if (language && !speech::find_language(*language)) {
    fail("language", "\"" + *language + "\"",
         "a code such as \"en\" or a name such as \"english\", or none to detect it");
  }
  if (task != "transcribe" && task != "translate") {
    fail("task", "\"" + task + "\"", "\"transcribe\" or \"translate\"");
  }
  if (prompt.size() > kLongestPrompt) {
    fail("prompt", std::to_string(prompt.size()) + " bytes long", "at most 100000 bytes long");
  }
  check_range("temperature", temperature, 0.0, 1.0);
  check_range("temperature_increment", temperature_increment, 0.0, 1.0);
  if (temperature_increment > 0.0 && temperature_increment < 0.01) {
    fail("temperature_increment", "under 0.01", "0, or from 0.01 to 1");
  }
  check_range("best_of", best_of, 1, kMostHypotheses);
  check_range("beam_size", beam_size, 1, kMostHypotheses);
  check_finite("logprob_threshold", logprob_threshold);
  check_finite("entropy_threshold", entropy_threshold);
  check_finite("compression_ratio_threshold", compression_ratio_threshold);
  check_finite("no_speech_threshold", no_speech_threshold);
  check_range("max_initial_timestamp", max_initial_timestamp, 0.0, 30.0);
  check_range("threads", threads, 0, kMostThreads);
  double previous = 0.0;
  for (const Span& span : spans) {
    if (!std::isfinite(span.start) || !std::isfinite(span.end) || span.start < previous ||
        span.end <= span.start) {
      fail("spans", "out of order", "ascending, disjoint (start, end) pairs of seconds");
    }
    previous = span.end;
  }
}

int TranscribeOptions::resolved_threads() const { return kernels::resolve_threads(threads); }

}  // namespace earwitness
