#include "speech/segments.h"

#include <algorithm>

namespace earwitness::speech {
namespace {

constexpr double kTimestampStep = 0.02;  // seconds

// Speech has three tokens or more a second. A last segment of eight seconds or more with less than
// one has passed over most of what was said in it (of 4000 segments of real speech nine had so
// few); its own text was said in the time of slow speech.
constexpr double kLongSegment = 8.0;    // seconds
constexpr double kFewestTokens = 1.0;   // a second
constexpr double kSlowestSpeech = 2.0;  // tokens a second

bool is_sparse(const TokenSegment& segment) {
  const double seconds = segment.end - segment.start;
  return seconds >= kLongSegment &&
         static_cast<double>(segment.text.size()) < kFewestTokens * seconds;
}

}  // namespace

WindowSegments cut_segments(std::span<const TokenId> tokens, const Vocabulary& vocabulary,
                            double window_length) {
  const auto is_timestamp = [&](std::size_t i) { return vocabulary.is_timestamp(tokens[i]); };
  const auto seconds = [&](std::size_t i) {
    return std::min((tokens[i] - vocabulary.timestamp_begin()) * kTimestampStep, window_length);
  };
  WindowSegments result;
  const auto add = [&](std::size_t first, std::size_t last, double start, double end) {
    TokenSegment segment{.start = start, .end = end, .text = {}};
    for (std::size_t i = first; i < last; ++i) {
      if (vocabulary.is_text(tokens[i])) segment.text.push_back(i);
    }
    if (!segment.text.empty()) result.segments.push_back(std::move(segment));
  };

  const std::size_t n = tokens.size();
  const bool ends_with_one = n >= 2 && is_timestamp(n - 1) && !is_timestamp(n - 2);
  std::size_t first = 0;
  for (std::size_t i = 1; i < n; ++i) {
    if (!is_timestamp(i - 1) || !is_timestamp(i)) continue;
    add(first, i, is_timestamp(first) ? seconds(first) : 0.0, seconds(i - 1));
    first = i;
  }
  const bool has_pair = first > 0;
  if (has_pair && !ends_with_one) {
    result.next = result.heard = seconds(first - 1);
    return result;
  }
  result.next = result.heard = window_length;
  if (n > first) {
    const bool closed = is_timestamp(n - 1) && n - 1 > first && seconds(n - 1) > 0.0;
    add(first, n, is_timestamp(first) ? seconds(first) : 0.0,
        closed ? seconds(n - 1) : window_length);
    if (closed) result.heard = seconds(n - 1);
    if (!result.segments.empty() && is_sparse(result.segments.back())) {
      TokenSegment& last = result.segments.back();
      last.end = last.start + static_cast<double>(last.text.size()) / kSlowestSpeech;
      result.heard = last.end;
    }
  }
  return result;
}

}  // namespace earwitness::speech
