// Encoded windows → their tokens.
#pragma once

#include <optional>
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

// An encoded window that is to be decoded.
struct WindowToDecode {
  int slot = 0;       // of the network
  unsigned seed = 0;  // makes sampling at temperatures above 0 the same in every run
};

class WindowDecoder {
 public:
  WindowDecoder(Network& network, const Vocabulary& vocabulary, const TranscribeOptions& options);

  // Whether more windows than one can be decoded at once: each step then reads the weights once for
  // all of them. A window's tokens do not depend on those beside it.
  bool takes_many() const { return options_.temperature == 0.0 && options_.beam_size == 1; }

  // Decodes at rising temperatures, after a search by beams, until the thresholds hold; if they
  // never do, gives the likeliest attempt that does not repeat itself, else the coolest, and the
  // last temperature with it (faster-whisper): a draw at a high temperature that failed too says
  // less of the sound. A loop that can be cut says more than a text of tokens that are hardly
  // likely. `previous` is the text before the windows; `start` the start of transcript with
  // language and task.
  std::vector<DecodedWindow> decode(std::span<const WindowToDecode> windows,
                                    std::span<const TokenId> previous,
                                    std::span<const TokenId> start, Watch& watch);

 private:
  struct Hypothesis;

  struct Prompt {
    std::vector<TokenId> tokens;
    int start_row = 0;  // of the start of transcript
  };
  // The logits that a hypothesis starts from, by hypothesis.
  using Starts = std::vector<std::span<const float>>;

  struct Attempt {
    unsigned number = 0;
    float temperature = 0.0F;
    int n_hypotheses = 1;     // of one window
    bool with_greedy = true;  // of a search by beams
  };

  std::vector<DecodedWindow> decode_once(const Attempt& attempt,
                                         std::span<const WindowToDecode> windows,
                                         const Prompt& prompt, Watch& watch);
  std::vector<Hypothesis> greedy(const Starts& starts, float temperature, unsigned seed,
                                 Watch& watch);
  // with_greedy: the greedy text is among the hypotheses however many others are likelier at first.
  std::vector<Hypothesis> beam_search(std::span<const float> logits, int n_beams, bool with_greedy,
                                      Watch& watch);
  bool repeats(std::span<const TokenId> tokens) const;
  bool is_wild(float avg_logprob) const;
  // Whether it is less likely than the threshold, where there is one, and not silent.
  bool is_below(std::optional<double> threshold, const DecodedWindow& window) const;
  bool is_unlikely(const DecodedWindow& window) const;
  bool is_to_be_searched(const DecodedWindow& window) const;

  Network& network_;
  const Vocabulary& vocabulary_;
  const TranscribeOptions& options_;
  LogitRules rules_;
  int max_tokens_;  // of one window
};

// By which hypotheses of one window are compared: the sum of the log-probabilities, that of the end
// of text too, for each token without it. To count the end would favour the shorter of two, which
// leaves out what was said (openai-whisper, MaximumLikelihoodRanker).
float rank_score(float sum_logprob, std::size_t n_tokens);

// Shannon entropy, in nats, of the last 32 tokens: low where text repeats itself (whisper.cpp).
float tail_entropy(std::span<const TokenId> tokens);

}  // namespace earwitness::speech
