#include "speakers/turns.h"

#include <map>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::conversation;
using check::perceive;
using check::VoiceMaker;

namespace {

Diarization run(const Evidence& e, const SpeakerBounds& bounds) {
  Control control;
  Watch watch(control);
  const Clustering c = cluster_speakers(e, bounds, watch);
  return make_turns(e, c, reconstruct(e, c, bounds.min, watch), bounds.min);
}

void check_sound(const Diarization& d) {
  double previous = -1.0;
  std::vector<double> seconds(d.speakers.size(), 0.0);
  std::vector<double> first(d.speakers.size(), 1e9);
  for (const Turn& t : d.turns) {
    CHECK(t.start >= previous && t.end > t.start && t.start >= 0.0 && t.end <= d.duration);
    CHECK(t.speaker >= 0 && t.speaker < static_cast<int>(d.speakers.size()));
    CHECK(t.confidence >= 0.0F && t.confidence <= 1.0F);
    previous = t.start;
    seconds[static_cast<std::size_t>(t.speaker)] += t.end - t.start;
    first[static_cast<std::size_t>(t.speaker)] =
        std::min(first[static_cast<std::size_t>(t.speaker)], t.start);
  }
  for (std::size_t k = 0; k < d.speakers.size(); ++k) {
    CHECK_NEAR(d.speakers[k].seconds, seconds[k], 1e-6);
    CHECK(seconds[k] > 0.0);
    CHECK(k == 0 || first[k] >= first[k - 1]);
    CHECK_NEAR(cosine(d.speakers[k].voice, d.speakers[k].voice), 1.0, 1e-4);
  }
  for (std::size_t i = 1; i < d.exclusive.size(); ++i) {
    CHECK(d.exclusive[i].start >= d.exclusive[i - 1].end - 1e-9);
  }
}

FrameSpeakers alone(int speaker, float confidence) {
  FrameSpeakers f;
  f.speaker[0] = f.exclusive = static_cast<std::int16_t>(speaker);
  f.confidence[0] = confidence;
  return f;
}

}  // namespace

TEST(labels_follow_first_speech) {
  Evidence e;
  e.duration = 10.0;
  Clustering c;
  VoiceMaker maker(1);
  c.centroids = {maker.person(), maker.person(), maker.person()};
  std::vector<FrameSpeakers> frames(500);
  for (std::size_t t = 50; t < 100; ++t) frames[t] = alone(2, 0.5F);
  for (std::size_t t = 100; t < 200; ++t) frames[t] = alone(0, 1.0F);
  frames[300] = alone(1, 1.0F);  // one frame: no turn
  const Diarization d = make_turns(e, c, frames, 0);
  check_sound(d);
  CHECK(d.speakers.size() == 2 && d.turns.size() == 2 && d.exclusive.size() == 2);
  CHECK(d.speakers[0].label == "SPEAKER_00" && d.speakers[1].label == "SPEAKER_01");
  CHECK(d.speakers[0].voice == c.centroids[2]);
  CHECK_NEAR(d.turns[0].start, frame_time(50), 1e-9);
  CHECK_NEAR(d.turns[0].end, frame_time(100), 1e-9);
  CHECK_NEAR(d.turns[0].confidence, 0.5, 1e-6);
  CHECK(make_turns(e, c, frames, 3).speakers.size() == 3);
}

TEST(every_count_of_speakers_is_kept) {
  VoiceMaker maker(2);
  std::vector<VoiceVector> people;
  for (int p = 0; p < 12; ++p) people.push_back(maker.person());
  for (const int real : {1, 2, 4, 12}) {
    const auto e =
        perceive(conversation(real, 40.0 + 12.0 * real, maker), people, 40.0 + 12.0 * real, maker);
    const Diarization free = run(e, {});
    check_sound(free);
    CHECK(free.speakers.size() == static_cast<std::size_t>(real));
    for (const int k : {1, 2, 3, 5, 9, 14}) {
      const Diarization d = run(e, {k, k});
      check_sound(d);
      CHECK(d.speakers.size() == static_cast<std::size_t>(k));
      CHECK(run(e, {0, k}).speakers.size() <= static_cast<std::size_t>(k));
      CHECK(run(e, {k, 100}).speakers.size() >= static_cast<std::size_t>(k));
    }
  }
}

TEST(silence_has_no_turns) {
  VoiceMaker maker(3);
  const Diarization d = run(perceive({}, {maker.person()}, 12.0, maker), {});
  CHECK(d.turns.empty() && d.exclusive.empty() && d.speakers.empty());
  CHECK_NEAR(d.duration, 12.0, 1e-9);
}

TEST(options) {
  const auto fails = [](DiarizeOptions o) {
    try {
      o.validate();
      return false;
    } catch (const InvalidOption&) {
      return true;
    }
  };
  CHECK(!fails({}));
  CHECK(!fails({.min_speakers = 2, .max_speakers = 2}));
  CHECK(fails({.min_speakers = 3, .max_speakers = 2}));
  CHECK(fails({.min_speakers = -1}));
  CHECK(fails({.max_speakers = -1}));
  CHECK(fails({.max_speakers = 101}));
  CHECK(fails({.max_speakers = 3, .num_speakers = 4}));
  CHECK(fails({.min_speakers = 5, .num_speakers = 4}));
  CHECK(fails({.num_speakers = -2}));
  CHECK(fails({.hop = 0.1}));
  CHECK(fails({.hop = std::nan("")}));
  CHECK(fails({.threads = -1}));
  CHECK_NEAR(DiarizeOptions{}.resolved_hop(60.0), 1.0, 0.0);
  CHECK_NEAR(DiarizeOptions{}.resolved_hop(600.0), 2.0, 0.0);
}

CHECK_MAIN()
