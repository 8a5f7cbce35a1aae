#include "speakers/embedding.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "earwitness/audio.h"
#include "earwitness/error.h"
#include "kernels/gemm.h"
#include "speakers/campplus.h"
#include "speakers/fbank.h"
#include "speakers/unit_vector.h"

namespace earwitness::speakers {
namespace {

constexpr int kFeatures = Embedder::kFeatures;

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

// Sums of weighted features and of their squared distances from a mean, in double: a recording may
// have a million frames.
class Statistics {
 public:
  void add(const float* features, const float* weights, int frames) {
    for (int t = 0; t < frames; ++t) {
      const double w = weights != nullptr ? static_cast<double>(weights[t]) : 1.0;
      if (!(w > 0.0)) continue;
      const float* x = features + std::ptrdiff_t{t} * kFeatures;
      weight_ += w;
      weight_squares_ += w * w;
      // West's update of a weighted mean and sum of squares in one pass (CACM 22, 1979).
      const double share = w / weight_;
      for (std::size_t c = 0; c < mean_.size(); ++c) {
        const double delta = static_cast<double>(x[c]) - mean_[c];
        mean_[c] += share * delta;
        squares_[c] += w * delta * (static_cast<double>(x[c]) - mean_[c]);
      }
    }
  }

  bool empty() const { return !(weight_ > 0.0); }

  // [mean, standard deviation]. With equal weights of 1 the divisor is the count less 1.
  std::array<float, 2 * kFeatures> finish() const {
    std::array<float, 2 * kFeatures> out{};
    const double divisor = std::max(weight_ - weight_squares_ / weight_, 1.0);
    for (std::size_t c = 0; c < mean_.size(); ++c) {
      out[c] = static_cast<float>(mean_[c]);
      out[kFeatures + c] = static_cast<float>(std::sqrt(squares_[c] / divisor));
    }
    return out;
  }

 private:
  double weight_ = 0.0;
  double weight_squares_ = 0.0;
  std::array<double, kFeatures> mean_{};
  std::array<double, kFeatures> squares_{};
};

}  // namespace

struct Embedder::Impl {
  std::shared_ptr<const DiarizerWeights> weights;
  Fbank fbank;
  CamPlusHead head;
  CamPlusTrunk trunk;

  Embedding finish(const Statistics& statistics) const {
    const auto pooled = statistics.finish();
    Embedding out{};
    kernels::gemm_rows({pooled.data(), {2 * kFeatures}}, 0, 1, weights->embedding().dense,
                       {out.data(), {EmbeddingWeights::kEmbedding}}, {});
    return unit_vector(out);
  }
};

Embedder::Embedder(std::shared_ptr<const DiarizerWeights> weights)
    : impl_(std::make_unique<Impl>()) {
  impl_->weights = std::move(weights);
}

Embedder::~Embedder() = default;
Embedder::Embedder(Embedder&&) noexcept = default;
Embedder& Embedder::operator=(Embedder&&) noexcept = default;

void Embedder::frame_features(const float* fbank, int frames, float* out, kernels::ThreadPool& pool,
                              const CancelToken& cancel) {
  if (frames < 1 || frames > kMaxFrames) {
    throw InvalidOption("a piece to embed has " + std::to_string(frames) +
                        " frames; it must have 1 to " + std::to_string(kMaxFrames));
  }
  const CamPlusContext context{impl_->weights->embedding(), pool, cancel};
  impl_->head.run(context, fbank, frames, impl_->trunk.input(frames));
  impl_->trunk.run(context, frames, out);
}

Embedding Embedder::pool(const float* features, const float* weights, int frames) const {
  Statistics statistics;
  statistics.add(features, weights, frames);
  if (statistics.empty()) throw InvalidOption("no frame to embed has a positive weight");
  return impl_->finish(statistics);
}

Embedding Embedder::embed(PcmView pcm, kernels::ThreadPool& pool, const CancelToken& cancel) {
  const int frames = Fbank::frames(pcm.size);
  if (frames < 1) throw AudioError("a voice needs at least 25 ms of audio; pass some seconds");
  check_pcm(pcm);
  const int pieces = (frames + kMaxFrames - 1) / kMaxFrames;
  std::vector<float> fbank;
  std::vector<float> features;
  Statistics statistics;
  for (int piece = 0; piece < pieces; ++piece) {
    cancel.throw_if_cancelled();
    const auto first = static_cast<int>(std::ptrdiff_t{frames} * piece / pieces);
    const auto count = static_cast<int>(std::ptrdiff_t{frames} * (piece + 1) / pieces) - first;
    fbank.resize(size(std::ptrdiff_t{count} * kBands));
    features.resize(size(std::ptrdiff_t{feature_frames(count)} * kFeatures));
    impl_->fbank.run(pcm.data + std::ptrdiff_t{first} * Fbank::kShift, count, fbank.data());
    subtract_mean(fbank.data(), count);
    frame_features(fbank.data(), count, features.data(), pool, cancel);
    statistics.add(features.data(), nullptr, feature_frames(count));
  }
  return impl_->finish(statistics);
}

}  // namespace earwitness::speakers
