#include "speakers/reconstruction.h"

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::conversation;
using check::perceive;
using check::SpokenTurn;
using check::VoiceMaker;

namespace {

Clustering of_people(const std::vector<VoiceVector>& people, const Evidence& e) {
  Clustering c;
  c.centroids = people;
  for (std::size_t i = 0; i < e.glimpses.size(); ++i) {
    if (!e.glimpses[i].unit) continue;
    std::size_t best = 0;
    for (std::size_t p = 1; p < people.size(); ++p) {
      if (cosine(e.glimpses[i].voice, people[p]) > cosine(e.glimpses[i].voice, people[best])) {
        best = p;
      }
    }
    c.units.push_back(i);
    c.unit_speaker.push_back(static_cast<int>(best));
  }
  return c;
}

std::vector<FrameSpeakers> rebuild(const Evidence& e, const Clustering& c, int at_least = 0) {
  Control control;
  Watch watch(control);
  return reconstruct(e, c, at_least, watch);
}

bool has(const FrameSpeakers& f, int speaker) {
  return std::find(f.speaker.begin(), f.speaker.end(), speaker) != f.speaker.end();
}

std::size_t frame_at(double seconds) {
  return static_cast<std::size_t>((seconds - kFrameOffset) / kFrameSeconds);
}

// Share of (frame, speaker) pairs of the turns that are found, and of those found that are right.
std::pair<double, double> recall_precision(const std::vector<SpokenTurn>& turns,
                                           const std::vector<FrameSpeakers>& frames) {
  double said = 0.0;
  double found = 0.0;
  double right = 0.0;
  for (std::size_t f = 0; f < frames.size(); ++f) {
    const double at = frame_time(static_cast<std::int64_t>(f)) + kFrameSeconds / 2.0;
    for (const std::int16_t k : frames[f].speaker) found += k >= 0 ? 1.0 : 0.0;
    for (const SpokenTurn& t : turns) {
      if (at < t.start || at >= t.end) continue;
      said += 1.0;
      right += has(frames[f], t.person) ? 1.0 : 0.0;
    }
  }
  return {right / said, right / found};
}

}  // namespace

TEST(gives_a_conversation_back) {
  VoiceMaker maker(1);
  const std::vector<VoiceVector> people{maker.person(), maker.person(), maker.person()};
  const auto turns = conversation(3, 60.0, maker);
  const auto e = perceive(turns, people, 60.0, maker);
  const auto [recall, precision] = recall_precision(turns, rebuild(e, of_people(people, e)));
  CHECK(recall > 0.98);
  CHECK(precision > 0.98);
}

TEST(keeps_overlap_and_says_who_is_louder) {
  VoiceMaker maker(2);
  const std::vector<VoiceVector> people{maker.person(), maker.person()};
  const std::vector<SpokenTurn> turns{{1.0, 9.0, 0}, {6.0, 14.0, 1}, {15.0, 19.0, 0}};
  auto e = perceive(turns, people, 20.0, maker);
  for (Window& w : e.windows) {
    for (auto& p : w.probability) {
      if (p[0] > 0 && p[1] > 0) p[1] = 140;
    }
  }
  const auto frames = rebuild(e, of_people(people, e));
  for (double at = 6.3; at < 8.7; at += 0.1) {
    CHECK(has(frames[frame_at(at)], 0) && has(frames[frame_at(at)], 1));
    CHECK(frames[frame_at(at)].exclusive == frames[frame_at(6.3)].exclusive);
  }
  CHECK(!has(frames[frame_at(3.0)], 1));
  CHECK(frames[frame_at(3.0)].exclusive == 0);
  CHECK(frames[frame_at(12.0)].exclusive == 1);
  CHECK(frames[frame_at(14.5)].exclusive == -1);
}

TEST(splits_a_local_speaker_that_is_two_people) {
  VoiceMaker maker(3);
  const std::vector<VoiceVector> people{maker.person(), maker.person()};
  const std::vector<SpokenTurn> turns{{0.5, 5.0, 0}, {5.0, 9.5, 1}};
  auto e = perceive(turns, people, 10.0, maker);
  // The segmentation sees one voice throughout.
  for (Window& w : e.windows) {
    for (auto& active : w.active) active = active != 0 ? 1 : 0;
  }
  for (LocalVoice& l : e.locals) {
    for (std::size_t d = 0; d < l.voice.size(); ++d) l.voice[d] = people[0][d] + people[1][d];
    l.voice = check::unit(l.voice);
    l.speaker = 0;
  }
  e.locals.resize(1);
  const auto [recall, precision] = recall_precision(turns, rebuild(e, of_people(people, e)));
  CHECK(recall > 0.9);
  CHECK(precision > 0.9);
}

TEST(one_and_no_speaker) {
  VoiceMaker maker(4);
  const std::vector<VoiceVector> people{maker.person()};
  const auto e = perceive({{0.3, 3.0, 0}}, people, 4.0, maker);
  const auto frames = rebuild(e, of_people(people, e));
  CHECK(frames[frame_at(1.5)].speaker[0] == 0);
  CHECK(frames[frame_at(1.5)].confidence[0] > 0.99F);
  for (const FrameSpeakers& f : rebuild(e, {})) CHECK(f.speaker[0] == -1 && f.exclusive == -1);
  CHECK(rebuild(Evidence{}, {}).empty());
}

TEST(a_speaker_that_must_be_there_gets_frames) {
  VoiceMaker maker(5);
  const std::vector<VoiceVector> people{maker.person(), maker.person()};
  const auto e = perceive({{0.5, 19.5, 0}}, people, 20.0, maker);
  Clustering c = of_people(people, e);
  for (std::size_t i = 0; i < c.units.size(); ++i) c.unit_speaker[i] = i == 7 ? 1 : 0;
  const auto count = [](const std::vector<FrameSpeakers>& frames) {
    return std::count_if(frames.begin(), frames.end(),
                         [](const FrameSpeakers& f) { return has(f, 1); });
  };
  CHECK(count(rebuild(e, c)) == 0);
  CHECK(count(rebuild(e, c, 2)) > 10);
  c.unit_speaker[7] = 0;
  CHECK_THROWS(InvalidOption, rebuild(e, c, 2));
  // One found from local speakers: where they are alone.
  auto two = perceive({{0.5, 9.5, 0}, {12.0, 12.8, 1}, {14.0, 19.5, 0}}, people, 20.0, maker);
  c = of_people({people[0], maker.person()}, two);
  std::fill(c.unit_speaker.begin(), c.unit_speaker.end(), 0);
  for (std::size_t i = 0; i < two.locals.size(); ++i) {
    if (cosine(two.locals[i].voice, people[1]) > 0.5) {
      c.locals.push_back(i);
      c.local_speaker.push_back(1);
    }
  }
  const auto frames = rebuild(two, c, 2);
  CHECK(has(frames[frame_at(12.4)], 1));
  CHECK(!has(frames[frame_at(5.0)], 1) && !has(frames[frame_at(16.0)], 1));
}

TEST(a_stray_gets_a_stretch_and_no_more) {
  VoiceMaker maker(6);
  const std::vector<VoiceVector> people{maker.person(), maker.person()};
  const auto e = perceive({{0.5, 19.5, 0}}, people, 20.0, maker);
  Clustering c = of_people(people, e);
  for (std::size_t i = 0; i < c.units.size(); ++i) c.unit_speaker[i] = i == 7 ? 1 : 0;
  c.centroids[1] = people[0];  // as like all that is said as the first one's
  c.strays = 1;
  const auto frames = rebuild(e, c, 2);
  const auto stray =
      std::count_if(frames.begin(), frames.end(), [](const FrameSpeakers& f) { return has(f, 1); });
  CHECK(stray >= 10 && stray <= 20);
}

CHECK_MAIN()
