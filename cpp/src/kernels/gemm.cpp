#include "kernels/gemm.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/half.h"
#include "kernels/panel_column.h"

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

constexpr float kMostInteger = 127.0F;  // of a weight

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

}  // namespace

PackedMatrix::PackedMatrix(int outputs, int inputs, Precision precision)
    : outputs_(outputs), inputs_(inputs), precision_(precision) {
  const std::size_t columns = size(panels()) * kPanel;
  if (whole_numbers()) {
    integers_.assign(columns * size(padded_inputs()), 0);
    scales_.assign(columns, 0.0F);
    sums_.assign(columns, 0);
  } else if (precision == Precision::kHalf) {
    halves_.assign(columns * size(inputs), 0);
  } else {
    weights_.assign(columns * size(inputs), 0.0F);
  }
  bias_.assign(columns, 0.0F);
}

PackedMatrix::PackedMatrix(const float* weights, int outputs, int inputs, const float* bias,
                           Precision precision)
    : PackedMatrix(outputs, inputs, precision) {
  for (int o = 0; o < outputs; ++o) set_row(o, weights + size(o) * size(inputs));
  if (bias != nullptr) std::copy(bias, bias + outputs, bias_.begin());
}

void PackedMatrix::set_row(int output, const float* weights) {
  const auto panel = size(output / kPanel);
  const auto column = size(output % kPanel);
  const std::size_t start = panel * size(inputs_) * kPanel + column;
  if (precision_ == Precision::kFloat) {
    for (std::size_t i = 0; i < size(inputs_); ++i) weights_[start + i * kPanel] = weights[i];
    return;
  }
  if (precision_ == Precision::kHalf) {
    for (std::size_t i = 0; i < size(inputs_); ++i) {
      halves_[start + i * kPanel] = to_half(weights[i]);
    }
    return;
  }
  thread_local AlignedVector<std::int16_t> numbers;  // one allocation for all rows of a model
  grow(numbers, inputs_);
  scales_[size(output)] = active_kernels().quantize(weights, inputs_, kMostInteger, numbers.data());
  sums_[size(output)] = std::accumulate(numbers.data(), numbers.data() + inputs_, 0);
  put_column(layout(), numbers.data(), inputs_, integers_.data() + integer_place(output, 0));
}

Layout PackedMatrix::layout() const {
  return precision_ == Precision::kBytes ? active_kernels().byte_layout : active_kernels().layout;
}

std::size_t PackedMatrix::integer_place(int output, int input) const {
  const int group = group_of(layout());
  return (size(output / kPanel) * size(padded_inputs()) + size(input / group * group)) * kPanel +
         size(output % kPanel * group + input % group);
}

const std::int8_t* PackedMatrix::integer_panel(int index) const {
  return integers_.empty() ? nullptr
                           : integers_.data() + size(index) * size(padded_inputs()) * kPanel;
}

float PackedMatrix::integer_limit() const {
  constexpr double kMostSum = 2147483647.0;
  return static_cast<float>(
      std::min(32767.0, std::floor(kMostSum / (static_cast<double>(kMostInteger) * inputs_))));
}

const float* PackedMatrix::panel(int index) const {
  return weights_.empty() ? nullptr : weights_.data() + size(index) * size(inputs_) * kPanel;
}

const std::uint16_t* PackedMatrix::half_panel(int index) const {
  return halves_.empty() ? nullptr : halves_.data() + size(index) * size(inputs_) * kPanel;
}

float PackedMatrix::weight(int output, int input) const {
  const int panel = output / kPanel;
  const int column = output % kPanel;
  if (whole_numbers()) {
    return static_cast<float>(integers_[integer_place(output, input)]) * scales_[size(output)];
  }
  const std::size_t at = (size(panel) * size(inputs_) + size(input)) * kPanel + size(column);
  return halves_.empty() ? weights_[at] : from_half(halves_[at]);
}

const float* PackedMatrix::bias(int panel) const { return bias_.data() + size(panel) * kPanel; }

namespace {

// The pointers to a block's rows.
struct Rows {
  const float* a[kRowBlock];
  float* c[kRowBlock];
  const float* residual[kRowBlock];

  Rows(const LeftOperand& left, int first, int count, const Output& out, const Epilogue& epilogue) {
    for (int r = 0; r < count; ++r) {
      a[r] = left.data + left.rows.at(first + r);
      c[r] = out.data + out.rows.at(first + r);
      if (epilogue.residual != nullptr) {
        residual[r] = epilogue.residual + epilogue.residual_rows.at(first + r);
      }
    }
  }
};

// Panels of the outputs.
struct Panels {
  int first = 0;
  int count = 0;

  int column() const { return first * kPanel; }
  int columns(const PackedMatrix& b) const {
    return std::min(count * kPanel, b.outputs() - column());
  }
};

// Whether the inner loops for a single row can do it.
bool lone(int rows, const Epilogue& epilogue) {
  return rows == 1 && !epilogue.accumulate && epilogue.negative_slope == 1.0F;
}

void float_row(const Rows& rows, const PackedMatrix& b, const Panels& panels,
               const Epilogue& epilogue) {
  const int column = panels.column();
  active_kernels().row(
      {.a = rows.a[0],
       .c = rows.c[0] + column,
       .residual = epilogue.residual == nullptr ? nullptr : rows.residual[0] + column,
       .inputs = b.inputs(),
       .panels = panels.count,
       .columns = panels.columns(b),
       .b = b.panel(panels.first),
       .b_half = b.half_panel(panels.first),
       .bias = b.bias(panels.first)});
}

void float_rows(const Rows& rows, int count, const LeftOperand& a, const PackedMatrix& b,
                const Panels& panels, const Epilogue& epilogue) {
  const bool floats = b.precision() == PackedMatrix::Precision::kFloat;
  const int input_block = a.segments == 1 ? kInputBlock : b.inputs();
  for (int input = 0; input < b.inputs(); input += input_block) {
    const int inputs = std::min(input_block, b.inputs() - input);
    const bool last = input + inputs == b.inputs();
    const bool fresh = input == 0 && !epilogue.accumulate;
    const std::ptrdiff_t from = std::ptrdiff_t{input} * kPanel;
    active_kernels().panels(
        {.a = rows.a,
         .c = rows.c,
         .residual = input == 0 && epilogue.residual != nullptr ? rows.residual : nullptr,
         .rows = count,
         .columns = panels.columns(b),
         .a_offset = input,
         .c_offset = panels.column(),
         .segments = a.segments,
         .segment_length = inputs / a.segments,
         .segment_stride = a.segment_stride,
         .b = floats ? b.panel(panels.first) + from : nullptr,
         .b_half = floats ? nullptr : b.half_panel(panels.first) + from,
         .b_stride = std::ptrdiff_t{b.inputs()} * kPanel,
         .bias = fresh ? b.bias(panels.first) : nullptr,
         .negative_slope = last ? epilogue.negative_slope : 1.0F});
  }
}

void integer_rows(const Rows& rows, int count, const LeftOperand& a, const PackedMatrix& b,
                  const Panels& panels, const Epilogue& epilogue) {
  const Kernels& isa = active_kernels();
  const int padded = b.padded_inputs();
  const std::ptrdiff_t stride = row_stride(b.layout(), padded);
  const bool bytes = b.precision() == PackedMatrix::Precision::kBytes;
  // Kept from call to call: a block would be cleared for every product otherwise.
  thread_local AlignedVector<std::int16_t> integers;
  grow(integers, kRowBlock * stride);
  float scales[kRowBlock];
  std::int32_t zeros[kRowBlock] = {};
  std::vector<float> gathered(a.segments == 1 ? 0 : size(b.inputs()));
  const int length = b.inputs() / a.segments;
  for (int r = 0; r < count; ++r) {
    const float* row = rows.a[r];
    if (a.segments > 1) {
      for (int s = 0; s < a.segments; ++s) {
        std::copy_n(row + s * a.segment_stride, length, gathered.data() + s * length);
      }
      row = gathered.data();
    }
    const IntegerRow numbers{integers.data() + r * stride, padded, stride};
    scales[r] = bytes ? isa.quantize_bytes(row, b.inputs(), numbers, &zeros[r])
                      : isa.quantize_row(row, b.inputs(), b.integer_limit(), numbers);
  }
  const int column = panels.column();
  if (lone(count, epilogue) && !bytes) {
    isa.integer_row({.a = integers.data(),
                     .a_stride = stride,
                     .a_scale = scales[0],
                     .c = rows.c[0] + column,
                     .residual = epilogue.residual == nullptr ? nullptr : rows.residual[0] + column,
                     .inputs = padded,
                     .columns = panels.columns(b),
                     .b = b.integer_panel(panels.first),
                     .b_stride = std::ptrdiff_t{padded} * kPanel,
                     .b_scales = b.scales(panels.first),
                     .bias = b.bias(panels.first)});
    return;
  }
  const auto multiply = bytes ? isa.byte_panels : isa.integer_panels;
  multiply({.a = integers.data(),
            .a_stride = stride,
            .a_scales = scales,
            .a_zeros = zeros,
            .b_sums = b.sums(panels.first),
            .c = rows.c,
            .residual = epilogue.residual == nullptr ? nullptr : rows.residual,
            .rows = count,
            .columns = panels.columns(b),
            .c_offset = column,
            .inputs = padded,
            .b = b.integer_panel(panels.first),
            .b_stride = std::ptrdiff_t{padded} * kPanel,
            .b_scales = b.scales(panels.first),
            .bias = b.bias(panels.first),
            .accumulate = epilogue.accumulate,
            .negative_slope = epilogue.negative_slope});
}

void multiply(const LeftOperand& a, int first, int count, const PackedMatrix& b,
              const Panels& panels, const Output& c, const Epilogue& epilogue) {
  for (int row = first; row < first + count; row += kRowBlock) {
    const int n = std::min(kRowBlock, first + count - row);
    const Rows rows(a, row, n, c, epilogue);
    if (b.whole_numbers()) {
      integer_rows(rows, n, a, b, panels, epilogue);
    } else if (a.segments == 1 && lone(n, epilogue)) {
      float_row(rows, b, panels, epilogue);
    } else {
      float_rows(rows, n, a, b, panels, epilogue);
    }
  }
}

}  // namespace

void gemm_rows(const LeftOperand& a, int first, int count, const PackedMatrix& b, const Output& c,
               const Epilogue& epilogue) {
  multiply(a, first, count, b, {0, b.panels()}, c, epilogue);
}

int rows_per_task(const PackedMatrix& b) {
  const std::ptrdiff_t block_work = std::ptrdiff_t{kRowBlock} * b.outputs() * b.inputs();
  return kRowBlock * static_cast<int>(kTaskWork / std::max(block_work, std::ptrdiff_t{1}) + 1);
}

void gemm(const LeftOperand& a, int count, const PackedMatrix& b, const Output& c,
          const Epilogue& epilogue, ThreadPool& pool, const CancelToken& cancel) {
  const int task_rows = rows_per_task(b);
  if (count > task_rows / pool.size()) {
    pool.run((count + task_rows - 1) / task_rows, [&](int task, int) {
      cancel.throw_if_cancelled();
      const int first = task * task_rows;
      gemm_rows(a, first, std::min(task_rows, count - first), b, c, epilogue);
    });
    return;
  }
  const std::ptrdiff_t panel_work = std::ptrdiff_t{count} * b.inputs() * kPanel;
  const auto most = static_cast<int>(kTaskWork / std::max(panel_work, std::ptrdiff_t{1}) + 1);
  const int share = std::min(most, (b.panels() + pool.size() - 1) / pool.size());
  pool.run((b.panels() + share - 1) / share, [&](int task, int) {
    cancel.throw_if_cancelled();
    const int first = task * share;
    multiply(a, 0, count, b, {first, std::min(share, b.panels() - first)}, c, epilogue);
  });
}

}  // namespace earwitness::kernels
