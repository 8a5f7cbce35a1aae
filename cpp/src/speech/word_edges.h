// Pauses are no part of words: their edges are moved to where the sound is.
#pragma once

#include <cstddef>
#include <vector>

#include "earwitness/types.h"

namespace earwitness::speech {

// How loud a stretch of a recording is, every 5 ms.
class Loudness {
 public:
  // Of `count` samples from sample `begin` on.
  Loudness(PcmView pcm, std::size_t begin, std::size_t count);

  // Moves the start forward and the end back out of quiet, to the middle of the word at most. Where
  // nothing stands out, as in steady noise, nothing is moved.
  void trim(Word& word) const;

 private:
  bool quiet(double seconds) const;

  double begin_ = 0.0;           // seconds
  std::vector<float> decibels_;  // relative to full scale
  float threshold_ = -1e9F;
};

}  // namespace earwitness::speech
