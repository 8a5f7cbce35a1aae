// Hears a recording window by window: the two networks, each over every part of it once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "earwitness/types.h"
#include "kernels/thread_pool.h"
#include "runtime/watch.h"
#include "speakers/embedding.h"
#include "speakers/evidence.h"
#include "speakers/fbank.h"
#include "speakers/segmentation.h"
#include "speakers/voice_sampler.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

class Listener {
 public:
  // hop: about so many seconds from one window to the next; such that a whole number of hops covers
  // a window.
  Listener(std::shared_ptr<const DiarizerWeights> weights, PcmView pcm, double hop,
           kernels::ThreadPool& pool, Watch& watch);

  // Reports progress from 0 to `progress_share`.
  Evidence run(double progress_share);

 private:
  void place_windows(double hop);
  void segment(std::size_t first, std::size_t count);
  void hear(const Window& window, bool last);
  void hear_frames(const std::vector<int>& frames, std::int64_t first_frame);

  PcmView pcm_;
  kernels::ThreadPool& pool_;
  Watch& watch_;
  Segmentation segmentation_;
  Embedder embedder_;
  Fbank fbank_;
  VoiceSampler sampler_;
  std::vector<std::int64_t> starts_;  // of windows, in frames
  std::size_t hear_every_ = 1;        // windows
  std::int64_t heard_ = 0;            // filterbank frames before are done
  std::vector<std::vector<float>> padded_;
  std::vector<float> log_probabilities_;
  std::vector<float> bands_;  // [frames][kBands] of the window that is heard
  std::vector<float> piece_;
  std::vector<float> features_;
};

}  // namespace earwitness::speakers
