#include "speech/window_decoder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "earwitness/error.h"
#include "speech/compression.h"

namespace earwitness::speech {
namespace {

constexpr std::size_t kEntropyTokens = 32;  // whisper.cpp, whisper_sequence_score

TokenId argmax(std::span<const float> x) {
  return static_cast<TokenId>(std::max_element(x.begin(), x.end()) - x.begin());
}

// Draws from softmax(logprobs / temperature).
TokenId draw(std::span<const float> logprobs, float temperature, std::mt19937& random) {
  const float top = *std::max_element(logprobs.begin(), logprobs.end());
  std::vector<float> cumulative(logprobs.size());
  float sum = 0.0F;
  for (std::size_t i = 0; i < logprobs.size(); ++i) {
    sum += std::exp((logprobs[i] - top) / temperature);
    cumulative[i] = sum;
  }
  // Not std::uniform_real_distribution: its sequence differs between standard libraries.
  const float at = static_cast<float>(random()) / 4294967296.0F * sum;
  const auto it = std::upper_bound(cumulative.begin(), cumulative.end(), at);
  return it == cumulative.end() ? argmax(logprobs) : static_cast<TokenId>(it - cumulative.begin());
}

// Weights that pass every structural check may still be noise.
void require_finite(float logprob) {
  if (!std::isfinite(logprob)) {
    throw ModelError("the model's weights are damaged: its output is not finite; fetch it again");
  }
}

}  // namespace

float tail_entropy(std::span<const TokenId> tokens) {
  const std::span<const TokenId> tail = tokens.last(std::min(tokens.size(), kEntropyTokens));
  std::map<TokenId, int> counts;
  for (TokenId id : tail) ++counts[id];
  float entropy = 0.0F;
  for (const auto& [id, count] : counts) {
    const float p = static_cast<float>(count) / static_cast<float>(tail.size());
    entropy -= p * std::log(p);
  }
  return entropy;
}

struct WindowDecoder::Hypothesis {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  float sum = 0.0F;
  bool finished = false;

  void append(TokenId id, float logprob, TokenId end_of_text) {
    sum += logprob;
    if (id == end_of_text) {
      finished = true;
    } else {
      tokens.push_back(id);
      logprobs.push_back(logprob);
    }
  }
  float mean() const { return sum / static_cast<float>(tokens.size() + 1); }
};

WindowDecoder::WindowDecoder(Network& network, const Vocabulary& vocabulary,
                             const TranscribeOptions& options)
    : network_(network),
      vocabulary_(vocabulary),
      options_(options),
      rules_(vocabulary, options),
      max_tokens_(network.hparams().n_text_ctx / 2) {}

std::vector<WindowDecoder::Hypothesis> WindowDecoder::greedy(std::span<const float> logits, int n,
                                                             float temperature, unsigned seed,
                                                             Watch& watch) {
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  const TokenId end = vocabulary_.end_of_text();
  std::vector<Hypothesis> hypotheses(static_cast<std::size_t>(n));
  std::vector<TokenId> next(hypotheses.size());
  std::mt19937 random(seed);
  std::vector<float> row(n_vocab);
  for (int n_tokens = 1;; ++n_tokens) {
    const bool first = n_tokens == 1;
    bool all_finished = true;
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
      Hypothesis& h = hypotheses[i];
      next[i] = end;  // a finished sequence idles until all are finished
      if (h.finished) continue;
      const auto source = logits.subspan(first ? 0 : i * n_vocab, n_vocab);
      row.assign(source.begin(), source.end());
      rules_.apply(h.tokens, row);
      next[i] = temperature > 0.0F ? draw(row, temperature, random) : argmax(row);
      const float logprob = row[static_cast<std::size_t>(next[i])];
      require_finite(logprob);
      h.append(next[i], logprob, end);
      all_finished = all_finished && h.finished;
    }
    if (all_finished || n_tokens >= max_tokens_ ||
        network_.position() >= network_.hparams().n_text_ctx) {
      return hypotheses;
    }
    if (first && n > 1) network_.reorder(std::vector<int>(hypotheses.size(), 0), watch);
    logits = network_.step(next, watch);
  }
}

std::vector<WindowDecoder::Hypothesis> WindowDecoder::beam_search(std::span<const float> logits,
                                                                  Watch& watch) {
  struct Candidate {
    std::size_t beam;
    TokenId id;
    float logprob;
    float sum;
  };
  const auto width = static_cast<std::size_t>(options_.beam_size);
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  const TokenId end = vocabulary_.end_of_text();
  std::vector<Hypothesis> beams(1);
  std::vector<Hypothesis> finished;
  std::vector<float> row(n_vocab);
  std::vector<TokenId> order(n_vocab);
  for (int n_tokens = 0; n_tokens < max_tokens_; ++n_tokens) {
    std::vector<Candidate> candidates;
    for (std::size_t b = 0; b < beams.size(); ++b) {
      const auto source = logits.subspan(b * n_vocab, n_vocab);
      row.assign(source.begin(), source.end());
      rules_.apply(beams[b].tokens, row);
      std::iota(order.begin(), order.end(), 0);
      const auto top = order.begin() + static_cast<std::ptrdiff_t>(width) + 1;
      std::partial_sort(order.begin(), top, order.end(), [&](TokenId a, TokenId c) {
        const float x = row[static_cast<std::size_t>(a)];
        const float y = row[static_cast<std::size_t>(c)];
        return x != y ? x > y : a < c;
      });
      for (auto it = order.begin(); it != top; ++it) {
        const float logprob = row[static_cast<std::size_t>(*it)];
        if (std::isfinite(logprob)) {
          candidates.push_back({b, *it, logprob, beams[b].sum + logprob});
        }
      }
    }
    require_finite(candidates.empty() ? NAN : 0.0F);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.sum > b.sum; });
    std::vector<Hypothesis> kept;
    std::vector<int> sources;
    std::vector<TokenId> next;
    for (const Candidate& candidate : candidates) {
      if (kept.size() == width) break;
      Hypothesis h = beams[candidate.beam];
      h.append(candidate.id, candidate.logprob, end);
      if (h.finished) {
        finished.push_back(std::move(h));
      } else {
        kept.push_back(std::move(h));
        sources.push_back(static_cast<int>(candidate.beam));
        next.push_back(candidate.id);
      }
    }
    beams = std::move(kept);
    if (finished.size() >= width || beams.empty() ||
        network_.position() >= network_.hparams().n_text_ctx) {
      break;
    }
    network_.reorder(sources, watch);
    logits = network_.step(next, watch);
  }
  // A hypothesis that was cut short counts only where too few ended of themselves (openai-whisper).
  for (std::size_t b = 0; b < beams.size() && finished.size() < width; ++b) {
    finished.push_back(std::move(beams[b]));
  }
  return finished;
}

DecodedWindow WindowDecoder::decode_at(float temperature, std::span<const TokenId> prompt,
                                       int start_row, unsigned seed, Watch& watch) {
  const bool beams = temperature == 0.0F && options_.beam_size > 1;
  const int n = temperature > 0.0F ? options_.best_of : beams ? options_.beam_size : 1;
  const std::vector<int> rows = {start_row, static_cast<int>(prompt.size()) - 1};
  const std::span<const float> logits = network_.prompt(prompt, rows, n, watch);
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());

  DecodedWindow window;
  window.temperature = temperature;
  // The model says "no speech" in the place of the language (openai-whisper, decoding.py).
  const auto at_start = logits.first(n_vocab);
  const float total = log_sum_exp(at_start);
  require_finite(total);
  window.no_speech_prob =
      std::exp(at_start[static_cast<std::size_t>(vocabulary_.no_speech())] - total);

  const std::vector<float> last(logits.begin() + static_cast<std::ptrdiff_t>(n_vocab),
                                logits.end());
  std::vector<Hypothesis> hypotheses =
      beams ? beam_search(last, watch) : greedy(last, n, temperature, seed, watch);
  Hypothesis& best = *std::max_element(
      hypotheses.begin(), hypotheses.end(),
      [](const Hypothesis& a, const Hypothesis& b) { return a.mean() < b.mean(); });
  window.avg_logprob = best.mean();
  window.tokens = std::move(best.tokens);
  window.logprobs = std::move(best.logprobs);
  std::vector<TokenId> text;
  std::copy_if(window.tokens.begin(), window.tokens.end(), std::back_inserter(text),
               [&](TokenId id) { return vocabulary_.is_text(id); });
  window.repeats = repeats(text);
  return window;
}

bool WindowDecoder::repeats(std::span<const TokenId> text) const {
  std::string written;
  for (TokenId id : text) written += vocabulary_.text(id);
  return (options_.entropy_threshold && text.size() > kEntropyTokens &&
          tail_entropy(text) < *options_.entropy_threshold) ||
         (options_.compression_ratio_threshold &&
          compression_ratio(written) > *options_.compression_ratio_threshold);
}

bool WindowDecoder::is_unlikely(const DecodedWindow& window) const {
  const bool unlikely =
      options_.logprob_threshold && window.avg_logprob < *options_.logprob_threshold;
  const bool silent =
      options_.no_speech_threshold && window.no_speech_prob > *options_.no_speech_threshold;
  return unlikely && !silent;
}

DecodedWindow WindowDecoder::decode(std::span<const TokenId> previous,
                                    std::span<const TokenId> start, unsigned seed, Watch& watch) {
  std::vector<TokenId> prompt;
  if (!previous.empty()) {
    const auto limit = static_cast<std::size_t>(network_.hparams().n_text_ctx / 2 - 1);
    prompt.push_back(vocabulary_.start_of_previous());
    const auto tail = previous.last(std::min(previous.size(), limit));
    prompt.insert(prompt.end(), tail.begin(), tail.end());
  }
  const int start_row = static_cast<int>(prompt.size());
  prompt.insert(prompt.end(), start.begin(), start.end());

  DecodedWindow chosen;
  const int steps =
      options_.temperature_increment > 0.0
          ? static_cast<int>((1.0 - options_.temperature) / options_.temperature_increment + 1e-6)
          : 0;
  for (int i = 0; i <= steps; ++i) {
    const double temperature = options_.temperature + i * options_.temperature_increment;
    DecodedWindow window = decode_at(static_cast<float>(temperature), prompt, start_row,
                                     seed + static_cast<unsigned>(i), watch);
    if (i > 0 && window.repeats) continue;
    const bool good = !window.repeats && !is_unlikely(window);
    chosen = std::move(window);
    if (good) break;
  }
  return chosen;
}

}  // namespace earwitness::speech
