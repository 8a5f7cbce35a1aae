#include "speakers/clustering.h"

#include <algorithm>
#include <set>

#include "check.h"
#include "earwitness/diarize.h"
#include "earwitness/error.h"
#include "speakers/assignment.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::conversation;
using check::perceive;
using check::SpokenTurn;
using check::VoiceMaker;

namespace {

std::vector<VoiceVector> make_people(int count, VoiceMaker& maker) {
  std::vector<VoiceVector> people;
  for (int i = 0; i < count; ++i) people.push_back(maker.person());
  return people;
}

std::size_t count(const Evidence& e, const SpeakerBounds& bounds) {
  Control control;
  Watch watch(control);
  return cluster_speakers(e, bounds, watch).centroids.size();
}

}  // namespace

TEST(finds_one_to_twelve_speakers) {
  for (const int people : {1, 2, 3, 5, 8, 12}) {
    VoiceMaker maker(static_cast<unsigned>(people));
    const auto voices = make_people(people, maker);
    const auto e = perceive(conversation(people, 60.0 + 15.0 * people, maker), voices,
                            60.0 + 15.0 * people, maker);
    Control control;
    Watch watch(control);
    const Clustering found = cluster_speakers(e, {}, watch);
    CHECK(found.centroids.size() == static_cast<std::size_t>(people));
    // Each is some person's mean voice, and no two the same person's.
    std::set<std::size_t> matched;
    for (const VoiceVector& c : found.centroids) {
      for (std::size_t p = 0; p < voices.size(); ++p) {
        if (cosine(c, voices[p]) > 0.9) matched.insert(p);
      }
    }
    CHECK(matched.size() == static_cast<std::size_t>(people));
  }
}

TEST(keeps_the_bounds) {
  VoiceMaker maker(21);
  const auto e = perceive(conversation(4, 90.0, maker), make_people(4, maker), 90.0, maker);
  CHECK(count(e, {}) == 4);
  for (const int k : {1, 2, 3, 4, 5, 7, 12}) {
    CHECK(count(e, {k, k}) == static_cast<std::size_t>(k));
    CHECK(count(e, {k, 100}) == static_cast<std::size_t>(std::max(k, 4)));
    CHECK(count(e, {0, k}) == static_cast<std::size_t>(std::min(k, 4)));
  }
}

TEST(a_given_number_finds_the_quiet_speaker) {
  VoiceMaker maker(22);
  const auto people = make_people(3, maker);
  // The third speaks for 2 s in three minutes: too little to be found, enough when it is known.
  auto turns = conversation(2, 180.0, maker);
  const double at = turns[10].start;
  turns[10] = {at, at + 2.0, 2};
  const auto e = perceive(turns, people, 180.0, maker);
  Control control;
  Watch watch(control);
  CHECK(cluster_speakers(e, {}, watch).centroids.size() == 2);
  const Clustering three = cluster_speakers(e, {3, 3}, watch);
  double best = 0.0;
  for (const VoiceVector& c : three.centroids) best = std::max(best, cosine(c, people[2]));
  CHECK(best > 0.85);
}

TEST(a_number_that_is_too_high_costs_strays) {
  VoiceMaker maker(29);
  const auto people = make_people(2, maker);
  const auto e = perceive(conversation(2, 120.0, maker), people, 120.0, maker);
  Control control;
  Watch watch(control);
  for (const int k : {3, 4, 6}) {
    const Clustering found = cluster_speakers(e, {k, k}, watch);
    CHECK(found.centroids.size() == static_cast<std::size_t>(k));
    std::vector<std::size_t> sizes(static_cast<std::size_t>(k));
    for (const int speaker : found.unit_speaker) ++sizes[static_cast<std::size_t>(speaker)];
    std::sort(sizes.rbegin(), sizes.rend());
    CHECK(sizes.back() > 0);
    CHECK(10 * (sizes[0] + sizes[1]) >= 8 * found.unit_speaker.size());
  }
}

TEST(more_speakers_than_stretches_is_an_error) {
  VoiceMaker maker(23);
  const auto e = perceive({{0.2, 2.2, 0}}, make_people(1, maker), 3.0, maker);
  CHECK(count(e, {}) == 1);
  CHECK_THROWS(InvalidOption, count(e, {50, 50}));
}

TEST(silence) {
  VoiceMaker maker(24);
  const auto e = perceive({}, make_people(1, maker), 30.0, maker);
  CHECK(count(e, {}) == 0);
  CHECK_THROWS(InvalidOption, count(e, {1, 1}));
  CHECK_THROWS(InvalidOption, count(Evidence{}, {2, 5}));
  CHECK(count(Evidence{}, {}) == 0);
}

TEST(a_word_alone_is_one_speaker) {
  VoiceMaker maker(25);
  const auto e = perceive({{1.0, 1.3, 0}}, make_people(1, maker), 3.0, maker);
  CHECK(e.glimpses.empty());
  CHECK(count(e, {}) == 1);
  CHECK(count(e, {1, 1}) == 1);
  CHECK_THROWS(InvalidOption, count(e, {2, 2}));
}

TEST(garbage_stays_within_the_bounds) {
  VoiceMaker maker(26);
  auto e = perceive(conversation(2, 60.0, maker), make_people(2, maker), 60.0, maker);
  for (Glimpse& g : e.glimpses) g.voice = maker.person();
  const std::size_t any = count(e, {});
  CHECK(any >= 1 && any <= 100);
  CHECK(count(e, {2, 3}) >= 2 && count(e, {2, 3}) <= 3);
}

TEST(short_stretches_found_no_speaker) {
  VoiceMaker maker(27);
  const auto people = make_people(3, maker);
  auto turns = conversation(2, 120.0, maker);
  // Backchannels of 0.4 s in the pauses.
  for (std::size_t i = 3; i < turns.size(); i += 4) {
    turns.push_back({turns[i].start - 0.3, turns[i].start, 2});
  }
  CHECK(count(perceive(turns, people, 120.0, maker), {}) == 2);
}

TEST(assignment_is_optimal) {
  VoiceMaker maker(28);
  for (int round = 0; round < 200; ++round) {
    const std::size_t rows = 1 + static_cast<std::size_t>(round) % 3;
    const std::size_t columns = rows + static_cast<std::size_t>(round) % 5;
    std::vector<std::vector<double>> scores(rows, std::vector<double>(columns));
    for (auto& row : scores) {
      for (double& x : row) x = maker.uniform(-1.0, 1.0);
    }
    double best = -9.0;
    for (std::size_t a = 0; a < columns; ++a) {
      for (std::size_t b = 0; b < (rows > 1 ? columns : 1); ++b) {
        for (std::size_t c = 0; c < (rows > 2 ? columns : 1); ++c) {
          if (rows > 1 && a == b) continue;
          if (rows > 2 && (a == c || b == c)) continue;
          best = std::max(best, scores[0][a] + (rows > 1 ? scores[1][b] : 0.0) +
                                    (rows > 2 ? scores[2][c] : 0.0));
        }
      }
    }
    double total = 0.0;
    const auto chosen = assign_distinct(scores);
    for (std::size_t r = 0; r < rows; ++r) total += scores[r][static_cast<std::size_t>(chosen[r])];
    CHECK_NEAR(total, best, 1e-12);
  }
  CHECK(assign_distinct({}).empty());
  CHECK(assign_distinct({{0.3}, {0.9}}) == (std::vector<int>{0, 0}));
}

CHECK_MAIN()
