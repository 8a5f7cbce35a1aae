// The inner loops, one set for each instruction set, chosen once at run time.
//
// Included by files that are compiled for an instruction set that the machine may lack, so without
// headers whose inline functions the linker might take from them for all.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earwitness::kernels {

// Outputs of a packed matrix lie in panels of this many columns, for every instruction set.
inline constexpr int kPanel = 16;

constexpr int whole_panels(int columns) { return (columns + kPanel - 1) / kPanel * kPanel; }

// c[r][j] = act(start + sum over k of a[r][k] b[k][j] + residual[r][j]) for some panels of columns,
// where start is bias[j], or c[r][j] where bias is null.
struct PanelTask {
  const float* const* a;         // the rows' first inputs
  float* const* c;               // the rows' first outputs
  const float* const* residual;  // null for none
  int rows;
  int columns;              // of all panels; of the last only so many are stored
  std::ptrdiff_t a_offset;  // added to every pointer of a
  std::ptrdiff_t c_offset;  // added to every pointer of c and residual
  int segments;             // inputs of a row: `segments` runs of `segment_length` floats, whose
  int segment_length;       // starts are `segment_stride` floats apart
  std::ptrdiff_t segment_stride;
  const float* b;               // [panels][segments * segment_length][kPanel], or null:
  const std::uint16_t* b_half;  // the same in IEEE half precision
  std::ptrdiff_t b_stride;      // from one panel to the next
  const float* bias;            // [panels * kPanel]
  float negative_slope;  // act(x) = max(x, slope x): 1 = none, 0 = ReLU, between = leaky ReLU
};

// One step of an LSTM's cells for several sequences. Gates in torch's order: input, forget, cell,
// output.
struct LstmTask {
  const float* gates;  // [rows][4 * size], before their activations
  float* cell;         // [rows][size], updated
  float* hidden;       // [rows][size] at hidden_stride
  std::ptrdiff_t hidden_stride;
  int rows;
  int size;  // a multiple of kPanel
};

// c[j] = bias[j] + sum over k of a[k] b[k][j] (+ residual[j]) for one row and several panels: a
// product of a vector, which reading the weights bounds.
struct RowTask {
  const float* a;         // [inputs]
  float* c;               // [panels * kPanel], the last panel only up to `columns`
  const float* residual;  // like c; null for none
  int inputs;
  int panels;
  int columns;                  // of all panels
  const float* b;               // [panels][inputs][kPanel], or null:
  const std::uint16_t* b_half;  // the same in IEEE half precision
  const float* bias;            // [panels * kPanel]
};

// How the whole numbers of a product lie in memory.
//   kPairs: a left row in 16 bits; a right panel, of 8 bits, as [inputs / 2][kPanel][2].
//   kPlanes: a left row as its low bytes, unsigned, and, one stride of bytes later, its high bytes,
//   signed; a right panel as [inputs / 4][kPanel][4].
//   kBytes: a left row of numbers that span 255 at most as their distances from the least, one byte
//   each; a right panel as in kPlanes.
enum class Layout { kPairs, kPlanes, kBytes };

// The inputs of one column that lie together in a right panel.
constexpr int group_of(Layout layout) { return layout == Layout::kPairs ? 2 : 4; }

// What the number of inputs is filled up to, with zeros.
constexpr int padded_inputs(Layout layout, int inputs) {
  const int whole = layout == Layout::kPairs ? group_of(layout) : 64;
  return (inputs + whole - 1) / whole * whole;
}

// An odd number of cache lines, so that the rows of a tile do not compete for the same places of
// the cache.
constexpr std::ptrdiff_t odd_lines(std::ptrdiff_t bytes) { return ((bytes + 63) / 64 | 1) * 64; }

// From one left row to the next, in 16-bit numbers. Planes: from one plane to the next, in bytes.
constexpr std::ptrdiff_t row_stride(Layout layout, int padded) {
  if (layout == Layout::kPairs) return padded;
  return layout == Layout::kPlanes ? odd_lines(padded) : odd_lines(padded) / 2;
}

// c[r][j] = act(start + a_scales[r] b_scales[j] sum over k of a[r][k] b[k][j] + residual[r][j]), in
// whole numbers whose sums fit 32 bits; act as in PanelTask.
struct IntegerTask {
  const std::int16_t* a;  // [rows up to a multiple of 16] at a_stride
  std::ptrdiff_t a_stride;
  const float* a_scales;  // [rows]
  // kBytes alone: what stands for 0 in each row, and [panels * kPanel] the sums of the columns of
  // b.
  const std::int32_t* a_zeros;
  const std::int32_t* b_sums;
  float* const* c;
  const float* const* residual;  // null for none
  int rows;
  int columns;  // of all panels
  std::ptrdiff_t c_offset;
  int inputs;               // padded_inputs()
  const std::int8_t* b;     // the first panel
  std::ptrdiff_t b_stride;  // from one panel to the next
  const float* b_scales;    // [panels * kPanel]
  const float* bias;        // [panels * kPanel], where a sum starts; null: at 0
  bool accumulate;          // start at c instead
  float negative_slope;

  int panels() const { return (columns + kPanel - 1) / kPanel; }
};

// One row of it: a product of a vector.
struct IntegerRowTask {
  const std::int16_t* a;
  std::ptrdiff_t a_stride;
  float a_scale;
  float* c;               // [columns]
  const float* residual;  // like c; null for none
  int inputs;             // padded_inputs()
  int columns;
  const std::int8_t* b;  // as in IntegerTask, like the rest
  std::ptrdiff_t b_stride;
  const float* b_scales;
  const float* bias;

  int panels() const { return (columns + kPanel - 1) / kPanel; }
};

// Where the numbers of a left row go.
struct IntegerRow {
  std::int16_t* data;
  int padded;  // padded_inputs(); what is beyond the given ones becomes 0
  std::ptrdiff_t stride;
};

// c[r][j] = sum over k of a[r][k] b[k][j] in bfloat16, summed in single precision. Rows up to a
// multiple of 16 are read and written, and whole panels.
struct Bf16Task {
  const std::uint16_t* a;  // [rows] at a_stride
  std::ptrdiff_t a_stride;
  float* c;  // [rows] at c_stride
  std::ptrdiff_t c_stride;
  int rows;
  int panels;
  int inputs;               // a multiple of kBf16Inputs
  const std::uint16_t* b;   // [panels][inputs / 2][kPanel][2]
  std::ptrdiff_t b_stride;  // from one panel to the next
};

inline constexpr int kBf16Inputs = 32;

constexpr int bf16_inputs(int inputs) {
  return (inputs + kBf16Inputs - 1) / kBf16Inputs * kBf16Inputs;
}

// Attention's inner loops in bfloat16: 8 bits of significand, rounded to nearest.
struct Bf16Kernels {
  void (*panels)(const Bf16Task& task);
  // out = factor x, then zeros up to `padded`.
  void (*round_row)(const float* x, float factor, int n, int padded, std::uint16_t* out);
  // out = e^(x - the largest x), then zeros up to `padded`; returns their sum. What is below e^-28
  // counts as that.
  float (*exponential_row)(const float* x, int n, int padded, std::uint16_t* out);
  // Up to two rows of kPanel columns as a pair of inputs of a panel; a missing one becomes 0.
  void (*pack_pair)(const float* x, std::ptrdiff_t stride, int rows, std::uint16_t* out);
};

struct Kernels {
  const char* name;
  void (*panels)(const PanelTask& task);
  void (*row)(const RowTask& task);
  Layout layout;
  void (*integer_panels)(const IntegerTask& task);
  void (*integer_row)(const IntegerRowTask& task);
  // out = round(x / scale) with |out| <= limit; returns the scale, which is not a number where x is
  // not finite.
  float (*quantize)(const float* x, int n, float limit, std::int16_t* out);
  // The same as a left row.
  float (*quantize_row)(const float* x, int n, float limit, const IntegerRow& out);
  // The same for left rows whose numbers, 0 among them, span 255 at most, so that bytes hold them:
  // where the machine multiplies bytes faster, in a layout of their own.
  Layout byte_layout;
  void (*byte_panels)(const IntegerTask& task);
  float (*quantize_bytes)(const float* x, int n, const IntegerRow& out, std::int32_t* zero);
  // out = round(limit e^(x - the largest x)), as a left row; returns their sum.
  float (*exponential_row)(const float* x, int n, float limit, const IntegerRow& out);
  // The same for byte_panels(), of a limit of 254 and with 0 for 0. What rounding takes from one
  // number another is given, since many small ones may be less than a half each.
  float (*exponential_bytes)(const float* x, int n, const IntegerRow& out);
  // round(x factor), of at most 127, of up to group_of(layout) rows of kPanel columns as the group
  // of a right panel; missing rows become 0.
  void (*pack_group)(const float* x, std::ptrdiff_t stride, int rows, const float* factors,
                     std::int8_t* out);
  void (*pack_byte_group)(const float* x, std::ptrdiff_t stride, int rows, const float* factors,
                          std::int8_t* out);  // in byte_layout
  const Bf16Kernels* bf16;                    // null where whole numbers are as fast
  void (*lstm)(const LstmTask& task);
  // out[i] = max(0, x[i] * scale[i] + shift[i])
  void (*scale_shift_relu)(const float* x, const float* scale, const float* shift, float* out,
                           int n);
  // IEEE half precision in single.
  void (*widen)(const std::uint16_t* x, float* out, int n);
  // sum[i] = a[i] + b[i], difference[i] = a[i] - b[i]
  void (*sum_difference)(const float* a, const float* b, float* sum, float* difference, int n);
  // out = (x - mean) / sqrt(variance + 1e-5) * weight + bias, over one row of n.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* out, int n);
  // x = x * P(X <= x) for a standard normal X: the exact GELU.
  void (*gelu)(float* x, long long n);
  // x = softmax(scale * x), scale > 0. Terms below e^-28 of the largest count as that.
  void (*softmax)(float* x, int n, float scale);
  // The place of the largest of n > 0, the first of equals; what is not a number is passed over.
  int (*argmax)(const float* x, int n);
  // log(sum(exp(x))) for a finite or -infinite maximum; terms as in softmax.
  float (*log_sum_exp)(const float* x, int n);
};

// The best set that this machine runs, or the lesser one that the environment variable
// EARWITNESS_ISA names (scalar, avx2, avxvnni, avx512, avx512vnni, amx, neon or neondot). Throws
// InvalidOption if the variable names a set that does not exist or that this machine or build
// lacks.
const Kernels& active_kernels();

// The set of that name, or null if this machine or build lacks it. For all of them see
// available_kernels.h.
const Kernels* find_kernels(const char* name);

// Each is null where the translation unit was not compiled for the instruction set.
extern const Kernels* const kScalarKernels;
extern const Kernels* const kAvx2Kernels;
extern const Kernels* const kAvxVnniKernels;
extern const Kernels* const kAvx512Kernels;
extern const Kernels* const kAvx512VnniKernels;
extern const Kernels* const kAmxKernels;
extern const Kernels* const kNeonKernels;
extern const Kernels* const kNeonDotKernels;

}  // namespace earwitness::kernels
