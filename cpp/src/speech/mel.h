// PCM → log-mel spectrogram of one window.
#pragma once

#include <span>
#include <vector>

#include "audio/fft.h"
#include "earwitness/types.h"
#include "kernels/thread_pool.h"

namespace earwitness::speech {

// Whisper's front end (openai-whisper, audio.py): Hann window of 25 ms every 10 ms, mel filters
// from the model file, log10 limited to 8 below the window's maximum, (x + 4) / 4.
class Mel {
 public:
  static constexpr int kFftSize = 400;  // samples
  static constexpr int kHopSize = 160;  // samples
  static constexpr int kFramesPerSecond = kSampleRate / kHopSize;

  // filters: [n_mels][n_bins], n_bins = 201. Throws ModelError if they are for another FFT.
  Mel(std::span<const float> filters, int n_mels, int n_bins);

  // Writes [n_mels][n_frames] from sample `begin` on; what lies outside the recording is silence.
  // Returns what every mel of a silent frame is beside them. The pool's threads share the frames.
  float compute(PcmView pcm, std::size_t begin, int n_frames, kernels::ThreadPool& pool,
                std::vector<float>& out) const;
  // On this thread.
  float compute(PcmView pcm, std::size_t begin, int n_frames, std::vector<float>& out) const;

 private:
  struct Band {
    int first_bin = 0;
    std::vector<float> weights;
  };

  // One of the frames, before the limit: each mel at out[mel * stride].
  void hear(PcmView pcm, std::ptrdiff_t from, float* samples, float* power, float* out,
            std::size_t stride) const;

  RealFft fft_;
  std::vector<float> window_;
  std::vector<Band> bands_;
};

}  // namespace earwitness::speech
