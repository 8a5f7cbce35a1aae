// Speech probabilities and the spans made of them.
#include "earwitness/spans.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <numbers>
#include <string>

#include "check.h"
#include "earwitness/audio.h"

namespace earwitness {
namespace {

using Spans = std::vector<Span>;

Pcm speech() { return decode_audio_file(EARWITNESS_TEST_DATA "/jfk.flac"); }

Spans spans_of(const std::vector<float>& probabilities, const SpeechRules& rules) {
  return speech_spans(probabilities, static_cast<double>(probabilities.size()) * 0.032, rules);
}

TEST(speech_is_found_and_the_pauses_in_it) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const Pcm pcm = speech();
  const Spans found = finder.find(
      pcm.view(), {.threshold = 0.5, .padding = 0.03, .min_silence = 0.1, .min_speech = 0.25});
  CHECK(found.size() >= 3);
  // "And so my fellow Americans" begins after 0.3 s; the last word ends before 10.7 s.
  CHECK_NEAR(found.front().start, 0.33, 0.15);
  CHECK_NEAR(found.back().end, 10.6, 0.3);
  double before = 0.0;
  for (const Span& span : found) {
    CHECK(span.start >= before && span.end > span.start);
    before = span.end;
  }
  // He pauses from about 4.5 to 5.3 s.
  for (const Span& span : found) CHECK(span.end < 4.9 || span.start > 4.9);
}

TEST(threads_hear_the_same_as_one) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const Pcm pcm = speech();
  // Whole batches, parts of them, a frame that is filled up, and less than one.
  for (const std::size_t size : {pcm.size(), std::size_t{64 * kSpeechFrame},
                                 std::size_t{66 * kSpeechFrame + 7}, std::size_t{100}}) {
    const std::vector<float> alone = finder.probabilities({pcm.data(), size});
    CHECK(alone.size() == (size + kSpeechFrame - 1) / kSpeechFrame);
    for (const int threads : {2, 3}) {
      CHECK(finder.probabilities({pcm.data(), size}, {}, threads) == alone);
    }
  }
  CHECK_THROWS(InvalidOption, finder.probabilities(pcm.view(), {}, -1));
}

TEST(quiet_speech_is_found_like_loud) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  Pcm pcm = speech();
  const Spans loud = finder.find(pcm.view());
  for (const double decibels : {-20.0, -35.0}) {
    const auto factor = static_cast<float>(std::pow(10.0, decibels / 20.0));
    std::vector<float> quiet(pcm.data(), pcm.data() + pcm.size());
    for (float& x : quiet) x = std::round(x * factor * 32768.0F) / 32768.0F;  // 16 bits
    const Spans found = finder.find({quiet.data(), quiet.size()});
    CHECK(found.size() == loud.size());
    for (std::size_t i = 0; i < std::min(found.size(), loud.size()); ++i) {
      CHECK_NEAR(found[i].start, loud[i].start, 0.1);
      CHECK_NEAR(found[i].end, loud[i].end, 0.1);
    }
  }
}

TEST(silence_noise_and_tones_are_no_speech) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  std::vector<float> sound(kSampleRate * 5);
  CHECK(finder.find({sound.data(), sound.size()}).empty());
  unsigned random = 1;
  for (float& x : sound) {
    random = random * 1664525U + 1013904223U;
    x = (static_cast<float>(random >> 8) / 8388608.0F - 1.0F) * 0.1F;
  }
  CHECK(finder.find({sound.data(), sound.size()}).empty());
  for (float& x : sound) x *= 1e-3F;  // that of a converter
  CHECK(finder.find({sound.data(), sound.size()}).empty());
  for (std::size_t i = 0; i < sound.size(); ++i) {
    const double t = static_cast<double>(i) / kSampleRate;
    sound[i] = static_cast<float>(0.3 * std::sin(2.0 * std::numbers::pi * 440.0 * t));
  }
  CHECK(finder.find({sound.data(), sound.size()}).empty());
}

TEST(pieces_of_any_length_give_what_the_whole_gives) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const Pcm pcm = speech();
  const std::size_t whole = pcm.size() / kSpeechFrame * kSpeechFrame;
  const std::vector<float> expected = finder.probabilities({pcm.data(), whole});
  SpeechStream stream(finder);
  for (int round = 0; round < 2; ++round) {
    std::vector<float> heard;
    std::size_t at = 0;
    for (std::size_t length = 1; at < whole; length = length * 5 % 8191 + 1) {
      const std::size_t n = std::min(length, whole - at);
      for (float p : stream.push({pcm.data() + at, n})) heard.push_back(p);
      at += n;
    }
    CHECK(heard == expected);
    stream.push({pcm.data(), 100});  // what waits is forgotten, too
    stream.reset();
  }
  CHECK(stream.push({}).empty());
}

TEST(a_frame_that_is_not_full_counts) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const Pcm pcm = speech();
  CHECK(finder.probabilities({pcm.data(), 1}).size() == 1);
  CHECK(finder.probabilities({pcm.data(), kSpeechFrame + 1}).size() == 2);
  for (const Span& span : finder.find({pcm.data(), 20000})) CHECK(span.end <= 1.25);
}

TEST(spans_have_two_thresholds) {
  // Between the thresholds neither begins nor ends.
  const std::vector<float> p = {0.4F, 0.4F, 0.6F, 0.4F, 0.4F, 0.4F, 0.1F, 0.1F, 0.4F, 0.4F};
  const Spans found =
      spans_of(p, {.threshold = 0.5, .padding = 0, .min_silence = 0, .min_speech = 0});
  CHECK(found.size() == 1);
  CHECK_NEAR(found[0].start, 2 * 0.032, 1e-9);
  CHECK_NEAR(found[0].end, 6 * 0.032, 1e-9);
}

TEST(short_silences_and_short_speech_do_not_count) {
  std::vector<float> p(40, 0.0F);
  for (int i : {2, 3, 4, 5, 8, 9, 10, 11, 30}) p[static_cast<std::size_t>(i)] = 1.0F;
  const SpeechRules rules{.threshold = 0.5, .padding = 0.0, .min_silence = 0.1, .min_speech = 0.1};
  const Spans found = spans_of(p, rules);
  CHECK(found.size() == 1);  // 64 ms of silence do not part, 32 ms of speech are none
  CHECK_NEAR(found[0].start, 2 * 0.032, 1e-9);
  CHECK_NEAR(found[0].end, 12 * 0.032, 1e-9);
}

TEST(padding_meets_half_way_and_stays_inside) {
  std::vector<float> p(30, 0.0F);
  for (std::size_t i = 0; i < 10; ++i) p[i] = p[i + 14] = 1.0F;
  p.resize(24);
  const Spans found =
      spans_of(p, {.threshold = 0.5, .padding = 1.0, .min_silence = 0.05, .min_speech = 0.1});
  CHECK(found.size() == 2);
  CHECK(found[0].start == 0.0);
  CHECK_NEAR(found[0].end, 12 * 0.032, 1e-9);
  CHECK_NEAR(found[1].start, found[0].end, 1e-9);
  CHECK_NEAR(found[1].end, 24 * 0.032, 1e-9);
}

TEST(rules_out_of_range_are_refused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(InvalidOption, spans_of({}, {.threshold = 1.1}));
  CHECK_THROWS(InvalidOption, spans_of({}, {.threshold = nan}));
  CHECK_THROWS(InvalidOption, spans_of({}, {.padding = -1.0}));
  CHECK_THROWS(InvalidOption, spans_of({}, {.min_silence = 1e9}));
  CHECK_THROWS(InvalidOption, spans_of({}, {.min_speech = nan}));
  CHECK(spans_of({}, {}).empty());
}

TEST(samples_that_are_no_numbers_are_refused) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const std::vector<float> bad(kSpeechFrame, std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS(AudioError, finder.probabilities({bad.data(), bad.size()}));
  CHECK_THROWS(AudioError, finder.probabilities({}));
  SpeechStream stream(finder);
  CHECK_THROWS(AudioError, stream.push({bad.data(), bad.size()}));
  const std::vector<float> silence(kSpeechFrame, 0.0F);
  CHECK(stream.push({silence.data(), silence.size()}).size() == 1);
}

TEST(a_call_can_be_stopped_and_followed) {
  const SpeechFinder finder(EARWITNESS_SILERO);
  const Pcm pcm = speech();
  Control control;
  double share = 0.0;
  control.on_progress = [&](double now) {
    CHECK(now >= share);
    share = now;
  };
  finder.probabilities(pcm.view(), control);
  CHECK(share == 1.0);
  control.on_progress = [&](double) { control.cancel.cancel(); };
  CHECK_THROWS(Cancelled, finder.probabilities(pcm.view(), control));
}

TEST(damaged_weights_are_refused) {
  std::ifstream in(EARWITNESS_SILERO, std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  const auto path = std::filesystem::temp_directory_path() /
                    ("earwitness_spans_test_" + std::to_string(std::hash<std::string>{}(sound)));
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    CHECK_THROWS(ModelError, SpeechFinder(path));
  };
  refused("");
  refused("ggml");
  refused(std::string(100, '\xff'));
  for (std::size_t length = 0; length < sound.size(); length += sound.size() / 64) {
    refused(sound.substr(0, length));
  }
  for (std::size_t at = 0; at < 120; at += 4) {  // every field of the header but the version
    if (at >= 18 && at < 30) continue;
    std::string bytes = sound;
    bytes[at] = '\x7f';
    bytes[at + 1] = '\x7f';
    refused(bytes);
  }
  std::string bytes = sound;  // an infinite weight, the last of the file
  bytes[bytes.size() - 2] = '\x00';
  bytes[bytes.size() - 1] = '\x7c';
  refused(bytes);
  std::filesystem::remove(path);
  CHECK_THROWS(ModelError, SpeechFinder(path));
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
