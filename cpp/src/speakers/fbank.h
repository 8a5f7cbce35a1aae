// Kaldi's log-mel filterbank, as CAM++ was trained with.
#pragma once

#include <cstddef>
#include <vector>

#include "audio/fft.h"

namespace earwitness::speakers {

class Fbank {
 public:
  static constexpr int kBands = 80;
  static constexpr int kFrame = 400;  // samples: 25 ms
  static constexpr int kShift = 160;  // samples: 10 ms

  Fbank();

  // Frames that lie wholly within so many samples (Kaldi's snip_edges).
  static int frames(std::size_t samples);

  // samples: (count - 1) * kShift + kFrame of them in [-1, 1], 16 kHz. out: [count][kBands],
  // natural log of mel energies. Safe to call from several threads at a time.
  void run(const float* samples, int count, float* out) const;

 private:
  struct Filter {
    int first = 0;  // bin
    std::vector<float> weights;
  };

  RealFft fft_;
  std::vector<float> window_;
  std::vector<Filter> filters_;
};

// Subtracts each band's mean over the frames, in place.
void subtract_mean(float* features, int frames);

}  // namespace earwitness::speakers
