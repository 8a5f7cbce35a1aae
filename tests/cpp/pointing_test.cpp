#include "speech/pointing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "speech/known_sentence.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using Heads = std::vector<PointingHead>;

constexpr double kColumn = 0.02;  // seconds

// Attention [heads][tokens][n_ctx] that looks, in row t of each head, `lag` after starts[t].
std::vector<float> looks(const Heads& heads, const std::vector<double>& starts, int n_ctx,
                         float padding = 0.0F) {
  std::vector<float> attention;
  for (const PointingHead& head : heads) {
    for (const double start : starts) {
      std::vector<float> row(static_cast<std::size_t>(n_ctx), 1e-4F);
      for (std::size_t c = 0; c < row.size(); ++c) {
        const double d = (static_cast<double>(c) * kColumn - start - head.lag) / 0.03;
        row[c] += static_cast<float>(std::exp(-0.5 * d * d));
      }
      row.back() += padding;
      attention.insert(attention.end(), row.begin(), row.end());
    }
  }
  return attention;
}

std::vector<double> steps(int n, double width) {
  std::vector<double> starts;
  for (int i = 0; i < n; ++i) starts.push_back(0.1 + i * width);
  return starts;
}

const Heads kTwo = {{{0, 0}, 0.06}, {{1, 1}, -0.02}};

TEST(tokens_start_where_the_heads_point) {
  const std::vector<double> want = steps(9, 0.17);
  const std::vector<double> got = token_starts(looks(kTwo, want, 100), kTwo, 9, 100, 90, 0);
  CHECK(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK_NEAR(got[i], want[i], 0.011);
}

TEST(rows_before_the_first_are_left_out) {
  const std::vector<double> want = steps(9, 0.17);
  const std::vector<double> got = token_starts(looks(kTwo, want, 100), kTwo, 9, 100, 90, 3);
  CHECK(got.size() == 6);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK_NEAR(got[i], want[i + 3], 0.011);
}

TEST(what_went_to_the_padding_does_not_count) {
  const std::vector<double> starts = steps(9, 0.17);
  const std::vector<double> want = token_starts(looks(kTwo, starts, 100), kTwo, 9, 100, 90, 0);
  CHECK(token_starts(looks(kTwo, starts, 100, 50.0F), kTwo, 9, 100, 90, 0) == want);
}

// A row that looks elsewhere, as it now and then does, is held between its neighbours.
TEST(one_stray_look_does_not_move_the_others) {
  std::vector<double> starts = steps(9, 0.17);
  const std::vector<double> want = starts;
  starts[4] = 0.0;
  const std::vector<double> got = token_starts(looks(kTwo, starts, 100), kTwo, 9, 100, 90, 0);
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (i != 4) CHECK_NEAR(got[i], want[i], 0.011);
  }
  CHECK(got[4] > got[3] && got[4] < got[5]);
}

TEST(any_attention_gives_rising_starts) {
  synthetic::Noise noise(22);
  for (int run = 0; run < 100; ++run) {
    const int tokens = 1 + static_cast<int>(15.0F * (noise() + 1.0F));
    const int frames = 1 + static_cast<int>(30.0F * (noise() + 1.0F));
    std::vector<float> attention(static_cast<std::size_t>(2 * tokens * frames));
    for (float& a : attention) a = 0.5F * (noise() + 1.0F);
    const std::vector<double> got = token_starts(attention, kTwo, tokens, frames, frames, 0);
    CHECK(got.size() == static_cast<std::size_t>(tokens));
    const double apart = tokens <= frames ? 0.02 : 0.0;
    for (std::size_t i = 1; i < got.size(); ++i) CHECK(got[i] - got[i - 1] > apart - 1e-9);
    CHECK(got.front() >= 0.0 && got.back() < frames * kColumn);
  }
}

TEST(attention_that_is_no_number_still_ends) {
  const std::vector<float> attention(2 * 4 * 9, std::numeric_limits<float>::quiet_NaN());
  const std::vector<double> got = token_starts(attention, kTwo, 4, 9, 9, 0);
  CHECK(std::is_sorted(got.begin(), got.end()) && got.front() >= 0.0 && got.back() < 9 * kColumn);
}

TEST(known_heads_fit_their_models) {
  Hyperparameters h;
  for (const auto& [layers, n_head, vocabulary] :
       {std::array{4, 6, 51864}, std::array{6, 8, 51865}}) {
    h.n_text_layer = layers;
    h.n_text_head = n_head;
    h.n_vocab = vocabulary;
    const auto heads = known_pointing_heads(h);
    CHECK(heads && !heads->empty());
    for (const PointingHead& p : *heads) {
      CHECK(p.head.layer >= 0 && p.head.layer < layers);
      CHECK(p.head.head >= 0 && p.head.head < n_head);
    }
  }
  h.n_text_layer = 2;
  CHECK(!known_pointing_heads(h));
}

// Its head {1, 0} points, 0.08 s late; the others look at one place, or half a word late, which is
// not one distance from the starts.
class Pointer : public Network {
 public:
  Pointer() {
    hparams_.n_audio_ctx = 1500;
    hparams_.n_text_ctx = 448;
    hparams_.n_text_layer = 2;
    hparams_.n_text_head = 2;
    hparams_.n_vocab = synthetic::kEnglishVocabulary;
  }
  const Hyperparameters& hparams() const override { return hparams_; }
  int position() const override { return 0; }
  int slots() const override { return 1; }
  void encode(const WindowMel& mel, int, int, Watch&) override { positions_ = mel.positions; }
  std::span<const float> prompt(std::span<const TokenId>, std::span<const int>,
                                std::span<const int>, int, Watch&) override {
    return {};
  }
  void reorder(std::span<const int>, Watch&) override {}
  std::span<const float> step(std::span<const TokenId>, Watch&) override { return {}; }
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int, Watch&) override {
    const std::size_t prompt = 2;
    const std::size_t text = tokens.size() - prompt;
    std::vector<float> attention;
    for (const AttentionHead& head : heads) {
      for (std::size_t row = 0; row < tokens.size(); ++row) {
        std::vector<float> look(static_cast<std::size_t>(positions_), 1e-6F);
        const std::size_t found = row + 1 < prompt ? 0 : std::min(row + 1 - prompt, text - 1);
        const double place = time_of(found, head);
        look[static_cast<std::size_t>(std::lround(place / kColumn))] = 1.0F;
        attention.insert(attention.end(), look.begin(), look.end());
      }
    }
    return attention;
  }
  std::vector<std::size_t> word_of;  // by text token

 private:
  double time_of(std::size_t token, const AttentionHead& head) const {
    const KnownWord& word = kKnownWords[word_of[token]];
    if (head.head == 1) return head.layer == 0 ? 3.0 : (word.start + word.end) / 2;
    return head.layer == 1 ? word.start + 0.08 : word.end + 0.3;
  }
  Hyperparameters hparams_;
  int positions_ = 0;
};

TEST(the_head_that_points_is_found) {
  const synthetic::Image image = synthetic::make_image({});
  const Vocabulary vocabulary(image.tokens, synthetic::kEnglishVocabulary);
  const Mel mel(image.filters, image.filter_mels, image.filter_bins);
  Pointer network;
  for (std::size_t word = 0; word < kKnownWords.size(); ++word) {
    const std::size_t n = vocabulary.encode(kKnownWords[word].text).size();
    network.word_of.insert(network.word_of.end(), n, word);
  }
  const Control control;
  Watch watch(control);
  const Heads heads = find_pointing_heads(network, vocabulary, mel, 1, watch);
  const auto found = std::find_if(heads.begin(), heads.end(), [](const PointingHead& p) {
    return p.head.layer == 1 && p.head.head == 0;
  });
  CHECK(found != heads.end());
  CHECK_NEAR(found->lag, 0.08, 0.011);
  for (const PointingHead& p : heads) CHECK(!(p.head.layer == 0 && p.head.head == 1));
}

TEST(the_known_sentence_is_its_words) {
  const std::vector<float> pcm = known_sentence();
  CHECK(pcm.size() == 11 * kSampleRate);
  double last = 0.0;
  for (const KnownWord& word : kKnownWords) {
    CHECK(word.text.front() == ' ' && word.start >= last && word.end > word.start);
    last = word.end;
  }
  CHECK(last < 11.0);
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
