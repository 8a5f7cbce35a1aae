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

  // Moves the start forward and the end back out of quiet. Of a word with a pause in it the longest
  // stretch of sound is kept, the rest being breath or what was not written down; not where it
  // stands for several spoken ones, as numbers and what is joined by hyphens do. Where nothing
  // stands out, as in steady noise, nothing is moved.
  void trim(Word& word) const;

 private:
  bool quiet(std::ptrdiff_t step) const;

  double begin_ = 0.0;           // seconds
  std::vector<float> decibels_;  // relative to full scale
  float threshold_ = -1e9F;
};

// On which sides no word of its segment follows at once: there the window or the segment ends, or a
// loop was cut.
struct Beside {
  bool alone_before = false;
  bool alone_after = false;
};

// The alignment gives a word all the audio up to its neighbours: also what nobody wrote down, or
// the half minute that a loop was cut from. Takes that from the side where the word is alone, down
// to what a word of so many tokens may last.
void bound(Word& word, std::size_t n_tokens, Beside beside);

}  // namespace earwitness::speech
