// Plain C++, in fours so that the compiler can use whatever vectors the base architecture has.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/half.h"
#include "kernels/isa.h"

namespace earwitness::kernels {
namespace {

constexpr int kLanes = 4;
constexpr int kIntegerRows = 2;
constexpr int kIntegerPanels = 1;
constexpr int kTilePanels = 1;
constexpr int kRows = 2;  // 8 vector accumulators of 16 registers

struct V {
  float v[kLanes];

  template <typename F>
  static V each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
  }
  static V load(const float* p) {
    return each([&](int i) { return p[i]; });
  }
  static V load_half(const std::uint16_t* p) {
    return each([&](int i) { return from_half(p[i]); });
  }
  static V broadcast(const float* p) {
    return each([&](int) { return *p; });
  }
  static V zero() {
    return each([](int) { return 0.0F; });
  }
  static V fma(V a, V b, V c) {
    return each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
  }
  static V max(V a, V b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static V min(V a, V b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static V round(V a) {
    return each([&](int i) { return std::nearbyint(a.v[i]); });
  }
  static V scale(V a, V n) {
    return each([&](int i) {
      const std::int32_t bits = (static_cast<std::int32_t>(n.v[i]) + 127) * (1 << 23);
      float power;
      std::memcpy(&power, &bits, sizeof power);
      return a.v[i] * power;
    });
  }
  static V inverse(V a) {
    return each([&](int i) { return 1.0F / a.v[i]; });
  }
  float largest() const {
    float top = v[0];
    for (const float lane : v) top = lane > top ? lane : top;
    return top;
  }
  float sum() const { return (v[0] + v[1]) + (v[2] + v[3]); }
  void store(float* p) const {
    for (int i = 0; i < kLanes; ++i) p[i] = v[i];
  }
  friend V operator+(V a, V b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  friend V operator-(V a, V b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  friend V operator*(V a, V b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  friend V operator/(V a, V b) {
    return each([&](int i) { return a.v[i] / b.v[i]; });
  }
};

struct W {
  std::int16_t v[2 * kLanes];

  static W load(const std::int8_t* p) {
    W out;
    for (int i = 0; i < 2 * kLanes; ++i) out.v[i] = p[i];
    return out;
  }
  static W broadcast(const std::int16_t* p) {
    W out;
    for (int i = 0; i < 2 * kLanes; ++i) out.v[i] = p[i % 2];
    return out;
  }
};

struct S {
  std::int32_t v[kLanes];

  static S zero() { return {}; }
  static S add(S s, W a, W b) {
    for (int i = 0; i < kLanes; ++i) {
      s.v[i] += a.v[2 * i] * b.v[2 * i] + a.v[2 * i + 1] * b.v[2 * i + 1];
    }
    return s;
  }
  V to_float() const {
    return V::each([&](int i) { return static_cast<float>(v[i]); });
  }
};

inline void store_int16(V x, std::int16_t* p) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<std::int16_t>(x.v[i]);
}

inline void store_pairs(V x, V y, std::int8_t* p) {
  for (int i = 0; i < kLanes; ++i) {
    p[2 * i] = static_cast<std::int8_t>(x.v[i]);
    p[2 * i + 1] = static_cast<std::int8_t>(y.v[i]);
  }
}

#include "kernels/kernels_impl.h"
#include "kernels/transformer_impl.h"
#include "kernels/whole_numbers_impl.h"

constexpr Kernels kTable = table("scalar");

}  // namespace

const Kernels* const kScalarKernels = &kTable;

}  // namespace earwitness::kernels
