// Speakers of whom no stretch is long enough to be clustered, but whom the segmentation network
// tells from the others.
#pragma once

#include <cstddef>
#include <vector>

#include "speakers/evidence.h"

namespace earwitness::speakers {

struct Newcomer {
  VoiceVector voice{};              // unit length
  std::vector<std::size_t> locals;  // where it is heard
  double seconds = 0.0;             // alone, of their union
};

struct Strangeness {
  double alone = 1.0;    // seconds that one local speaker speaks alone
  double seconds = 1.0;  // the same of all that are one newcomer
  float unlike = 0.3F;   // cosine with every known voice is below that
  float alike = 0.3F;    // cosine of two local speakers that are one newcomer
};

// Those that are like none of the known voices, at most `most`, the longest heard first.
std::vector<Newcomer> find_newcomers(const Evidence& evidence,
                                     const std::vector<VoiceVector>& known,
                                     const Strangeness& strangeness, std::size_t most);

}  // namespace earwitness::speakers
