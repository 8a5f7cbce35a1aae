// An encoded window → its tokens.
#pragma once

#include <random>
#include <span>
#include <vector>

#include "speech/logit_rules.h"
#include "speech/network.h"

namespace earwitness::speech {

struct DecodedWindow {
  std::vector<TokenId> tokens;  // text and timestamps, without the end of text
  std::vector<float> logprobs;  // of each token
  float avg_logprob = 0.0F;     // over the tokens and the end of text
  float no_speech_prob = 0.0F;
  float temperature = 0.0F;
  bool repeats = false;  // a repetition loop is in it
};

class WindowDecoder {
 public:
  WindowDecoder(Network& network, const Vocabulary& vocabulary, const TranscribeOptions& options);

  // Decodes at rising temperatures until the thresholds hold; if they never do, gives the last
  // attempt that does not repeat itself, else the coolest. `previous` is the text before the
  // window; `start` the start of transcript with language and task. `seed` makes sampling at
  // temperatures above 0 the same in every run.
  DecodedWindow decode(std::span<const TokenId> previous, std::span<const TokenId> start,
                       unsigned seed, Watch& watch);

 private:
  struct Hypothesis;

  DecodedWindow decode_at(float temperature, std::span<const TokenId> prompt, int start_row,
                          unsigned seed, Watch& watch);
  std::vector<Hypothesis> greedy(std::span<const float> logits, int n, float temperature,
                                 unsigned seed, Watch& watch);
  std::vector<Hypothesis> beam_search(std::span<const float> logits, Watch& watch);
  bool repeats(std::span<const TokenId> text) const;
  bool is_unlikely(const DecodedWindow& window) const;

  Network& network_;
  const Vocabulary& vocabulary_;
  const TranscribeOptions& options_;
  LogitRules rules_;
  int max_tokens_;  // of one window
};

// Shannon entropy, in nats, of the last 32 tokens: low where text repeats itself (whisper.cpp).
float tail_entropy(std::span<const TokenId> tokens);

}  // namespace earwitness::speech
