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

// So many times the log-probability threshold: a draw of a hot temperature that says nothing of the
// sound.
constexpr double kWild = 2.0;

// The mean of fewer tokens says little of their text, and who speaks for three seconds waits.
constexpr std::size_t kEnoughTokens = 16;

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

float rank_score(float sum_logprob, std::size_t n_tokens) {
  return sum_logprob / static_cast<float>(std::max<std::size_t>(n_tokens, 1));
}

struct WindowDecoder::Hypothesis {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  float sum = 0.0F;
  bool finished = false;
  bool greedy = false;  // each of its tokens was the likeliest

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
  float rank() const { return rank_score(sum, tokens.size()); }
};

WindowDecoder::WindowDecoder(Network& network, const Vocabulary& vocabulary,
                             const TranscribeOptions& options)
    : network_(network),
      vocabulary_(vocabulary),
      options_(options),
      rules_(vocabulary, options),
      max_tokens_(network.hparams().n_text_ctx / 2) {}

// Hypotheses of one window start from the same sequence; else each has its own.
std::vector<WindowDecoder::Hypothesis> WindowDecoder::greedy(const Starts& starts,
                                                             float temperature, unsigned seed,
                                                             Watch& watch) {
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  const TokenId end = vocabulary_.end_of_text();
  std::vector<Hypothesis> hypotheses(starts.size());
  std::vector<std::size_t> going(starts.size());  // hypotheses, by sequence
  std::iota(going.begin(), going.end(), 0);
  const bool shared = starts.front().data() == starts.back().data();
  std::mt19937 random(seed);
  std::vector<float> row(n_vocab);
  std::span<const float> logits;
  for (int n_tokens = 1;; ++n_tokens) {
    const bool first = n_tokens == 1;
    std::vector<std::size_t> left;
    std::vector<int> sources;
    std::vector<TokenId> next;
    for (std::size_t i = 0; i < going.size(); ++i) {
      Hypothesis& h = hypotheses[going[i]];
      const auto source = first ? starts[i] : logits.subspan(i * n_vocab, n_vocab);
      row.assign(source.begin(), source.end());
      const float total = rules_.apply(h.tokens, row);
      const TokenId id = temperature > 0.0F ? draw(row, temperature, random) : argmax(row);
      const float logprob = row[static_cast<std::size_t>(id)] - total;
      require_finite(logprob);
      h.append(id, logprob, end);
      if (h.finished) continue;
      left.push_back(going[i]);
      sources.push_back(first && shared ? 0 : static_cast<int>(i));
      next.push_back(id);
    }
    if (left.empty() || n_tokens >= max_tokens_ ||
        network_.position() >= network_.hparams().n_text_ctx) {
      return hypotheses;
    }
    if (first || left.size() < going.size()) network_.reorder(sources, watch);
    going = std::move(left);
    logits = network_.step(next, watch);
  }
}

std::vector<WindowDecoder::Hypothesis> WindowDecoder::beam_search(std::span<const float> logits,
                                                                  int n_beams, bool with_greedy,
                                                                  Watch& watch) {
  struct Candidate {
    std::size_t beam;
    TokenId id;
    float logprob;
    float sum;
    bool greedy;
  };
  const auto width = static_cast<std::size_t>(n_beams);
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  const TokenId end = vocabulary_.end_of_text();
  std::vector<Hypothesis> beams(1);
  beams.front().greedy = with_greedy;
  std::vector<Hypothesis> finished;
  std::vector<float> row(n_vocab);
  for (int n_tokens = 0; n_tokens < max_tokens_; ++n_tokens) {
    std::vector<Candidate> candidates;
    for (std::size_t b = 0; b < beams.size(); ++b) {
      const auto source = logits.subspan(b * n_vocab, n_vocab);
      row.assign(source.begin(), source.end());
      const float total = rules_.apply(beams[b].tokens, row);
      const std::vector<TokenId> best = likeliest(row, width + 1);
      for (const TokenId id : best) {
        const float logprob = row[static_cast<std::size_t>(id)] - total;
        if (std::isfinite(logprob)) {
          const bool greedy = beams[b].greedy && id == best.front();
          candidates.push_back({b, id, logprob, beams[b].sum + logprob, greedy});
        }
      }
    }
    require_finite(candidates.empty() ? NAN : 0.0F);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) {
                       return a.greedy != b.greedy ? a.greedy : a.sum > b.sum;
                     });
    // Once enough have ended, only the greedy one goes on.
    const std::size_t most = finished.size() < width ? width : 1;
    std::vector<Hypothesis> kept;
    std::vector<int> sources;
    std::vector<TokenId> next;
    for (const Candidate& candidate : candidates) {
      if (kept.size() == most) break;
      Hypothesis h = beams[candidate.beam];
      h.greedy = candidate.greedy;
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
    if (finished.size() >= width && !beams.empty()) {
      beams.resize(beams.front().greedy ? 1 : 0);
      sources.resize(beams.size());
      next.resize(beams.size());
    }
    if (beams.empty() || network_.position() >= network_.hparams().n_text_ctx) {
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

std::vector<DecodedWindow> WindowDecoder::decode_once(const Attempt& attempt,
                                                      std::span<const WindowToDecode> windows,
                                                      const Prompt& prompt, Watch& watch) {
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  const int n = attempt.n_hypotheses;
  const float temperature = attempt.temperature;
  const unsigned seed = windows.front().seed + attempt.number;
  std::vector<int> slots;
  for (const WindowToDecode& window : windows) slots.push_back(window.slot);
  const std::vector<int> rows = {prompt.start_row, static_cast<int>(prompt.tokens.size()) - 1};
  const std::span<const float> logits = network_.prompt(prompt.tokens, rows, slots, n, watch);

  std::vector<DecodedWindow> decoded(windows.size());
  std::vector<float> last;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    // The model says "no speech" in the place of the language (openai-whisper, decoding.py).
    const auto at_start = logits.subspan(2 * i * n_vocab, n_vocab);
    const float total = log_sum_exp(at_start);
    require_finite(total);
    decoded[i].temperature = temperature;
    decoded[i].no_speech_prob =
        std::exp(at_start[static_cast<std::size_t>(vocabulary_.no_speech())] - total);
    const auto after = logits.subspan((2 * i + 1) * n_vocab, n_vocab);
    last.insert(last.end(), after.begin(), after.end());
  }
  const auto keep = [&](DecodedWindow& window, Hypothesis& hypothesis) {
    window.avg_logprob = hypothesis.mean();
    window.repeats = repeats(hypothesis.tokens);
    window.tokens = std::move(hypothesis.tokens);
    window.logprobs = std::move(hypothesis.logprobs);
  };
  Starts starts;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    starts.emplace_back(last.begin() + static_cast<std::ptrdiff_t>(i * n_vocab), n_vocab);
  }
  if (n == 1) {
    std::vector<Hypothesis> hypotheses = greedy(starts, temperature, seed, watch);
    for (std::size_t i = 0; i < windows.size(); ++i) keep(decoded[i], hypotheses[i]);
    return decoded;
  }
  std::vector<Hypothesis> hypotheses =
      temperature > 0.0F
          ? greedy(Starts(static_cast<std::size_t>(n), starts.front()), temperature, seed, watch)
          : beam_search(starts.front(), n, attempt.with_greedy, watch);
  // A loop is likely, and no text.
  std::vector<std::pair<bool, float>> scores;
  for (const Hypothesis& h : hypotheses) {
    scores.emplace_back(!repeats(h.tokens) && !is_wild(h.mean()), h.rank());
  }
  const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
  keep(decoded.front(), hypotheses[static_cast<std::size_t>(best)]);
  return decoded;
}

bool WindowDecoder::repeats(std::span<const TokenId> tokens) const {
  std::vector<TokenId> text;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(text),
               [&](TokenId id) { return vocabulary_.is_text(id); });
  std::string written;
  for (TokenId id : text) written += vocabulary_.text(id);
  return (options_.entropy_threshold && text.size() > kEntropyTokens &&
          tail_entropy(text) < *options_.entropy_threshold) ||
         (options_.compression_ratio_threshold &&
          compression_ratio(written) > *options_.compression_ratio_threshold);
}

bool WindowDecoder::is_wild(float avg_logprob) const {
  return options_.logprob_threshold && avg_logprob < kWild * *options_.logprob_threshold;
}

bool WindowDecoder::is_below(std::optional<double> threshold, const DecodedWindow& window) const {
  const bool silent =
      options_.no_speech_threshold && window.no_speech_prob > *options_.no_speech_threshold;
  return threshold && window.avg_logprob < *threshold && !silent;
}

bool WindowDecoder::is_unlikely(const DecodedWindow& window) const {
  return is_below(options_.logprob_threshold, window);
}

bool WindowDecoder::is_to_be_searched(const DecodedWindow& window) const {
  return is_below(options_.search_threshold, window) && window.tokens.size() >= kEnoughTokens;
}

std::vector<DecodedWindow> WindowDecoder::decode(std::span<const WindowToDecode> windows,
                                                 std::span<const TokenId> previous,
                                                 std::span<const TokenId> start, Watch& watch) {
  Prompt prompt;
  if (!previous.empty()) {
    const auto limit = static_cast<std::size_t>(network_.hparams().n_text_ctx / 2 - 1);
    prompt.tokens.push_back(vocabulary_.start_of_previous());
    const auto tail = previous.last(std::min(previous.size(), limit));
    prompt.tokens.insert(prompt.tokens.end(), tail.begin(), tail.end());
  }
  prompt.start_row = static_cast<int>(prompt.tokens.size());
  prompt.tokens.insert(prompt.tokens.end(), start.begin(), start.end());

  const int steps =
      options_.temperature_increment > 0.0
          ? static_cast<int>((1.0 - options_.temperature) / options_.temperature_increment + 1e-6)
          : 0;
  const double coolest = options_.temperature;
  std::vector<DecodedWindow> decoded =
      decode_once({.temperature = static_cast<float>(coolest),
                   .n_hypotheses = coolest > 0.0 ? options_.best_of : options_.beam_size},
                  windows, prompt, watch);
  const auto good = [&](const DecodedWindow& window) {
    return !window.repeats && !is_unlikely(window);
  };
  for (std::size_t i = 0; i < windows.size(); ++i) {
    DecodedWindow& best = decoded[i];
    const auto try_again = [&](const Attempt& attempt) {
      DecodedWindow again =
          std::move(decode_once(attempt, windows.subspan(i, 1), prompt, watch).front());
      const bool likelier = !again.repeats && (best.repeats ? !is_wild(again.avg_logprob)
                                                            : again.avg_logprob > best.avg_logprob);
      if (likelier || (good(again) && !good(best))) best = std::move(again);
    };
    if (steps > 0 && (!good(best) || is_to_be_searched(best)) && coolest == 0.0 &&
        options_.fallback_beam_size > options_.beam_size) {
      try_again({.n_hypotheses = options_.fallback_beam_size, .with_greedy = false});
    }
    for (int step = 1; step <= steps && !good(best); ++step) {
      const double temperature = coolest + step * options_.temperature_increment;
      try_again({.number = static_cast<unsigned>(step),
                 .temperature = static_cast<float>(temperature),
                 .n_hypotheses = options_.best_of});
      // However cool the one that is kept: so much was tried.
      if (!good(best)) best.temperature = static_cast<float>(temperature);
    }
  }
  return decoded;
}

}  // namespace earwitness::speech
