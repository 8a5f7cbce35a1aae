// Power spectra of real frames whose length is a product of 2, 3 and 5, such as the 400 samples of
// Whisper's log-mel and the 512 of Kaldi's filterbank.
#pragma once

#include <vector>

namespace earwitness {

class RealFft {
 public:
  // Throws InvalidOption unless n is at least 2 and a product of 2, 3 and 5.
  explicit RealFft(int n);

  int size() const { return n_; }
  int bins() const { return n_ / 2 + 1; }

  // in: size() samples; out: bins() values |X[k]|^2, k = 0..n/2, with X[k] = sum in[j] e^(-2 pi i
  // jk/n), unscaled. The two may not overlap. Safe to call from several threads at a time.
  void power(const float* in, float* out) const;

 private:
  struct Stage {
    int radix = 0;
    int groups = 0;          // butterflies with different twiddles: the length still to do / radix
    int stride = 0;          // butterflies that share them
    std::vector<float> cos;  // [groups][radix - 1] twiddles
    std::vector<float> sin;
  };

  // Transforms work[0] (real parts) and work[1] (imaginary parts) of length m_, with work[2] and
  // work[3] as the other half of the ping-pong. Returns 0 or 2: where the result's real parts are.
  int transform(float* const work[4]) const;

  int n_;
  int m_;  // length of the complex transform: n/2 for even n, else n
  std::vector<Stage> stages_;
  std::vector<float> split_cos_;  // twiddles that separate even and odd samples, k = 0..n/2
  std::vector<float> split_sin_;
};

}  // namespace earwitness
