// The inner loops, one set for each instruction set, chosen once at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earwitness::kernels {

// Outputs of a packed matrix lie in panels of this many columns, for every instruction set.
inline constexpr int kPanel = 16;

// c[r][j] = act(start + sum over k of a[r][k] b[k][j] + residual[r][j]) for one panel of columns,
// where start is bias[j], or c[r][j] where bias is null.
struct PanelTask {
  const float* const* a;         // the rows' first inputs
  float* const* c;               // the rows' first outputs
  const float* const* residual;  // null for none
  int rows;
  int columns;              // 1..kPanel: the first so many of the panel are stored
  std::ptrdiff_t a_offset;  // added to every pointer of a
  std::ptrdiff_t c_offset;  // added to every pointer of c and residual
  int segments;             // inputs of a row: `segments` runs of `segment_length` floats, whose
  int segment_length;       // starts are `segment_stride` floats apart
  std::ptrdiff_t segment_stride;
  const float* b;               // [segments * segment_length][kPanel], or null:
  const std::uint16_t* b_half;  // the same in IEEE half precision
  const float* bias;            // [kPanel]
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

// c[r][j] = act(start + a_scales[r] b_scales[j] sum over k of a[r][k] b[k][j] + residual[r][j]), in
// whole numbers whose sums fit 32 bits; start and act as in PanelTask.
struct IntegerTask {
  const std::int16_t* a;  // [rows][2 * pairs] at a_stride
  std::ptrdiff_t a_stride;
  const float* a_scales;  // [rows]
  float* const* c;
  const float* const* residual;  // null for none
  int rows;
  int columns;
  std::ptrdiff_t c_offset;
  int pairs;                   // of inputs
  const std::int8_t* b;        // [pairs][kPanel][2], or null:
  const std::int16_t* b_wide;  // the same in 16 bits
  const float* b_scales;       // [kPanel]
  const float* bias;           // [kPanel], or null
  float negative_slope;
};

// One row of it and several panels.
struct IntegerRowTask {
  const std::int16_t* a;  // [2 * pairs]
  float a_scale;
  float* c;               // [panels * kPanel], the last panel only up to `columns`
  const float* residual;  // like c; null for none
  int pairs;
  int panels;
  int columns;            // of all panels
  const std::int8_t* b;   // [panels][pairs][kPanel][2]
  const float* b_scales;  // [panels * kPanel]
  const float* bias;      // [panels * kPanel]
};

struct Kernels {
  const char* name;
  void (*panel)(const PanelTask& task);
  void (*row)(const RowTask& task);
  void (*integer_panel)(const IntegerTask& task);
  void (*integer_row)(const IntegerRowTask& task);
  // out = round(x / scale) with |out| <= limit; returns the scale, which is not a number where x is
  // not finite.
  float (*quantize)(const float* x, int n, float limit, std::int16_t* out);
  // out = round(limit e^(x - the largest x)); returns their sum.
  float (*exponential_weights)(const float* x, int n, float limit, std::int16_t* out);
  void (*lstm)(const LstmTask& task);
  // out[i] = max(0, x[i] * scale[i] + shift[i])
  void (*scale_shift_relu)(const float* x, const float* scale, const float* shift, float* out,
                           int n);
  // sum[i] = a[i] + b[i], difference[i] = a[i] - b[i]
  void (*sum_difference)(const float* a, const float* b, float* sum, float* difference, int n);
  // out = (x - mean) / sqrt(variance + 1e-5) * weight + bias, over one row of n.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* out, int n);
  // x = x * P(X <= x) for a standard normal X: the exact GELU.
  void (*gelu)(float* x, long long n);
  // x = softmax(scale * x), scale > 0. Terms below e^-28 of the largest count as that.
  void (*softmax)(float* x, int n, float scale);
  // log(sum(exp(x))) for a finite or -infinite maximum; terms as in softmax.
  float (*log_sum_exp)(const float* x, int n);
};

// The best set that this machine runs, or the lesser one that the environment variable
// EARWITNESS_ISA names (scalar, avx2, avx512, avx512vnni or neon). Throws InvalidOption if the
// variable names a set that does not exist or that this machine or build lacks.
const Kernels& active_kernels();

// The set of that name, or null if this machine or build lacks it.
const Kernels* find_kernels(const char* name);

// Each is null where the translation unit was not compiled for the instruction set.
extern const Kernels* const kScalarKernels;
extern const Kernels* const kAvx2Kernels;
extern const Kernels* const kAvx512Kernels;
extern const Kernels* const kAvx512VnniKernels;
extern const Kernels* const kNeonKernels;

}  // namespace earwitness::kernels
