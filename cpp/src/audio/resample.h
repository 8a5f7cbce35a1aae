// Band-limited resampling to 16 kHz.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "earwitness/audio.h"

namespace earwitness::audio {

// Windowed-sinc polyphase resampler (Kaiser window; J. O. Smith, "Digital Audio Resampling", and
// Kaiser's design formulas as in Oppenheim & Schafer, "Discrete-Time Signal Processing", 7.5).
//
// Flat to 93.75 % of the lower of the two Nyquist frequencies and 90 dB down at that frequency, so
// nothing folds back into the band. The output is aligned with the input (no delay), starts and
// ends with silence assumed outside, and n input samples give round(n * 16000 / rate) samples, no
// matter how they are cut into blocks.
class Resampler {
 public:
  explicit Resampler(int rate);

  void push(const float* samples, std::size_t count, Pcm& out);
  // Gives the rest; the resampler must not be used afterwards.
  void finish(Pcm& out);

 private:
  void build_filter(int rate);
  void produce(std::uint64_t limit, Pcm& out);
  float sample_at(const float* window) const;

  // The ratio in lowest terms: output n lies at input position n * down_ / up_.
  std::uint64_t up_ = 1;
  std::uint64_t down_ = 1;

  std::size_t half_ = 0;    // taps on each side
  std::size_t phases_ = 0;  // rows of the table, less one
  std::vector<float> table_;

  std::vector<float> history_;       // input still needed
  std::uint64_t history_start_ = 0;  // its first sample, counted from half_ - 1 zeros before input
  std::uint64_t received_ = 0;
  std::uint64_t produced_ = 0;
  std::uint64_t whole_ = 0;     // floor of the position of the next output
  std::uint64_t fraction_ = 0;  // and the rest of it, in units of 1 / up_
};

}  // namespace earwitness::audio
