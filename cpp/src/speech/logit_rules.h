// Which tokens may come next.
#pragma once

#include <span>
#include <vector>

#include "earwitness/options.h"
#include "speech/vocabulary.h"

namespace earwitness::speech {

// The filters of openai-whisper's decoding.py: no blank start, no unspoken symbols, timestamps in
// pairs that never go back, and a timestamp wherever timestamps together outweigh any text.
class LogitRules {
 public:
  LogitRules(const Vocabulary& vocabulary, const TranscribeOptions& options);

  // Makes the logits of forbidden tokens -infinity, after `sampled` (this window's tokens so far),
  // and returns what is to be taken from the others to have their log-probabilities.
  float apply(std::span<const TokenId> sampled, std::span<float> logits) const;

 private:
  void forbid_by_timestamps(std::span<const TokenId> sampled, std::span<float> logits) const;

  const Vocabulary& vocabulary_;
  std::vector<TokenId> never_;        // at any position
  std::vector<TokenId> never_first_;  // as the first token
  int last_initial_timestamp_;        // id
};

// The first of the likeliest.
TokenId argmax(std::span<const float> x);

// log(sum(exp(x))), -infinity where all are.
float log_sum_exp(std::span<const float> x);

}  // namespace earwitness::speech
