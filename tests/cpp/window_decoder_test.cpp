// In which order a window is tried, and which of its texts is kept, on a network of a few
// sentences.
#include "speech/window_decoder.h"

#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using Ids = std::vector<TokenId>;
using Chances = std::map<TokenId, double>;  // of the tokens that may follow; no other does

const int kBeams = TranscribeOptions{}.fallback_beam_size;

const Vocabulary& vocabulary() {
  static const Vocabulary v(synthetic::text_tokens(50256), 51864);
  return v;
}

TokenId first_timestamp() { return vocabulary().timestamp_begin(); }
TokenId end_of_text() { return vocabulary().end_of_text(); }

// Says what follows what has been said in a window so far.
class Speaker : public Network {
 public:
  explicit Speaker(std::function<Chances(const Ids&)> next) : next_(std::move(next)) {
    hparams_.n_text_ctx = 448;
    hparams_.n_vocab = vocabulary().size();
  }

  const Hyperparameters& hparams() const override { return hparams_; }
  int position() const override { return n_prompt_ + static_cast<int>(said_.front().size()); }
  int slots() const override { return 1; }
  void encode(const WindowMel& /*mel*/, int /*slot*/, int /*threads*/, Watch& /*watch*/) override {}

  std::span<float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                          std::span<const int> slots, int n_sequences, Watch& watch) override {
    attempts.push_back(n_sequences);
    if (on_attempt) on_attempt();
    watch.check();
    n_prompt_ = static_cast<int>(tokens.size());
    said_.assign(1, {});
    logits_.clear();
    for (std::size_t i = 0; i < rows.size() * slots.size(); ++i) add_logits({});
    return logits_;
  }

  void reorder(std::span<const int> sources, Watch& /*watch*/) override {
    std::vector<Ids> said;
    for (const int source : sources) said.push_back(said_.at(static_cast<std::size_t>(source)));
    said_ = std::move(said);
  }

  std::span<float> step(std::span<const TokenId> tokens, Watch& watch) override {
    watch.check();
    logits_.clear();
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      said_.at(i).push_back(tokens[i]);
      add_logits(said_[i]);
    }
    return logits_;
  }

  std::vector<float> attend(std::span<const TokenId> /*tokens*/,
                            std::span<const AttentionHead> /*heads*/, int /*slot*/,
                            Watch& /*watch*/) override {
    return {};
  }

  std::vector<int> attempts;  // their hypotheses
  std::function<void()> on_attempt;

 private:
  void add_logits(const Ids& said) {
    const std::size_t first = logits_.size();
    logits_.resize(first + static_cast<std::size_t>(vocabulary().size()), -40.0F);
    for (const auto& [id, chance] : next_(said)) {
      logits_[first + static_cast<std::size_t>(id)] = static_cast<float>(std::log(chance));
    }
  }

  std::function<Chances(const Ids&)> next_;
  Hyperparameters hparams_;
  int n_prompt_ = 0;
  std::vector<Ids> said_;
  std::vector<float> logits_;
};

DecodedWindow decode(Speaker& speaker, const TranscribeOptions& options,
                     const Control& control = {}) {
  Watch watch(control);
  WindowDecoder decoder(speaker, vocabulary(), options);
  const std::vector<WindowToDecode> windows = {{.slot = 0, .seed = 1}};
  const Ids start = {vocabulary().start_of_transcript()};
  return decoder.decode(windows, {}, start, watch).front();
}

constexpr TokenId kLikelyFirst = 1000;
constexpr TokenId kLikelyInAll = 1001;

// Two sentences of 16 words: the first word of one is likelier, and each further word of the
// other certain. `chance` is that of each further word of the one.
Chances two_sentences(const Ids& said, double chance) {
  if (said.empty()) return {{first_timestamp(), 1.0}};
  if (said.size() == 1) return {{kLikelyFirst, 0.55}, {kLikelyInAll, 0.45}};
  if (said.size() == 17) return {{end_of_text(), 1.0}};
  const auto next = static_cast<TokenId>(2000 + 100 * said.size());
  if (said[1] == kLikelyInAll) return {{next, 1.0}};
  Chances chances = {{next, chance}};
  const int others = static_cast<int>(1.0 / chance);  // none of them likelier
  for (int i = 1; i <= others; ++i) chances[next + i] = (1.0 - chance) / others;
  return chances;
}

TEST(a_window_that_fails_is_searched_before_it_is_drawn) {
  Speaker speaker([](const Ids& said) { return two_sentences(said, 0.1); });
  TranscribeOptions options;
  options.search_threshold.reset();
  const DecodedWindow found = decode(speaker, options);
  CHECK(found.tokens.at(1) == kLikelyInAll);
  CHECK(found.temperature == 0.0F);
  CHECK((speaker.attempts == std::vector<int>{1, kBeams}));

  // Where the search fails too, the temperatures follow.
  speaker.attempts.clear();
  options.logprob_threshold = -0.01;
  decode(speaker, options);
  CHECK((speaker.attempts == std::vector<int>{1, kBeams, 5, 5, 5, 5, 5}));

  for (const bool by_size : {true, false}) {
    speaker.attempts.clear();
    options.fallback_beam_size = by_size ? 1 : kBeams;
    options.temperature_increment = by_size ? 1.0 : 0.0;
    options.best_of = 3;
    decode(speaker, options);
    CHECK((speaker.attempts == (by_size ? std::vector<int>{1, 3} : std::vector<int>{1})));
  }
}

TEST(a_window_that_passes_is_searched_where_it_is_unlikely) {
  Speaker speaker([](const Ids& said) { return two_sentences(said, 0.5); });
  TranscribeOptions options;
  for (const double threshold : {-0.4, -0.9}) {
    speaker.attempts.clear();
    options.search_threshold = threshold;
    const DecodedWindow found = decode(speaker, options);
    const bool searched = threshold > -0.5;
    CHECK(found.tokens.at(1) == (searched ? kLikelyInAll : kLikelyFirst));
    CHECK((speaker.attempts == (searched ? std::vector<int>{1, kBeams} : std::vector<int>{1})));
  }
  // It was searched already, or is to be drawn.
  options.search_threshold = -0.4;
  options.beam_size = 5;
  speaker.attempts.clear();
  decode(speaker, options);
  CHECK((speaker.attempts == std::vector<int>{5}));
  options.temperature = 0.2;
  speaker.attempts.clear();
  decode(speaker, options);
  CHECK((speaker.attempts == std::vector<int>{5}));
}

TEST(a_few_unlikely_words_are_enough_for_a_search) {
  // Four of 16 are; the mean of all is -0.4.
  Speaker speaker([](const Ids& said) {
    return two_sentences(said, said.size() == 1 || said.size() > 4 ? 1.0 : 0.25);
  });
  TranscribeOptions options;
  CHECK(decode(speaker, options).avg_logprob > -0.4F);
  CHECK((speaker.attempts == std::vector<int>{1, kBeams}));
  options.search_threshold = -1.5;
  decode(speaker, options);
  CHECK((speaker.attempts == std::vector<int>{1, kBeams, 1}));
}

TEST(a_short_window_that_passes_is_not_searched) {
  Speaker speaker([](const Ids& said) -> Chances {
    if (said.size() == 15) return {{end_of_text(), 1.0}};
    return two_sentences(said, 0.5);
  });
  decode(speaker, {});
  CHECK((speaker.attempts == std::vector<int>{1}));
}

TEST(the_likelier_of_both_texts_is_kept) {
  // What ends at once is found first, and costs more for each of its tokens.
  Speaker speaker([](const Ids& said) -> Chances {
    if (said.empty()) return {{first_timestamp(), 1.0}};
    if (said.size() == 1) return {{1000, 0.4}, {1001, 0.35}, {1002, 0.25}};
    if (said[1] != 1000 || said.back() == 1500) return {{end_of_text(), 1.0}};
    if (said.size() == 17) return {{end_of_text(), 1.0}};
    return {{static_cast<TokenId>(2000 + 100 * said.size()), 0.8}, {1500, 0.2}};
  });
  TranscribeOptions options;
  options.fallback_beam_size = 2;
  options.search_threshold = -0.1;
  const DecodedWindow found = decode(speaker, options);
  CHECK((speaker.attempts == std::vector<int>{1, 2}));
  CHECK(found.tokens.size() == 17 && found.tokens.at(1) == 1000);

  // A search from the start does not lose it either.
  options.beam_size = 2;
  const DecodedWindow searched = decode(speaker, options);
  CHECK(searched.tokens == found.tokens);
  CHECK_NEAR(searched.avg_logprob, found.avg_logprob, 1e-6);
}

// Twenty tokens at 0.49 are likelier than ten at 0.5, though they cost more in all.
TEST(hypotheses_are_ranked_by_what_their_tokens_cost) {
  const auto of = [](std::size_t n_tokens, float sum) {
    Hypothesis h;
    h.tokens.resize(n_tokens);
    h.sum = sum;
    return h;
  };
  CHECK(of(20, -9.8F).rank() > of(10, -5.0F).rank());
  CHECK(of(10, -5.0F).mean() > of(20, -9.8F).mean());  // with the end of text, the other way
  CHECK_NEAR(of(0, -2.0F).rank(), -2.0F, 0.0);
}

TEST(a_loop_is_not_preferred_for_being_likely) {
  Speaker speaker([](const Ids& said) -> Chances {
    if (said.empty()) return {{first_timestamp(), 1.0}};
    if (said.size() == 1) return {{1000, 0.6}, {1001, 0.4}};
    if (said[1] == 1001) return {{end_of_text(), 1.0}};
    return {{said.size() < 80 ? 1000 : end_of_text(), 1.0}};
  });
  for (const int beams : {1, 2}) {
    TranscribeOptions options;
    options.beam_size = beams;
    const DecodedWindow found = decode(speaker, options);
    CHECK((found.tokens == Ids{first_timestamp(), 1001}));
    CHECK(!found.repeats);
    CHECK(found.temperature == 0.0F);
  }
}

TEST(a_loop_says_more_than_a_text_of_unlikely_tokens) {
  Speaker speaker([](const Ids& said) -> Chances {
    if (said.empty()) return {{first_timestamp(), 1.0}};
    if (said.size() == 80) return {{end_of_text(), 1.0}};
    Chances chances = {{1000, 0.2}};
    for (TokenId id = 2000; id < 2300; ++id) chances[id] = 0.8 / 300;
    return chances;
  });
  const DecodedWindow found = decode(speaker, {});
  CHECK(speaker.attempts.size() == 7);
  CHECK(found.repeats);
  CHECK(found.temperature == 1.0F);
  CHECK(found.tokens.at(1) == 1000 && found.tokens.back() == 1000);
  TranscribeOptions options;
  options.logprob_threshold.reset();  // then no text is too unlikely
  CHECK(!decode(speaker, options).repeats);
}

TEST(a_search_can_be_stopped) {
  Speaker speaker([](const Ids& said) { return two_sentences(said, 0.1); });
  Control control;
  CancelToken token = control.cancel;
  speaker.on_attempt = [&] {
    if (speaker.attempts.size() == 2) token.cancel();
  };
  CHECK_THROWS(Cancelled, decode(speaker, {}, control));
  CHECK((speaker.attempts == std::vector<int>{1, kBeams}));
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
