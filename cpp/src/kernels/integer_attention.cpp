// Attention over keys and values in whole numbers.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/panel_column.h"
#include "kernels/panel_rows.h"

namespace earwitness::kernels {
namespace {

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

constexpr float kMostKey = 127.0F;  // of a key, and of a value

// The most that each of n numbers may be whose products with keys or values are to add up to less
// than 2^31: 13 bits, which exponential_row() is good for, up to 2064 positions; 15 for a query.
float left_limit(float most, int n) {
  return std::min(most, std::floor(2147483647.0F / (kMostKey * static_cast<float>(n)) * 0.999F));
}

}  // namespace

IntegerKeyValues::IntegerKeyValues(int heads, int head_size, int capacity, Queries queries)
    : head_size_(head_size),
      queries_(queries),
      key_size_(padded_inputs(layout(), head_size)),
      value_size_(whole_panels(head_size)),
      capacity_(padded_inputs(layout(), whole_panels(capacity))),
      keys_(size(heads) * size(key_size_) * size(capacity_), 0),
      values_(size(heads) * size(value_size_) * size(capacity_), 0),
      key_scales_(size(heads) * size(capacity_), 0.0F),
      value_scales_(size(heads) * size(value_size_), 0.0F),
      key_sums_(size(heads) * size(capacity_), 0),
      value_sums_(size(heads) * size(value_size_), 0) {}

Layout IntegerKeyValues::layout() const {
  return queries_ == Queries::kBytes ? active_kernels().byte_layout : active_kernels().layout;
}

const std::int8_t* IntegerKeyValues::keys(int head) const {
  return keys_.data() + size(head) * size(key_size_) * size(capacity_);
}

const std::int8_t* IntegerKeyValues::values(int head) const {
  return values_.data() + size(head) * size(value_size_) * size(capacity_);
}

const float* IntegerKeyValues::key_scales(int head) const {
  return key_scales_.data() + size(head) * size(capacity_);
}

const std::int32_t* IntegerKeyValues::key_sums(int head) const {
  return key_sums_.data() + size(head) * size(capacity_);
}

const float* IntegerKeyValues::value_scales(int head) const {
  return value_scales_.data() + size(head) * size(value_size_);
}

const std::int32_t* IntegerKeyValues::value_sums(int head) const {
  return value_sums_.data() + size(head) * size(value_size_);
}

void IntegerKeyValues::store(int head, int count, const float* key, const float* value,
                             std::ptrdiff_t stride) {
  store_keys(head, count, key, stride);
  store_values(head, count, value, stride);
}

void IntegerKeyValues::store_keys(int head, int count, const float* key, std::ptrdiff_t stride) {
  const Kernels& isa = active_kernels();
  const int group = group_of(layout());
  std::int16_t numbers[kMostHeadSize];
  std::int8_t* keys = keys_.data() + size(head) * size(key_size_) * size(capacity_);
  float* scales = key_scales_.data() + size(head) * size(capacity_);
  std::int32_t* sums = key_sums_.data() + size(head) * size(capacity_);
  for (int i = 0; i < count; ++i) {
    scales[i] = isa.quantize(key + i * stride, head_size_, kMostKey, numbers);
    sums[i] = std::accumulate(numbers, numbers + head_size_, 0);
    put_column(layout(), numbers, head_size_,
               keys + size(i / kPanel) * size(key_size_) * kPanel + i % kPanel * group);
  }
}

namespace {

// Of a right panel of `end` numbers, groups of inputs one after another.
void sum_columns(const std::int8_t* panel, std::ptrdiff_t end, int group, std::int32_t* sums) {
  const int line = kPanel * group;
  std::int32_t places[4 * kPanel] = {};
  for (std::ptrdiff_t first = 0; first < end; first += line) {
    for (int i = 0; i < line; ++i) places[i] += panel[first + i];
  }
  std::fill_n(sums, kPanel, 0);
  for (int i = 0; i < line; ++i) sums[i / group] += places[i];
}

}  // namespace

// A column of values has one scale: its products with the weights of all positions are summed.
void IntegerKeyValues::store_values(int head, int count, const float* value,
                                    std::ptrdiff_t stride) {
  const Kernels& isa = active_kernels();
  const int group = group_of(layout());
  const auto pack = queries_ == Queries::kBytes ? isa.pack_byte_group : isa.pack_group;
  float tops[kMostHeadSize] = {};
  float broken[kMostHeadSize] = {};  // not a number where a value is not finite
  for (int i = 0; i < count; ++i) {
    const float* row = value + i * stride;
    for (int d = 0; d < head_size_; ++d) {
      tops[d] = std::max(tops[d], std::abs(row[d]));
      broken[d] += row[d] * 0.0F;
    }
  }
  float factors[kMostHeadSize] = {};
  float* scales = value_scales_.data() + size(head) * size(value_size_);
  for (int d = 0; d < head_size_; ++d) {
    scales[d] = tops[d] / kMostKey + broken[d];
    factors[d] = tops[d] > 0.0F && broken[d] == 0.0F ? kMostKey / tops[d] : 0.0F;
  }
  std::int8_t* values = values_.data() + size(head) * size(value_size_) * size(capacity_);
  for (int d = 0; d < head_size_; d += kPanel) {
    const int columns = std::min(kPanel, head_size_ - d);
    std::int8_t* panel = values + size(d) * size(capacity_);
    pack_rows(value + d, stride, count, columns, group,
              [&](const float* x, std::ptrdiff_t step, int rows, int first) {
                pack(x, step, rows, factors + d, panel + first * kPanel);
              });
    if (queries_ != Queries::kBytes) continue;
    // Sums are of all that a product reads: what a longer window left there counts for nothing.
    const std::ptrdiff_t end = std::ptrdiff_t{padded_inputs(layout(), count)} * kPanel;
    std::fill(panel + std::ptrdiff_t{(count + group - 1) / group * group} * kPanel, panel + end, 0);
    sum_columns(panel, end, group, value_sums_.data() + size(head) * size(value_size_) + d);
  }
}

namespace {

// A product of one row or several with what lies in the kernels' first layout.
void multiply(const IntegerTask& t) {
  if (t.rows > 1) return active_kernels().integer_panels(t);
  active_kernels().integer_row({.a = t.a,
                                .a_stride = t.a_stride,
                                .a_scale = t.a_scales[0],
                                .c = t.c[0],
                                .residual = nullptr,
                                .inputs = t.inputs,
                                .columns = t.columns,
                                .b = t.b,
                                .b_stride = t.b_stride,
                                .b_scales = t.b_scales,
                                .bias = nullptr});
}

}  // namespace

void attend(const float* query, std::ptrdiff_t query_stride, int rows, const IntegerKeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride, float* probabilities) {
  const Kernels& isa = active_kernels();
  const bool bytes = kv.queries() == Queries::kBytes;
  const Layout layout = kv.layout();
  const int d = kv.head_size();
  const int n_keys = positions.count;
  const int padded_keys = padded_inputs(layout, n_keys);
  const std::ptrdiff_t score_stride = whole_panels(n_keys);
  const std::ptrdiff_t weight_stride = row_stride(layout, padded_keys);
  const std::ptrdiff_t query_numbers = row_stride(layout, kv.key_size());
  float* scores = scratch;
  auto* weights = reinterpret_cast<std::int16_t*>(scores + kAttentionRows * score_stride);
  auto* queries = weights + kAttentionRows * weight_stride;

  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  float scales[kAttentionRows];
  std::int32_t zeros[kAttentionRows] = {};
  float* score_rows[kAttentionRows];
  float* out_rows[kAttentionRows];
  for (int r = 0; r < rows; ++r) {
    const float* from = query + r * query_stride;
    const IntegerRow numbers{queries + r * query_numbers, kv.key_size(), query_numbers};
    scales[r] = (bytes ? isa.quantize_bytes(from, d, numbers, &zeros[r])
                       : isa.quantize_row(from, d, left_limit(32767.0F, d), numbers)) *
                scale;
    score_rows[r] = scores + r * score_stride;
    out_rows[r] = out + r * out_stride;
  }
  IntegerTask product{.a = queries,
                      .a_stride = query_numbers,
                      .a_scales = scales,
                      .a_zeros = zeros,
                      .b_sums = kv.key_sums(head),
                      .c = score_rows,
                      .residual = nullptr,
                      .rows = rows,
                      .columns = static_cast<int>(score_stride),
                      .c_offset = 0,
                      .inputs = kv.key_size(),
                      .b = kv.keys(head),
                      .b_stride = std::ptrdiff_t{kv.key_size()} * kPanel,
                      .b_scales = kv.key_scales(head),
                      .bias = nullptr,
                      .accumulate = false,
                      .negative_slope = 1.0F};
  bytes ? isa.byte_panels(product) : multiply(product);

  for (int r = 0; r < rows; ++r) {
    positions.weigh(1.0F, score_rows[r]);
    const IntegerRow numbers{weights + r * weight_stride, padded_keys, weight_stride};
    const float sum =
        bytes ? isa.exponential_bytes(score_rows[r], n_keys, numbers)
              : isa.exponential_row(score_rows[r], n_keys, left_limit(8191.0F, n_keys), numbers);
    scales[r] = 1.0F / sum;
    if (probabilities == nullptr) continue;
    float* p = probabilities + size(r) * size(n_keys);
    std::copy_n(score_rows[r], n_keys, p);
    isa.softmax(p, n_keys, 1.0F);
  }

  std::fill_n(zeros, rows, 0);
  product.b_sums = kv.value_sums(head);
  product.a = weights;
  product.a_stride = weight_stride;
  product.c = out_rows;
  product.columns = d;
  product.inputs = padded_keys;
  product.b = kv.values(head);
  product.b_stride = std::ptrdiff_t{kv.capacity()} * kPanel;
  product.b_scales = kv.value_scales(head);
  bytes ? isa.byte_panels(product) : multiply(product);
}

}  // namespace earwitness::kernels
