// What the options of a transcription do, on synthetic models.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "engine_fixture.h"
#include "speech/window_decoder.h"

namespace earwitness {
namespace {

using synthetic::check_sound;
using synthetic::english;
using synthetic::Model;
using synthetic::plain;
using synthetic::sound;

TEST(fallback_sampling_is_the_same_in_every_run) {
  TranscribeOptions options = plain();
  options.temperature_increment = 0.5;  // never likely enough: 0, 0.5, 1.0
  const std::vector<float> pcm = sound(1.2);
  const Transcript first = english()(pcm, options);
  CHECK(!first.segments.empty());
  CHECK(first.segments.front().temperature == 1.0F);
  check_sound(first);
  CHECK(english()(pcm, options).segments == first.segments);
  options.logprob_threshold.reset();
  options.entropy_threshold.reset();
  options.compression_ratio_threshold.reset();
  const Transcript accepted = english()(pcm, options);
  CHECK(accepted.segments.front().temperature == 0.0F);
}

TEST(of_attempts_that_all_fail_the_likeliest_is_given) {
  TranscribeOptions options = plain();
  options.entropy_threshold.reset();
  options.compression_ratio_threshold.reset();
  for (unsigned seed = 1; seed <= 3; ++seed) {
    const std::vector<float> pcm = sound(1.2, seed);
    options.temperature_increment = 0.0;
    const Transcript coolest = english()(pcm, options);
    options.temperature_increment = 0.2;
    const Transcript t = english()(pcm, options);
    CHECK(t.segments.at(0).avg_logprob >= coolest.segments.at(0).avg_logprob);
    CHECK(t.segments.at(0).temperature == 1.0F);
  }
}

TEST(text_that_repeats_itself_at_every_temperature_is_dropped) {
  TranscribeOptions options = plain();
  options.temperature_increment = 0.5;
  options.logprob_threshold.reset();
  const std::vector<float> pcm = sound(2.5);
  CHECK(!english()(pcm, options).segments.empty());
  options.compression_ratio_threshold = 0.01;  // which any text passes
  std::vector<double> progress;
  Control control;
  control.on_progress = [&](double p) { progress.push_back(p); };
  CHECK(english()(pcm, options, control).segments.empty());
  CHECK(progress.back() == 1.0);
}

TEST(what_is_searched_again_is_the_same_in_every_run_and_with_any_threads) {
  TranscribeOptions options = plain();
  options.temperature_increment = 1.0;
  options.logprob_threshold.reset();  // what a search finds is taken
  options.entropy_threshold.reset();
  options.compression_ratio_threshold.reset();
  int found = 0;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    const std::vector<float> pcm = sound(1.2, seed);
    options.threads = 1;
    options.fallback_beam_size = 1;
    const Transcript greedy = english()(pcm, options);
    options.fallback_beam_size = 5;
    const Transcript searched = english()(pcm, options);
    check_sound(searched);
    CHECK(searched.segments.at(0).avg_logprob >= greedy.segments.at(0).avg_logprob);
    CHECK(searched.segments.at(0).temperature == 0.0F);
    found += searched.segments == greedy.segments ? 0 : 1;
    options.threads = 2;
    CHECK(english()(pcm, options).segments == searched.segments);
  }
  CHECK(found > 0);
}

TEST(candidates_and_beams_are_the_same_in_every_run) {
  synthetic::Spec spec;
  spec.n_text_ctx = 24;
  const Model model(spec);
  const std::vector<float> pcm = sound(1.2);
  for (const int n : {1, 5, 16}) {
    TranscribeOptions sampled = plain();
    sampled.temperature = 0.8;
    sampled.best_of = n;
    TranscribeOptions beams = plain();
    beams.beam_size = n;
    for (const TranscribeOptions& options : {sampled, beams}) {
      const Transcript t = model(pcm, options);
      check_sound(t);
      CHECK(!t.segments.empty());
      CHECK(model(pcm, options).segments == t.segments);
    }
  }
}

TEST(beams_and_candidates_find_likelier_text) {
  const auto likelihood = [](const TranscribeOptions& options) {
    double sum = 0.0;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      sum += english()(sound(1.2, seed), options).segments.at(0).avg_logprob;
    }
    return sum;
  };
  TranscribeOptions options = plain();
  const double greedy = likelihood(options);
  options.beam_size = 5;
  CHECK(likelihood(options) > greedy);
  options.beam_size = 1;
  options.temperature = 1.0;
  options.best_of = 1;
  const double one = likelihood(options);
  options.best_of = 8;
  CHECK(likelihood(options) > one);
}

TEST(words_come_in_order) {
  TranscribeOptions options = plain();
  options.word_timestamps = true;
  // The second model ends some windows in the middle of a sentence: the rest is heard again.
  synthetic::Spec spec;
  spec.seed = 5;
  spec.timestamp_logit = 1.5F;
  spec.n_text_ctx = 28;
  const Model cut_short(spec);
  for (const Model* model : {&english(), &cut_short}) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const Transcript t = (*model)(sound(3.0, seed), options);
      check_sound(t);
      CHECK(t.segments.size() >= 3);
      for (const Segment& s : t.segments) CHECK(!s.words.empty());
      const std::vector<Word> words = t.words();
      for (std::size_t i = 1; i < words.size(); ++i) CHECK(words[i].start >= words[i - 1].end);
    }
  }
  options.word_timestamps = false;
  CHECK(english()(sound(2.0), options).words().empty());
}

TEST(spans_are_heard_and_nothing_else) {
  const std::vector<float> pcm = sound(6.0);
  TranscribeOptions options = plain();
  options.spans = {{0.5, 1.5}, {3.0, 4.2}};
  std::vector<double> progress;
  Control control;
  control.on_progress = [&](double p) { progress.push_back(p); };
  const Transcript t = english()(pcm, options, control);
  CHECK(!t.segments.empty());
  CHECK_NEAR(t.duration, 6.0, 1e-9);
  for (const Segment& s : t.segments) {
    const bool first = s.start >= 0.5 && s.end <= 1.5 + 1e-9;
    const bool second = s.start >= 3.0 && s.end <= 4.2 + 1e-9;
    CHECK(first || second);
  }
  CHECK(std::is_sorted(progress.begin(), progress.end()) && progress.back() == 1.0);

  // What follows a span is not heard in it.
  std::vector<float> other = pcm;
  std::fill(other.begin() + static_cast<std::ptrdiff_t>(1.5 * 16000),
            other.begin() + static_cast<std::ptrdiff_t>(2.9 * 16000), 0.0F);
  CHECK(english()(other, options).segments == t.segments);
}

// However they are decoded, and more of them than are decoded together.
TEST(spans_side_by_side_are_as_if_alone) {
  const std::vector<float> pcm = sound(12.0);
  TranscribeOptions beams = plain();
  beams.beam_size = 5;
  TranscribeOptions drawn = plain();
  drawn.temperature = 0.8;
  drawn.best_of = 3;
  TranscribeOptions again;  // at every temperature: no text is so likely
  again.language = "en";
  again.threads = 1;
  again.logprob_threshold = -0.001;
  again.temperature_increment = 0.5;
  for (TranscribeOptions options : {plain(), beams, drawn, again}) {
    std::vector<Span> spans;
    for (int i = 0; i < 10; ++i) spans.push_back({1.2 * i, 1.2 * i + 0.8 + 0.03 * i});
    std::vector<Segment> alone;
    for (const Span& span : spans) {
      options.spans = {span};
      const Transcript t = english()(pcm, options);
      alone.insert(alone.end(), t.segments.begin(), t.segments.end());
    }
    for (std::size_t i = 0; i < alone.size(); ++i) alone[i].id = static_cast<int>(i);
    CHECK(alone.size() >= spans.size());
    options.spans = spans;
    CHECK(english()(pcm, options).segments == alone);
    // Where somebody waits for the first, they are not heard all at once.
    Control control;
    control.on_segment = [](const Segment&) {};
    CHECK(english()(pcm, options, control).segments == alone);
  }
}

TEST(without_spans_nothing_is_heard) {
  TranscribeOptions options = plain();
  options.spans.emplace();
  std::vector<double> progress;
  Control control;
  control.on_progress = [&](double p) { progress.push_back(p); };
  const Transcript t = english()(sound(2.0), options, control);
  CHECK(t.segments.empty());
  CHECK_NEAR(t.duration, 2.0, 1e-9);
  CHECK(progress == std::vector<double>{1.0});
}

TEST(spans_may_pass_the_end) {
  const std::vector<float> pcm = sound(2.0);
  TranscribeOptions options = plain();
  const std::vector<Segment> all = english()(pcm, options).segments;
  for (const double end : {2.0, 100.0, 1e9, 1e300}) {
    options.spans = {{0.0, end}};
    CHECK(english()(pcm, options).segments == all);
    options.spans = {{end, 2.0 * end}};
    CHECK(english()(pcm, options).segments.empty());
  }
  options.spans = {{1.0, 1.05}};  // shorter than any word
  CHECK(english()(pcm, options).segments.empty());
}

TEST(prompts_of_any_length_are_taken) {
  const std::vector<float> pcm = sound(1.0);
  const std::vector<Segment> without = english()(pcm, plain()).segments;
  TranscribeOptions options = plain();
  options.prompt = "  \n ";
  CHECK(english()(pcm, options).segments == without);
  options.prompt = "Names: Ada, Grace.";
  CHECK(english()(pcm, options).segments != without);
  options.prompt = std::string(100'000, 'a');
  check_sound(english()(pcm, options));
  options.prompt = "\xFF\xFE \x00 bytes";
  check_sound(english()(pcm, options));
}

TEST(earlier_text_can_be_taken_up) {
  TranscribeOptions options = plain();
  options.condition_on_previous_text = true;
  const Transcript t = english()(sound(4.0), options);
  check_sound(t);
  CHECK(!t.segments.empty());
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
