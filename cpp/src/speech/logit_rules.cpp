#include "speech/logit_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/isa.h"

namespace earwitness::speech {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr double kTimestampStep = 0.02;  // seconds

void forbid(std::span<float> logits, TokenId from, TokenId to) {
  if (from < to) std::fill(logits.begin() + from, logits.begin() + to, kForbidden);
}

}  // namespace

TokenId argmax(std::span<const float> x) {
  return kernels::active_kernels().argmax(x.data(), static_cast<int>(x.size()));
}

float log_sum_exp(std::span<const float> x) {
  return kernels::active_kernels().log_sum_exp(x.data(), static_cast<int>(x.size()));
}

LogitRules::LogitRules(const Vocabulary& vocabulary, const TranscribeOptions& options)
    : vocabulary_(vocabulary),
      last_initial_timestamp_(
          vocabulary.timestamp_begin() +
          static_cast<int>(std::lround(options.max_initial_timestamp / kTimestampStep))) {
  if (options.suppress_non_speech) never_ = vocabulary.non_speech();
  for (TokenId id = vocabulary.start_of_transcript(); id < vocabulary.timestamp_begin(); ++id) {
    never_.push_back(id);
  }
  never_first_ = vocabulary.encode(" ");
  never_first_.push_back(vocabulary.end_of_text());
}

void LogitRules::forbid_by_timestamps(std::span<const TokenId> sampled,
                                      std::span<float> logits) const {
  const Vocabulary& v = vocabulary_;
  const auto is_timestamp = [&](std::size_t from_end) {
    return v.is_timestamp(sampled[sampled.size() - from_end]);
  };
  const TokenId begin = v.timestamp_begin();
  if (sampled.empty()) {
    forbid(logits, 0, begin);
    forbid(logits, std::min(v.size(), last_initial_timestamp_ + 1), v.size());
    return;
  }
  const bool last = is_timestamp(1);
  const bool before_last = sampled.size() < 2 || is_timestamp(2);
  if (last && before_last) forbid(logits, begin, v.size());      // a pair is complete: text follows
  if (last && !before_last) forbid(logits, 0, v.end_of_text());  // a pair is open: close it or end

  const auto newest = std::find_if(sampled.rbegin(), sampled.rend(),
                                   [&](TokenId id) { return v.is_timestamp(id); });
  if (newest != sampled.rend()) {
    // A segment may start where the one before ended, but has to last.
    forbid(logits, begin, last && !before_last ? *newest : *newest + 1);
  }
}

float LogitRules::apply(std::span<const TokenId> sampled, std::span<float> logits) const {
  for (TokenId id : never_) logits[static_cast<std::size_t>(id)] = kForbidden;
  if (sampled.empty()) {
    for (TokenId id : never_first_) logits[static_cast<std::size_t>(id)] = kForbidden;
  }
  forbid_by_timestamps(sampled, logits);

  const auto begin = static_cast<std::size_t>(vocabulary_.timestamp_begin());
  const std::span<float> text = logits.first(begin);
  const float timestamps = log_sum_exp(logits.subspan(begin));
  if (timestamps > text[static_cast<std::size_t>(argmax(text))]) {
    std::fill(text.begin(), text.end(), kForbidden);
  }
  return log_sum_exp(logits);
}

}  // namespace earwitness::speech
