#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/half.h"

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

PackedMatrix::PackedMatrix(const float* weights, int outputs, int inputs, const float* bias,
                           Precision precision)
    : outputs_(outputs), inputs_(inputs) {
  const std::size_t total = size(panels()) * size(inputs) * kPanel;
  const auto pack = [&](auto* packed, auto convert) {
    for (int o = 0; o < outputs; ++o) {
      auto* out = packed + size(o / kPanel) * size(inputs) * kPanel + size(o % kPanel);
      const float* in = weights + size(o) * size(inputs);
      for (int i = 0; i < inputs; ++i) out[size(i) * kPanel] = convert(in[i]);
    }
  };
  if (precision == Precision::kHalf) {
    halves_.assign(total, 0);
    pack(halves_.data(), to_half);
  } else {
    weights_.assign(total, 0.0F);
    pack(weights_.data(), [](float w) { return w; });
  }
  bias_.assign(size(panels()) * kPanel, 0.0F);
  if (bias != nullptr) std::copy(bias, bias + outputs, bias_.begin());
}

const float* PackedMatrix::panel(int index) const {
  return weights_.empty() ? nullptr : weights_.data() + size(index) * size(inputs_) * kPanel;
}

const std::uint16_t* PackedMatrix::half_panel(int index) const {
  return halves_.empty() ? nullptr : halves_.data() + size(index) * size(inputs_) * kPanel;
}

float PackedMatrix::weight(int output, int input) const {
  const std::size_t at =
      (size(output / kPanel) * size(inputs_) + size(input)) * kPanel + size(output % kPanel);
  return halves_.empty() ? weights_[at] : from_half(halves_[at]);
}

const float* PackedMatrix::bias(int panel) const { return bias_.data() + size(panel) * kPanel; }

void gemm_rows(const LeftOperand& a, int first, int count, const PackedMatrix& b, const Output& c,
               const Epilogue& epilogue) {
  const Kernels& isa = active_kernels();
  const float* a_rows[kRowBlock];
  float* c_rows[kRowBlock];
  const float* residual_rows[kRowBlock];
  const bool floats = b.panel(0) != nullptr;
  if (count == 1 && a.segments == 1 && !epilogue.accumulate && epilogue.negative_slope == 1.0F) {
    isa.row({.a = a.data + a.rows.at(first),
             .c = c.data + c.rows.at(first),
             .residual = epilogue.residual == nullptr
                             ? nullptr
                             : epilogue.residual + epilogue.residual_rows.at(first),
             .inputs = b.inputs(),
             .panels = b.panels(),
             .columns = b.outputs(),
             .b = b.panel(0),
             .b_half = b.half_panel(0),
             .bias = b.bias(0)});
    return;
  }
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
                   .b = floats ? b.panel(p) + size(input) * kPanel : nullptr,
                   .b_half = floats ? nullptr : b.half_panel(p) + size(input) * kPanel,
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
