// Inputs and definitions that the tests of the kernels share.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "kernels/isa.h"

namespace earwitness::kernels {

inline std::vector<float> noise(std::size_t n, unsigned seed) {
  std::vector<float> out(n);
  for (float& x : out) {
    seed = seed * 1664525U + 1013904223U;
    x = static_cast<float>(seed >> 8) / 8388608.0F - 1.0F;
  }
  return out;
}

struct Shape {
  int rows;
  int outputs;
  int inputs;
};

// y = act(x w' + bias + residual), by definition.
inline std::vector<float> product(const Shape& s, const std::vector<float>& x,
                                  const std::vector<float>& w, const std::vector<float>& bias,
                                  const std::vector<float>& residual, double slope) {
  std::vector<float> y;
  for (int r = 0; r < s.rows; ++r) {
    for (int o = 0; o < s.outputs; ++o) {
      auto sum = static_cast<double>(bias[static_cast<std::size_t>(o)]);
      for (int i = 0; i < s.inputs; ++i) {
        sum += static_cast<double>(x[static_cast<std::size_t>(r * s.inputs + i)]) *
               static_cast<double>(w[static_cast<std::size_t>(o * s.inputs + i)]);
      }
      sum += static_cast<double>(residual[static_cast<std::size_t>(r * s.outputs + o)]);
      y.push_back(static_cast<float>(std::max(sum, slope * sum)));
    }
  }
  return y;
}

inline void check_close(const std::vector<float>& got, const std::vector<float>& want,
                        double tolerance) {
  CHECK(got.size() == want.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
  }
  CHECK_NEAR(worst, 0.0, tolerance);
}

}  // namespace earwitness::kernels
