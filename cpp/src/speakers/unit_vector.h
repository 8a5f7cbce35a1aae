// The length of a voice says nothing: voices are kept as unit vectors.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace earwitness::speakers {

// `x` at length 1, computed in its own precision; 0 where x is 0.
template <typename Number, std::size_t N>
std::array<float, N> unit_vector(const std::array<Number, N>& x) {
  double squares = 0.0;
  for (const Number value : x) squares += static_cast<double>(value) * static_cast<double>(value);
  const auto scale = static_cast<Number>(1.0 / std::max(std::sqrt(squares), 1e-12));
  std::array<float, N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<float>(x[i] * scale);
  return out;
}

}  // namespace earwitness::speakers
