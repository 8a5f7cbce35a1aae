// Agglomerative clustering of unit vectors by the average of their cosines.
#pragma once

#include <vector>

#include "earwitness/voices.h"
#include "runtime/watch.h"

namespace earwitness::speakers {

struct Merge {
  float similarity = 0.0F;  // mean cosine between the members of both
  int a = 0;                // a member of each
  int b = 0;
};

struct WeightedVoice {
  VoiceVector sum{};  // of members, each times its weight
  float weight = 0.0F;
};

// Weighted-average linkage (UPGMA) of all items into one, most similar merges first. Exact: the
// mean cosine of two clusters is the dot product of their weighted sums over the product of their
// weights, so that memory stays in proportion to the items. Time is in proportion to their square.
std::vector<Merge> average_linkage(const std::vector<WeightedVoice>& items, Watch& watch);

// The same for any number of items in nearly linear time: blocks of neighbouring items are first
// merged down to `premerge` each, and what is left is linked exactly. Recordings up to `exact`
// items are not touched by that.
std::vector<Merge> block_linkage(const std::vector<WeightedVoice>& items, float premerge,
                                 Watch& watch, std::size_t exact = 6000, std::size_t block = 256);

// The cluster of each item, 0 .., after the first `count` merges.
std::vector<int> cut(const std::vector<Merge>& merges, std::size_t count, std::size_t items);

}  // namespace earwitness::speakers
