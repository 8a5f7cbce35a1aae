#include "speakers/newcomers.h"

#include "check.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::conversation;
using check::perceive;
using check::SpokenTurn;
using check::VoiceMaker;

namespace {

struct Scene {
  VoiceMaker maker{1};
  std::vector<VoiceVector> people{maker.person(), maker.person(), maker.person()};

  // The third says something so long, once, where one of the other two would have spoken.
  Evidence hear(double seconds) {
    std::vector<SpokenTurn> turns = conversation(2, 60.0, maker);
    turns[4] = {turns[4].start, turns[4].start + seconds, 2};
    return perceive(turns, people, 60.0, maker);
  }

  std::vector<VoiceVector> known() const { return {people[0], people[1]}; }
};

}  // namespace

TEST(who_is_like_nobody_known_is_found) {
  Scene scene;
  const Evidence e = scene.hear(1.3);
  const auto found = find_newcomers(e, scene.known(), {}, 10);
  CHECK(found.size() == 1);
  CHECK(cosine(found[0].voice, scene.people[2]) > 0.85);
  CHECK(std::abs(found[0].seconds - 1.3) < 0.1);  // once, though ten windows hear it
  CHECK(found[0].locals.size() > 5);
}

TEST(who_is_known_is_not_new) {
  Scene scene;
  const Evidence e = scene.hear(3.0);
  CHECK(find_newcomers(e, scene.people, {}, 10).empty());
  CHECK(find_newcomers(e, scene.known(), {}, 0).empty());
  CHECK(find_newcomers({}, {}, {}, 10).empty());
  // Of three unknown people, each is found once.
  CHECK(find_newcomers(e, {}, {}, 10).size() == 3);
  CHECK(find_newcomers(e, {}, {}, 2).size() == 2);
}

TEST(a_word_is_not_enough) {
  Scene scene;
  const Evidence e = scene.hear(0.6);
  Strangeness strangeness;
  CHECK(find_newcomers(e, scene.known(), strangeness, 10).empty());
  strangeness.alone = strangeness.seconds = 0.4;
  CHECK(find_newcomers(e, scene.known(), strangeness, 10).size() == 1);
  strangeness.seconds = 2.0;
  CHECK(find_newcomers(e, scene.known(), strangeness, 10).empty());
}

CHECK_MAIN()
