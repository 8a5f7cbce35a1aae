// AVX-512 (F, BW, DQ, VL), for the files that compile it with and without VNNI and AMX. They define
// EARWITNESS_NAME, the name of the set, and EARWITNESS_TABLE, the variable that points to it.
#include "kernels/isa.h"

#if defined(__AVX512F__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own header sets "undefined" vectors to themselves.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

namespace earwitness::kernels {
namespace {

constexpr int kLanes = 16;
constexpr int kIntegerRows = 8;  // two panels: each number of a row is loaded for both
constexpr int kIntegerPanels = 2;
constexpr int kRows = 8;
constexpr int kTilePanels = 2;

struct V {
  __m512 v;

  static V load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static V load_half(const std::uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static V broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
  static V zero() { return {_mm512_setzero_ps()}; }
  static V fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static V max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }
  static V min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }
  static V round(V a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static V scale(V a, V n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  static V inverse(V a) {
    const __m512 near = _mm512_rcp14_ps(a.v);
    return {_mm512_mul_ps(near, _mm512_fnmadd_ps(a.v, near, _mm512_set1_ps(2.0F)))};
  }
  float largest() const { return _mm512_reduce_max_ps(v); }
  float sum() const { return _mm512_reduce_add_ps(v); }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  friend V operator+(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend V operator-(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend V operator*(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend V operator/(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
};

struct W {
  __m512i v;

  static W load(const std::int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static W broadcast(const std::int16_t* p) {
    std::int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return {_mm512_set1_epi32(pair)};
  }
};

struct S {
  __m512i v;

  static S zero() { return {_mm512_setzero_si512()}; }
#if defined(__AVX512VNNI__)
  static S add(S s, W a, W b) {
#if defined(__GNUC__) && !defined(__clang__)
    // GCC would copy the sums of a tile to another register and back for every product.
    __asm__("vpdpwssd %2, %1, %0" : "+v"(s.v) : "v"(a.v), "v"(b.v));
    return s;
#else
    return {_mm512_dpwssd_epi32(s.v, a.v, b.v)};
#endif
  }
#else
  static S add(S s, W a, W b) { return {_mm512_add_epi32(s.v, _mm512_madd_epi16(a.v, b.v))}; }
#endif
  V to_float() const { return {_mm512_cvtepi32_ps(v)}; }
};

inline void store_int16(V x, std::int16_t* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x.v)));
}

inline void store_pairs(V x, V y, std::int8_t* p) {
  const __m512i first = _mm512_and_si512(_mm512_cvtps_epi32(x.v), _mm512_set1_epi32(0xFF));
  const __m512i pairs = _mm512_or_si512(first, _mm512_slli_epi32(_mm512_cvtps_epi32(y.v), 8));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(pairs));
}

#include "kernels/kernels_impl.h"
#include "kernels/transformer_impl.h"
#include "kernels/whole_numbers_impl.h"

#if defined(__AVX512VNNI__)
#include "kernels/vnni_bytes_impl.h"
#endif
#if defined(__AMX_INT8__)
#include "kernels/amx_impl.h"
#include "kernels/bf16_impl.h"
#endif

#if defined(__AMX_INT8__)
#include "kernels/amx_bytes_impl.h"
constexpr Kernels kTable =
    with_byte_tiles(with_bf16_tiles(with_plane_tiles(table(EARWITNESS_NAME))));
#elif defined(__AVX512VNNI__)
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
