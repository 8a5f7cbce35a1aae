#include "speech/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

// Draws from softmax(logits / temperature).
TokenId draw(std::span<const float> logits, float temperature, std::mt19937& random) {
  const TokenId likeliest = argmax(logits);
  const float top = logits[static_cast<std::size_t>(likeliest)];
  std::vector<float> cumulative(logits.size());
  float sum = 0.0F;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    sum += std::exp((logits[i] - top) / temperature);
    cumulative[i] = sum;
  }
  // Not std::uniform_real_distribution: its sequence differs between standard libraries.
  const float at = static_cast<float>(random()) / 4294967296.0F * sum;
  const auto it = std::upper_bound(cumulative.begin(), cumulative.end(), at);
  return it == cumulative.end() ? likeliest : static_cast<TokenId>(it - cumulative.begin());
}

// The n likeliest, the best first, and the first of equals.
std::vector<TokenId> likeliest(std::span<const float> logits, std::size_t n) {
  constexpr std::size_t kBlock = 256;  // most hold none of them, which their largest tells
  std::vector<TokenId> out;
  const auto logit = [&](TokenId id) { return logits[static_cast<std::size_t>(id)]; };
  for (std::size_t first = 0; first < logits.size(); first += kBlock) {
    const auto block = logits.subspan(first, std::min(kBlock, logits.size() - first));
    if (out.size() == n && !(block[static_cast<std::size_t>(argmax(block))] > logit(out.back()))) {
      continue;
    }
    for (std::size_t i = first; i < first + block.size(); ++i) {
      if (out.size() == n && !(logits[i] > logit(out.back()))) continue;
      const auto place = std::upper_bound(out.begin(), out.end(), logits[i],
                                          [&](float x, TokenId id) { return x > logit(id); });
      out.insert(place, static_cast<TokenId>(i));
      if (out.size() > n) out.pop_back();
    }
  }
  return out;
}

}  // namespace

void require_finite(float logprob) {
  if (!std::isfinite(logprob)) {
    throw ModelError("the model's weights are damaged: its output is not finite; fetch it again");
  }
}

void Hypothesis::append(TokenId id, float logprob, TokenId end_of_text) {
  sum += logprob;
  if (id == end_of_text) {
    finished = true;
  } else {
    tokens.push_back(id);
    logprobs.push_back(logprob);
  }
}

float Hypothesis::rank() const {
  return sum / static_cast<float>(std::max<std::size_t>(tokens.size(), 1));
}

Sampling::Sampling(const LogitRules& rules, TokenId end_of_text, int n_hypotheses,
                   float temperature, unsigned seed)
    : rules_(rules),
      end_of_text_(end_of_text),
      temperature_(temperature),
      random_(seed),
      hypotheses_(static_cast<std::size_t>(n_hypotheses)),
      going_(hypotheses_.size()) {
  std::iota(going_.begin(), going_.end(), 0);
}

std::vector<Search::Continuation> Sampling::extend(std::span<float> logits) {
  const bool at_start = std::exchange(at_start_, false);
  const std::size_t n_vocab = logits.size() / (at_start ? 1 : going_.size());
  std::vector<float> copy;  // of what all hypotheses start from
  std::vector<std::size_t> left;
  std::vector<Continuation> next;
  for (std::size_t i = 0; i < going_.size(); ++i) {
    Hypothesis& h = hypotheses_[going_[i]];
    std::span<float> row = logits.subspan(at_start ? 0 : i * n_vocab, n_vocab);
    if (at_start && going_.size() > 1) {
      copy.assign(row.begin(), row.end());
      row = copy;
    }
    const float total = rules_.apply(h.tokens, row);
    const TokenId id = temperature_ > 0.0F ? draw(row, temperature_, random_) : argmax(row);
    const float logprob = row[static_cast<std::size_t>(id)] - total;
    require_finite(logprob);
    h.append(id, logprob, end_of_text_);
    if (h.finished) continue;
    left.push_back(going_[i]);
    next.push_back({at_start ? 0 : static_cast<int>(i), id});
  }
  going_ = std::move(left);
  return next;
}

BeamSearch::BeamSearch(const LogitRules& rules, TokenId end_of_text, int n_beams, bool with_greedy)
    : rules_(rules),
      end_of_text_(end_of_text),
      width_(static_cast<std::size_t>(n_beams)),
      beams_(1) {
  beams_.front().greedy = with_greedy;
}

// The greedy one first, then the likeliest.
std::vector<BeamSearch::Candidate> BeamSearch::find_candidates(std::span<float> logits) const {
  const std::size_t n_vocab = logits.size() / beams_.size();
  std::vector<Candidate> candidates;
  for (std::size_t b = 0; b < beams_.size(); ++b) {
    const std::span<float> row = logits.subspan(b * n_vocab, n_vocab);
    const float total = rules_.apply(beams_[b].tokens, row);
    const std::vector<TokenId> best = likeliest(row, width_ + 1);
    for (const TokenId id : best) {
      const float logprob = row[static_cast<std::size_t>(id)] - total;
      if (std::isfinite(logprob)) {
        const bool greedy = beams_[b].greedy && id == best.front();
        candidates.push_back({b, id, logprob, beams_[b].sum + logprob, greedy});
      }
    }
  }
  require_finite(candidates.empty() ? NAN : 0.0F);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.greedy != b.greedy ? a.greedy : a.sum > b.sum;
                   });
  return candidates;
}

std::vector<Search::Continuation> BeamSearch::extend(std::span<float> logits) {
  const std::vector<Candidate> candidates = find_candidates(logits);
  // Once enough have ended, only the greedy one goes on.
  const std::size_t most = finished_.size() < width_ ? width_ : 1;
  std::vector<Hypothesis> kept;
  std::vector<Continuation> next;
  for (const Candidate& candidate : candidates) {
    if (kept.size() == most) break;
    Hypothesis h = beams_[candidate.beam];
    h.greedy = candidate.greedy;
    h.append(candidate.id, candidate.logprob, end_of_text_);
    if (h.finished) {
      finished_.push_back(std::move(h));
    } else {
      kept.push_back(std::move(h));
      next.push_back({static_cast<int>(candidate.beam), candidate.id});
    }
  }
  if (finished_.size() >= width_ && !kept.empty()) {
    kept.resize(kept.front().greedy ? 1 : 0);
    next.resize(kept.size());
  }
  beams_ = std::move(kept);
  return next;
}

std::vector<Hypothesis> BeamSearch::take() {
  // What was cut short counts only where too few ended of themselves (openai-whisper).
  for (std::size_t b = 0; b < beams_.size() && finished_.size() < width_; ++b) {
    finished_.push_back(std::move(beams_[b]));
  }
  return std::move(finished_);
}

}  // namespace earwitness::speech
