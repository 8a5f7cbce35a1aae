// The rules of openai-whisper's decoding.py, one by one.
#include "speech/logit_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

const Vocabulary& vocabulary() {
  static const Vocabulary v(synthetic::text_tokens(50256), 51864);
  return v;
}

using Ids = std::vector<TokenId>;

TokenId ts(int steps) { return vocabulary().timestamp_begin() + steps; }

class Logits {
 public:
  // Text is likelier than all timestamps together, so that no rule but the one in question acts.
  explicit Logits(float timestamps = -20.0F) : values_(51864, 0.0F) {
    std::fill(values_.begin() + vocabulary().timestamp_begin(), values_.end(), timestamps);
  }
  float& operator[](TokenId id) { return values_[static_cast<std::size_t>(id)]; }
  bool allowed(TokenId id) const { return values_[static_cast<std::size_t>(id)] != kForbidden; }
  std::size_t allowed_in(TokenId from, TokenId to) const {
    std::size_t n = 0;
    for (TokenId id = from; id < to; ++id) n += allowed(id);
    return n;
  }
  Logits& apply(const Ids& sampled, const TranscribeOptions& options = {}) {
    const float total = LogitRules(vocabulary(), options).apply(sampled, values_);
    for (float& value : values_) value -= total;
    return *this;
  }
  double total() const {
    double sum = 0.0;
    for (float v : values_) sum += std::exp(static_cast<double>(v));
    return sum;
  }

 private:
  std::vector<float> values_;
};

TEST(log_sum_exp_is_stable) {
  const std::vector<float> x = {1000.0F, 1000.0F};
  CHECK_NEAR(log_sum_exp(x), 1000.0 + std::numbers::ln2, 1e-3);
  const std::vector<float> none = {kForbidden, kForbidden};
  CHECK(log_sum_exp(none) == kForbidden);
  const std::vector<float> one = {kForbidden, -3.0F};
  CHECK_NEAR(log_sum_exp(one), -3.0, 1e-6);
}

TEST(the_result_is_a_distribution) {
  for (const Ids& sampled : {Ids{}, Ids{ts(0)}, Ids{ts(0), 300}, Ids{ts(0), 300, ts(9)}}) {
    CHECK_NEAR(Logits().apply(sampled).total(), 1.0, 1e-4);
  }
}

TEST(a_window_starts_with_a_timestamp_in_its_first_second) {
  Logits logits;
  logits.apply({});
  CHECK(logits.allowed_in(0, ts(0)) == 0);
  CHECK(logits.allowed_in(ts(0), ts(51)) == 51);
  CHECK(logits.allowed_in(ts(51), 51864) == 0);
}

TEST(the_limit_of_the_first_timestamp_is_rounded_to_a_step) {
  struct Case {
    double seconds;
    int steps;
  };
  for (const Case& c : {Case{0.0, 0}, Case{0.02, 1}, Case{0.58, 29}, Case{1.14, 57},
                        Case{2.28, 114}, Case{30.0, 1500}}) {
    TranscribeOptions options;
    options.max_initial_timestamp = c.seconds;
    Logits logits;
    logits.apply({}, options);
    CHECK(logits.allowed_in(ts(0), 51864) == static_cast<std::size_t>(c.steps) + 1);
  }
}

TEST(text_follows_a_complete_pair) {
  for (const Ids& sampled : {Ids{ts(0)}, Ids{ts(0), 300, ts(9), ts(9)}}) {
    Logits logits;
    logits.apply(sampled);
    CHECK(logits.allowed_in(ts(0), 51864) == 0);
    CHECK(logits.allowed(300) && logits.allowed(vocabulary().end_of_text()));
  }
}

TEST(an_open_pair_is_closed_or_the_window_ends) {
  Logits logits;
  logits.apply({ts(0), 300, ts(9)});
  CHECK(logits.allowed_in(0, vocabulary().end_of_text()) == 0);
  CHECK(logits.allowed(vocabulary().end_of_text()));
  CHECK(!logits.allowed(ts(8)));
  CHECK(logits.allowed(ts(9)) && logits.allowed(ts(10)));
}

TEST(timestamps_never_go_back_and_segments_last) {
  Logits logits;
  logits.apply({ts(5), 300, 301});
  CHECK(logits.allowed_in(ts(0), ts(6)) == 0);
  CHECK(logits.allowed_in(ts(6), 51864) == 1495);
  CHECK(logits.allowed(300) && logits.allowed(vocabulary().end_of_text()));
}

TEST(the_last_timestamp_leaves_an_end) {
  Logits logits;
  logits.apply({ts(0), 300, ts(1500)});
  CHECK(logits.allowed(vocabulary().end_of_text()) && logits.allowed(ts(1500)));
  Logits after;
  after.apply({ts(1500), 300});
  CHECK(after.allowed_in(ts(0), 51864) == 0);
  CHECK(after.allowed(300));
  CHECK_NEAR(after.total(), 1.0, 1e-4);
}

TEST(timestamps_that_together_outweigh_any_text_exclude_it) {
  // 1495 timestamps at x weigh as much as one token at x + log(1495) = x + 7.31.
  Logits light(-7.4F);
  light.apply({ts(5), 300});
  CHECK(light.allowed(300));
  Logits heavy(-7.2F);
  heavy.apply({ts(5), 300});
  CHECK(heavy.allowed_in(0, ts(0)) == 0);
  CHECK(heavy.allowed_in(ts(6), 51864) == 1495);
}

TEST(control_tokens_never_come) {
  Logits logits;
  logits.apply({ts(0), 300});
  CHECK(logits.allowed_in(vocabulary().start_of_transcript(), ts(0)) == 0);
}

TEST(unspoken_symbols_can_be_let_through) {
  Logits logits;
  logits.apply({ts(0)});
  CHECK(!logits.allowed('[') && !logits.allowed('#') && logits.allowed('.'));
  TranscribeOptions options;
  options.suppress_non_speech = false;
  Logits all;
  all.apply({ts(0)}, options);
  CHECK(all.allowed('[') && all.allowed('#'));
}

// The tokens that the rules let through always allow the window to end or go on.
TEST(something_is_always_allowed) {
  synthetic::Noise noise(9);
  for (int run = 0; run < 30; ++run) {
    Ids sampled;
    for (int i = 0; i < 40; ++i) {
      Logits logits(-7.0F);
      for (TokenId id = 0; id < 51864; id += 7) logits[id] += 5.0F * noise();
      logits.apply(sampled);
      CHECK_NEAR(logits.total(), 1.0, 1e-3);
      TokenId best = 0;
      for (TokenId id = 0; id < 51864; ++id) {
        if (logits[id] > logits[best]) best = id;
      }
      if (best == vocabulary().end_of_text()) break;
      CHECK(vocabulary().is_text(best) || vocabulary().is_timestamp(best));
      sampled.push_back(best);
    }
  }
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
