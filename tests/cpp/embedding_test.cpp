#include "speakers/embedding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "check.h"
#include "diarizer_reference.h"
#include "earwitness/error.h"
#include "speakers/fbank.h"

namespace earwitness::speakers {
namespace {

constexpr std::size_t kBands = Embedder::kBands;
constexpr std::size_t kFeatures = Embedder::kFeatures;

template <typename A, typename B>
double cosine(const A& a, const B& b) {
  double ab = 0.0;
  double aa = 0.0;
  double bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

// Mean-subtracted frames first .. first + count - 1 of the reference audio.
std::vector<float> fbank_of(int first, int count) {
  std::vector<float> out(static_cast<std::size_t>(count) * kBands);
  Fbank().run(reference().pcm.data() + first * Fbank::kShift, count, out.data());
  subtract_mean(out.data(), count);
  return out;
}

std::vector<float> features_of(int first, int count, int threads = 1) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(threads);
  const auto frames = static_cast<std::size_t>(Embedder::feature_frames(count));
  std::vector<float> out(frames * kFeatures);
  embedder.frame_features(fbank_of(first, count).data(), count, out.data(), pool, {});
  return out;
}

PcmView view(const std::vector<float>& pcm, std::size_t size) { return {pcm.data(), size}; }

// What rounding the weights costs is apart from what our arithmetic does: with the same weights
// next to nothing may be left between the two.
constexpr double kSameWeights = 1.0 - 1e-6;

TEST(voice_of_ten_seconds_agrees_with_the_reference) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(1);
  const std::vector<float>& pcm = reference().pcm;
  const Embedding voice = embedder.embed(view(pcm, pcm.size()), pool, {});
  CHECK(cosine(voice, reference().voice) >= 0.999);
  CHECK(cosine(voice, reference().shipped_voice) >= kSameWeights);
  CHECK_NEAR(std::inner_product(voice.begin(), voice.end(), voice.begin(), 0.0F), 1.0, 1e-5);
}

TEST(voice_of_a_short_piece_agrees_with_the_reference) {
  const Embedder embedder(shipped_weights());
  const std::vector<float> features = features_of(Reference::kShortFirst, Reference::kShortFrames);
  const std::vector<float> ones(features.size() / kFeatures, 1.0F);
  const Embedding voice =
      embedder.pool(features.data(), ones.data(), static_cast<int>(ones.size()));
  CHECK(cosine(voice, reference().short_voice) >= 0.999);
  CHECK(cosine(voice, reference().shipped_short_voice) >= kSameWeights);
}

TEST(results_do_not_depend_on_threads) {
  const std::vector<float> one = features_of(0, 333, 1);
  CHECK(features_of(0, 333, 2) == one);
  CHECK(features_of(0, 333, 5) == one);
}

TEST(every_number_of_frames_works) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(2);
  // Used again and again, larger and smaller: nothing of one call may leak into the next.
  for (const int count : {1, 2, 3, 7, 200, 5, 201, 1}) {
    const std::vector<float> fbank = fbank_of(100, count);
    const auto frames = static_cast<std::size_t>(Embedder::feature_frames(count));
    std::vector<float> out(frames * kFeatures);
    embedder.frame_features(fbank.data(), count, out.data(), pool, {});
    CHECK(out == features_of(100, count));
    CHECK(std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); }));
  }
}

TEST(frame_counts_out_of_range_are_refused) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(1);
  const std::vector<float> fbank(std::size_t{Embedder::kMaxFrames + 1} * kBands);
  std::vector<float> out(std::size_t{Embedder::kMaxFrames} * kFeatures);
  for (const int count : {-1, 0, Embedder::kMaxFrames + 1}) {
    CHECK_THROWS(InvalidOption, embedder.frame_features(fbank.data(), count, out.data(), pool, {}));
  }
}

TEST(pooling_ignores_frames_of_weight_0) {
  const Embedder embedder(shipped_weights());
  const std::vector<float> features = features_of(0, 200);
  std::vector<float> weights(100, 0.0F);
  std::fill(weights.begin() + 20, weights.begin() + 60, 1.0F);
  const std::vector<float> ones(40, 1.0F);
  CHECK(embedder.pool(features.data(), weights.data(), 100) ==
        embedder.pool(features.data() + 20 * kFeatures, ones.data(), 40));
}

TEST(pooling_needs_a_positive_weight) {
  const Embedder embedder(shipped_weights());
  const std::vector<float> features = features_of(0, 20);
  const std::vector<float> weights(10, 0.0F);
  CHECK_THROWS(InvalidOption, embedder.pool(features.data(), weights.data(), 10));
  CHECK_THROWS(InvalidOption, embedder.pool(features.data(), weights.data(), 0));
}

TEST(a_long_recording_is_embedded_piece_by_piece) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(2);
  std::vector<float> twice = reference().pcm;
  twice.insert(twice.end(), reference().pcm.begin(), reference().pcm.end());
  const Embedding voice = embedder.embed(view(twice, twice.size()), pool, {});
  CHECK(cosine(voice, reference().voice) > 0.95);
}

TEST(audio_that_cannot_be_embedded_is_refused) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(1);
  std::vector<float> pcm(800, 0.1F);
  CHECK_THROWS(AudioError, embedder.embed(view(pcm, 0), pool, {}));
  CHECK_THROWS(AudioError, embedder.embed(view(pcm, 399), pool, {}));
  pcm[500] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS(AudioError, embedder.embed(view(pcm, 800), pool, {}));
}

TEST(a_constant_signal_gives_a_finite_voice) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(1);
  const std::vector<float> pcm(400, 0.0F);
  const Embedding voice = embedder.embed(view(pcm, pcm.size()), pool, {});
  CHECK(std::all_of(voice.begin(), voice.end(), [](float x) { return std::isfinite(x); }));
}

TEST(a_cancelled_call_throws) {
  Embedder embedder(shipped_weights());
  kernels::ThreadPool pool(2);
  CancelToken cancelled;
  cancelled.cancel();
  const std::vector<float>& pcm = reference().pcm;
  CHECK_THROWS(Cancelled, embedder.embed(view(pcm, pcm.size()), pool, cancelled));
}

}  // namespace
}  // namespace earwitness::speakers

CHECK_MAIN()
