// The search for one window's text: the logits that follow what was said → what is said next.
#pragma once

#include <random>
#include <span>
#include <utility>
#include <vector>

#include "speech/logit_rules.h"
#include "speech/vocabulary.h"

namespace earwitness::speech {

// A text that a window may have.
struct Hypothesis {
  std::vector<TokenId> tokens;  // text and timestamps, without the end of text
  std::vector<float> logprobs;  // of each token
  float sum = 0.0F;             // of them, and of the end of text where it was reached
  bool finished = false;
  bool greedy = false;  // each of its tokens was the likeliest

  void append(TokenId id, float logprob, TokenId end_of_text);
  float mean() const { return sum / static_cast<float>(tokens.size() + 1); }
  // By which hypotheses of one window are compared: the sum for each token without the end of text.
  // To count that too would favour the shorter of two, which leaves out what was said
  // (openai-whisper, MaximumLikelihoodRanker).
  float rank() const;
};

// Throws ModelError: weights that pass every structural check may still be noise.
void require_finite(float logprob);

// Holds as many sequences of a network as it said last.
class Search {
 public:
  struct Continuation {
    int source = 0;  // the sequence that it continues
    TokenId token = 0;
  };

  Search() = default;
  virtual ~Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // `logits` [sequences][n_vocab] follow each of its sequences, at first the only one, and are
  // overwritten. Returns its sequences from now on; none when the search has ended. Throws
  // ModelError where the logits are not finite.
  virtual std::vector<Continuation> extend(std::span<float> logits) = 0;

  // What was found; nothing can be done after.
  virtual std::vector<Hypothesis> take() = 0;
};

// The likeliest token each time, or one drawn from all at a temperature above 0.
class Sampling final : public Search {
 public:
  // `rules` is to outlive it.
  Sampling(const LogitRules& rules, TokenId end_of_text, int n_hypotheses, float temperature,
           unsigned seed);

  std::vector<Continuation> extend(std::span<float> logits) override;
  std::vector<Hypothesis> take() override { return std::move(hypotheses_); }

 private:
  const LogitRules& rules_;
  TokenId end_of_text_;
  float temperature_;
  std::mt19937 random_;
  std::vector<Hypothesis> hypotheses_;
  std::vector<std::size_t> going_;  // hypotheses, by sequence
  bool at_start_ = true;
};

// The likeliest texts, as many as there are beams.
class BeamSearch final : public Search {
 public:
  // with_greedy: the greedy text is among them however many others are likelier at first. `rules`
  // is to outlive it.
  BeamSearch(const LogitRules& rules, TokenId end_of_text, int n_beams, bool with_greedy);

  std::vector<Continuation> extend(std::span<float> logits) override;
  std::vector<Hypothesis> take() override;

 private:
  struct Candidate {
    std::size_t beam = 0;
    TokenId id = 0;
    float logprob = 0.0F;
    float sum = 0.0F;
    bool greedy = false;
  };

  std::vector<Candidate> find_candidates(std::span<float> logits) const;

  const LogitRules& rules_;
  TokenId end_of_text_;
  std::size_t width_;
  std::vector<Hypothesis> beams_;
  std::vector<Hypothesis> finished_;
};

}  // namespace earwitness::speech
