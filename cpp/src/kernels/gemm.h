// Products of activations with constant weights in float32, for every dense layer, convolution and
// recurrence on the CPU.
//
//   const PackedMatrix w(weights, outputs, inputs, bias);
//   gemm({x, {inputs}}, rows, w, {y, {outputs}}, {.negative_slope = 0}, &pool);   // ReLU(x w' + b)
//
// A convolution over channels-last activations is the same product without a copy: the rows of the
// left operand overlap (a tap is the row before or after), or consist of several runs of floats
// (`segments`: dilated taps, or the time taps of a 2-D kernel).
//
// Every output is one chain of multiply-adds in the order of the inputs, whatever the number of
// rows or threads: results do not depend on either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "earwitness/cancel.h"
#include "kernels/aligned.h"
#include "kernels/isa.h"
#include "kernels/thread_pool.h"

namespace earwitness::kernels {

class PackedMatrix {
 public:
  PackedMatrix() = default;

  enum class Precision { kFloat, kHalf };

  // weights: [outputs][inputs]; bias: [outputs], or null for none. In half precision weights take
  // half the memory and, where a row is multiplied alone, half the time; products are in float.
  PackedMatrix(const float* weights, int outputs, int inputs, const float* bias,
               Precision precision = Precision::kFloat);

  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  int panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // [inputs][kPanel] of the panel's outputs, 0 beyond the last; null in the other precision.
  const float* panel(int index) const;
  const std::uint16_t* half_panel(int index) const;
  // The weight of one output and input.
  float weight(int output, int input) const;
  const float* bias(int panel) const;

 private:
  int outputs_ = 0;
  int inputs_ = 0;
  FloatBuffer weights_;
  std::vector<std::uint16_t, CacheLineAllocator<std::uint16_t>> halves_;
  FloatBuffer bias_;
};

// Where rows start: row r at (r / group) * group_stride + (r % group) * stride floats.
struct RowLayout {
  std::ptrdiff_t stride = 0;
  int group = std::numeric_limits<int>::max();
  std::ptrdiff_t group_stride = 0;

  std::ptrdiff_t at(int row) const { return row / group * group_stride + row % group * stride; }
};

struct LeftOperand {
  const float* data = nullptr;
  RowLayout rows;
  int segments = 1;  // the inputs divide evenly among them
  std::ptrdiff_t segment_stride = 0;
};

struct Output {
  float* data = nullptr;
  RowLayout rows;
};

struct Epilogue {
  float negative_slope = 1.0F;      // applied last: 1 = none, 0 = ReLU, between = leaky ReLU
  const float* residual = nullptr;  // added before it; may be the output itself
  RowLayout residual_rows{};
  bool accumulate = false;  // add to what the output holds, in place of the bias
};

// The rows first .. first + count - 1, on this thread.
void gemm_rows(const LeftOperand& a, int first, int count, const PackedMatrix& b, const Output& c,
               const Epilogue& epilogue);

// Rows that make a task of useful size for a ThreadPool.
int rows_per_task(const PackedMatrix& b);

// All rows 0 .. count - 1, shared among the pool's threads. Throws Cancelled.
void gemm(const LeftOperand& a, int count, const PackedMatrix& b, const Output& c,
          const Epilogue& epilogue, ThreadPool& pool, const CancelToken& cancel);

}  // namespace earwitness::kernels
