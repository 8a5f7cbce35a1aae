// Products of activations with constant weights, for every dense layer, convolution and recurrence
// on the CPU.
//
//   const PackedMatrix w(weights, outputs, inputs, bias);
//   gemm({x, {inputs}}, rows, w, {y, {outputs}}, {.negative_slope = 0}, &pool);   // ReLU(x w' + b)
//
// A convolution over channels-last activations is the same product without a copy: the rows of the
// left operand overlap (a tap is the row before or after), or consist of several runs of floats
// (`segments`: dilated taps, or the time taps of a 2-D kernel).
//
// Every output is one chain of multiply-adds in the order of the inputs, or an exact sum of whole
// numbers, whatever the number of rows or threads: results do not depend on either.
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

  // kHalf: weights take half the memory and, where a row is multiplied alone, half the time;
  // products are in float. kInteger: weights of 8 bits, scaled for each output; each row of the
  // left operand is rounded to the 13 to 16 bits whose exact products fit 32-bit sums, which leaves
  // the rounding of the weights as the only error of note. kBytes: that row, too, to 8 bits, which
  // takes half the time where the machine multiplies bytes.
  enum class Precision { kFloat, kHalf, kInteger, kBytes };

  // weights: [outputs][inputs]; bias: [outputs], or null for none.
  PackedMatrix(const float* weights, int outputs, int inputs, const float* bias,
               Precision precision = Precision::kFloat);

  // All weights and biases 0, to be set row by row. Different rows may be set by different threads.
  PackedMatrix(int outputs, int inputs, Precision precision);
  void set_row(int output, const float* weights);
  void set_bias(int output, float value) { bias_[static_cast<std::size_t>(output)] = value; }

  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  int panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // [inputs][kPanel] of the panel's outputs, 0 beyond the last; null in the other precision.
  const float* panel(int index) const;
  const std::uint16_t* half_panel(int index) const;
  // padded_inputs() * kPanel numbers in layout(), and [kPanel]: weight = number * scale, and the
  // sums of the numbers.
  const std::int8_t* integer_panel(int index) const;
  const float* scales(int panel) const { return scales_.data() + panel * kPanel; }
  const std::int32_t* sums(int panel) const { return sums_.data() + panel * kPanel; }
  Layout layout() const;  // of the active kernels for the precision
  int padded_inputs() const { return kernels::padded_inputs(layout(), inputs_); }
  // What the numbers of a left operand may be at most.
  float integer_limit() const;
  Precision precision() const { return precision_; }
  bool whole_numbers() const {
    return precision_ == Precision::kInteger || precision_ == Precision::kBytes;
  }
  // The weight of one output and input.
  float weight(int output, int input) const;
  const float* bias(int panel) const;

 private:
  // Where the number of one output and input is among integers_.
  std::size_t integer_place(int output, int input) const;

  int outputs_ = 0;
  int inputs_ = 0;
  Precision precision_ = Precision::kFloat;
  FloatBuffer weights_;
  AlignedVector<std::uint16_t> halves_;
  AlignedVector<std::int8_t> integers_;
  FloatBuffer scales_;
  AlignedVector<std::int32_t> sums_;
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

// All rows 0 .. count - 1, shared among the pool's threads, by rows or, where those are few, by
// outputs. Throws Cancelled.
void gemm(const LeftOperand& a, int count, const PackedMatrix& b, const Output& c,
          const Epilogue& epilogue, ThreadPool& pool, const CancelToken& cancel);

}  // namespace earwitness::kernels
