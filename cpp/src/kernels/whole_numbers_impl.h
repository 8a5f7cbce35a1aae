// Products of whole numbers, under the terms of kernels_impl.h, which see. The including file also
// defines
//   kIntegerRows, kIntegerPanels: the rows and panels of a register tile;
//   W: two 16-bit numbers for each of kLanes columns; load (from 8 bits), broadcast (a pair);
//   S: kLanes sums of 32 bits; zero, add(sums, a, b) = sums + a[0] b[0] + a[1] b[1], to_float;
//   store_int16(V, p): kLanes whole numbers;
//   store_pairs(V, V, p): kLanes pairs of whole numbers of 8 bits.

// Layout::kPairs. A form of products says how a column's numbers lie and are multiplied; four bytes
// of a left row belong to one step of each.
struct Pairs {
  static constexpr int kGroup = group_of(Layout::kPairs);
  static constexpr int kRows = kIntegerRows;
  static constexpr int kPanels = kIntegerPanels;
  using Sum = S;

  static W load(const std::int8_t* p) { return W::load(p); }
  static W broadcast(const std::int16_t* p) { return W::broadcast(p); }
  static S add(S sums, W a, W b) { return S::add(sums, a, b); }
  // What a sum begins with.
  static S start(const IntegerTask& /*t*/, int /*row*/, int /*column*/) { return S::zero(); }
};

constexpr int kLine = 64;  // bytes of the cache

template <int Rows, int Panels, typename Form>
EARWITNESS_APART void integer_tile(const IntegerTask& t, int first) {
  constexpr int kColumns = Panels * kVectors;
  const std::int8_t* b = t.b;
  const std::int16_t* a[Rows];
  typename Form::Sum acc[Rows][kColumns];
  EARWITNESS_UNROLL
  for (int r = 0; r < Rows; ++r) {
    a[r] = t.a + (first + r) * t.a_stride;
    EARWITNESS_UNROLL
    for (int j = 0; j < kColumns; ++j) acc[r][j] = Form::start(t, first + r, j * kLanes);
  }
  // The last rows to pass over these panels have the next ones fetched.
  const std::ptrdiff_t ahead = first + Rows == t.rows ? Panels * t.b_stride : 0;
  for (std::ptrdiff_t k = 0; k < t.inputs / Form::kGroup; ++k) {
    if (ahead != 0 && k % (kLine / (Form::kGroup * kPanel)) == 0) {
      EARWITNESS_UNROLL
      for (int p = 0; p < Panels; ++p) fetch(b + ahead + p * t.b_stride);
    }
    W column[kColumns];
    EARWITNESS_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      column[j] =
          Form::load(b + j / kVectors * t.b_stride + Form::kGroup * (j % kVectors) * kLanes);
    }
    b += Form::kGroup * kPanel;
    EARWITNESS_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const W x = Form::broadcast(a[r] + 2 * k);
      EARWITNESS_UNROLL
      for (int j = 0; j < kColumns; ++j) acc[r][j] = Form::add(acc[r][j], x, column[j]);
    }
  }
  const V slope = V::broadcast(&t.negative_slope);
  const bool as_it_is = t.residual == nullptr && t.negative_slope == 1.0F;
  EARWITNESS_UNROLL
  for (int r = 0; r < Rows; ++r) {
    float* c = t.c[first + r] + t.c_offset;
    const float* start = t.accumulate ? c : t.bias;
    const V row_scale = V::broadcast(t.a_scales + first + r);
    V y[kColumns];
    EARWITNESS_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      const V scale = row_scale * V::load(t.b_scales + j * kLanes);
      const V sum = acc[r][j].to_float();
      y[j] = start == nullptr ? sum * scale : V::fma(sum, scale, V::load(start + j * kLanes));
    }
    if (!as_it_is) {
      EARWITNESS_UNROLL
      for (int j = 0; j < kColumns; ++j) {
        if (t.residual != nullptr) {
          y[j] = y[j] + V::load(t.residual[first + r] + t.c_offset + j * kLanes);
        }
        y[j] = V::max(y[j], slope * y[j]);
      }
    }
    EARWITNESS_UNROLL
    for (int j = 0; j < kColumns; ++j) y[j].store(c + j * kLanes);
  }
}

template <int Rows, int Panels, typename Form>
void integer_tiles(const IntegerTask& t, int first) {
  for (; first + Rows <= t.rows; first += Rows) {
    integer_tile<Rows, Panels, Form>(t, first);
  }
  if constexpr (Rows > 1) {
    if (first < t.rows) integer_tiles<Rows - 1, Panels, Form>(t, first);
  }
}

// The part of a task from a panel on.
inline IntegerTask from_panel(IntegerTask t, int panel) {
  const int column = panel * kPanel;
  t.columns -= column;
  t.c_offset += column;
  t.b += panel * t.b_stride;
  t.b_scales += column;
  if (t.b_sums != nullptr) t.b_sums += column;
  if (t.bias != nullptr) t.bias += column;
  return t;
}

template <typename Form>
void integer_panels(const IntegerTask& t) {
  const int whole = t.columns / kPanel;
  int panel = 0;
  for (; panel + Form::kPanels <= whole; panel += Form::kPanels) {
    integer_tiles<Form::kRows, Form::kPanels, Form>(from_panel(t, panel), 0);
  }
  for (; panel < whole; ++panel) integer_tiles<Form::kRows, 1, Form>(from_panel(t, panel), 0);
  if (whole == t.panels()) return;
  through_buffer(from_panel(t, whole),
                 [](const IntegerTask& part) { integer_tiles<Form::kRows, 1, Form>(part, 0); });
}

// Panels of one row, several at a time, as in row_panels().
template <int Panels>
void integer_row_panels(const IntegerRowTask& t, int first) {
  const std::ptrdiff_t ahead = first + 2 * Panels <= t.panels() ? Panels * t.b_stride : 0;
  S acc[Panels][kVectors];
  const std::int8_t* b[Panels];
  EARWITNESS_UNROLL
  for (int p = 0; p < Panels; ++p) {
    b[p] = t.b + (first + p) * t.b_stride;
    EARWITNESS_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[p][j] = S::zero();
  }
  for (std::ptrdiff_t k = 0; k < t.inputs / 2; ++k) {
    const W x = W::broadcast(t.a + 2 * k);
    EARWITNESS_UNROLL
    for (int p = 0; p < Panels; ++p) {
      if (k % 2 == 0) fetch(b[p] + ahead + 2 * k * kPanel);  // a cache line
      EARWITNESS_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        acc[p][j] = S::add(acc[p][j], x, W::load(b[p] + 2 * (k * kPanel + j * kLanes)));
      }
    }
  }
  const V row_scale = V::broadcast(&t.a_scale);
  for (int p = 0; p < Panels; ++p) {
    float out[kPanel];
    const int column = (first + p) * kPanel;
    EARWITNESS_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      V::fma(acc[p][j].to_float(), row_scale * V::load(t.b_scales + column + j * kLanes),
             t.bias != nullptr ? V::load(t.bias + column + j * kLanes) : V::zero())
          .store(out + j * kLanes);
    }
    const int n = t.columns - column < kPanel ? t.columns - column : kPanel;
    for (int j = 0; j < n; ++j) {
      t.c[column + j] = out[j] + (t.residual != nullptr ? t.residual[column + j] : 0.0F);
    }
  }
}

void integer_row(const IntegerRowTask& t) {
  constexpr int kPanels = 4;
  int first = 0;
  for (; first + kPanels <= t.panels(); first += kPanels) integer_row_panels<kPanels>(t, first);
  for (; first < t.panels(); ++first) integer_row_panels<1>(t, first);
}

// Vectors of a row that are rounded together.
constexpr int kTogether = 4;

// Numbers in 16 bits, one after another.
struct Words {
  std::int16_t* data;

  void put(const V (&x)[kTogether], int i) const {
    for (const V& v : x) {
      put(v, i);
      i += kLanes;
    }
  }
  void put(V x, int i) const { store_int16(x, data + i); }
  void put(std::int16_t x, int i) const { data[i] = x; }
};

// The numbers first ... n - 1, less than kLanes of them, with zeros after them.
template <typename Numbers>
void put_rest(V rest, int first, int n, int padded, const Numbers& out) {
  std::int16_t whole[kLanes];
  store_int16(rest, whole);
  for (int i = first; i < n; ++i) out.put(whole[i - first], i);
  for (int i = n; i < padded; ++i) out.put(std::int16_t{0}, i);
}

// The least and the largest of a row, and 0.
struct Extent {
  float low;
  float high;
  float broken;  // not a number where one of them is not finite, else 0

  // What is not finite makes a scale not a number, so that it cannot pass for a value.
  float scale(float span, float most) const { return span / most + broken; }
  float inverse(float span, float most) const {
    return span > 0.0F && broken == 0.0F ? most / span : 0.0F;
  }
};

Extent extent_of(const float* x, int n) {
  V lows[kTogether];
  V highs[kTogether];
  V poison[kTogether];
  for (V& v : lows) v = V::zero();
  for (V& v : highs) v = V::zero();
  for (V& v : poison) v = V::zero();
  const auto look = [&](const V& v, int j) {
    lows[j] = V::min(lows[j], v);
    highs[j] = V::max(highs[j], v);
    poison[j] = V::fma(v, V::zero(), poison[j]);
  };
  int i = 0;
  for (; i + kTogether * kLanes <= n; i += kTogether * kLanes) {
    EARWITNESS_UNROLL
    for (int j = 0; j < kTogether; ++j) look(V::load(x + i + j * kLanes), j);
  }
  for (; i + kLanes <= n; i += kLanes) look(V::load(x + i), 0);
  const V low = V::min(V::min(lows[0], lows[1]), V::min(lows[2], lows[3]));
  Extent out{-(V::zero() - low).largest(),
             V::max(V::max(highs[0], highs[1]), V::max(highs[2], highs[3])).largest(),
             ((poison[0] + poison[1]) + (poison[2] + poison[3])).sum()};
  for (int j = i; j < n; ++j) {
    out.low = x[j] < out.low ? x[j] : out.low;
    out.high = x[j] > out.high ? x[j] : out.high;
    out.broken += x[j] * 0.0F;
  }
  return out;
}

// round(x inverse), at most `most`.
template <typename Numbers>
void round_row(const float* x, int n, float inverse, float most, int padded, const Numbers& out) {
  const V inverses = V::broadcast(&inverse);
  const V bound = V::broadcast(&most);
  const auto rounded = [&](int at) { return V::min(V::round(V::load(x + at) * inverses), bound); };
  int i = 0;
  for (; i + kTogether * kLanes <= n; i += kTogether * kLanes) {
    const V whole[kTogether] = {rounded(i), rounded(i + kLanes), rounded(i + 2 * kLanes),
                                rounded(i + 3 * kLanes)};
    out.put(whole, i);
  }
  for (; i + kLanes <= n; i += kLanes) out.put(rounded(i), i);
  float rest[kLanes] = {};
  for (int j = i; j < n; ++j) rest[j - i] = x[j];
  put_rest(V::min(V::round(V::load(rest) * inverses), bound), i, n, padded, out);
}

// A row in whole numbers of at most `limit`: x = scale * out.
template <typename Numbers>
float to_whole(const float* x, int n, float limit, int padded, const Numbers& out) {
  const Extent extent = extent_of(x, n);
  const float top = extent.high > -extent.low ? extent.high : -extent.low;
  round_row(x, n, extent.inverse(top, limit), limit, padded, out);
  return extent.scale(top, limit);
}

// A row in whole numbers from -zero to 255 - zero, so that 0 stays 0; `numbers` is given zero.
template <typename ToNumbers>
float to_bytes(const float* x, int n, int padded, const ToNumbers& numbers) {
  constexpr float kSpan = 255.0F;
  const Extent extent = extent_of(x, n);
  const float span = extent.high - extent.low;
  const float inverse = extent.inverse(span, kSpan);
  const float low = inverse > 0.0F ? extent.low : 0.0F;
  const V lowest = V::broadcast(&low) * V::broadcast(&inverse);
  float zero[kLanes];
  V::round(V::zero() - lowest).store(zero);
  round_row(x, n, inverse, kSpan - zero[0], padded, numbers(zero[0]));
  return extent.scale(span, kSpan);
}

// limit e^(x - top) for x <= top: 2 to the power of the whole part of (x - top) log2(e) times the
// Taylor polynomial of 2^f for the rest, |f| <= 0.5, whose error, below 5e-5, is less than the
// rounding of a limit of 13 bits. What is below e^-28 counts as that.
class LimitedExponential {
 public:
  LimitedExponential(float top, float limit) : base_(V::zero() - V::broadcast(&top) * log2e()) {
    constexpr float kCoefficients[] = {9.6181291e-3F, 5.5504109e-2F, 2.4022651e-1F, 6.9314718e-1F,
                                       1.0F};
    for (int i = 0; i < 5; ++i) {
      coefficients_[i] = V::broadcast(&kCoefficients[i]) * V::broadcast(&limit);
    }
  }

  V operator()(V x) const {
    constexpr float kLowest = -28.0F * kLog2e;
    const V scaled = V::max(V::fma(x, log2e(), base_), V::broadcast(&kLowest));
    const V n = V::round(scaled);
    const V f = scaled - n;
    V p = coefficients_[0];
    for (int i = 1; i < 5; ++i) p = V::fma(p, f, coefficients_[i]);
    return V::scale(p, n);
  }

 private:
  static constexpr float kLog2e = 1.44269504088896341F;
  static V log2e() { return V::broadcast(&kLog2e); }

  V base_;
  V coefficients_[5];
};

// Rounds numbers of 0 and more, and adds up what it gives.
struct Nearest {
  V total = V::zero();

  V operator()(V x) {
    const V whole = V::round(x);
    total = total + whole;
    return whole;
  }
};

// The same with what rounding takes from a number given to the next one of its lane: the sum is
// rounded each time, and so much more of it given.
struct Carried {
  V total = V::zero();
  V exact = V::zero();

  V operator()(V x) {
    exact = exact + x;
    const V before = total;
    total = V::round(exact);
    return total - before;
  }
};

template <typename Rounding, typename Numbers>
float to_weights(const float* x, int n, float limit, int padded, const Numbers& out) {
  const float top = largest(x, n);
  const LimitedExponential exponential(top, limit);
  Rounding round;
  int i = 0;
  for (; i + kTogether * kLanes <= n; i += kTogether * kLanes) {
    V e[kTogether];
    EARWITNESS_UNROLL
    for (int j = 0; j < kTogether; ++j) e[j] = round(exponential(V::load(x + i + j * kLanes)));
    out.put(e, i);
  }
  for (; i + kLanes <= n; i += kLanes) out.put(round(exponential(V::load(x + i))), i);
  float sum = round.total.sum();
  float rest[kLanes];
  for (int j = 0; j < kLanes; ++j) rest[j] = i + j < n ? x[i + j] : top;
  const V e = round(exponential(V::load(rest)));
  put_rest(e, i, n, padded, out);
  e.store(rest);
  for (int j = i; j < n; ++j) sum += rest[j - i];
  return sum;
}

float quantize(const float* x, int n, float limit, std::int16_t* out) {
  return to_whole(x, n, limit, n, Words{out});
}

float quantize_row(const float* x, int n, float limit, const IntegerRow& out) {
  return to_whole(x, n, limit, out.padded, Words{out.data});
}

// In 16 bits they need no zero.
float quantize_bytes(const float* x, int n, const IntegerRow& out, std::int32_t* /*zero*/) {
  return to_bytes(x, n, out.padded, [&](float /*zero*/) { return Words{out.data}; });
}

float exponential_row(const float* x, int n, float limit, const IntegerRow& out) {
  return to_weights<Nearest>(x, n, limit, out.padded, Words{out.data});
}

// A carry may add a half: the largest stays below 255.
constexpr float kMostByteWeight = 254.0F;

float exponential_bytes(const float* x, int n, const IntegerRow& out) {
  return to_weights<Carried>(x, n, kMostByteWeight, out.padded, Words{out.data});
}

void pack_pairs(const float* x, std::ptrdiff_t stride, int rows, const float* factors,
                std::int8_t* out) {
  for (int j = 0; j < kPanel; j += kLanes) {
    const V factor = V::load(factors + j);
    const V second = rows > 1 ? V::round(V::load(x + stride + j) * factor) : V::zero();
    store_pairs(V::round(V::load(x + j) * factor), second, out + 2 * j);
  }
}

// All of the set.
constexpr Kernels table(const char* name) {
  return {.name = name,
          .panels = panels,
          .row = row,
          .layout = Layout::kPairs,
          .integer_panels = integer_panels<Pairs>,
          .integer_row = integer_row,
          .quantize = quantize,
          .quantize_row = quantize_row,
          .byte_layout = Layout::kPairs,
          .byte_panels = integer_panels<Pairs>,
          .quantize_bytes = quantize_bytes,
          .exponential_row = exponential_row,
          .exponential_bytes = exponential_bytes,
          .pack_group = pack_pairs,
          .pack_byte_group = pack_pairs,
          .bf16 = nullptr,
          .lstm = lstm,
          .scale_shift_relu = scale_shift_relu,
          .widen = widen,
          .sum_difference = sum_difference,
          .layer_norm = layer_norm,
          .gelu = gelu,
          .softmax = softmax,
          .argmax = argmax,
          .log_sum_exp = log_sum_exp};
}
