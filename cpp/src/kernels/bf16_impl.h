// Attention in bfloat16 on the tiles of AMX, whose sums are what the caller wants: nothing is left
// to scale. Included after amx_impl.h.

constexpr int kBlockPanels = 4;  // sums in tiles 0 to 3

// 16 rows of up to four panels.
template <int Panels>
void bf16_tiles(const Bf16Task& t, int row, int panel) {
  _tile_zero(0);
  if constexpr (Panels > 1) _tile_zero(1);
  if constexpr (Panels > 2) _tile_zero(2);
  if constexpr (Panels > 3) _tile_zero(3);
  const std::uint16_t* a = t.a + row * t.a_stride;
  const std::uint16_t* b = t.b + panel * t.b_stride;
  const std::ptrdiff_t a_bytes = t.a_stride * 2;
  for (int k = 0; k < t.inputs; k += kBf16Inputs) {
    const std::uint16_t* column = b + k * kPanel;
    _tile_loadd(4, a + k, a_bytes);
    _tile_loadd(5, column, 64);
    _tile_dpbf16ps(0, 4, 5);
    if constexpr (Panels > 1) {
      _tile_loadd(6, column + t.b_stride, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (Panels > 2) {
      _tile_loadd(5, column + 2 * t.b_stride, 64);
      _tile_dpbf16ps(2, 4, 5);
    }
    if constexpr (Panels > 3) {
      _tile_loadd(6, column + 3 * t.b_stride, 64);
      _tile_dpbf16ps(3, 4, 6);
    }
  }
  float* c = t.c + row * t.c_stride + panel * kPanel;
  const std::ptrdiff_t c_bytes = t.c_stride * 4;
  _tile_stored(0, c, c_bytes);
  if constexpr (Panels > 1) _tile_stored(1, c + kPanel, c_bytes);
  if constexpr (Panels > 2) _tile_stored(2, c + 2 * kPanel, c_bytes);
  if constexpr (Panels > 3) _tile_stored(3, c + 3 * kPanel, c_bytes);
}

void bf16_panels(const Bf16Task& t) {
  const TileScope tiles;
  int panel = 0;
  for (; panel + kBlockPanels <= t.panels; panel += kBlockPanels) {
    for (int row = 0; row < t.rows; row += kTileRows) bf16_tiles<kBlockPanels>(t, row, panel);
  }
  for (; panel < t.panels; ++panel) {
    for (int row = 0; row < t.rows; row += kTileRows) bf16_tiles<1>(t, row, panel);
  }
}

// kLanes numbers, or the first of them and zeros after.
struct Bf16Row {
  std::uint16_t* data;

  void put(V x, int i) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(data + i),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)));
  }
  void put(V x, V y, int i) const {  // the latter kLanes further
    _mm512_storeu_si512(data + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(y.v, x.v)));
  }
  void clear(int from, int to) const {
    for (int i = from; i < to; ++i) data[i] = 0;
  }
};

inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1U << n) - 1U); }

void bf16_round_row(const float* x, float factor, int n, int padded, std::uint16_t* out) {
  const Bf16Row row{out};
  const V factors = V::broadcast(&factor);
  int i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    row.put(V::load(x + i) * factors, V::load(x + i + kLanes) * factors, i);
  }
  row.clear(i, padded);
  for (; i < n; i += kLanes) {
    const V rest{_mm512_maskz_loadu_ps(first_lanes(n - i < kLanes ? n - i : kLanes), x + i)};
    row.put(rest * factors, i);
  }
}

// 2 to the power of the whole part of x times the Taylor polynomial of 2^f for the rest,
// |f| <= 0.5, whose error, below 1e-4, is less than half of what is rounded off.
inline V power_of_two(V x) {
  constexpr float kLowest = -28.0F * 1.44269504088896341F;
  constexpr float kCoefficients[] = {5.5504109e-2F, 2.4022651e-1F, 6.9314718e-1F, 1.0F};
  x = V::max(V::broadcast(&kLowest), x);  // what is not a number stays so
  const V n = V::round(x);
  const V f = x - n;
  V p = V::broadcast(&kCoefficients[0]);
  for (int i = 1; i < 4; ++i) p = V::fma(p, f, V::broadcast(&kCoefficients[i]));
  return {_mm512_scalef_ps(p.v, n.v)};
}

float bf16_exponential_row(const float* x, int n, int padded, std::uint16_t* out) {
  constexpr float kLog2e = 1.44269504088896341F;
  const Bf16Row row{out};
  const float top = -kLog2e * largest(x, n);
  const V tops = V::broadcast(&top);
  const V log2e = V::broadcast(&kLog2e);
  V sums = V::zero();
  V more_sums = V::zero();
  int i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const V e = power_of_two(V::fma(V::load(x + i), log2e, tops));
    const V f = power_of_two(V::fma(V::load(x + i + kLanes), log2e, tops));
    row.put(e, f, i);
    sums = sums + e;
    more_sums = more_sums + f;
  }
  row.clear(i, padded);
  for (; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i < kLanes ? n - i : kLanes);
    const V rest{_mm512_maskz_loadu_ps(lanes, x + i)};
    const V e{_mm512_maskz_mov_ps(lanes, power_of_two(V::fma(rest, log2e, tops)).v)};
    row.put(e, i);
    sums = sums + e;
  }
  return (sums + more_sums).sum();
}

void bf16_pack_pair(const float* x, std::ptrdiff_t stride, int rows, std::uint16_t* out) {
  const auto bits = [](const float* p) {
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(p))));
  };
  __m512i pairs = bits(x);
  if (rows > 1) pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(bits(x + stride), 16));
  _mm512_storeu_si512(out, pairs);
}

constexpr Bf16Kernels kBf16Table = {.panels = bf16_panels,
                                    .round_row = bf16_round_row,
                                    .exponential_row = bf16_exponential_row,
                                    .pack_pair = bf16_pack_pair};

constexpr Kernels with_bf16_tiles(Kernels kernels) {
  kernels.bf16 = &kBf16Table;
  return kernels;
}
