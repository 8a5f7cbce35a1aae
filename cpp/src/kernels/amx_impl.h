// Products of whole numbers on the tiles of AMX, in planes of bytes (Layout::kPlanes): a number of
// 16 bits is 256 high + low, so its products are sums of products of bytes, exact like those in
// pairs. Included by avx512_impl.h, whose vectors finish them, after vnni_bytes_impl.h.

constexpr int kTileRows = 16;    // of a left operand and of sums; a right one has inputs / 4
constexpr int kTileInputs = 64;  // bytes of a row

// Palette 1 of the Intel SDM, volume 1, chapter 18: eight whole tiles.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfiguration kTiles{};

// The thread's tiles, for as long as this lives. Not by the intrinsic: GCC before 12.4 and 13.3
// takes it to read 8 bytes only.
struct TileScope {
  TileScope() { __asm__ volatile("ldtilecfg %0" : : "m"(kTiles)); }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

struct alignas(64) TileSums {
  std::int32_t v[kTileRows][kPanel];

  __m512i row(int r) const { return _mm512_load_si512(v[r]); }
};

// The sums of 16 rows of one panel, from those of their low and of their high bytes.
struct PlaneSums {
  TileSums low;
  TileSums high;

  __m512i row(int r) const {
    return _mm512_add_epi32(low.row(r), _mm512_slli_epi32(high.row(r), 8));
  }
};

// Rows row ... row + 15 of one panel.
template <bool Whole, bool Residual, typename Sums>
void finish_rows(const IntegerTask& t, int row, int panel, const Sums& sums) {
  const int column = panel * kPanel;
  const int columns = t.columns - column < kPanel ? t.columns - column : kPanel;
  const auto mask = static_cast<__mmask16>(Whole ? 0xFFFFU : (1U << columns) - 1U);
  const int rows = t.rows - row < kTileRows ? t.rows - row : kTileRows;
  const std::ptrdiff_t offset = t.c_offset + column;
  const __m512 b_scale = _mm512_loadu_ps(t.b_scales + column);
  const __m512 bias = t.bias != nullptr ? _mm512_loadu_ps(t.bias + column) : _mm512_setzero_ps();
  const __m512 slope = _mm512_set1_ps(t.negative_slope);
  const float* a_scales = t.a_scales + row;
  float* const* c = t.c + row;
  const float* const* residual = t.residual + (Residual ? row : 0);
  const bool accumulate = t.accumulate;
  for (int r = 0; r < rows; ++r) {
    float* out = c[r] + offset;
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(a_scales[r]), b_scale);
    const __m512 start = Whole || !accumulate ? bias : _mm512_maskz_loadu_ps(mask, out);
    __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.row(r)), scale, start);
    if constexpr (Residual) {
      y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, residual[r] + offset));
    }
    if constexpr (Whole) {
      _mm512_storeu_ps(out, y);
    } else {
      _mm512_mask_storeu_ps(out, mask, _mm512_max_ps(y, _mm512_mul_ps(slope, y)));
    }
  }
}

template <typename Sums>
void finish_tile(const IntegerTask& t, int row, int panel, const Sums& sums) {
  const bool whole =
      t.columns - panel * kPanel >= kPanel && !t.accumulate && t.negative_slope == 1.0F;
  if (t.residual != nullptr) {
    whole ? finish_rows<true, true>(t, row, panel, sums)
          : finish_rows<false, true>(t, row, panel, sums);
  } else {
    whole ? finish_rows<true, false>(t, row, panel, sums)
          : finish_rows<false, false>(t, row, panel, sums);
  }
}

// Where a left row starts, in planes its low bytes.
inline const char* left_row(const IntegerTask& t, int row) {
  return reinterpret_cast<const char*>(t.a + row * t.a_stride);
}

// Few rows pass over the weights only once, and tiles are loaded too late to fetch ahead.
template <int Panels>
void fetch_next(const std::int8_t* b, std::ptrdiff_t b_stride) {
  EARWITNESS_UNROLL
  for (int p = 0; p < Panels; ++p) {
    EARWITNESS_UNROLL
    for (int line = 0; line < kTileRows; ++line) {
      _mm_prefetch(reinterpret_cast<const char*>(b + (Panels + p) * b_stride + line * 64),
                   _MM_HINT_T0);
    }
  }
}

// 16 rows of one or two panels: sums of low bytes in tiles 0 and 2, of high in 1 and 3.
template <int Panels>
void plane_tiles(const IntegerTask& t, int row, int panel) {
  const char* low = left_row(t, row);
  const char* high = low + t.a_stride;
  const std::ptrdiff_t stride = 2 * t.a_stride;
  const std::int8_t* b = t.b + panel * t.b_stride;
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (Panels > 1) {
    _tile_zero(2);
    _tile_zero(3);
  }
  const bool once = t.rows <= kTileRows;
  for (int k = 0; k < t.inputs; k += kTileInputs) {
    if (once) fetch_next<Panels>(b + k * kPanel, t.b_stride);
    _tile_loadd(4, low + k, stride);
    _tile_loadd(5, high + k, stride);
    _tile_loadd(6, b + k * kPanel, 64);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbssd(1, 5, 6);
    if constexpr (Panels > 1) {
      _tile_loadd(7, b + t.b_stride + k * kPanel, 64);
      _tile_dpbusd(2, 4, 7);
      _tile_dpbssd(3, 5, 7);
    }
  }
  PlaneSums sums[Panels];
  _tile_stored(0, sums[0].low.v, 64);
  _tile_stored(1, sums[0].high.v, 64);
  if constexpr (Panels > 1) {
    _tile_stored(2, sums[1].low.v, 64);
    _tile_stored(3, sums[1].high.v, 64);
  }
  finish_tile(t, row, panel, sums[0]);
  if constexpr (Panels > 1) finish_tile(t, row, panel + 1, sums[1]);
}

template <int Panels>
void plane_rows(const IntegerTask& t, int panel) {
  for (int row = 0; row < t.rows; row += kTileRows) plane_tiles<Panels>(t, row, panel);
}

// Two and Single do all rows of so many panels.
template <void (*Two)(const IntegerTask&, int), void (*Single)(const IntegerTask&, int)>
void tile_panels(const IntegerTask& t) {
  const TileScope tiles;
  const int panels = t.panels();
  int panel = 0;
  for (; panel + 2 <= panels; panel += 2) Two(t, panel);
  if (panel < panels) Single(t, panel);
}

// One row, which reading the weights bounds: on vectors, a few panels at a time. VNNI takes the
// left bytes to be unsigned, so 128 is added to the high ones, and as often as much as the weights
// add up to taken off again.
template <int Panels>
void plane_row_panels(const IntegerRowTask& t, int first) {
  const auto* low = reinterpret_cast<const char*>(t.a);
  const char* high = low + t.a_stride;
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512i offset = _mm512_set1_epi8(-128);
  __m512i low_sums[Panels], high_sums[Panels], weights[Panels];
  EARWITNESS_UNROLL
  for (int p = 0; p < Panels; ++p) {
    low_sums[p] = high_sums[p] = weights[p] = _mm512_setzero_si512();
  }
  for (int k = 0; k < t.inputs; k += 4) {
    std::int32_t four[2];
    __builtin_memcpy(&four[0], low + k, 4);
    __builtin_memcpy(&four[1], high + k, 4);
    const __m512i lows = _mm512_set1_epi32(four[0]);
    const __m512i highs = _mm512_xor_si512(_mm512_set1_epi32(four[1]), offset);
    EARWITNESS_UNROLL
    for (int p = 0; p < Panels; ++p) {
      const __m512i b = _mm512_loadu_si512(t.b + (first + p) * t.b_stride + k * kPanel);
      low_sums[p] = _mm512_dpbusd_epi32(low_sums[p], lows, b);
      high_sums[p] = _mm512_dpbusd_epi32(high_sums[p], highs, b);
      weights[p] = _mm512_dpbusd_epi32(weights[p], ones, b);
    }
  }
  for (int p = 0; p < Panels; ++p) {
    const int column = (first + p) * kPanel;
    const int columns = t.columns - column < kPanel ? t.columns - column : kPanel;
    const auto mask = static_cast<__mmask16>((1U << columns) - 1U);
    const __m512i high_sum = _mm512_sub_epi32(high_sums[p], _mm512_slli_epi32(weights[p], 7));
    const __m512i sum = _mm512_add_epi32(low_sums[p], _mm512_slli_epi32(high_sum, 8));
    const __m512 scale =
        _mm512_mul_ps(_mm512_set1_ps(t.a_scale), _mm512_loadu_ps(t.b_scales + column));
    const __m512 start = t.bias != nullptr ? _mm512_loadu_ps(t.bias + column) : _mm512_setzero_ps();
    __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, start);
    if (t.residual != nullptr) {
      y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, t.residual + column));
    }
    _mm512_mask_storeu_ps(t.c + column, mask, y);
  }
}

void plane_row(const IntegerRowTask& t) {
  constexpr int kPanels = 4;
  const int panels = t.panels();
  int first = 0;
  for (; first + kPanels <= panels; first += kPanels) plane_row_panels<kPanels>(t, first);
  for (; first < panels; ++first) plane_row_panels<1>(t, first);
}

// Numbers as a plane of low and one of high bytes.
struct Planes {
  std::uint8_t* low;
  std::uint8_t* high;

  explicit Planes(const IntegerRow& row)
      : low(reinterpret_cast<std::uint8_t*>(row.data)), high(low + row.stride) {}

  void put(const V (&x)[kTogether], int i) const {
    // Lanes of 128 bits are packed each by itself: in the end number l of vector v is number v of
    // lane l.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_set1_epi16(0xFF);
    const __m512i a = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0].v), _mm512_cvtps_epi32(x[1].v));
    const __m512i b = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2].v), _mm512_cvtps_epi32(x[3].v));
    const __m512i lows =
        _mm512_packus_epi16(_mm512_and_si512(a, bytes), _mm512_and_si512(b, bytes));
    const __m512i highs = _mm512_packs_epi16(_mm512_srai_epi16(a, 8), _mm512_srai_epi16(b, 8));
    _mm512_storeu_si512(low + i, _mm512_permutexvar_epi32(order, lows));
    _mm512_storeu_si512(high + i, _mm512_permutexvar_epi32(order, highs));
  }
  void put(V x, int i) const {
    const __m512i n = _mm512_cvtps_epi32(x.v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(low + i), _mm512_cvtepi32_epi8(n));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(high + i),
                     _mm512_cvtepi32_epi8(_mm512_srli_epi32(n, 8)));
  }
  void put(std::int16_t x, int i) const {
    low[i] = static_cast<std::uint8_t>(x & 0xFF);
    high[i] = static_cast<std::uint8_t>((x >> 8) & 0xFF);
  }
};

float quantize_planes(const float* x, int n, float limit, const IntegerRow& out) {
  return to_whole(x, n, limit, out.padded, Planes(out));
}

float exponential_planes(const float* x, int n, float limit, const IntegerRow& out) {
  return to_weights<Nearest>(x, n, limit, out.padded, Planes(out));
}

constexpr Kernels with_plane_tiles(Kernels kernels) {
  kernels.layout = Layout::kPlanes;
  kernels.integer_panels = tile_panels<plane_rows<2>, plane_rows<1>>;
  kernels.integer_row = plane_row;
  kernels.quantize_row = quantize_planes;
  kernels.exponential_row = exponential_planes;
  kernels.pack_group = pack_fours;
  return kernels;
}
