// Silero VAD v6.2 at 16 kHz: a short-time Fourier transform, four convolutions, an LSTM.
// https://github.com/snakers4/silero-vad (MIT); its weights in the layout of whisper.cpp's
// models/convert-silero-vad-to-ggml.py.
#pragma once

#include <array>
#include <filesystem>
#include <vector>

#include "earwitness/spans.h"
#include "kernels/gemm.h"

namespace earwitness::spans {

inline constexpr int kContext = 64;   // samples of the frame before that the network hears again
inline constexpr int kMirrored = 64;  // samples put after the frame
inline constexpr int kInput = kContext + kSpeechFrame + kMirrored;
inline constexpr int kLstmSize = 128;
inline constexpr int kGates = 4 * kLstmSize;

// What goes on from one frame to the next.
struct SileroState {
  std::array<float, kContext> context{};
  std::array<float, kLstmSize> hidden{};
  std::array<float, kLstmSize> cell{};
};

// Memory that calls one after another share.
struct SileroScratch {
  kernels::FloatBuffer input, sums, differences, spectrum, magnitude, first, second, third, fourth;
};

class Silero {
 public:
  // Throws ModelError.
  explicit Silero(const std::filesystem::path& path);

  // Frames that it pays to compute together.
  static constexpr int kBatch = 32;

  // What the LSTM is given for `count` <= kBatch frames of kSpeechFrame samples each, heard times
  // `gain`: [count][kGates]. Of what was before only the last kContext samples count.
  void hear(const float* samples, const float* before, int count, float gain,
            SileroScratch& scratch, float* gates) const;

  // The same, with what the network hears of each frame given in full: [count][kInput].
  void hear_padded(const float* input, int count, SileroScratch& scratch, float* gates) const;

  // The frames' probabilities, in their order. `gates` are overwritten.
  void follow(float* gates, int count, SileroState& state, float* probabilities) const;

 private:
  kernels::PackedMatrix cosines_;  // [bins][kFolded]
  kernels::PackedMatrix sines_;
  std::array<kernels::PackedMatrix, 4> convolutions_;
  kernels::PackedMatrix lstm_input_;
  kernels::PackedMatrix lstm_recurrent_;
  std::array<float, kLstmSize> output_{};
  float output_bias_ = 0.0F;
};

}  // namespace earwitness::spans
