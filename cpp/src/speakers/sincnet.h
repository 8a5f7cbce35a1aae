// SincNet: the learned front end of segmentation-3.0, from samples to 589 frames of 60 channels.
#pragma once

#include <cstddef>

#include "earwitness/cancel.h"
#include "kernels/aligned.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

// What one call of sincnet() works in.
struct SincNetScratch {
  kernels::FloatBuffer wave;      // normalised
  kernels::FloatBuffer reversed;  // the same back to front
  kernels::FloatBuffer folded;
  kernels::FloatBuffer block;
  kernels::FloatBuffer first;   // after the sinc filters
  kernels::FloatBuffer second;  // after the first convolution
  kernels::FloatBuffer third;   // after the second
};

// window: Segmentation::kWindow samples. out: frame t's kConvChannels values start at
// t * frame_stride. Throws Cancelled.
void sincnet(const SegmentationWeights& weights, const float* window, float* out,
             std::ptrdiff_t frame_stride, SincNetScratch& scratch, const CancelToken& cancel);

}  // namespace earwitness::speakers
