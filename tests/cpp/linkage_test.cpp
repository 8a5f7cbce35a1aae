#include "speakers/linkage.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;
using check::VoiceMaker;

namespace {

WeightedVoice weighted(const VoiceVector& v, float weight) {
  WeightedVoice out{v, weight};
  for (float& x : out.sum) x *= weight;
  return out;
}

// The textbook way: a matrix of mean cosines, the largest merged at each step.
std::vector<double> naive_heights(std::vector<WeightedVoice> items) {
  std::vector<double> heights;
  while (items.size() > 1) {
    std::size_t a = 0;
    std::size_t b = 1;
    double best = -2.0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      for (std::size_t j = i + 1; j < items.size(); ++j) {
        double dot = 0.0;
        for (std::size_t d = 0; d < items[i].sum.size(); ++d) {
          dot += static_cast<double>(items[i].sum[d]) * static_cast<double>(items[j].sum[d]);
        }
        dot /= static_cast<double>(items[i].weight) * static_cast<double>(items[j].weight);
        if (dot > best) {
          best = dot;
          a = i;
          b = j;
        }
      }
    }
    heights.push_back(best);
    for (std::size_t d = 0; d < items[a].sum.size(); ++d) items[a].sum[d] += items[b].sum[d];
    items[a].weight += items[b].weight;
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(b));
  }
  return heights;
}

}  // namespace

TEST(equals_the_textbook_linkage) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    VoiceMaker maker(seed);
    std::vector<VoiceVector> people;
    for (int p = 0; p < 6; ++p) people.push_back(maker.person());
    std::vector<WeightedVoice> items;
    for (int i = 0; i < 60; ++i) {
      items.push_back(weighted(maker.sample(people[static_cast<std::size_t>(i) % 6], 0.6),
                               static_cast<float>(maker.uniform(0.5, 2.0))));
    }
    Control control;
    Watch watch(control);
    const auto merges = average_linkage(items, watch);
    auto heights = naive_heights(items);
    std::sort(heights.rbegin(), heights.rend());
    CHECK(merges.size() == 59);
    for (std::size_t i = 0; i < merges.size(); ++i) {
      CHECK_NEAR(merges[i].similarity, heights[i], 1e-4);
    }
    const auto cluster = cut(merges, 54, 60);
    for (std::size_t i = 0; i < 60; ++i) CHECK(cluster[i] == cluster[i % 6]);
    CHECK(std::set<int>(cluster.begin(), cluster.end()).size() == 6);
  }
}

TEST(few_items_and_equal_items) {
  Control control;
  Watch watch(control);
  VoiceMaker maker(7);
  CHECK(average_linkage({}, watch).empty());
  const WeightedVoice one = weighted(maker.person(), 1.0F);
  CHECK(average_linkage({one}, watch).empty());
  const auto merges = average_linkage(std::vector<WeightedVoice>(200, one), watch);
  CHECK(merges.size() == 199);
  CHECK_NEAR(merges.back().similarity, 1.0, 1e-4);
  CHECK(cut({}, 0, 3) == (std::vector<int>{0, 1, 2}));
}

TEST(blocks_keep_speakers_together) {
  VoiceMaker maker(11);
  std::vector<VoiceVector> people;
  for (int p = 0; p < 5; ++p) people.push_back(maker.person());
  std::vector<WeightedVoice> items;
  std::vector<std::size_t> owner;
  for (int i = 0; i < 2000; ++i) {
    owner.push_back(static_cast<std::size_t>(i) / 7 % 5);
    items.push_back(weighted(maker.sample(people[owner.back()], 0.7), 1.0F));
  }
  Control control;
  Watch watch(control);
  const auto merges = block_linkage(items, 0.6F, watch, 500, 100);
  CHECK(merges.size() == 1999);
  const auto cluster = cut(merges, 1995, 2000);
  CHECK(std::set<int>(cluster.begin(), cluster.end()).size() == 5);
  for (std::size_t i = 7; i < 2000; ++i) CHECK(cluster[i] == cluster[owner[i] * 7]);
}

TEST(twenty_thousand_items) {
  VoiceMaker maker(13);
  std::vector<VoiceVector> people;
  for (int p = 0; p < 8; ++p) people.push_back(maker.person());
  std::vector<WeightedVoice> items;
  for (int i = 0; i < 20000; ++i) {
    items.push_back(
        weighted(maker.sample(people[static_cast<std::size_t>(i) / 9 % 8], 0.65), 1.0F));
  }
  Control control;
  Watch watch(control);
  const auto merges = block_linkage(items, 0.62F, watch);
  CHECK(merges.size() == 19999);
  const auto cluster = cut(merges, 19992, 20000);
  std::set<int> first;
  for (std::size_t p = 0; p < 8; ++p) first.insert(cluster[p * 9]);
  CHECK(first.size() == 8);
}

TEST(stops_when_cancelled) {
  VoiceMaker maker(17);
  std::vector<WeightedVoice> items;
  for (int i = 0; i < 100; ++i) items.push_back(weighted(maker.person(), 1.0F));
  Control control;
  control.cancel.cancel();
  Watch watch(control);
  CHECK_THROWS(Cancelled, average_linkage(items, watch));
}

CHECK_MAIN()
