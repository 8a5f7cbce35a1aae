// The layers of CAM++ (3D-Speaker) from filterbank frames to the features that are pooled.
#pragma once

#include "earwitness/cancel.h"
#include "kernels/aligned.h"
#include "kernels/thread_pool.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

// What the threads of one call work with and in.
struct CamPlusContext {
  const EmbeddingWeights& weights;
  kernels::ThreadPool& pool;
  const CancelToken& cancel;
};

// Two-dimensional head: ResNet blocks over (time, band), channels last.
class CamPlusHead {
 public:
  // fbank: [frames][80], mean subtracted. out: [frames][320]. Throws Cancelled.
  void run(const CamPlusContext& context, const float* fbank, int frames, float* out);

 private:
  kernels::FloatBuffer input_;
  kernels::FloatBuffer full_;       // at 80 bands
  kernels::FloatBuffer inner_;      // inside a residual block
  kernels::FloatBuffer levels_[2];  // at 40 and 20 bands
};

// One-dimensional trunk: dense blocks with context-aware masks over time.
class CamPlusTrunk {
 public:
  // Frames that remain of so many: the first layer takes every other one.
  static int output_frames(int frames) { return (frames + 1) / 2; }

  // Where to write the head's output: [frames][320]. Rows of zeros lie around it.
  float* input(int frames);

  // out: [output_frames(frames)][512]. Throws Cancelled.
  void run(const CamPlusContext& context, int frames, float* out);

 private:
  void dense_layer(const CamPlusContext& context, const EmbeddingWeights::DenseLayer& layer,
                   int dilation, int channels);
  void make_gates(const EmbeddingWeights::DenseLayer& layer);
  void transit(const CamPlusContext& context, const EmbeddingWeights::Block& block, int channels,
               float* out, int stride, float negative_slope);

  int frames_ = 0;  // of x_
  kernels::FloatBuffer input_;
  kernels::FloatBuffer x_;        // [frames][1024], as many channels filled as there are so far
  kernels::FloatBuffer wide_;     // [frames + 4][128], two rows of zeros at either end
  kernels::FloatBuffer context_;  // [segments][128]
  kernels::FloatBuffer hidden_;   // [segments][64]
  kernels::FloatBuffer gates_;    // [segments][32]
};

}  // namespace earwitness::speakers
