// Voices: from filterbank frames to features at 50 Hz, and from features to one unit vector.
//
// The features of a stretch are computed once; pooling them with other weights, for any choice of
// frames, then costs next to nothing.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "earwitness/cancel.h"
#include "earwitness/types.h"
#include "kernels/thread_pool.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

using Embedding = std::array<float, EmbeddingWeights::kEmbedding>;

class Embedder {
 public:
  static constexpr int kBands = EmbeddingWeights::kBands;
  static constexpr int kFeatures = EmbeddingWeights::kFeatures;

  // Most filterbank frames of one piece: 10 s, which takes about 40 MB while it runs. Longer input
  // is split evenly.
  static constexpr int kMaxFrames = 1000;

  explicit Embedder(std::shared_ptr<const DiarizerWeights> weights);
  ~Embedder();

  Embedder(Embedder&&) noexcept;
  Embedder& operator=(Embedder&&) noexcept;

  // Feature frames made of so many filterbank frames: one of two, rounded up.
  static int feature_frames(int frames) { return (frames + 1) / 2; }

  // fbank: [frames][kBands] of one speaker, 1..kMaxFrames frames at 10 ms, each band's mean over
  // them already subtracted (subtract_mean). out: [feature_frames(frames)][kFeatures], feature i
  // centred on frame 2 i. The same to the bit for every number of threads. Not for two threads at a
  // time. Throws InvalidOption for a frame count out of range, Cancelled.
  void frame_features(const float* fbank, int frames, float* out, kernels::ThreadPool& pool,
                      const CancelToken& cancel);

  // The voice of feature frames with a weight of 0 or more each: weighted mean and unbiased
  // standard deviation, the last layer, unit length. features: [frames][kFeatures]. Throws
  // InvalidOption if no weight is positive. May be called by several threads at a time.
  Embedding pool(const float* features, const float* weights, int frames) const;

  // The voice of a recording of one speaker. Throws AudioError if it is shorter than one frame of
  // 25 ms or not finite, Cancelled.
  Embedding embed(PcmView pcm, kernels::ThreadPool& pool, const CancelToken& cancel);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace earwitness::speakers
