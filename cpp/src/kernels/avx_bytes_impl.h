// Products of bytes by AVX-VNNI, four of a column at a time (Layout::kBytes). Included by
// avx2_impl.h.

// As with AVX-512: vnni_bytes_impl.h.
struct Bytes {
  static constexpr int kGroup = group_of(Layout::kBytes);
  static constexpr int kRows = 6;
  static constexpr int kPanels = 1;
  using Sum = S;

  static W load(const std::int8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static W broadcast(const std::int16_t* p) { return W::broadcast(p); }
  static S add(S sums, W a, W b) { return {_mm256_dpbusd_avx_epi32(sums.v, a.v, b.v)}; }
  static S start(const IntegerTask& t, int row, int column) {
    const __m256i b_sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.b_sums + column));
    return {_mm256_mullo_epi32(_mm256_set1_epi32(-t.a_zeros[row]), b_sums)};
  }
};

inline void store_bytes(V x, std::uint8_t* p) {
  const __m256i n = _mm256_cvtps_epi32(x.v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

inline void store_bytes(const V (&x)[kTogether], std::uint8_t* p) {
  // Lanes of 128 bits are packed each by itself: in the end four numbers of vector v are 2 v and
  // 2 v + 1 of the eight fours.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i a = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0].v), _mm256_cvtps_epi32(x[1].v));
  const __m256i b = _mm256_packs_epi32(_mm256_cvtps_epi32(x[2].v), _mm256_cvtps_epi32(x[3].v));
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bytes);
}

inline void store_fours(const V (&x)[4], std::int8_t* p) {
  __m256i fours = _mm256_setzero_si256();
  for (int i = 3; i >= 0; --i) {
    const __m256i byte = _mm256_and_si256(_mm256_cvtps_epi32(x[i].v), _mm256_set1_epi32(0xFF));
    fours = _mm256_or_si256(_mm256_slli_epi32(fours, 8), byte);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), fours);
}

#include "kernels/bytes_impl.h"
