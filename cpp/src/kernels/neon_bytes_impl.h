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

    static Sum zero() { return {vdupq_n_s32(0)}; }
    V to_float() const { return {vcvtq_f32_s32(v)}; }
  };

  static W load(const std::int8_t* p) { return {vreinterpretq_s16_s8(vld1q_s8(p))}; }
  static W broadcast(const std::int16_t* p) {
    return {veorq_s16(W::broadcast(p).v, vreinterpretq_s16_u8(vdupq_n_u8(0x80)))};
  }
  static Sum add(Sum sums, W a, W b) {
    return {vdotq_s32(sums.v, vreinterpretq_s8_s16(a.v), vreinterpretq_s8_s16(b.v))};
  }
  static Sum finish(Sum sums, const IntegerTask& t, int row, int column) {
    return {vmlsq_n_s32(sums.v, vld1q_s32(t.b_sums + column), t.a_zeros[row] - 128)};
  }
};

// Numbers plus their zero, one after another.
struct UnsignedBytes {
  std::uint8_t* data;
  float zero;

  void put(const V (&x)[kTogether], int i) const {
    vst1q_u8(data + i, vcombine_u8(vqmovn_u16(vcombine_u16(whole(x[0]), whole(x[1]))),
                                   vqmovn_u16(vcombine_u16(whole(x[2]), whole(x[3])))));
  }
  void put(V x, int i) const {
    const uint16x4_t numbers = whole(x);
    const uint8x8_t bytes = vqmovn_u16(vcombine_u16(numbers, numbers));
    const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    __builtin_memcpy(data + i, &four, sizeof four);
  }
  void put(std::int16_t x, int i) const {
    data[i] = static_cast<std::uint8_t>(x + static_cast<int>(zero));
  }

 private:
  uint16x4_t whole(V x) const { return vqmovn_u32(vcvtnq_u32_f32((x + V::broadcast(&zero)).v)); }
};

#include "kernels/bytes_impl.h"
