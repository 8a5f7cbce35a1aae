// From short stretches of single voices to the recording's speakers.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/watch.h"
#include "speakers/evidence.h"

namespace earwitness::speakers {

struct SpeakerBounds {
  int min = 0;  // 0 = also none, of a recording without speech
  int max = 100;
};

struct Clustering {
  std::vector<VoiceVector> centroids;  // one for each speaker, unit length
  std::vector<std::size_t> units;      // glimpses that the speakers were found from
  std::vector<int> unit_speaker;       // of each of those
  std::vector<std::size_t> locals;     // local speakers that others were found from
  std::vector<int> local_speaker;      // of each of those
  std::size_t strays = 0;              // the last of the speakers, who are one stretch each
  double within = 0.0;                 // typical cosine of two stretches of one speaker here
};

// As many speakers as the voices tell apart, or the nearest number within the bounds. None if there
// is no speech. Throws InvalidOption if the recording has less distinct stretches of speech than
// bounds.min.
Clustering cluster_speakers(const Evidence& evidence, const SpeakerBounds& bounds, Watch& watch);

}  // namespace earwitness::speakers
