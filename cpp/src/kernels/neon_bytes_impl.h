// Products of bytes by the dot products of Armv8.2, four of a column at a time (Layout::kBytes).
// Included by neon_impl.h.

// Both sides of these products are signed: each left byte is taken to be 128 less than it says, and
// as often as the row's zero is more than that the weights add up to too much.
struct Bytes {
  static constexpr int kGroup = group_of(Layout::kBytes);
  static constexpr int kRows = 6;
  static constexpr int kPanels = 1;

  struct Sum {
    int32x4_t v;

    V to_float() const { return {vcvtq_f32_s32(v)}; }
  };

  static W load(const std::int8_t* p) { return {vreinterpretq_s16_s8(vld1q_s8(p))}; }
  static W broadcast(const std::int16_t* p) {
    return {veorq_s16(W::broadcast(p).v, vreinterpretq_s16_u8(vdupq_n_u8(0x80)))};
  }
  static Sum add(Sum sums, W a, W b) {
    return {vdotq_s32(sums.v, vreinterpretq_s8_s16(a.v), vreinterpretq_s8_s16(b.v))};
  }
  static Sum start(const IntegerTask& t, int row, int column) {
    return {vmulq_n_s32(vld1q_s32(t.b_sums + column), 128 - t.a_zeros[row])};
  }
};

inline uint16x4_t to_words(V x) { return vqmovn_u32(vcvtnq_u32_f32(x.v)); }

inline void store_bytes(V x, std::uint8_t* p) {
  const uint8x8_t bytes = vqmovn_u16(vcombine_u16(to_words(x), to_words(x)));
  const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

inline void store_bytes(const V (&x)[kTogether], std::uint8_t* p) {
  vst1q_u8(p, vcombine_u8(vqmovn_u16(vcombine_u16(to_words(x[0]), to_words(x[1]))),
                          vqmovn_u16(vcombine_u16(to_words(x[2]), to_words(x[3])))));
}

inline void store_fours(const V (&x)[4], std::int8_t* p) {
  int32x4_t fours = vdupq_n_s32(0);
  for (int i = 3; i >= 0; --i) {
    const int32x4_t byte = vandq_s32(vcvtnq_s32_f32(x[i].v), vdupq_n_s32(0xFF));
    fours = vorrq_s32(vshlq_n_s32(fours, 8), byte);
  }
  vst1q_s8(p, vreinterpretq_s8_s32(fours));
}

#include "kernels/bytes_impl.h"
