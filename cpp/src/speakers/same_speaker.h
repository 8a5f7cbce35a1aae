// Which clusters of stretches are one speaker's.
#pragma once

#include <cstddef>
#include <vector>

#include "speakers/evidence.h"

namespace earwitness::speakers {

struct SameSpeaker {
  double within = 0.6;     // typical cosine of two stretches of one speaker
  double likeness = 0.56;  // of two clusters that are one speaker
  std::size_t least = 0;   // speakers
  std::size_t most = 100;
};

// The speaker of each cluster, 0 ..: those with the likeness of one speaker are joined, the most
// alike first, as long as there are more than `least`, and others as long as there are more than
// `most`. Clusters are lists of glimpses in order of time.
//
// The likeness of two clusters is the cosine of their mean voices, freed of the noise of the
// stretches that they were taken from.
std::vector<int> join_same_speakers(const Evidence& evidence,
                                    const std::vector<std::vector<std::size_t>>& clusters,
                                    const SameSpeaker& same);

}  // namespace earwitness::speakers
