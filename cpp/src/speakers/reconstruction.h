// From labelled windows to the speakers of every frame of the recording.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/watch.h"
#include "speakers/clustering.h"
#include "speakers/evidence.h"

namespace earwitness::speakers {

struct FrameSpeakers {
  std::array<std::int16_t, kLocalSpeakers> speaker{-1, -1, -1};  // the surest first; -1 = none
  std::array<float, kLocalSpeakers> confidence{};
  std::int16_t exclusive = -1;  // the one of them who speaks loudest
};

// As many speakers at each frame as the windows over it saw on average, and those that most of them
// saw. Each of the clustering's speakers that no frame is left for gets the purest of the stretches
// it was found from, as long as fewer than `at_least` speakers have any.
std::vector<FrameSpeakers> reconstruct(const Evidence& evidence, const Clustering& clustering,
                                       int at_least, Watch& watch);

}  // namespace earwitness::speakers
