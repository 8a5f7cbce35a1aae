#include "kernels/gemm.h"

#include <algorithm>

namespace earwitness::kernels {
namespace {

// Rows that share one pass over the weights: enough to pay for reading a panel from the second
// cache level, few enough that they stay in it. A multiple of every register tile's rows.
constexpr int kRowBlock = 48;

// Inputs in one pass: 32 KiB of a panel, which stays in the first or second level for the block.
constexpr int kInputBlock = 512;

// Multiply-adds in one task of a shared product: about 50 us of work, far above the cost of handing
// it out, far below the 50 ms within which a call should notice that it was cancelled.
constexpr std::ptrdiff_t kTaskWork = 2'000'000;

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

}  // namespace

PackedMatrix::PackedMatrix(const float* weights, int outputs, int inputs, const float* bias)
    : outputs_(outputs), inputs_(inputs) {
  weights_.assign(size(panels()) * size(inputs) * kPanel, 0.0F);
  bias_.assign(size(panels()) * kPanel, 0.0F);
  for (int o = 0; o < outputs; ++o) {
    float* out = weights_.data() + size(o / kPanel) * size(inputs) * kPanel + size(o % kPanel);
    const float* in = weights + size(o) * size(inputs);
    for (int i = 0; i < inputs; ++i) out[size(i) * kPanel] = in[i];
  }
  if (bias != nullptr) std::copy(bias, bias + outputs, bias_.begin());
}

const float* PackedMatrix::panel(int index) const {
  return weights_.data() + size(index) * size(inputs_) * kPanel;
}

const float* PackedMatrix::bias(int panel) const { return bias_.data() + size(panel) * kPanel; }

void gemm_rows(const LeftOperand& a, int first, int count, const PackedMatrix& b, const Output& c,
               const Epilogue& epilogue) {
  const Kernels& isa = active_kernels();
  const float* a_rows[kRowBlock];
  float* c_rows[kRowBlock];
  const float* residual_rows[kRowBlock];
  const int input_block = a.segments == 1 ? kInputBlock : b.inputs();
  for (int row = first; row < first + count; row += kRowBlock) {
    const int rows = std::min(kRowBlock, first + count - row);
    for (int r = 0; r < rows; ++r) {
      a_rows[r] = a.data + a.rows.at(row + r);
      c_rows[r] = c.data + c.rows.at(row + r);
      if (epilogue.residual != nullptr) {
        residual_rows[r] = epilogue.residual + epilogue.residual_rows.at(row + r);
      }
    }
    for (int input = 0; input < b.inputs(); input += input_block) {
      const int inputs = std::min(input_block, b.inputs() - input);
      const bool last = input + inputs == b.inputs();
      const bool fresh = input == 0 && !epilogue.accumulate;
      for (int p = 0; p < b.panels(); ++p) {
        isa.panel({.a = a_rows,
                   .c = c_rows,
                   .residual = input == 0 && epilogue.residual != nullptr ? residual_rows : nullptr,
                   .rows = rows,
                   .columns = std::min(kPanel, b.outputs() - p * kPanel),
                   .a_offset = input,
                   .c_offset = p * kPanel,
                   .segments = a.segments,
                   .segment_length = inputs / a.segments,
                   .segment_stride = a.segment_stride,
                   .b = b.panel(p) + size(input) * kPanel,
                   .bias = fresh ? b.bias(p) : nullptr,
                   .negative_slope = last ? epilogue.negative_slope : 1.0F});
      }
    }
  }
}

int rows_per_task(const PackedMatrix& b) {
  const std::ptrdiff_t block_work = std::ptrdiff_t{kRowBlock} * b.outputs() * b.inputs();
  return kRowBlock * static_cast<int>(kTaskWork / std::max(block_work, std::ptrdiff_t{1}) + 1);
}

void gemm(const LeftOperand& a, int count, const PackedMatrix& b, const Output& c,
          const Epilogue& epilogue, ThreadPool& pool, const CancelToken& cancel) {
  const int task_rows = rows_per_task(b);
  pool.run((count + task_rows - 1) / task_rows, [&](int task, int) {
    cancel.throw_if_cancelled();
    const int first = task * task_rows;
    gemm_rows(a, first, std::min(task_rows, count - first), b, c, epilogue);
  });
}

}  // namespace earwitness::kernels
