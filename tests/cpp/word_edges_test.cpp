#include "speech/word_edges.h"

#include <cmath>
#include <vector>

#include "check.h"

namespace earwitness::speech {
namespace {

// A second of faint noise with tones at 0.2 to 0.4 s and 0.6 to 0.9 s, after `lead` seconds of it.
std::vector<float> bursts(double lead) {
  std::vector<float> pcm(static_cast<std::size_t>((lead + 1.0) * kSampleRate));
  unsigned seed = 7;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    seed = seed * 1664525U + 1013904223U;
    const double at = static_cast<double>(i) / kSampleRate - lead;
    const bool loud = (at >= 0.2 && at < 0.4) || (at >= 0.6 && at < 0.9);
    pcm[i] = 1e-3F * (static_cast<float>(seed >> 8) / 8388608.0F - 1.0F) +
             (loud ? 0.3F * static_cast<float>(std::sin(at * 2000.0)) : 0.0F);
  }
  return pcm;
}

Word word(double start, double end) {
  Word w;
  w.start = start;
  w.end = end;
  return w;
}

TEST(edges_in_quiet_move_to_the_sound) {
  for (const double lead : {0.0, 3.0}) {
    const std::vector<float> pcm = bursts(lead);
    const Loudness loudness({pcm.data(), pcm.size()}, static_cast<std::size_t>(lead * kSampleRate),
                            kSampleRate);
    Word w = word(lead + 0.05, lead + 0.5);
    loudness.trim(w);
    CHECK_NEAR(w.start - lead, 0.2, 0.015);
    CHECK_NEAR(w.end - lead, 0.4, 0.015);
  }
}

TEST(edges_in_sound_stay) {
  const std::vector<float> pcm = bursts(0.0);
  const Loudness loudness({pcm.data(), pcm.size()}, 0, pcm.size());
  Word w = word(0.25, 0.35);
  loudness.trim(w);
  CHECK(w.start == 0.25 && w.end == 0.35);
}

TEST(a_word_in_quiet_keeps_its_times) {
  const std::vector<float> pcm = bursts(0.0);
  const Loudness loudness({pcm.data(), pcm.size()}, 0, pcm.size());
  Word w = word(0.45, 0.55);
  loudness.trim(w);
  CHECK(w.start == 0.45 && w.end == 0.55);
}

TEST(of_a_word_with_a_pause_the_longest_sound_is_kept) {
  const std::vector<float> pcm = bursts(0.0);
  const Loudness loudness({pcm.data(), pcm.size()}, 0, pcm.size());
  Word w = word(0.15, 0.95);
  w.text = " word";
  loudness.trim(w);
  CHECK_NEAR(w.start, 0.6, 0.015);
  CHECK_NEAR(w.end, 0.9, 0.015);
}

TEST(a_number_and_joined_words_may_pause) {
  const std::vector<float> pcm = bursts(0.0);
  const Loudness loudness({pcm.data(), pcm.size()}, 0, pcm.size());
  for (const char* text : {" 42", " forty-two", " $3,000."}) {
    Word w = word(0.15, 0.95);
    w.text = text;
    loudness.trim(w);
    CHECK_NEAR(w.start, 0.2, 0.015);
    CHECK_NEAR(w.end, 0.9, 0.015);
  }
}

TEST(nothing_moves_where_nothing_stands_out) {
  const std::vector<float> silence(kSampleRate, 0.0F);
  const Loudness loudness({silence.data(), silence.size()}, 0, silence.size());
  Word w = word(0.1, 0.9);
  loudness.trim(w);
  CHECK(w.start == 0.1 && w.end == 0.9);
}

TEST(a_word_is_bounded_where_it_is_alone) {
  const auto bounded = [](std::size_t n_tokens, Beside beside) {
    Word w = word(2.0, 12.0);
    bound(w, n_tokens, beside);
    return w;
  };
  const Word before_a_cut = bounded(1, {.alone_before = false, .alone_after = true});
  CHECK(before_a_cut.start == 2.0);
  CHECK_NEAR(before_a_cut.end, 3.4, 1e-9);
  const Word after_a_cut = bounded(2, {.alone_before = true, .alone_after = false});
  CHECK_NEAR(after_a_cut.start, 10.6, 1e-9);
  CHECK(after_a_cut.end == 12.0);
  const Word between_cuts = bounded(1, {.alone_before = true, .alone_after = true});
  CHECK(between_cuts.start == 2.0);
  CHECK_NEAR(between_cuts.end, 3.4, 1e-9);
  const Word number = bounded(5, {.alone_before = false, .alone_after = true});
  CHECK_NEAR(number.end, 5.5, 1e-9);
  const Word among_others = bounded(1, {});
  CHECK(among_others.start == 2.0 && among_others.end == 12.0);
}

TEST(a_word_of_common_length_is_not_bounded) {
  for (const bool alone : {false, true}) {
    Word w = word(2.0, 3.3);
    bound(w, 1, {.alone_before = alone, .alone_after = alone});
    CHECK(w.start == 2.0 && w.end == 3.3);
  }
}

TEST(what_lies_outside_is_not_quiet) {
  const std::vector<float> pcm = bursts(0.0);
  const Loudness loudness({pcm.data(), pcm.size()}, pcm.size(), 100);
  Word w = word(-1.0, 5.0);
  loudness.trim(w);
  CHECK(w.start == -1.0 && w.end == 5.0);
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
