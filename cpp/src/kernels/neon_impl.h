// NEON, for the files that compile it with and without the products of bytes of Armv8.2 (dotprod).
// They define EARWITNESS_NAME, the name of the set, and EARWITNESS_TABLE, the variable that points
// to it.
#include "kernels/isa.h"

#if defined(EARWITNESS_HAS_SET)
#include <arm_neon.h>

namespace earwitness::kernels {
namespace {

constexpr int kLanes = 4;
constexpr int kIntegerRows = 3;  // a sum takes two registers
constexpr int kIntegerPanels = 1;
constexpr int kTilePanels = 1;
constexpr int kRows = 6;  // 24 accumulators, 4 columns of b and 1 value of a in 32 registers

struct V {
  float32x4_t v;

  static V load(const float* p) { return {vld1q_f32(p)}; }
  static V load_half(const std::uint16_t* p) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))};
  }
  static V broadcast(const float* p) { return {vld1q_dup_f32(p)}; }
  static V zero() { return {vdupq_n_f32(0.0F)}; }
  static V fma(V a, V b, V c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  static V max(V a, V b) { return {vmaxq_f32(a.v, b.v)}; }
  static V min(V a, V b) { return {vminq_f32(a.v, b.v)}; }
  static V round(V a) { return {vrndnq_f32(a.v)}; }
  static V scale(V a, V n) {
    const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127));
    return {vmulq_f32(a.v, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)))};
  }
  static V inverse(V a) { return {vdivq_f32(vdupq_n_f32(1.0F), a.v)}; }
  float largest() const { return vmaxvq_f32(v); }
  float sum() const { return vaddvq_f32(v); }
  void store(float* p) const { vst1q_f32(p, v); }
  friend V operator+(V a, V b) { return {vaddq_f32(a.v, b.v)}; }
  friend V operator-(V a, V b) { return {vsubq_f32(a.v, b.v)}; }
  friend V operator*(V a, V b) { return {vmulq_f32(a.v, b.v)}; }
  friend V operator/(V a, V b) { return {vdivq_f32(a.v, b.v)}; }
};

struct W {
  int16x8_t v;

  static W load(const std::int8_t* p) { return {vmovl_s8(vld1_s8(p))}; }
  static W broadcast(const std::int16_t* p) {
    std::int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return {vreinterpretq_s16_s32(vdupq_n_s32(pair))};
  }
};

// The products of a column's pair are kept apart until the end: adding them costs as much as
// multiplying.
struct S {
  int32x4_t low, high;

  static S zero() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
  static S add(S s, W a, W b) {
    return {vmlal_s16(s.low, vget_low_s16(a.v), vget_low_s16(b.v)),
            vmlal_high_s16(s.high, a.v, b.v)};
  }
  V to_float() const { return {vcvtq_f32_s32(vpaddq_s32(low, high))}; }
};

inline void store_int16(V x, std::int16_t* p) { vst1_s16(p, vqmovn_s32(vcvtnq_s32_f32(x.v))); }

inline void store_pairs(V x, V y, std::int8_t* p) {
  const int32x4_t low = vandq_s32(vcvtnq_s32_f32(x.v), vdupq_n_s32(0xFF));
  const int32x4_t pairs = vorrq_s32(low, vshlq_n_s32(vcvtnq_s32_f32(y.v), 8));
  vst1_s8(p, vreinterpret_s8_s16(vmovn_s32(pairs)));
}

#include "kernels/kernels_impl.h"
#include "kernels/transformer_impl.h"
#include "kernels/whole_numbers_impl.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include "kernels/neon_bytes_impl.h"
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
