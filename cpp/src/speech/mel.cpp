#include "speech/mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

constexpr float kLeastPower = 1e-10F;
constexpr float kSilence = -10.0F;  // its logarithm
constexpr float kLog10Of2 = 0.301029995663981195F;

}  // namespace

Mel::Mel(std::span<const float> filters, int n_mels, int n_bins)
    : fft_(kFftSize), window_(kFftSize), bands_(static_cast<std::size_t>(n_mels)) {
  if (n_bins != fft_.bins()) {
    throw ModelError("the model's mel filters have " + std::to_string(n_bins) + " bins, not " +
                     std::to_string(fft_.bins()));
  }
  for (int i = 0; i < kFftSize; ++i) {
    window_[static_cast<std::size_t>(i)] =
        static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / kFftSize));
  }
  // A filter is a triangle, zero but for a few bins.
  for (std::size_t m = 0; m < bands_.size(); ++m) {
    const auto row =
        filters.subspan(m * static_cast<std::size_t>(n_bins), static_cast<std::size_t>(n_bins));
    const auto nonzero = [](float w) { return w != 0.0F; };
    const auto first = std::find_if(row.begin(), row.end(), nonzero);
    const auto last = std::find_if(row.rbegin(), row.rend(), nonzero).base();
    if (first == row.end()) continue;
    bands_[m].first_bin = static_cast<int>(first - row.begin());
    bands_[m].weights.assign(first, last);
  }
}

void Mel::hear(PcmView pcm, std::ptrdiff_t from, float* samples, float* power, float* out,
               std::size_t stride) const {
  const auto total = static_cast<std::ptrdiff_t>(pcm.size);
  for (int i = 0; i < kFftSize; ++i) {
    const std::ptrdiff_t at = from + i;
    samples[i] = at >= 0 && at < total ? pcm.data[at] * window_[static_cast<std::size_t>(i)] : 0.0F;
  }
  fft_.power(samples, power);
  for (std::size_t m = 0; m < bands_.size(); ++m) {
    const Band& band = bands_[m];
    const float* bins = power + band.first_bin;
    float sum = 0.0F;
    for (std::size_t i = 0; i < band.weights.size(); ++i) sum += band.weights[i] * bins[i];
    out[m * stride] = kLog10Of2 * std::log2(std::max(sum, kLeastPower));
  }
}

float Mel::compute(PcmView pcm, std::size_t begin, int n_frames, kernels::ThreadPool& pool,
                   std::vector<float>& out) const {
  constexpr int kTaskFrames = 100;
  const auto frames = static_cast<std::size_t>(n_frames);
  out.resize(bands_.size() * frames);
  pool.run((n_frames + kTaskFrames - 1) / kTaskFrames, [&](int task, int) {
    std::vector<float> samples(kFftSize);
    std::vector<float> power(static_cast<std::size_t>(fft_.bins()));
    const int end = std::min(n_frames, (task + 1) * kTaskFrames);
    for (int t = task * kTaskFrames; t < end; ++t) {
      // Frames are centred on their time, as torch.stft does.
      const auto from = static_cast<std::ptrdiff_t>(begin) + t * kHopSize - kFftSize / 2;
      hear(pcm, from, samples.data(), power.data(), out.data() + t, frames);
    }
  });
  float loudest = kSilence;
  for (const float value : out) loudest = std::max(loudest, value);
  const float floor = loudest - 8.0F;
  for (float& value : out) value = (std::max(value, floor) + 4.0F) / 4.0F;
  return (std::max(kSilence, floor) + 4.0F) / 4.0F;
}

float Mel::compute(PcmView pcm, std::size_t begin, int n_frames, std::vector<float>& out) const {
  kernels::ThreadPool alone(1);
  return compute(pcm, begin, n_frames, alone, out);
}

}  // namespace earwitness::speech
