// One direction of a bidirectional LSTM layer, for several sequences at a time.
#pragma once

#include "earwitness/cancel.h"
#include "kernels/aligned.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

// What one call of lstm_direction() works in; kept between calls so that memory is reused.
struct LstmScratch {
  kernels::FloatBuffer gates;
  kernels::FloatBuffer cell;
};

// Frames are in time order and hold one row for each of `batch` sequences: frame t's rows start at
// (t * batch) * width floats. The direction writes kHidden floats of each output row of
// 2 * kHidden: the first half forward, the second half backward.
struct LstmInput {
  const float* data;
  int width;
  int frames;
  int batch;
};

// Throws Cancelled.
void lstm_direction(const LstmInput& in, const SegmentationWeights::Direction& weights,
                    bool backward, float* out, LstmScratch& scratch, const CancelToken& cancel);

}  // namespace earwitness::speakers
