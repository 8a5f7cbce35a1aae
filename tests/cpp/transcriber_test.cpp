// Which windows a recording is heard in.
#include "speech/transcriber.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using Ids = std::vector<TokenId>;

// What a window is decoded as: its tokens, each of that probability; and that nobody speaks.
struct Line {
  Ids tokens;
  double probability = 0.9;
  double no_speech = 0.0;
  double pace = 0.5;  // seconds from one text token to the next, where the head looks
};

// A network that says the lines of a script, one for each window, and nothing once they are said.
class Scripted : public Network {
 public:
  explicit Scripted(std::vector<Line> script) : script_(std::move(script)) {
    hparams_.n_vocab = vocabulary_.size();
    hparams_.n_audio_ctx = 1500;
    hparams_.n_text_ctx = 448;
    hparams_.n_mels = 80;
  }

  Transcript hear(double seconds) {
    const Mel mel(image_.filters, image_.filter_mels, image_.filter_bins);
    const std::vector<float> pcm(static_cast<std::size_t>(seconds * kSampleRate), 0.1F);
    TranscribeOptions options;
    options.temperature_increment = 0.0;
    const Control control;
    Watch watch(control);
    const std::vector<PointingHead> heads = {{}};
    return Transcriber(*this, vocabulary_, mel, {pcm.data(), pcm.size()}, options, heads, watch)
        .run();
  }
  TokenId ts(double seconds) const {
    return vocabulary_.timestamp_begin() + static_cast<TokenId>(std::lround(seconds * 50.0));
  }

  const Hyperparameters& hparams() const override { return hparams_; }
  int position() const override { return position_; }
  int slots() const override { return 1; }
  void encode(const WindowMel&, int, int, Watch&) override { ++window_; }
  std::span<float> prompt(std::span<const TokenId> tokens, std::span<const int>,
                          std::span<const int>, int, Watch&) override {
    position_ = static_cast<int>(tokens.size());
    said_ = 0;
    logits_.clear();
    say(vocabulary_.no_speech(), line().no_speech);
    say_next();
    return logits_;
  }
  void reorder(std::span<const int>, Watch&) override {}
  std::span<float> step(std::span<const TokenId>, Watch&) override {
    ++position_;
    logits_.clear();
    say_next();
    return logits_;
  }
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int, Watch&) override {
    CHECK(heads.size() == 1);
    const auto columns = static_cast<std::size_t>(hparams_.n_audio_ctx);
    std::vector<float> looks(tokens.size() * columns, 0.0F);
    for (std::size_t row = 1; row < tokens.size(); ++row) {  // the first is the start
      const double seconds = line().pace * static_cast<double>(row - 1);
      looks[row * columns + std::min(columns - 1, static_cast<std::size_t>(seconds * 50.0))] = 1.0F;
    }
    return looks;
  }

 private:
  const Line& line() const {
    static const Line kNothing;
    const auto at = static_cast<std::size_t>(window_ - 1);
    return at < script_.size() ? script_[at] : kNothing;
  }
  void say_next() {
    const bool over = said_ == line().tokens.size();
    say(over ? vocabulary_.end_of_text() : line().tokens[said_++], line().probability);
  }
  // Logits of which that token has the probability, and all text and timestamps the rest.
  void say(TokenId id, double probability) {
    const auto n = static_cast<double>(vocabulary_.size());
    std::vector<float> row(static_cast<std::size_t>(vocabulary_.size()), 0.0F);
    // Timestamps together outweigh no text but in their own place.
    std::fill(row.begin() + vocabulary_.timestamp_begin(), row.end(), -20.0F);
    row[static_cast<std::size_t>(id)] =
        static_cast<float>(std::log(n * std::max(probability, 1e-9) / (1.0 - probability)));
    logits_.insert(logits_.end(), row.begin(), row.end());
  }

  std::vector<Line> script_;
  synthetic::Image image_ = synthetic::make_image({});
  Vocabulary vocabulary_{image_.tokens, synthetic::kEnglishVocabulary};
  Hyperparameters hparams_;
  std::vector<float> logits_;
  int window_ = 0;
  int position_ = 0;
  std::size_t said_ = 0;
};

// Where the windows began whose text was kept, in seconds.
std::vector<double> begins(const Transcript& transcript) {
  std::vector<double> out;
  for (const Segment& segment : transcript.segments) {
    out.push_back(static_cast<double>(segment.seek) / 100.0);
  }
  return out;
}

TokenId ts(double seconds) { return Scripted({}).ts(seconds); }

// Text that takes up so many seconds.
Line talk(double seconds) {
  Ids tokens{ts(0)};
  for (int i = 0; i < 2.0 * seconds; ++i) tokens.push_back(300 + 17 * i);
  tokens.push_back(ts(seconds));
  return {.tokens = std::move(tokens)};
}

TEST(a_long_rest_is_heard_before_it_is_passed_over) {
  Scripted sure({{.tokens = {ts(0), 300, ts(4)}}, {.tokens = {ts(0.5), 301, ts(26)}}});
  CHECK(begins(sure.hear(30.0)) == (std::vector<double>{0.0, 4.0}));
}

TEST(what_is_unsure_in_a_rest_is_not_given) {
  for (const Line& doubt : {Line{.tokens = {ts(0), 301, ts(5)}, .probability = 0.04},
                            Line{.tokens = {ts(0), 301, ts(5)}, .no_speech = 0.55}}) {
    Scripted unsure({{.tokens = {ts(0), 300, ts(4)}}, doubt, {.tokens = {ts(0), 302, ts(29)}}});
    CHECK(begins(unsure.hear(60.0)) == (std::vector<double>{0.0, 30.0}));
  }
}

TEST(what_was_just_said_is_not_said_again) {
  Scripted twice({{.tokens = {ts(0), 300, ts(20)}},
                  {.tokens = {ts(0), 300, ts(20)}},
                  {.tokens = {ts(0), 301, 302, 303, ts(2.5)}}});
  CHECK(begins(twice.hear(32.0)) == (std::vector<double>{0.0, 30.0}));
}

// Ten tokens until 4 s, spoken until 4, 5.5 or 28 s.
TEST(text_whose_times_pass_too_slowly_is_not_heard_again) {
  const auto hear = [](double spoken) {
    const Line said{.tokens = {ts(0), 300, 301, 302, 303, ts(2), ts(2), 304, 305, 306, 307, 308,
                               309, ts(4), ts(4)},
                    .pace = spoken / 10.0};
    return Scripted({said, {.tokens = {ts(0), 310, ts(1)}}}).hear(30.0);
  };
  for (const double right : {4.0, 5.5}) {
    const Transcript heard = hear(right);
    CHECK(begins(heard) == (std::vector<double>{0.0, 0.0, 4.0}));
    CHECK_NEAR(heard.segments[1].end, 4.0, 1e-9);
  }
  const Transcript drifted = hear(28.0);
  CHECK(begins(drifted) == (std::vector<double>{0.0, 0.0, 28.0}));
  CHECK_NEAR(drifted.segments[0].end, 4 * 2.8, 0.03);
  CHECK_NEAR(drifted.segments[1].start, 4 * 2.8, 0.03);
  CHECK_NEAR(drifted.segments[1].end, 28.0, 0.03);
}

TEST(a_short_rest_is_passed_over) {
  Scripted sure({talk(28), talk(29)});
  CHECK(begins(sure.hear(60.0)) == (std::vector<double>{0.0, 30.0}));
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
