#include "speech/window_decoder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "speech/compression.h"

namespace earwitness::speech {
namespace {

constexpr std::size_t kEntropyTokens = 32;  // whisper.cpp, whisper_sequence_score

// So many times the log-probability threshold: a draw of a hot temperature that says nothing of the
// sound.
constexpr double kWild = 2.0;

// Fewer tokens say little of how likely their text is, and who speaks for three seconds waits.
constexpr std::size_t kEnoughTokens = 16;

// That are decoded at once. More gain little time, and each takes memory for its keys and values.
constexpr int kMostSequences = 40;

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

WindowDecoder::WindowDecoder(Network& network, const Vocabulary& vocabulary,
                             const TranscribeOptions& options)
    : network_(network),
      vocabulary_(vocabulary),
      options_(options),
      rules_(vocabulary, options),
      max_tokens_(network.hparams().n_text_ctx / 2) {}

WindowDecoder::Searches WindowDecoder::start(const Attempt& attempt,
                                             std::span<const WindowToDecode> windows) const {
  const TokenId end = vocabulary_.end_of_text();
  Searches searches;
  for (const WindowToDecode& window : windows) {
    if (attempt.temperature == 0.0F && attempt.n_hypotheses > 1) {
      searches.push_back(
          std::make_unique<BeamSearch>(rules_, end, attempt.n_hypotheses, attempt.with_greedy));
    } else {
      searches.push_back(std::make_unique<Sampling>(
          rules_, end, attempt.n_hypotheses, attempt.temperature, window.seed + attempt.number));
    }
  }
  return searches;
}

void WindowDecoder::run(const Searches& searches, std::span<float> logits, Watch& watch) {
  struct Going {
    Search* search;
    std::size_t sequences;
  };
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  std::vector<Going> all;
  for (const auto& search : searches) all.push_back({search.get(), 1});
  for (int n_tokens = 1;; ++n_tokens) {
    std::vector<Going> left;
    std::vector<int> sources;
    std::vector<TokenId> next;
    std::size_t first = 0;
    for (const Going& going : all) {
      const auto continuations =
          going.search->extend(logits.subspan(first * n_vocab, going.sequences * n_vocab));
      for (const Search::Continuation& c : continuations) {
        sources.push_back(static_cast<int>(first) + c.source);
        next.push_back(c.token);
      }
      if (!continuations.empty()) left.push_back({going.search, continuations.size()});
      first += going.sequences;
    }
    if (left.empty() || n_tokens >= max_tokens_ ||
        network_.position() >= network_.hparams().n_text_ctx) {
      return;
    }
    network_.reorder(sources, watch);
    all = std::move(left);
    logits = network_.step(next, watch);
  }
}

std::vector<DecodedWindow> WindowDecoder::decode_once(const Attempt& attempt,
                                                      std::span<const WindowToDecode> windows,
                                                      const Prompt& prompt, Watch& watch) {
  const auto n_vocab = static_cast<std::size_t>(vocabulary_.size());
  std::vector<int> slots;
  for (const WindowToDecode& window : windows) slots.push_back(window.slot);
  const std::vector<int> rows = {prompt.start_row, static_cast<int>(prompt.tokens.size()) - 1};
  const std::span<const float> logits = network_.prompt(
      prompt.tokens, rows, slots, attempt.n_hypotheses * static_cast<int>(windows.size()), watch);

  std::vector<DecodedWindow> decoded(windows.size());
  std::vector<float> last;  // what follows the prompt
  for (std::size_t i = 0; i < windows.size(); ++i) {
    // The model says "no speech" in the place of the language (openai-whisper, decoding.py).
    const auto at_start = logits.subspan(2 * i * n_vocab, n_vocab);
    const float total = log_sum_exp(at_start);
    require_finite(total);
    decoded[i].temperature = attempt.temperature;
    decoded[i].no_speech_prob =
        std::exp(at_start[static_cast<std::size_t>(vocabulary_.no_speech())] - total);
    const auto after = logits.subspan((2 * i + 1) * n_vocab, n_vocab);
    last.insert(last.end(), after.begin(), after.end());
  }
  const Searches searches = start(attempt, windows);
  run(searches, last, watch);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    std::vector<Hypothesis> hypotheses = searches[i]->take();
    // A loop is likely, and no text.
    std::vector<bool> loops;
    std::vector<std::pair<bool, float>> scores;
    for (const Hypothesis& h : hypotheses) {
      loops.push_back(repeats(h.tokens));
      scores.emplace_back(!loops.back() && !is_wild(h.mean()), h.rank());
    }
    const auto best =
        static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    Hypothesis& hypothesis = hypotheses[best];
    decoded[i].avg_logprob = hypothesis.mean();
    decoded[i].repeats = loops[best];
    decoded[i].tokens = std::move(hypothesis.tokens);
    decoded[i].logprobs = std::move(hypothesis.logprobs);
  }
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

bool WindowDecoder::is_silent(const DecodedWindow& window) const {
  return options_.no_speech_threshold && window.no_speech_prob > *options_.no_speech_threshold;
}

bool WindowDecoder::is_unlikely(const DecodedWindow& window) const {
  return options_.logprob_threshold && window.avg_logprob < *options_.logprob_threshold &&
         !is_silent(window);
}

bool WindowDecoder::is_to_be_searched(const DecodedWindow& window) const {
  if (!options_.search_threshold || is_silent(window)) return false;
  std::vector<float> text;
  for (std::size_t i = 0; i < window.tokens.size(); ++i) {
    if (vocabulary_.is_text(window.tokens[i])) text.push_back(window.logprobs[i]);
  }
  if (text.size() < kEnoughTokens) return false;
  const auto fifth = static_cast<std::ptrdiff_t>((text.size() + 2) / 5);
  std::partial_sort(text.begin(), text.begin() + fifth, text.end());
  const double sum = std::accumulate(text.begin(), text.begin() + fifth, 0.0);
  return sum < *options_.search_threshold * static_cast<double>(fifth);
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
  std::vector<DecodedWindow> decoded(windows.size());
  // Those of `windows` that are wanted, as many at once as the sequences allow.
  const auto attempt = [&](const Attempt& how, const auto& wanted, const auto& take) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < windows.size(); ++i) {
      if (wanted(decoded[i])) places.push_back(i);
    }
    const auto most = static_cast<std::size_t>(std::max(1, kMostSequences / how.n_hypotheses));
    for (std::size_t first = 0; first < places.size(); first += most) {
      const auto some = std::span(places).subspan(first, std::min(most, places.size() - first));
      std::vector<WindowToDecode> chosen;
      for (const std::size_t i : some) chosen.push_back(windows[i]);
      std::vector<DecodedWindow> found = decode_once(how, chosen, prompt, watch);
      for (std::size_t i = 0; i < some.size(); ++i) take(decoded[some[i]], std::move(found[i]));
    }
  };
  const auto good = [&](const DecodedWindow& window) {
    return !window.repeats && !is_unlikely(window);
  };
  const auto take_better = [&](DecodedWindow& best, DecodedWindow again) {
    const bool likelier = !again.repeats && (best.repeats ? !is_wild(again.avg_logprob)
                                                          : again.avg_logprob > best.avg_logprob);
    if (likelier || (good(again) && !good(best))) best = std::move(again);
  };

  attempt(
      {.temperature = static_cast<float>(coolest),
       .n_hypotheses = coolest > 0.0 ? options_.best_of : options_.beam_size},
      [](const DecodedWindow&) { return true; },
      [](DecodedWindow& window, DecodedWindow found) { window = std::move(found); });
  if (steps > 0 && coolest == 0.0 && options_.fallback_beam_size > options_.beam_size) {
    attempt(
        {.n_hypotheses = options_.fallback_beam_size, .with_greedy = false},
        [&](const DecodedWindow& best) { return !good(best) || is_to_be_searched(best); },
        take_better);
  }
  for (int step = 1; step <= steps; ++step) {
    const auto temperature = static_cast<float>(coolest + step * options_.temperature_increment);
    attempt(
        {.number = static_cast<unsigned>(step),
         .temperature = temperature,
         .n_hypotheses = options_.best_of},
        [&](const DecodedWindow& best) { return !good(best); },
        [&](DecodedWindow& best, DecodedWindow again) {
          take_better(best, std::move(again));
          // However cool the one that is kept: so much was tried.
          if (!good(best)) best.temperature = temperature;
        });
  }
  return decoded;
}

}  // namespace earwitness::speech
