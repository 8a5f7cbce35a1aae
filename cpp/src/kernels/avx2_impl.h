// AVX2 + FMA + F16C, for the files that compile it with and without AVX-VNNI. They define
// EARWITNESS_NAME, the name of the set, and EARWITNESS_TABLE, the variable that points to it.
#include "kernels/isa.h"

#if defined(EARWITNESS_HAS_SET)
#include <immintrin.h>

namespace earwitness::kernels {
namespace {

constexpr int kLanes = 8;
constexpr int kIntegerRows = 6;
constexpr int kIntegerPanels = 1;
constexpr int kTilePanels = 1;
constexpr int kRows = 6;  // 12 accumulators, 2 columns of b and 1 value of a in 16 registers

struct V {
  __m256 v;

  static V load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static V load_half(const std::uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static V broadcast(const float* p) { return {_mm256_broadcast_ss(p)}; }
  static V zero() { return {_mm256_setzero_ps()}; }
  static V fma(V a, V b, V c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  static V max(V a, V b) { return {_mm256_max_ps(a.v, b.v)}; }
  static V min(V a, V b) { return {_mm256_min_ps(a.v, b.v)}; }
  static V round(V a) {
    return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static V scale(V a, V n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
    return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)))};
  }
  static V inverse(V a) {
    const __m256 near = _mm256_rcp_ps(a.v);
    return {_mm256_mul_ps(near, _mm256_fnmadd_ps(a.v, near, _mm256_set1_ps(2.0F)))};
  }
  float largest() const {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
  float sum() const {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  friend V operator+(V a, V b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend V operator-(V a, V b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend V operator*(V a, V b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend V operator/(V a, V b) { return {_mm256_div_ps(a.v, b.v)}; }
};

struct W {
  __m256i v;

  static W load(const std::int8_t* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static W broadcast(const std::int16_t* p) {
    std::int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return {_mm256_set1_epi32(pair)};
  }
};

struct S {
  __m256i v;

  static S zero() { return {_mm256_setzero_si256()}; }
  static S add(S s, W a, W b) {
    const __m256i products = _mm256_madd_epi16(a.v, b.v);
#if defined(__GNUC__) && !defined(__clang__)
    // GCC would keep the sums of a tile twice, before and after, and spill them for want of room.
    __asm__("vpaddd %1, %0, %0" : "+x"(s.v) : "x"(products));
    return s;
#else
    return {_mm256_add_epi32(s.v, products)};
#endif
  }
  V to_float() const { return {_mm256_cvtepi32_ps(v)}; }
};

inline void store_int16(V x, std::int16_t* p) {
  const __m256i n = _mm256_cvtps_epi32(x.v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1)));
}

inline void store_pairs(V x, V y, std::int8_t* p) {
  const __m256i first = _mm256_and_si256(_mm256_cvtps_epi32(x.v), _mm256_set1_epi32(0xFF));
  const __m256i second = _mm256_and_si256(_mm256_cvtps_epi32(y.v), _mm256_set1_epi32(0xFF));
  const __m256i pairs = _mm256_or_si256(first, _mm256_slli_epi32(second, 8));
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packus_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

#include "kernels/kernels_impl.h"
#include "kernels/transformer_impl.h"
#include "kernels/whole_numbers_impl.h"

#if defined(__AVXVNNI__)
#include "kernels/avx_bytes_impl.h"
constexpr Kernels kTable = with_bytes(table(EARWITNESS_NAME));
#else
constexpr Kernels kTable = table(EARWITNESS_NAME);
#endif

}  // namespace

const Kernels* const EARWITNESS_TABLE = &kTable;

}  // namespace earwitness::kernels

#else

namespace earwitness::kernels {
const Kernels* const EARWITNESS_TABLE = nullptr;
}  // namespace earwitness::kernels

#endif
