#include "speech/segments.h"

#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

const Vocabulary& vocabulary() {
  static const Vocabulary v(synthetic::text_tokens(50256), 51864);
  return v;
}

TokenId ts(double seconds) {
  return vocabulary().timestamp_begin() + static_cast<TokenId>(seconds * 50.0 + 0.5);
}

using Ids = std::vector<TokenId>;

struct Want {
  double start;
  double end;
  std::vector<std::size_t> text;
};

void check_cut(const Ids& tokens, double length, const std::vector<Want>& want, double next) {
  const WindowSegments cut = cut_segments(tokens, vocabulary(), length);
  CHECK_NEAR(cut.next, next, 1e-9);
  CHECK(cut.segments.size() == want.size());
  for (std::size_t i = 0; i < std::min(want.size(), cut.segments.size()); ++i) {
    CHECK_NEAR(cut.segments[i].start, want[i].start, 1e-9);
    CHECK_NEAR(cut.segments[i].end, want[i].end, 1e-9);
    CHECK(cut.segments[i].text == want[i].text);
  }
}

TEST(one_closed_segment_takes_the_whole_window) {
  check_cut({ts(0), 300, 301, ts(4)}, 30.0, {{0.0, 4.0, {1, 2}}}, 30.0);
}

TEST(pairs_cut_and_a_single_last_timestamp_ends_the_window) {
  check_cut({ts(0), 300, ts(4), ts(4), 301, 302, ts(9.5)}, 30.0,
            {{0.0, 4.0, {1}}, {4.0, 9.5, {4, 5}}}, 30.0);
}

TEST(what_is_heard_ends_with_the_last_timestamp) {
  const auto heard = [](const Ids& tokens) {
    return cut_segments(tokens, vocabulary(), 30.0).heard;
  };
  CHECK_NEAR(heard({ts(0), 300, ts(4)}), 4.0, 1e-9);
  CHECK_NEAR(heard({ts(0), 300, ts(4), ts(4), 301, 302, ts(9.5)}), 9.5, 1e-9);
  CHECK_NEAR(heard({ts(0), 300, ts(4), ts(4.5), 301}), 4.0, 1e-9);  // the next window's as well
  CHECK_NEAR(cut_segments({{ts(0.5), 300}}, vocabulary(), 6.0).heard, 6.0, 1e-9);
  CHECK_NEAR(heard({}), 30.0, 1e-9);
}

TEST(a_last_segment_too_long_for_its_text_is_shortened) {
  const Ids few = {ts(0), 300, 301, ts(18)};
  check_cut(few, 30.0, {{0.0, 1.0, {1, 2}}}, 30.0);
  CHECK_NEAR(cut_segments(few, vocabulary(), 30.0).heard, 1.0, 1e-9);
  const Ids unclosed = {ts(2), 300, 301, 302, 303};
  CHECK_NEAR(cut_segments(unclosed, vocabulary(), 12.0).heard, 4.0, 1e-9);
  check_cut({ts(0), 300, 301, ts(7.5)}, 30.0, {{0.0, 7.5, {1, 2}}}, 30.0);
}

TEST(text_after_the_last_pair_is_left_for_the_next_window) {
  check_cut({ts(0), 300, ts(4), ts(4.5), 301}, 30.0, {{0.0, 4.0, {1}}}, 4.0);
  check_cut({ts(0), 300, ts(4), ts(4.5), 301, ts(8), ts(8)}, 30.0,
            {{0.0, 4.0, {1}}, {4.5, 8.0, {4}}}, 8.0);
}

TEST(a_gap_between_segments_is_kept) {
  check_cut({ts(1), 300, ts(2), ts(5), 301, ts(6)}, 30.0, {{1.0, 2.0, {1}}, {5.0, 6.0, {4}}}, 30.0);
}

TEST(text_without_timestamps_spans_the_window) {
  check_cut({300, 301}, 5.5, {{0.0, 5.5, {0, 1}}}, 5.5);
  check_cut({ts(0.5), 300}, 5.5, {{0.5, 5.5, {1}}}, 5.5);
}

TEST(no_text_no_segment) {
  check_cut({}, 30.0, {}, 30.0);
  check_cut({ts(0)}, 30.0, {}, 30.0);
  check_cut({ts(0), ts(0)}, 30.0, {}, 0.0);
  check_cut({ts(0), ts(2), 300, ts(3), ts(3)}, 30.0, {{2.0, 3.0, {2}}}, 3.0);
}

TEST(nothing_lasts_longer_than_the_audio) {
  check_cut({ts(0), 300, ts(29)}, 7.0, {{0.0, 7.0, {1}}}, 7.0);
  check_cut({ts(0), 300, ts(20), ts(20), 301}, 7.0, {{0.0, 7.0, {1}}}, 7.0);
}

TEST(control_tokens_are_no_text) {
  check_cut({ts(0), vocabulary().no_speech(), 300, ts(2)}, 30.0, {{0.0, 2.0, {2}}}, 30.0);
}

// Whatever the decoder says, segments come in order and inside the window.
TEST(any_tokens_give_ordered_segments) {
  synthetic::Noise noise(5);
  for (int run = 0; run < 3000; ++run) {
    Ids tokens;
    double time = 0.0;
    const int n = static_cast<int>(10.0F + 10.0F * noise());
    for (int i = 0; i < n; ++i) {
      time += 0.3 * (noise() + 1.0F);
      tokens.push_back(noise() > 0.0F ? ts(time) : 300);
    }
    const double length = 3.0;
    const WindowSegments cut = cut_segments(tokens, vocabulary(), length);
    CHECK(cut.next >= 0.0 && cut.next <= length);
    double previous = 0.0;
    for (const TokenSegment& segment : cut.segments) {
      CHECK(segment.start >= previous && segment.end >= segment.start && segment.end <= length);
      CHECK(!segment.text.empty());
      previous = segment.end;
    }
  }
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
