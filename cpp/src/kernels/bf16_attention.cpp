// Attention over keys and values in bfloat16.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/panel_rows.h"

namespace earwitness::kernels {
namespace {

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

}  // namespace

Bf16KeyValues::Bf16KeyValues(int heads, int head_size, int capacity)
    : head_size_(head_size),
      key_size_(bf16_inputs(head_size)),
      value_size_(whole_panels(head_size)),
      capacity_(bf16_inputs(capacity)),
      keys_(size(heads) * size(key_size_) * size(capacity_), 0),
      values_(size(heads) * size(value_size_) * size(capacity_), 0) {}

const std::uint16_t* Bf16KeyValues::keys(int head) const {
  return keys_.data() + size(head) * size(key_size_) * size(capacity_);
}

const std::uint16_t* Bf16KeyValues::values(int head) const {
  return values_.data() + size(head) * size(value_size_) * size(capacity_);
}

void Bf16KeyValues::store(int head, int count, const float* key, const float* value,
                          std::ptrdiff_t stride) {
  const Bf16Kernels& isa = *active_kernels().bf16;
  std::uint16_t* keys = keys_.data() + size(head) * size(key_size_) * size(capacity_);
  std::uint16_t numbers[kMostHeadSize];
  for (int i = 0; i < count; ++i) {
    isa.round_row(key + i * stride, 1.0F, head_size_, key_size_, numbers);
    std::uint16_t* column = keys + size(i / kPanel) * size(key_size_) * kPanel + i % kPanel * 2;
    for (int k = 0; k < key_size_; k += 2) std::memcpy(column + k * kPanel, numbers + k, 4);
  }
  std::uint16_t* values = values_.data() + size(head) * size(value_size_) * size(capacity_);
  for (int d = 0; d < head_size_; d += kPanel) {
    const int columns = std::min(kPanel, head_size_ - d);
    std::uint16_t* panel = values + size(d) * size(capacity_);
    pack_rows(value + d, stride, count, columns, 2,
              [&](const float* x, std::ptrdiff_t step, int rows, int first) {
                isa.pack_pair(x, step, rows, panel + first * kPanel);
              });
    // What an earlier, longer window left there might not be finite.
    std::fill(panel + (count + 1) / 2 * 2 * kPanel, panel + bf16_inputs(count) * kPanel, 0);
  }
}

void attend(const float* query, std::ptrdiff_t query_stride, int rows, const Bf16KeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride) {
  const Bf16Kernels& isa = *active_kernels().bf16;
  const int d = kv.head_size();
  const int n_keys = positions.count;
  const int padded_keys = bf16_inputs(n_keys);
  const int score_columns = std::max(padded_keys, whole_panels(d));  // then the sums of values
  const std::ptrdiff_t score_stride = odd_lines(std::ptrdiff_t{4} * score_columns) / 4;
  const std::ptrdiff_t weight_stride = odd_lines(std::ptrdiff_t{2} * padded_keys) / 2;
  const std::ptrdiff_t query_numbers = odd_lines(std::ptrdiff_t{2} * kv.key_size()) / 2;
  float* scores = scratch;
  auto* weights = reinterpret_cast<std::uint16_t*>(scores + kAttentionRows * score_stride);
  auto* queries = weights + kAttentionRows * weight_stride;

  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  for (int r = 0; r < rows; ++r) {
    isa.round_row(query + r * query_stride, scale, d, kv.key_size(), queries + r * query_numbers);
  }
  isa.panels({.a = queries,
              .a_stride = query_numbers,
              .c = scores,
              .c_stride = score_stride,
              .rows = rows,
              .panels = whole_panels(n_keys) / kPanel,
              .inputs = kv.key_size(),
              .b = kv.keys(head),
              .b_stride = std::ptrdiff_t{kv.key_size()} * kPanel});
  float inverses[kAttentionRows];
  for (int r = 0; r < rows; ++r) {
    float* row = scores + r * score_stride;
    positions.weigh(1.0F, row);
    inverses[r] = 1.0F / isa.exponential_row(row, n_keys, padded_keys, weights + r * weight_stride);
  }
  isa.panels({.a = weights,
              .a_stride = weight_stride,
              .c = scores,
              .c_stride = score_stride,
              .rows = rows,
              .panels = whole_panels(d) / kPanel,
              .inputs = padded_keys,
              .b = kv.values(head),
              .b_stride = std::ptrdiff_t{kv.capacity()} * kPanel});
  for (int r = 0; r < rows; ++r) {
    const float* sums = scores + r * score_stride;
    for (int i = 0; i < d; ++i) out[r * out_stride + i] = sums[i] * inverses[r];
  }
}

}  // namespace earwitness::kernels
