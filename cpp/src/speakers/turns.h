// From the speakers of every frame to turns.
#pragma once

#include <vector>

#include "earwitness/diarize.h"
#include "speakers/clustering.h"
#include "speakers/evidence.h"
#include "speakers/reconstruction.h"

namespace earwitness::speakers {

// Turns under 0.1 s are dropped, unless a speaker has no longer one and is needed to reach
// `at_least`. Speakers without turns are dropped and the others numbered by first speech.
Diarization make_turns(const Evidence& evidence, const Clustering& clustering,
                       const std::vector<FrameSpeakers>& frames, int at_least);

}  // namespace earwitness::speakers
