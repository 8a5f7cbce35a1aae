// The inner loops in terms of a vector type V that the including file defines, together with
// kLanes (floats in a V), kRows and kTilePanels (rows and panels of a register tile). Included once
// for each instruction set, inside an unnamed namespace: nothing here may have external linkage, or
// the linker could pick the version of another instruction set. For the same reason no standard
// header is used.
//
// V has: load, load_half (of kLanes IEEE half-precision numbers), store, broadcast, zero, operators
// + - * /, fma(a, b, c) = a b + c, max, min, round (to nearest, of magnitudes up to 2^22),
// scale(a, n) = a times 2 to the power of n, whole numbers in -126..127, inverse (1 / a, to within
// 1e-6 of itself), and of its lanes the largest() and the sum().

constexpr int kVectors = kPanel / kLanes;

// The loops over a register tile must be gone before registers are assigned: GCC, unlike Clang,
// otherwise keeps the accumulators in memory, at a third of the speed.
#if defined(__GNUC__) && !defined(__clang__)
#define EARWITNESS_UNROLL _Pragma("GCC unroll 16")
#else
#define EARWITNESS_UNROLL
#endif

// Inlined, a tile would share its registers with the loops around it.
#if defined(__GNUC__)
#define EARWITNESS_APART __attribute__((noinline))
#else
#define EARWITNESS_APART
#endif

// Asks for memory into the second cache level.
inline void fetch([[maybe_unused]] const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#endif
}

inline V load_weights(const float* p) { return V::load(p); }
inline V load_weights(const std::uint16_t* p) { return V::load_half(p); }

// Rows x (Columns x kLanes) of the output in registers, over all inputs.
template <int Rows, int Columns, typename Weight>
EARWITNESS_APART void tile(const PanelTask& t, int first, const Weight* b) {
  const float* a[Rows];
  V acc[Rows][Columns];
  EARWITNESS_UNROLL
  for (int r = 0; r < Rows; ++r) {
    a[r] = t.a[first + r] + t.a_offset;
    const float* start = t.bias != nullptr ? t.bias : t.c[first + r] + t.c_offset;
    EARWITNESS_UNROLL
    for (int j = 0; j < Columns; ++j) acc[r][j] = V::load(start + j * kLanes);
  }
  for (int s = 0; s < t.segments; ++s) {
    for (std::ptrdiff_t k = 0; k < t.segment_length; ++k) {
      V column[Columns];
      EARWITNESS_UNROLL
      for (int j = 0; j < Columns; ++j) {
        column[j] = load_weights(b + j / kVectors * t.b_stride + j % kVectors * kLanes);
      }
      b += kPanel;
      EARWITNESS_UNROLL
      for (int r = 0; r < Rows; ++r) {
        const V x = V::broadcast(a[r] + k);
        EARWITNESS_UNROLL
        for (int j = 0; j < Columns; ++j) acc[r][j] = V::fma(x, column[j], acc[r][j]);
      }
    }
    EARWITNESS_UNROLL
    for (int r = 0; r < Rows; ++r) a[r] += t.segment_stride;
  }
  const V slope = V::broadcast(&t.negative_slope);
  EARWITNESS_UNROLL
  for (int r = 0; r < Rows; ++r) {
    float* c = t.c[first + r] + t.c_offset;
    EARWITNESS_UNROLL
    for (int j = 0; j < Columns; ++j) {
      V y = acc[r][j];
      if (t.residual != nullptr) {
        y = y + V::load(t.residual[first + r] + t.c_offset + j * kLanes);
      }
      V::max(y, slope * y).store(c + j * kLanes);
    }
  }
}

// All rows of the task, kRows at a time.
template <int Rows, int Columns>
void tiles(const PanelTask& t, int first) {
  for (; first + Rows <= t.rows; first += Rows) {
    if (t.b_half != nullptr) {
      tile<Rows, Columns>(t, first, t.b_half);
    } else {
      tile<Rows, Columns>(t, first, t.b);
    }
  }
  if constexpr (Rows > 1) {
    if (first < t.rows) tiles<(Rows > 4 ? Rows / 2 : Rows - 1), Columns>(t, first);
  }
}

// The vectors that hold the panel's first `columns` columns.
template <int Columns>
void columns(const PanelTask& t) {
  if constexpr (Columns > 1) {
    if (t.columns <= (Columns - 1) * kLanes) return columns<Columns - 1>(t);
  }
  tiles<kRows, Columns>(t, 0);
}

inline bool starts_at_output(const PanelTask& t) { return t.bias == nullptr; }
inline bool starts_at_output(const IntegerTask& t) { return t.accumulate; }

inline void advance_rows(PanelTask& t, int rows) { t.a += rows; }
inline void advance_rows(IntegerTask& t, int rows) {
  t.a += rows * t.a_stride;
  t.a_scales += rows;
  if (t.a_zeros != nullptr) t.a_zeros += rows;
}

// Whole vectors are computed and stored, so a panel of fewer columns goes through a buffer.
template <typename Task, typename Run>
void through_buffer(const Task& t, Run run) {
  constexpr int kMost = 64;
  alignas(64) float buffer[kMost][kPanel];
  alignas(64) float residual[kMost][kPanel];
  float* c[kMost];
  const float* added[kMost];
  for (int first = 0; first < t.rows; first += kMost) {
    Task part = t;
    part.rows = t.rows - first < kMost ? t.rows - first : kMost;
    for (int r = 0; r < part.rows; ++r) {
      c[r] = buffer[r];
      added[r] = residual[r];
      for (int j = 0; j < kPanel; ++j) {
        const bool inside = j < t.columns;
        buffer[r][j] = inside && starts_at_output(t) ? t.c[first + r][t.c_offset + j] : 0.0F;
        residual[r][j] =
            inside && t.residual != nullptr ? t.residual[first + r][t.c_offset + j] : 0.0F;
      }
    }
    advance_rows(part, first);
    part.c = c;
    part.residual = t.residual != nullptr ? added : nullptr;
    part.c_offset = 0;
    run(part);
    for (int r = 0; r < part.rows; ++r) {
      for (int j = 0; j < t.columns; ++j) t.c[first + r][t.c_offset + j] = buffer[r][j];
    }
  }
}

// The part of a task from a panel on, of so many columns.
inline PanelTask from_panel(PanelTask t, int panel, int columns) {
  t.columns = columns;
  t.c_offset += panel * kPanel;
  if (t.b != nullptr) t.b += panel * t.b_stride;
  if (t.b_half != nullptr) t.b_half += panel * t.b_stride;
  if (t.bias != nullptr) t.bias += panel * kPanel;
  return t;
}

void panels(const PanelTask& t) {
  const int whole = t.columns / kPanel;
  int panel = 0;
  for (; panel + kTilePanels <= whole; panel += kTilePanels) {
    tiles<kRows, kTilePanels * kVectors>(from_panel(t, panel, kTilePanels * kPanel), 0);
  }
  for (; panel < whole; ++panel) tiles<kRows, kVectors>(from_panel(t, panel, kPanel), 0);
  const int rest = t.columns - whole * kPanel;
  if (rest == 0) return;
  const PanelTask last = from_panel(t, whole, rest);
  if (rest % kLanes == 0) return columns<kVectors>(last);
  through_buffer(last, [](const PanelTask& part) { columns<kVectors>(part); });
}

// Panels of one row, several at a time: each output is one chain of multiply-adds, and a single
// panel's chains would leave most of the multipliers waiting. The panels that follow are asked for
// meanwhile: too many streams begin and end for the processor to foresee.
template <int Panels, typename Weight>
void row_panels(const RowTask& t, int first, const Weight* b) {
  constexpr int kInLine = 64 / static_cast<int>(sizeof(Weight)) / kPanel;  // inputs in one
  const long long ahead =
      first + 2 * Panels <= t.panels ? static_cast<long long>(Panels) * t.inputs * kPanel : 0;
  V acc[Panels][kVectors];
  const Weight* weights[Panels];
  EARWITNESS_UNROLL
  for (int p = 0; p < Panels; ++p) {
    weights[p] = b + static_cast<long long>(first + p) * t.inputs * kPanel;
    EARWITNESS_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      acc[p][j] = V::load(t.bias + (first + p) * kPanel + j * kLanes);
    }
  }
  for (int k = 0; k < t.inputs; ++k) {
    const V x = V::broadcast(t.a + k);
    EARWITNESS_UNROLL
    for (int p = 0; p < Panels; ++p) {
      if (k % kInLine == 0) fetch(weights[p] + ahead + k * kPanel);
      EARWITNESS_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        acc[p][j] = V::fma(x, load_weights(weights[p] + k * kPanel + j * kLanes), acc[p][j]);
      }
    }
  }
  for (int p = 0; p < Panels; ++p) {
    float out[kPanel];
    EARWITNESS_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[p][j].store(out + j * kLanes);
    const int column = (first + p) * kPanel;
    const int n = t.columns - column < kPanel ? t.columns - column : kPanel;
    for (int j = 0; j < n; ++j) {
      t.c[column + j] = out[j] + (t.residual != nullptr ? t.residual[column + j] : 0.0F);
    }
  }
}

template <typename Weight>
void row_of(const RowTask& t, const Weight* b) {
  constexpr int kPanels = 4;
  int first = 0;
  for (; first + kPanels <= t.panels; first += kPanels) row_panels<kPanels>(t, first, b);
  for (; first < t.panels; ++first) row_panels<1>(t, first, b);
}

void row(const RowTask& t) {
  if (t.b_half != nullptr) {
    row_of(t, t.b_half);
  } else {
    row_of(t, t.b);
  }
}

// e^x for |x| <= 28, relative error about 1e-7: Cephes' expf (range reduction by ln 2 in two parts,
// polynomial of degree 5).
inline V exponential(V x) {
  constexpr float kLog2e = 1.44269504088896341F;
  constexpr float kMinusLn2High = -0.693359375F;
  constexpr float kMinusLn2Low = 2.12194440e-4F;
  constexpr float kCoefficients[] = {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F,
                                     4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F};
  const V n = V::round(x * V::broadcast(&kLog2e));
  x = V::fma(n, V::broadcast(&kMinusLn2High), x);
  x = V::fma(n, V::broadcast(&kMinusLn2Low), x);
  V p = V::broadcast(&kCoefficients[0]);
  for (int i = 1; i < 6; ++i) p = V::fma(p, x, V::broadcast(&kCoefficients[i]));
  constexpr float kOne = 1.0F;
  const V y = V::fma(p, x * x, x) + V::broadcast(&kOne);
  return V::scale(y, n);
}

// e^(factor x), the exponent held within +-28 so that products of three stay finite. The sigmoid
// and tanh of what lies beyond differ from 0 or 1 by less than 1e-12.
inline V bounded_exponential(V x, float factor) {
  constexpr float kLow = -28.0F;
  constexpr float kHigh = 28.0F;
  const V scaled = x * V::broadcast(&factor);
  return exponential(V::min(V::max(scaled, V::broadcast(&kLow)), V::broadcast(&kHigh)));
}

void lstm(const LstmTask& t) {
  constexpr float kOne = 1.0F;
  const V one = V::broadcast(&kOne);
  for (int r = 0; r < t.rows; ++r) {
    const float* gates = t.gates + static_cast<long long>(r) * 4 * t.size;
    float* cell = t.cell + static_cast<long long>(r) * t.size;
    float* hidden = t.hidden + r * t.hidden_stride;
    for (int j = 0; j < t.size; j += kLanes) {
      const V i = one + bounded_exponential(V::load(gates + j), -1.0F);
      const V f = one + bounded_exponential(V::load(gates + t.size + j), -1.0F);
      const V g = bounded_exponential(V::load(gates + 2 * t.size + j), -2.0F);
      const V o = one + bounded_exponential(V::load(gates + 3 * t.size + j), -1.0F);
      // sigmoid(f) c + sigmoid(i) tanh(g) and sigmoid(o) tanh(c), each with one division.
      const V ig = i * (one + g);
      const V c = (V::load(cell + j) * ig + (one - g) * f) / (f * ig);
      const V e = bounded_exponential(c, -2.0F);
      c.store(cell + j);
      ((one - e) / (o * (one + e))).store(hidden + j);
    }
  }
}

void scale_shift_relu(const float* x, const float* scale, const float* shift, float* out, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    V::max(V::fma(V::load(x + i), V::load(scale + i), V::load(shift + i)), V::zero())
        .store(out + i);
  }
  for (; i < n; ++i) {
    const float y = x[i] * scale[i] + shift[i];
    out[i] = y > 0.0F ? y : 0.0F;
  }
}

void sum_difference(const float* a, const float* b, float* sum, float* difference, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V x = V::load(a + i);
    const V y = V::load(b + i);
    (x + y).store(sum + i);
    (x - y).store(difference + i);
  }
  for (; i < n; ++i) {
    sum[i] = a[i] + b[i];
    difference[i] = a[i] - b[i];
  }
}
