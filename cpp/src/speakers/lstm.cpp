#include "speakers/lstm.h"

#include <algorithm>
#include <cstddef>

namespace earwitness::speakers {
namespace {

constexpr int kHidden = SegmentationWeights::kHidden;
constexpr int kGates = 4 * kHidden;
constexpr int kOutput = 2 * kHidden;

// Frames whose input products are made at a time: with 12 sequences 96 rows and 200 KB of gates,
// which are then still in the second cache level when the recurrence reads them.
constexpr int kChunk = 8;

}  // namespace

void lstm_direction(const LstmInput& in, const SegmentationWeights::Direction& weights,
                    bool backward, float* out, LstmScratch& scratch, const CancelToken& cancel) {
  const kernels::Kernels& isa = kernels::active_kernels();
  const std::ptrdiff_t batch = in.batch;
  const auto row_count = static_cast<std::size_t>(batch);
  scratch.gates.resize(row_count * kChunk * kGates);
  scratch.cell.assign(row_count * kHidden, 0.0F);
  float* half = out + (backward ? kHidden : 0);
  const float* previous = nullptr;  // the hidden state of the step before
  for (int done = 0; done < in.frames; done += kChunk) {
    cancel.throw_if_cancelled();
    const int steps = std::min(kChunk, in.frames - done);
    const int first = backward ? in.frames - done - steps : done;
    kernels::gemm_rows({in.data + first * batch * in.width, {in.width}}, 0, steps * in.batch,
                       weights.input, {scratch.gates.data(), {kGates}}, {});
    for (int s = 0; s < steps; ++s) {
      const int step = backward ? steps - 1 - s : s;
      float* gates = scratch.gates.data() + step * batch * kGates;
      if (previous != nullptr) {
        kernels::gemm_rows({previous, {kOutput}}, 0, in.batch, weights.recurrent, {gates, {kGates}},
                           {.accumulate = true});
      }
      float* hidden = half + (first + step) * batch * kOutput;
      isa.lstm({.gates = gates,
                .cell = scratch.cell.data(),
                .hidden = hidden,
                .hidden_stride = kOutput,
                .rows = in.batch,
                .size = kHidden});
      previous = hidden;
    }
  }
}

}  // namespace earwitness::speakers
