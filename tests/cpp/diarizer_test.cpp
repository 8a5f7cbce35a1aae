// The whole diarizer, from samples to turns, on the conversation that the package ships: two people
// on a telephone for 30 s.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/audio.h"
#include "earwitness/diarize.h"
#include "earwitness/error.h"

using namespace earwitness;

namespace {

constexpr double kRate = 16000.0;

const Diarizer& diarizer() {
  static const Diarizer shared(EARWITNESS_DIARIZER);
  return shared;
}

const std::vector<float>& conversation() {
  static const std::vector<float> samples = [] {
    const auto folder = std::filesystem::path(EARWITNESS_DIARIZER).parent_path();
    const Pcm pcm = decode_audio_file(folder / "conversation.flac");
    const PcmView view = pcm.view();
    return std::vector<float>(view.data, view.data + view.size);
  }();
  return samples;
}

std::vector<float> part(double start, double end) {
  const auto at = [](double t) { return static_cast<std::ptrdiff_t>(t * kRate); };
  return {conversation().begin() + at(start), conversation().begin() + at(end)};
}

Diarization diarize(const std::vector<float>& pcm, const DiarizeOptions& options = {},
                    const Control& control = {}) {
  return diarizer().diarize({pcm.data(), pcm.size()}, options, control);
}

// What holds of every result.
void check_sound(const Diarization& d) {
  double first_of_last = 0.0;
  for (std::size_t k = 0; k < d.speakers.size(); ++k) {
    char label[32];
    std::snprintf(label, sizeof label, "SPEAKER_%02zu", k);
    CHECK(d.speakers[k].label == label);
    CHECK_NEAR(cosine(d.speakers[k].voice, d.speakers[k].voice), 1.0, 1e-4);
    double first = -1.0;
    for (const Turn& t : d.turns) {
      if (t.speaker == static_cast<int>(k) && first < 0.0) first = t.start;
    }
    CHECK(first >= first_of_last);  // in order of first speech; everyone has a turn
    first_of_last = first;
  }
  for (const auto* turns : {&d.turns, &d.exclusive}) {
    for (const Turn& t : *turns) {
      CHECK(t.speaker >= 0 && t.speaker < static_cast<int>(d.speakers.size()));
      CHECK(t.start >= 0.0 && t.start < t.end && t.end <= d.duration);
      CHECK(t.confidence >= 0.0F && t.confidence <= 1.0F);
    }
  }
  for (std::size_t i = 1; i < d.exclusive.size(); ++i) {
    CHECK(d.exclusive[i - 1].end <= d.exclusive[i].start + 1e-9);
  }
}

}  // namespace

TEST(two_people) {
  const Diarization d = diarize(conversation());
  check_sound(d);
  CHECK(d.speakers.size() == 2);
  CHECK(d.turns.size() >= 6);
}

TEST(counts_are_kept) {
  const std::vector<float> audio = part(10.0, 20.0);  // one window
  for (const int k : {1, 2, 3, 5, 12}) {
    const Diarization exact = diarize(audio, {.num_speakers = k});
    check_sound(exact);
    CHECK(exact.speakers.size() == static_cast<std::size_t>(k));
    CHECK(diarize(audio, {.min_speakers = k}).speakers.size() >= static_cast<std::size_t>(k));
    CHECK(diarize(audio, {.max_speakers = k}).speakers.size() <= static_cast<std::size_t>(k));
  }
}

TEST(a_number_that_is_too_high_leaves_the_two_their_turns) {
  const Diarization three = diarize(conversation(), {.num_speakers = 3});
  check_sound(three);
  double all = 0.0;
  double least = 1e9;
  for (const Speaker& s : three.speakers) {
    all += s.seconds;
    least = std::min(least, s.seconds);
  }
  CHECK(least < 0.15 * all);
}

TEST(one_speaker) {
  const Diarization d = diarize(part(22.0, 27.5));
  check_sound(d);
  CHECK(d.speakers.size() == 1);
}

TEST(one_second) {
  const Diarization d = diarize(part(23.0, 24.0));
  check_sound(d);
  CHECK(d.speakers.size() == 1);
  CHECK_THROWS(InvalidOption, diarize(part(23.0, 24.0), {.num_speakers = 12}));
}

TEST(nobody) {
  CHECK(diarize({}).speakers.empty());
  CHECK(diarize(std::vector<float>(1)).speakers.empty());
  const std::vector<float> silence(160000, 0.0F);
  CHECK(diarize(silence).speakers.empty());
  CHECK(diarize(silence, {.max_speakers = 3}).speakers.empty());
  CHECK_THROWS(InvalidOption, diarize(silence, {.min_speakers = 1}));
}

TEST(noise_and_chords_stay_within_the_bounds) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  std::vector<float> noise(240000);
  for (float& x : noise) x = normal(random);
  std::vector<float> chords(240000);
  for (std::size_t i = 0; i < chords.size(); ++i) {
    const double root = 220.0 * std::pow(2.0, static_cast<double>(i / 8000 % 12) / 12.0);
    for (const double ratio : {1.0, 1.25, 1.5}) {
      chords[i] += static_cast<float>(
          0.1 * std::sin(2.0 * 3.141592653589793 * root * ratio * static_cast<double>(i) / kRate));
    }
  }
  for (const auto& audio : {noise, chords}) {
    const Diarization d = diarize(audio, {.max_speakers = 2});
    check_sound(d);
    CHECK(d.speakers.size() <= 2);
    try {
      const Diarization three = diarize(audio, {.num_speakers = 3});
      check_sound(three);
      CHECK(three.speakers.size() == 3);
    } catch (const InvalidOption& e) {
      CHECK(std::string(e.what()).find("lower min_speakers") != std::string::npos);
    }
  }
}

TEST(impossible_requests) {
  CHECK_THROWS(InvalidOption, diarize(conversation(), {.min_speakers = 3, .max_speakers = 2}));
  CHECK_THROWS(InvalidOption, diarize(conversation(), {.num_speakers = 101}));
  CHECK_THROWS(InvalidOption, diarize(part(10.0, 20.0), {.num_speakers = 100}));
  std::vector<float> bad = part(10.0, 12.0);
  bad[1000] = std::nanf("");
  CHECK_THROWS(AudioError, diarize(bad));
}

TEST(can_be_cancelled) {
  Control control;
  control.cancel.cancel();
  CHECK_THROWS(Cancelled, diarize(conversation(), {}, control));
  Control on_the_way;
  on_the_way.on_progress = [&](double) { on_the_way.cancel.cancel(); };
  CHECK_THROWS(Cancelled, diarize(conversation(), {}, on_the_way));
}

TEST(threads_change_nothing) {
  const std::vector<float> audio = part(5.0, 17.0);  // two windows, for two threads
  CHECK(diarize(audio, {.threads = 1}) == diarize(audio, {.threads = 2}));
}

CHECK_MAIN()
