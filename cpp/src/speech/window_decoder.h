// Encoded windows → their tokens.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "speech/logit_rules.h"
#include "speech/network.h"
#include "speech/search.h"

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

  // Decodes at rising temperatures, after a search by beams, until the thresholds hold; if they
  // never do, gives the likeliest attempt that does not repeat itself, else the coolest, and the
  // last temperature with it (faster-whisper): a draw at a high temperature that failed too says
  // less of the sound. A loop that can be cut says more than a text of tokens that are hardly
  // likely. A window's tokens do not depend on those beside it: each step reads the weights once
  // for all of them. `previous` is the text before the windows; `start` the start of transcript
  // with language and task.
  std::vector<DecodedWindow> decode(std::span<const WindowToDecode> windows,
                                    std::span<const TokenId> previous,
                                    std::span<const TokenId> start, Watch& watch);

 private:
  struct Prompt {
    std::vector<TokenId> tokens;
    int start_row = 0;  // of the start of transcript
  };
  struct Attempt {
    unsigned number = 0;
    float temperature = 0.0F;
    int n_hypotheses = 1;     // of one window
    bool with_greedy = true;  // of a search by beams
  };
  using Searches = std::vector<std::unique_ptr<Search>>;  // by window

  std::vector<DecodedWindow> decode_once(const Attempt& attempt,
                                         std::span<const WindowToDecode> windows,
                                         const Prompt& prompt, Watch& watch);
  Searches start(const Attempt& attempt, std::span<const WindowToDecode> windows) const;
  // `logits`: what follows the prompt in each of the windows.
  void run(const Searches& searches, std::span<float> logits, Watch& watch);
  bool repeats(std::span<const TokenId> tokens) const;
  bool is_wild(float avg_logprob) const;
  bool is_silent(const DecodedWindow& window) const;
  bool is_unlikely(const DecodedWindow& window) const;
  // By the least likely fifth of its text, as errors are local: in 996 clips, clear and in noise,
  // the fourth of the text that it is lowest in has three quarters of the errors that a search of
  // all takes away; the fourth with the lowest mean of all tokens has half.
  bool is_to_be_searched(const DecodedWindow& window) const;

  Network& network_;
  const Vocabulary& vocabulary_;
  const TranscribeOptions& options_;
  LogitRules rules_;
  int max_tokens_;  // of one window
};

// Shannon entropy, in nats, of the last 32 tokens: low where text repeats itself (whisper.cpp).
float tail_entropy(std::span<const TokenId> tokens);

}  // namespace earwitness::speech
