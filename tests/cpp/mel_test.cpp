#include "speech/mel.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

constexpr int kBins = 201;

std::vector<float> filters(int n_mels) {
  synthetic::Spec spec;
  spec.n_mels = n_mels;
  spec.n_vocab = 1000;
  return synthetic::make_image(spec).filters;
}

float sample_at(const std::vector<float>& pcm, std::ptrdiff_t i) {
  return i < 0 || i >= static_cast<std::ptrdiff_t>(pcm.size()) ? 0.0F
                                                               : pcm[static_cast<std::size_t>(i)];
}

// The definition, with a Fourier sum for every bin.
std::vector<double> by_definition(const std::vector<float>& pcm, std::size_t begin, int n_frames,
                                  const std::vector<float>& filter, int n_mels) {
  std::vector<double> out(static_cast<std::size_t>(n_mels * n_frames));
  double loudest = -10.0;
  for (int t = 0; t < n_frames; ++t) {
    std::vector<double> power(kBins);
    for (int k = 0; k < kBins; ++k) {
      std::complex<double> sum = 0.0;
      for (int i = 0; i < 400; ++i) {
        const double window = 0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / 400.0);
        const auto at = static_cast<std::ptrdiff_t>(begin) + t * 160 - 200 + i;
        sum += window * sample_at(pcm, at) *
               std::polar(1.0, -2.0 * std::numbers::pi * (i * k % 400) / 400.0);
      }
      power[static_cast<std::size_t>(k)] = std::norm(sum);
    }
    for (int m = 0; m < n_mels; ++m) {
      double sum = 0.0;
      for (int k = 0; k < kBins; ++k) {
        sum += filter[static_cast<std::size_t>(m * kBins + k)] * power[static_cast<std::size_t>(k)];
      }
      const double value = std::log10(std::max(sum, 1e-10));
      out[static_cast<std::size_t>(m * n_frames + t)] = value;
      loudest = std::max(loudest, value);
    }
  }
  for (double& value : out) value = (std::max(value, loudest - 8.0) + 4.0) / 4.0;
  return out;
}

void check_mel(const std::vector<float>& pcm, std::size_t begin, int n_frames, int n_mels) {
  const std::vector<float> filter = filters(n_mels);
  std::vector<float> got;
  Mel(filter, n_mels, kBins).compute({pcm.data(), pcm.size()}, begin, n_frames, got);
  const std::vector<double> want = by_definition(pcm, begin, n_frames, filter, n_mels);
  CHECK(got.size() == want.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    worst = std::max(worst, std::abs(got[i] - want[i]));
  }
  CHECK_NEAR(worst, 0.0, 2e-4);
}

TEST(agrees_with_the_definition) {
  check_mel(synthetic::sound(0.3), 0, 30, 80);
  check_mel(synthetic::sound(0.2), 0, 20, 128);
}

TEST(a_later_window_hears_the_samples_before_it) {
  check_mel(synthetic::sound(0.5), 16 * 160 + 7, 20, 80);
}

TEST(beyond_the_recording_is_silence) {
  check_mel(synthetic::sound(0.1), 0, 30, 80);    // ends in the middle
  check_mel(synthetic::sound(0.1), 5000, 5, 80);  // begins after the end
  check_mel({}, 0, 5, 80);
  check_mel({0.5F}, 0, 3, 80);
}

TEST(silence_is_flat) {
  const std::vector<float> filter = filters(80);
  const std::vector<float> pcm(16000, 0.0F);
  std::vector<float> out;
  Mel(filter, 80, kBins).compute({pcm.data(), pcm.size()}, 0, 10, out);
  CHECK(std::all_of(out.begin(), out.end(), [](float v) { return std::abs(v + 1.5F) < 1e-6F; }));
}

TEST(threads_hear_the_same_as_one) {
  const std::vector<float> pcm = synthetic::sound(3.0);
  const Mel mel(filters(80), 80, kBins);
  kernels::ThreadPool pool(3);
  std::vector<float> alone;
  std::vector<float> shared;
  for (const int n_frames : {1, 100, 299}) {
    const float silence = mel.compute({pcm.data(), pcm.size()}, 11, n_frames, alone);
    CHECK(mel.compute({pcm.data(), pcm.size()}, 11, n_frames, pool, shared) == silence);
    CHECK(shared == alone);
  }
}

TEST(a_filter_of_zeros_hears_nothing) {
  const std::vector<float> pcm = synthetic::sound(0.1);
  std::vector<float> out;
  Mel(std::vector<float>(2 * kBins, 0.0F), 2, kBins).compute({pcm.data(), pcm.size()}, 0, 4, out);
  CHECK(out == std::vector<float>(8, -1.5F));
}

TEST(filters_for_another_transform_are_refused) {
  for (const int bins : {1, 200, 202, 257}) {
    CHECK_THROWS(ModelError,
                 Mel(std::vector<float>(static_cast<std::size_t>(80 * bins)), 80, bins));
  }
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
