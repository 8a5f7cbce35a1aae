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
  std::vector<std::vector<std::size_t>> clusters;

  void add(const VoiceVector& voice, int count, double within, VoiceMaker& maker) {
    auto& members = clusters.emplace_back();
    for (int i = 0; i < count; ++i) {
      members.push_back(evidence.glimpses.size());
      Glimpse& g = evidence.glimpses.emplace_back();
      g.first_frame = 71 * static_cast<std::int64_t>(members.back());
      g.end_frame = g.first_frame + 71;
      g.voice = maker.sample(voice, within);
    }
  }

  std::vector<int> joined(std::size_t least, std::size_t most) const {
    return join_same_speakers(evidence, clusters, {0.4, 0.56, least, most});
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
  for (int i = 0; i < 3; ++i) s.add(ada, 20, 0.6, maker);
  s.add(maker.person(), 20, 0.6, maker);
  CHECK((s.joined(0, 100) == std::vector<int>{0, 0, 0, 1}));
  const std::vector<int> three = s.joined(3, 100);
  CHECK(three[3] == 2 && *std::max_element(three.begin(), three.end()) == 2);
  CHECK((s.joined(0, 1) == std::vector<int>{0, 0, 0, 0}));
  CHECK(join_same_speakers({}, {}, {}).empty());
}

CHECK_MAIN()
