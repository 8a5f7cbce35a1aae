// Which clusters of stretches are one speaker's.
#pragma once

#include <cstddef>
#include <vector>

#include "speakers/evidence.h"

namespace earwitness::speakers {

struct SameSpeaker {
  double within = 0.6;     // typical cosine of two stretches of one speaker
  double alike = 0.33;     // mean cosine of two clusters' stretches that are one speaker's, where
                           // one of the clusters is a few stretches only
  double likeness = 0.55;  // of two clusters that are one speaker, where both are more
  double seconds = 0.0;    // so much makes a speaker
  std::size_t least = 0;   // speakers
  std::size_t most = 100;
};

// Stretches of one speaker, mostly.
struct VoiceCluster {
  std::vector<std::size_t> glimpses;  // in order of time
  double seconds = 0.0;
};

// The speaker of each cluster, 0 ..: those that are most surely one speaker's are joined first, as
// long as there are more than `least` of so many seconds or there is no doubt, and others as long
// as there are more than `most` of them.
//
// The likeness of two clusters is the cosine of their mean voices, freed of the noise of the
// stretches that they were taken from.
std::vector<int> join_same_speakers(const Evidence& evidence,
                                    const std::vector<VoiceCluster>& clusters,
                                    const SameSpeaker& same);

}  // namespace earwitness::speakers
