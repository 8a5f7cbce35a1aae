#include "speakers/same_speaker.h"

#include "check.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::VoiceMaker;

namespace {

// Stretches of 1.2 s, one after the other; `within` is the mean cosine of two of one voice.
struct Stretches {
  Evidence evidence;
  std::vector<VoiceCluster> clusters;

  void add(const VoiceVector& voice, int count, double within, VoiceMaker& maker) {
    clusters.emplace_back().seconds = 1.2 * count;
    auto& members = clusters.back().glimpses;
    for (int i = 0; i < count; ++i) {
      members.push_back(evidence.glimpses.size());
      Glimpse& g = evidence.glimpses.emplace_back();
      g.first_frame = 71 * static_cast<std::int64_t>(members.back());
      g.end_frame = g.first_frame + 71;
      g.voice = maker.sample(voice, within);
    }
  }

  std::vector<int> joined(std::size_t least, std::size_t most) const {
    SameSpeaker same;
    same.within = 0.4;
    same.alike = 0.22;
    same.likeness = 0.55;
    same.seconds = 8.0;
    same.least = least;
    same.most = most;
    return join_same_speakers(evidence, clusters, same);
  }
};

// A voice whose cosine with the other is given.
VoiceVector near(const VoiceVector& voice, double cosine, VoiceMaker& maker) {
  return maker.sample(voice, cosine * cosine);
}

}  // namespace

TEST(noise_within_does_not_hide_one_voice) {
  VoiceMaker maker(1);
  const VoiceVector ada = maker.person();
  Stretches s;
  // Two clusters of 0.4 within, 0.3 between: the voices' own cosine is 0.75.
  s.add(ada, 60, 0.4, maker);
  s.add(near(ada, 0.75, maker), 60, 0.4, maker);
  s.add(maker.person(), 40, 0.4, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 1}));
}

TEST(two_clear_voices_of_the_same_cosine_are_two) {
  VoiceMaker maker(2);
  const VoiceVector ada = maker.person();
  Stretches s;
  // 0.75 within, 0.34 between: more than above, but the voices' own cosine is 0.45.
  s.add(ada, 60, 0.75, maker);
  s.add(near(ada, 0.45, maker), 60, 0.75, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 1}));
}

TEST(bounds_go_before_likeness) {
  VoiceMaker maker(3);
  const VoiceVector ada = maker.person();
  Stretches s;
  s.add(ada, 60, 0.6, maker);
  s.add(near(ada, 0.6, maker), 60, 0.6, maker);
  s.add(maker.person(), 60, 0.6, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 1}));
  CHECK((s.joined(3, 100) == std::vector<int>{0, 1, 2}));
  CHECK((s.joined(0, 1) == std::vector<int>{0, 0, 0}));
  CHECK(join_same_speakers({}, {}, {}).empty());
}

TEST(what_is_one_voice_beyond_doubt_is_not_divided) {
  VoiceMaker maker(7);
  const VoiceVector ada = maker.person();
  Stretches s;
  for (int i = 0; i < 3; ++i) s.add(ada, 20, 0.6, maker);
  s.add(maker.person(), 20, 0.6, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 0, 1}));
  CHECK((s.joined(3, 100) == std::vector<int>{0, 0, 0, 1}));
}

TEST(who_may_not_be_joined_hides_nobody_else) {
  VoiceMaker maker(8);
  const VoiceVector ada = maker.person();
  Stretches s;
  s.add(ada, 60, 0.6, maker);
  s.add(near(ada, 0.52, maker), 6, 0.6, maker);  // 7.2 seconds
  s.add(near(ada, 0.6, maker), 60, 0.6, maker);  // nearer, and held apart where two are told
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 0}));
  CHECK((s.joined(2, 100) == std::vector<int>{0, 0, 1}));
}

// Average linkage alone would have joined them at the mean cosine of single stretches.
TEST(few_stretches_are_compared_one_by_one) {
  VoiceMaker maker(4);
  const VoiceVector ada = maker.person();
  Stretches s;
  s.add(ada, 60, 0.4, maker);
  s.add(ada, 3, 0.4, maker);
  s.add(maker.person(), 3, 0.4, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 1}));
}

TEST(bounds_count_those_who_speak_enough) {
  VoiceMaker maker(5);
  const VoiceVector ada = maker.person();
  Stretches s;
  s.add(ada, 60, 0.6, maker);
  s.add(near(ada, 0.6, maker), 60, 0.6, maker);
  s.add(maker.person(), 3, 0.6, maker);  // 3.6 seconds
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 1}));
  CHECK((s.joined(2, 100) == std::vector<int>{0, 1, 2}));  // the third does not count
  CHECK((s.joined(0, 1) == std::vector<int>{0, 0, 1}));
}

TEST(small_clusters_of_one_voice_gather) {
  VoiceMaker maker(6);
  Stretches s;
  const VoiceVector ada = maker.person();
  const VoiceVector bob = maker.person();
  for (int i = 0; i < 40; ++i) s.add(i % 2 == 0 ? ada : bob, 2, 0.6, maker);
  const std::vector<int> speaker = s.joined(0, 100);
  for (std::size_t i = 0; i < speaker.size(); ++i) {
    CHECK(speaker[i] == static_cast<int>(i % 2));
  }
}

CHECK_MAIN()
