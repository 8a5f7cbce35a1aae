// Rounding that every compiler turns into vector code, unlike std::nearbyint.
#pragma once

#include <bit>
#include <cstdint>

namespace earwitness::kernels {

// To the nearest whole number, ties to even, for |x| < 2^15: adding 1.5 * 2^23 leaves it in the
// last bits of the sum.
inline std::int16_t to_nearest(float x) {
  return static_cast<std::int16_t>(std::bit_cast<std::uint32_t>(x + 0x1.8p23F) & 0xFFFFU);
}

}  // namespace earwitness::kernels
