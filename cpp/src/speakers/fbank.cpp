#include "speakers/fbank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace earwitness::speakers {
namespace {

// Kaldi's defaults (feature-window.h, mel-computations.h) with 3D-Speaker's 80 bands, no dither.
constexpr int kFft = 512;
constexpr double kSampleRate = 16000.0;
constexpr double kLowHz = 20.0;
constexpr double kHighHz = 8000.0;
constexpr float kPreEmphasis = 0.97F;
constexpr double kPoveyExponent = 0.85;

double mel(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }

}  // namespace

Fbank::Fbank() : fft_(kFft) {
  for (int i = 0; i < kFrame; ++i) {
    const double hann = 0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / (kFrame - 1));
    window_.push_back(static_cast<float>(std::pow(hann, kPoveyExponent)));
  }
  const double low = mel(kLowHz);
  const double step = (mel(kHighHz) - low) / (kBands + 1);
  for (int b = 0; b < kBands; ++b) {
    const double left = low + b * step;
    Filter filter;
    for (int bin = 0; bin < kFft / 2; ++bin) {  // Kaldi leaves out the Nyquist bin
      const double m = mel(bin * kSampleRate / kFft);
      const double weight = std::min((m - left) / step, (left + 2 * step - m) / step);
      if (weight <= 0.0) continue;
      if (filter.weights.empty()) filter.first = bin;
      filter.weights.push_back(static_cast<float>(weight));
    }
    filters_.push_back(std::move(filter));
  }
}

int Fbank::frames(std::size_t samples) {
  if (samples < kFrame) return 0;
  return static_cast<int>((samples - kFrame) / kShift) + 1;
}

void Fbank::run(const float* samples, int count, float* out) const {
  std::array<float, kFft> frame{};  // zeros after the kFrame samples
  std::array<float, kFft / 2 + 1> power{};
  for (int t = 0; t < count; ++t) {
    const float* x = samples + static_cast<std::ptrdiff_t>(t) * kShift;
    const double sum = std::accumulate(x, x + kFrame, 0.0);
    const auto mean = static_cast<float>(sum / kFrame);
    float previous = x[0] - mean;
    for (std::size_t i = 0; i < kFrame; ++i) {
      const float value = x[i] - mean;
      frame[i] = (value - kPreEmphasis * previous) * window_[i];
      previous = value;
    }
    fft_.power(frame.data(), power.data());
    for (std::size_t b = 0; b < kBands; ++b) {
      const Filter& filter = filters_[b];
      const float energy = std::inner_product(filter.weights.begin(), filter.weights.end(),
                                              power.begin() + filter.first, 0.0F);
      *out++ = std::log(std::max(energy, std::numeric_limits<float>::epsilon()));
    }
  }
}

void subtract_mean(float* features, int frames) {
  std::array<double, Fbank::kBands> sums{};
  for (int t = 0; t < frames; ++t) {
    const float* row = features + static_cast<std::ptrdiff_t>(t) * Fbank::kBands;
    for (std::size_t b = 0; b < sums.size(); ++b) sums[b] += static_cast<double>(row[b]);
  }
  for (int t = 0; t < frames; ++t) {
    float* row = features + static_cast<std::ptrdiff_t>(t) * Fbank::kBands;
    for (std::size_t b = 0; b < sums.size(); ++b) row[b] -= static_cast<float>(sums[b] / frames);
  }
}

}  // namespace earwitness::speakers
