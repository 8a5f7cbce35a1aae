// Whole numbers into one column of a right panel.
#pragma once

#include <cstdint>

#include "kernels/isa.h"

namespace earwitness::kernels {

template <int Group>
void put_column_groups(const std::int16_t* numbers, int n, std::int8_t* column) {
  const int whole = n / Group * Group;
  for (int i = 0; i < whole; i += Group, column += Group * kPanel) {
    for (int k = 0; k < Group; ++k) column[k] = static_cast<std::int8_t>(numbers[i + k]);
  }
  for (int i = whole; i < n; ++i) column[i - whole] = static_cast<std::int8_t>(numbers[i]);
}

// Number i, of at most 127, as input i of the column that starts at `column`; padding is left as it
// is.
inline void put_column(Layout layout, const std::int16_t* numbers, int n, std::int8_t* column) {
  if (layout == Layout::kPairs)
    return put_column_groups<group_of(Layout::kPairs)>(numbers, n, column);
  put_column_groups<group_of(Layout::kPlanes)>(numbers, n, column);
}

}  // namespace earwitness::kernels
