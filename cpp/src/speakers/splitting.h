// More speakers than the voices tell apart, where the caller says so.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/watch.h"
#include "speakers/linkage.h"

namespace earwitness::speakers {

// The speaker of each item, 0 .. wanted - 1; -1 = of none of the clusters that were kept.
//
// `kept` holds an item of each cluster after the first `count` merges that makes a speaker, and
// their number is less than `wanted`, which is at most that of the items. Speakers are added one by
// one. Each is a branch of the dendrogram taken out of its cluster, or a cluster that was not kept:
// the one for which weight * (threshold - mean cosine to what it is taken from) is largest. Below
// the threshold that is what is won if it is a speaker; above, what is lost if it is none, so that
// a speaker that cannot be heard costs a stray stretch rather than half of somebody.
std::vector<int> split_further(const std::vector<WeightedVoice>& items,
                               const std::vector<Merge>& merges, std::size_t count,
                               const std::vector<std::size_t>& kept, float threshold,
                               std::size_t wanted, Watch& watch);

}  // namespace earwitness::speakers
