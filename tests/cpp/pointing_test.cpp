#include "speech/pointing.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.h"
#include "speech/known_sentence.h"
#include "speech/published_heads.h"
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

TEST(heads_measured_beforehand_are_of_one_training) {
  for (const std::uint64_t fingerprint : {0x2727256c2511caebULL, 0x1dea1950d54e8a85ULL}) {
    const auto heads = measured_pointing_heads(fingerprint);
    CHECK(heads && !heads->empty());
    for (const PointingHead& p : *heads) CHECK(std::abs(p.lag) < 0.1);
    CHECK(!measured_pointing_heads(fingerprint + 1));
  }
}

TEST(published_heads_fit_their_models) {
  CHECK(published_heads().size() == 12);
  for (const PublishedHeads& model : published_heads()) {
    CHECK(model.heads.size() >= 5);
    for (std::size_t i = 0; i < model.heads.size(); ++i) {
      const AttentionHead& head = model.heads[i];
      CHECK(head.layer >= 0 && head.layer < model.n_text_layer);
      CHECK(head.head >= 0 && head.head < model.n_text_head);
      CHECK(std::count(model.heads.begin(), model.heads.end(), head) == 1);
    }
  }
}

Hyperparameters shape(int n_layer, int n_head, int n_vocab) {
  Hyperparameters h;
  h.n_audio_ctx = 1500;
  h.n_text_ctx = 448;
  h.n_text_layer = n_layer;
  h.n_text_head = n_head;
  h.n_vocab = n_vocab;
  return h;
}

TEST(models_of_one_shape_share_their_published_heads) {
  CHECK(published_heads(shape(4, 6, synthetic::kEnglishVocabulary)).size() == 8);
  CHECK(published_heads(shape(4, 6, synthetic::kMultilingualVocabulary)).size() == 6);
  // large-v1 has 9 and large-v2 23, none of them the same.
  CHECK(published_heads(shape(32, 20, synthetic::kMultilingualVocabulary)).size() == 32);
  CHECK(published_heads(shape(32, 20, synthetic::kLargeV3Vocabulary)).size() == 10);
  CHECK(published_heads(shape(2, 6, synthetic::kEnglishVocabulary)).empty());
}

// A network of which only the places that its heads look at are known.
class Pointer : public Network {
 public:
  using TimeOf = double (*)(const KnownWord& word, const AttentionHead& head);

  Pointer(const Hyperparameters& hparams, TimeOf time_of) : hparams_(hparams), time_of_(time_of) {
    for (std::size_t word = 0; word < kKnownWords.size(); ++word) {
      word_of_.insert(word_of_.end(), vocabulary_.encode(kKnownWords[word].text).size(), word);
    }
  }
  Heads found() {
    const Mel mel(image_.filters, image_.filter_mels, image_.filter_bins);
    const Control control;
    Watch watch(control);
    return find_pointing_heads(*this, vocabulary_, mel, 1, watch);
  }
  const Hyperparameters& hparams() const override { return hparams_; }
  int position() const override { return 0; }
  int slots() const override { return 1; }
  void encode(const WindowMel& mel, int, int, Watch&) override { positions_ = mel.positions; }
  std::span<float> prompt(std::span<const TokenId>, std::span<const int>, std::span<const int>, int,
                          Watch&) override {
    return {};
  }
  void reorder(std::span<const int>, Watch&) override {}
  std::span<float> step(std::span<const TokenId>, Watch&) override { return {}; }
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int, Watch&) override {
    const std::size_t prompt = 2;
    const std::size_t text = tokens.size() - prompt;
    std::vector<float> attention;
    for (const AttentionHead& head : heads) {
      for (std::size_t row = 0; row < tokens.size(); ++row) {
        std::vector<float> look(static_cast<std::size_t>(positions_), 1e-6F);
        const std::size_t found = row + 1 < prompt ? 0 : std::min(row + 1 - prompt, text - 1);
        const double place = time_of_(kKnownWords[word_of_[found]], head);
        look[static_cast<std::size_t>(std::lround(place / kColumn))] = 1.0F;
        attention.insert(attention.end(), look.begin(), look.end());
      }
    }
    return attention;
  }

 private:
  Hyperparameters hparams_;
  TimeOf time_of_;
  synthetic::Image image_ = synthetic::make_image({});
  Vocabulary vocabulary_{image_.tokens, synthetic::kEnglishVocabulary};
  std::vector<std::size_t> word_of_;  // by text token
  int positions_ = 0;
};

// Head {1, 0} points, 0.08 s late; the others look at one place, or half a word late, which is not
// one distance from the starts.
TEST(the_head_that_points_is_found) {
  Pointer network(shape(2, 2, synthetic::kEnglishVocabulary),
                  [](const KnownWord& word, const AttentionHead& head) {
                    if (head.head == 1) {
                      return head.layer == 0 ? 3.0 : (word.start + word.end) / 2;
                    }
                    return head.layer == 1 ? word.start + 0.08 : word.end + 0.3;
                  });
  const Heads heads = network.found();
  CHECK(heads.size() == 1);
  CHECK((heads.front().head == AttentionHead{1, 0}));
  CHECK_NEAR(heads.front().lag, 0.08, 0.011);
}

// In the shape of tiny.en: all six heads of the first layer point, and one of the published.
TEST(of_heads_that_point_alike_the_published_come_first) {
  Pointer network(shape(4, 6, synthetic::kEnglishVocabulary),
                  [](const KnownWord& word, const AttentionHead& head) {
                    if (head == AttentionHead{2, 5}) return word.start + 0.02;
                    return head.layer == 0 ? word.start + 0.08 : (word.start + word.end) / 2;
                  });
  const Heads heads = network.found();
  CHECK(heads.size() == 4);
  CHECK((heads.front().head == AttentionHead{2, 5}));
  CHECK_NEAR(heads.front().lag, 0.02, 0.011);
  for (std::size_t i = 1; i < heads.size(); ++i) CHECK(heads[i].head.layer == 0);
}

// As it may be with what was trained on from it, or was given another decoder.
TEST(published_heads_that_do_not_point_are_not_used) {
  Pointer network(shape(4, 6, synthetic::kEnglishVocabulary),
                  [](const KnownWord& word, const AttentionHead& head) {
                    return head == AttentionHead{1, 4} ? word.start + 0.06 : word.end;
                  });
  const Heads heads = network.found();
  CHECK(heads.size() == 1);
  CHECK((heads.front().head == AttentionHead{1, 4}));
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
