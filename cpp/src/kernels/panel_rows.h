// Rows into a right panel, a group of them at a time.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/isa.h"

namespace earwitness::kernels {

// Calls pack(x, stride, rows, first) for each `group` of rows, four at most, and for those that are
// left: [rows][kPanel] at x, from row `first` on. A panel of fewer `columns` is filled up with
// zeros.
template <typename Pack>
void pack_rows(const float* x, std::ptrdiff_t stride, int count, int columns, int group,
               const Pack& pack) {
  for (int first = 0; first < count; first += group) {
    const int rows = std::min(group, count - first);
    const float* from = x + first * stride;
    if (columns == kPanel) {
      pack(from, stride, rows, first);
      continue;
    }
    float whole[4 * kPanel] = {};
    for (int r = 0; r < rows; ++r) std::copy_n(from + r * stride, columns, whole + r * kPanel);
    pack(whole, std::ptrdiff_t{kPanel}, rows, first);
  }
}

}  // namespace earwitness::kernels
