// Products of bytes by VNNI, four of a column at a time (Layout::kBytes). Included by
// avx512_impl.h.

// VNNI takes the left bytes to be unsigned: each is a number plus the row's zero, and as often as
// that the weights add up to too much.
struct Bytes {
  static constexpr int kGroup = group_of(Layout::kBytes);
  static constexpr int kRows = 6;
  static constexpr int kPanels = 4;
  using Sum = S;

  static W load(const std::int8_t* p) { return {_mm512_loadu_si512(p)}; }
  static W broadcast(const std::int16_t* p) { return W::broadcast(p); }
  static S add(S sums, W a, W b) {
#if defined(__GNUC__) && !defined(__clang__)
    // See S::add().
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums.v) : "v"(a.v), "v"(b.v));
    return sums;
#else
    return {_mm512_dpbusd_epi32(sums.v, a.v, b.v)};
#endif
  }
  static S start(const IntegerTask& t, int row, int column) {
    return {_mm512_mullo_epi32(_mm512_set1_epi32(-t.a_zeros[row]),
                               _mm512_loadu_si512(t.b_sums + column))};
  }
};

inline void store_bytes(V x, std::uint8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.v)));
}

inline void store_bytes(const V (&x)[kTogether], std::uint8_t* p) {
  // Lanes of 128 bits are packed each by itself: in the end number l of vector v is number v of
  // lane l.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i a = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0].v), _mm512_cvtps_epi32(x[1].v));
  const __m512i b = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2].v), _mm512_cvtps_epi32(x[3].v));
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b)));
}

inline void store_fours(const V (&x)[4], std::int8_t* p) {
  __m512i fours = _mm512_setzero_si512();
  for (int i = 3; i >= 0; --i) {
    const __m512i byte = _mm512_and_si512(_mm512_cvtps_epi32(x[i].v), _mm512_set1_epi32(0xFF));
    fours = _mm512_or_si512(_mm512_slli_epi32(fours, 8), byte);
  }
  _mm512_storeu_si512(p, fours);
}

#include "kernels/bytes_impl.h"
