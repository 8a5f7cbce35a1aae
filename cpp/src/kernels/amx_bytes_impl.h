// Products of bytes on the tiles of AMX (Layout::kBytes), in one plane where amx_impl.h takes two.
// Included after that and vnni_bytes_impl.h, which writes the rows.

// The sums of 16 rows of one panel, each row too much by its zero times the sums of the weights.
struct ByteSums {
  TileSums sums;
  const std::int32_t* zeros;
  __m512i weights;

  __m512i row(int r) const {
    return _mm512_sub_epi32(sums.row(r), _mm512_mullo_epi32(_mm512_set1_epi32(zeros[r]), weights));
  }
};

// 16 rows, or twice as many, of one or two panels: sums of the first rows in tiles 0 and 1, of the
// second in 2 and 3.
template <int Blocks, int Panels>
void byte_tiles(const IntegerTask& t, int row, int panel) {
  const char* a = left_row(t, row);
  const std::ptrdiff_t stride = 2 * t.a_stride;
  const std::int8_t* b = t.b + panel * t.b_stride;
  _tile_zero(0);
  if constexpr (Panels > 1) _tile_zero(1);
  if constexpr (Blocks > 1) _tile_zero(2);
  if constexpr (Blocks > 1 && Panels > 1) _tile_zero(3);
  const bool once = t.rows <= kTileRows;
  for (int k = 0; k < t.inputs; k += kTileInputs) {
    if (once) fetch_next<Panels>(b + k * kPanel, t.b_stride);
    _tile_loadd(6, b + k * kPanel, 64);
    _tile_loadd(4, a + k, stride);
    _tile_dpbusd(0, 4, 6);
    if constexpr (Panels > 1) {
      _tile_loadd(7, b + t.b_stride + k * kPanel, 64);
      _tile_dpbusd(1, 4, 7);
    }
    if constexpr (Blocks > 1) {
      _tile_loadd(5, a + kTileRows * stride + k, stride);
      _tile_dpbusd(2, 5, 6);
      if constexpr (Panels > 1) _tile_dpbusd(3, 5, 7);
    }
  }
  const std::int32_t* b_sums = t.b_sums + panel * kPanel;
  ByteSums sums[Blocks][Panels];
  _tile_stored(0, sums[0][0].sums.v, 64);
  if constexpr (Panels > 1) _tile_stored(1, sums[0][1].sums.v, 64);
  if constexpr (Blocks > 1) _tile_stored(2, sums[1][0].sums.v, 64);
  if constexpr (Blocks > 1 && Panels > 1) _tile_stored(3, sums[1][1].sums.v, 64);
  EARWITNESS_UNROLL
  for (int i = 0; i < Blocks; ++i) {
    EARWITNESS_UNROLL
    for (int p = 0; p < Panels; ++p) {
      const int first = row + i * kTileRows;
      sums[i][p].zeros = t.a_zeros + first;
      sums[i][p].weights = _mm512_loadu_si512(b_sums + p * kPanel);
      finish_tile(t, first, panel + p, sums[i][p]);
    }
  }
}

template <int Panels>
void byte_rows(const IntegerTask& t, int panel) {
  int row = 0;
  for (; row + kTileRows < t.rows; row += 2 * kTileRows) byte_tiles<2, Panels>(t, row, panel);
  if (row < t.rows) byte_tiles<1, Panels>(t, row, panel);
}

constexpr Kernels with_byte_tiles(Kernels kernels) {
  kernels = with_bytes(kernels);
  kernels.byte_panels = tile_panels<byte_rows<2>, byte_rows<1>>;
  return kernels;
}
