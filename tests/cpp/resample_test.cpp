// Raw samples of any rate and channel count to 16 kHz mono.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "check.h"
#include "earwitness/audio.h"
#include "earwitness/error.h"

namespace {

using namespace earwitness;

std::vector<float> sine(double frequency, int rate, std::size_t count, double amplitude = 0.5) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / rate;
    samples[i] = static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * frequency * t));
  }
  return samples;
}

double rms(const float* samples, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(samples[i]) * samples[i];
  return std::sqrt(sum / static_cast<double>(count));
}

double decibels(double ratio) { return 20.0 * std::log10(std::max(ratio, 1e-15)); }

// Away from the ends, where the filter sees the silence outside.
constexpr std::size_t kEdge = 800;

// Level of what differs from the same sine generated at 16 kHz, against that sine.
double resampling_error(double frequency, int rate) {
  const Pcm out = to_mono_16k(sine(frequency, rate, static_cast<std::size_t>(rate)), rate, 1);
  CHECK(out.size() == 16000);
  std::vector<float> difference = sine(frequency, kSampleRate, out.size());
  const double level = rms(difference.data() + kEdge, out.size() - 2 * kEdge);
  for (std::size_t i = 0; i < out.size(); ++i) difference[i] -= out.data()[i];
  return decibels(rms(difference.data() + kEdge, out.size() - 2 * kEdge) / level);
}

// Level that is left of a sine above the band of the output, against that sine.
double aliasing(double frequency, int rate) {
  const std::vector<float> input = sine(frequency, rate, static_cast<std::size_t>(rate));
  const Pcm out = to_mono_16k(input, rate, 1);
  return decibels(rms(out.data() + kEdge, out.size() - 2 * kEdge) /
                  rms(input.data(), input.size()));
}

TEST(the_passband_is_kept) {
  for (const int rate : {8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000, 44101, 23999}) {
    for (const double frequency : {50.0, 440.0, 1000.0, 3000.0}) {
      CHECK(resampling_error(frequency, rate) < -80.0);
    }
  }
  CHECK(resampling_error(7400.0, 48000) < -80.0);
  CHECK(resampling_error(7400.0, 44100) < -80.0);
  CHECK(resampling_error(3700.0, 8000) < -80.0);
}

TEST(nothing_folds_back) {
  for (const int rate : {22050, 32000, 44100, 48000, 96000, 44101}) {
    for (const double frequency : {8000.0, 8100.0, 9000.0, 10500.0}) {
      CHECK(aliasing(frequency, rate) < -80.0);
    }
  }
}

TEST(lengths_are_exact_and_blocks_do_not_show) {
  for (const int rate : {8000, 11025, 16000, 44100, 44101, 48000}) {
    for (const std::size_t count : {3U, 4U, 100U, 1001U, 20001U, 70000U}) {
      const Pcm out = to_mono_16k(sine(440, rate, count), rate, 1);
      const double exact = static_cast<double>(count) * kSampleRate / rate;
      CHECK(out.size() == static_cast<std::size_t>(exact + 0.5));
    }
  }
  // 70 000 samples cross the block size; each half on its own must match away from the cut.
  const std::vector<float> input = sine(440, 48000, 70000);
  const Pcm whole = to_mono_16k(input, 48000, 1);
  const Pcm part = to_mono_16k(std::span(input).first(48000), 48000, 1);
  CHECK(std::equal(part.data(), part.data() + 16000 - kEdge, whole.data()));
}

TEST(channels_become_their_mean) {
  const std::vector<float> stereo = {0.5F, 0.25F, -1.0F, 1.0F, 0.0F, -0.5F};
  const Pcm out = to_mono_16k(stereo, 16000, 2);
  CHECK(out.size() == 3);
  CHECK(out.data()[0] == 0.375F && out.data()[1] == 0.0F && out.data()[2] == -0.25F);

  const std::vector<std::int16_t> three = {32767, -32768, 1, 16384, 16384, 16384};
  const Pcm mixed = to_mono_16k(three, 16000, 3);
  CHECK(mixed.size() == 2);
  CHECK_NEAR(mixed.data()[0], 0.0, 1e-7);
  CHECK_NEAR(mixed.data()[1], 0.5, 1e-7);
}

TEST(impossible_formats_and_samples_are_refused) {
  const std::vector<float> samples(1600, 0.1F);
  for (const int rate : {-1, 0, 999, 384001, std::numeric_limits<int>::max()}) {
    CHECK_THROWS(InvalidOption, to_mono_16k(samples, rate, 1));
  }
  for (const int channels : {-1, 0, 9}) {
    CHECK_THROWS(InvalidOption, to_mono_16k(samples, 16000, channels));
  }
  CHECK_THROWS(InvalidOption, to_mono_16k(samples, 16000, 3));
  CHECK_THROWS(AudioError, to_mono_16k(std::span<const float>(), 16000, 1));
  using Limits = std::numeric_limits<float>;
  for (const float bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), 1e9F}) {
    std::vector<float> damaged = samples;
    damaged[1234] = bad;
    CHECK_THROWS(AudioError, to_mono_16k(damaged, 16000, 1));
    CHECK_THROWS(AudioError, to_mono_16k(damaged, 44100, 1));
  }
}

}  // namespace

CHECK_MAIN()
