#include "speakers/fbank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "diarizer_reference.h"

namespace earwitness::speakers {
namespace {

constexpr std::size_t kBands = Fbank::kBands;

TEST(frames_lie_wholly_within_the_audio) {
  CHECK(Fbank::frames(0) == 0);
  CHECK(Fbank::frames(399) == 0);
  CHECK(Fbank::frames(400) == 1);
  CHECK(Fbank::frames(559) == 1);
  CHECK(Fbank::frames(560) == 2);
  CHECK(Fbank::frames(160000) == 998);
}

TEST(agrees_with_the_reference) {
  const Fbank fbank;
  const Reference& r = reference();
  const int frames = Fbank::frames(r.pcm.size());
  std::vector<float> got(static_cast<std::size_t>(frames) * kBands);
  fbank.run(r.pcm.data(), frames, got.data());
  double worst = 0.0;
  for (std::size_t row = 0; row < Reference::kFbankRows; ++row) {
    for (std::size_t b = 0; b < kBands; ++b) {
      const float x = got[row * Reference::kFbankStep * kBands + b];
      worst = std::max(worst, std::abs(static_cast<double>(x - r.fbank[row * kBands + b])));
    }
  }
  CHECK_NEAR(worst, 0.0, 1e-3);
}

TEST(digital_silence_is_the_floor) {
  const Fbank fbank;
  const std::vector<float> zeros(400);
  std::vector<float> got(kBands);
  fbank.run(zeros.data(), 1, got.data());
  for (const float x : got) CHECK(x == std::log(std::numeric_limits<float>::epsilon()));
}

TEST(a_constant_offset_changes_nothing) {
  const Fbank fbank;
  const Reference& r = reference();
  std::vector<float> shifted(r.pcm.begin() + 16000, r.pcm.begin() + 16400);
  std::vector<float> want(kBands);
  std::vector<float> got(kBands);
  fbank.run(shifted.data(), 1, want.data());
  for (float& x : shifted) x += 0.25F;
  fbank.run(shifted.data(), 1, got.data());
  for (std::size_t b = 0; b < kBands; ++b) CHECK_NEAR(got[b], want[b], 1e-3);
}

TEST(subtract_mean_leaves_bands_with_mean_0) {
  std::vector<float> x(3 * kBands);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 101);
  const float step = x[kBands] - x[0];
  subtract_mean(x.data(), 3);
  CHECK_NEAR(x[kBands] - x[0], step, 1e-5);
  for (std::size_t b = 0; b < kBands; ++b) {
    CHECK_NEAR(x[b] + x[kBands + b] + x[2 * kBands + b], 0.0, 1e-4);
  }
}

}  // namespace
}  // namespace earwitness::speakers

CHECK_MAIN()
