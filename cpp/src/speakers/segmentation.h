// pyannote's segmentation-3.0 (MIT): which of up to three speakers are active when, in windows of
// 10 s. Numbers from its configuration and pyannote.audio's PyanNet.
#pragma once

#include <memory>

#include "earwitness/cancel.h"
#include "kernels/thread_pool.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

class Segmentation {
 public:
  static constexpr int kWindow = 160000;       // samples at 16 kHz: 10 s
  static constexpr int kFrames = 589;          // in a window
  static constexpr int kFrameStep = 270;       // samples: 16.875 ms
  static constexpr int kReceptiveField = 991;  // samples that a frame sees; its centre is the
                                               // frame's time
  static constexpr int kSpeakers = 3;          // local to a window
  static constexpr int kClasses = 7;

  // Powerset classes: silence, one speaker, two speakers at a time; bit s = local speaker s.
  static constexpr int kClassSpeakers[kClasses] = {0, 1, 2, 4, 3, 5, 6};

  explicit Segmentation(std::shared_ptr<const DiarizerWeights> weights);
  ~Segmentation();

  Segmentation(Segmentation&&) noexcept;
  Segmentation& operator=(Segmentation&&) noexcept;

  // windows[i]: kWindow samples in [-1, 1], the audio's last one filled up with zeros. out:
  // [count][kFrames][kClasses] natural logs of probabilities, the same to the bit whatever the
  // count or the number of threads. Twelve or more windows at a time per two threads go fastest.
  // Not for two threads at a time: make one object for each. Throws Cancelled.
  void run(const float* const* windows, int count, float* out, kernels::ThreadPool& pool,
           const CancelToken& cancel);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace earwitness::speakers
