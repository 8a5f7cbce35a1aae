#include "audio/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace earwitness::audio {
namespace {

constexpr double kAttenuation = 90.0;  // dB
constexpr double kPassband = 0.9375;   // share of the lower Nyquist frequency

// Ratios with up to this many phases (all common rates) have a row of the table for each; others
// interpolate between neighbouring rows. The error of that is below |h''| / (8 * 1024^2), which is
// -118 dB for a sinc.
constexpr std::uint64_t kMaxPhases = 1024;

// Modified Bessel function of the first kind and order zero, by its power series.
double bessel_i0(double x) {
  double sum = 1.0;
  double term = 1.0;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

// Independent partial sums, so that the compiler may use vector instructions without leave to
// reorder floating-point sums. `count` is a multiple of 16.
float dot(const float* a, const float* b, std::size_t count) {
  std::array<float, 16> sums{};
  for (std::size_t i = 0; i < count; i += 16) {
    for (std::size_t j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (std::size_t width = 8; width > 0; width /= 2) {
    for (std::size_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  }
  return sums[0];
}

}  // namespace

Resampler::Resampler(int rate) {
  const int divisor = std::gcd(rate, kSampleRate);
  up_ = static_cast<std::uint64_t>(kSampleRate / divisor);
  down_ = static_cast<std::uint64_t>(rate / divisor);
  build_filter(rate);
  history_.assign(half_ - 1, 0.0F);
}

void Resampler::build_filter(int rate) {
  // In units of the input rate: the transition band and its middle.
  const double nyquist = 0.5 * std::min(rate, kSampleRate) / rate;
  const double transition = (1.0 - kPassband) * nyquist;
  const double cutoff = 0.5 * (1.0 + kPassband) * nyquist;
  const double beta = 0.1102 * (kAttenuation - 8.7);
  const double taps = (kAttenuation - 7.95) / (2.285 * 2.0 * std::numbers::pi * transition);
  half_ = static_cast<std::size_t>(std::ceil(taps / 16.0)) * 8;
  phases_ = static_cast<std::size_t>(std::min(up_, kMaxPhases));

  const std::size_t width = 2 * half_;
  table_.resize((phases_ + 1) * width);
  std::vector<double> row(width);
  const double window_scale = 1.0 / bessel_i0(beta);
  // The filter is symmetric: the last row is the first one backwards, and so on inwards.
  for (std::size_t phase = 0; phase <= phases_ / 2; ++phase) {
    const double shift = static_cast<double>(phase) / static_cast<double>(phases_);
    double sum = 0.0;
    for (std::size_t k = 0; k < width; ++k) {
      const double x = static_cast<double>(k) - static_cast<double>(half_ - 1) - shift;
      const double edge = x / static_cast<double>(half_);
      const double window =
          bessel_i0(beta * std::sqrt(std::max(0.0, 1.0 - edge * edge))) * window_scale;
      const double angle = 2.0 * std::numbers::pi * cutoff * x;
      const double sinc = std::abs(angle) < 1e-9 ? 1.0 : std::sin(angle) / angle;
      row[k] = sinc * window;
      sum += row[k];
    }
    // Every phase passes a constant unchanged.
    float* forward = table_.data() + phase * width;
    float* backward = table_.data() + (phases_ - phase) * width;
    for (std::size_t k = 0; k < width; ++k) {
      forward[k] = static_cast<float>(row[k] / sum);
      backward[width - 1 - k] = forward[k];
    }
  }
}

float Resampler::sample_at(const float* window) const {
  const std::size_t width = 2 * half_;
  if (phases_ == up_) {
    return dot(window, table_.data() + static_cast<std::size_t>(fraction_) * width, width);
  }
  const std::uint64_t scaled = fraction_ * phases_;
  const float* row = table_.data() + static_cast<std::size_t>(scaled / up_) * width;
  const float weight = static_cast<float>(scaled % up_) / static_cast<float>(up_);
  const float below = dot(window, row, width);
  return below + weight * (dot(window, row + width, width) - below);
}

void Resampler::produce(std::uint64_t limit, Pcm& out) {
  // `whole_` counted from the input is the first tap counted from the zeros before it.
  const std::uint64_t end = history_start_ + history_.size();
  if (whole_ + 2 * half_ > end) return;
  const std::uint64_t room = (end - 2 * half_ - whole_) * up_ / down_ + 2;
  const std::uint64_t count = std::min(limit - produced_, room);
  constexpr std::size_t kBlock = 4096;
  std::array<float, kBlock> block;
  for (std::uint64_t done = 0; done < count;) {
    std::size_t filled = 0;
    while (filled < kBlock && done < count && whole_ + 2 * half_ <= end) {
      block[filled++] = sample_at(history_.data() + (whole_ - history_start_));
      ++done;
      fraction_ += down_;
      whole_ += fraction_ / up_;
      fraction_ %= up_;
    }
    if (filled == 0) break;
    std::copy_n(block.data(), filled, out.extend(filled));
    produced_ += filled;
  }
  const std::uint64_t unused = std::min<std::uint64_t>(whole_ - history_start_, history_.size());
  history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(unused));
  history_start_ += unused;
}

void Resampler::push(const float* samples, std::size_t count, Pcm& out) {
  history_.insert(history_.end(), samples, samples + count);
  received_ += count;
  produce(std::numeric_limits<std::uint64_t>::max(), out);
}

void Resampler::finish(Pcm& out) {
  const std::uint64_t total = (2 * received_ * up_ + down_) / (2 * down_);
  history_.insert(history_.end(), half_ + 1, 0.0F);
  if (total > produced_) produce(total, out);
}

}  // namespace earwitness::audio
