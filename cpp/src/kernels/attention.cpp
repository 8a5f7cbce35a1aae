#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/panel_column.h"
#include "kernels/panel_rows.h"

namespace earwitness::kernels {
namespace {

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

constexpr float kNoBias[kMostHeadSize] = {};

constexpr float kMostKey = 127.0F;  // of a key, and of a value

// The most that each of n numbers may be whose products with keys or values are to add up to less
// than 2^31: 13 bits, which exponential_row() is good for, up to 2064 positions; 15 for a query.
float left_limit(float most, int n) {
  return std::min(most, std::floor(2147483647.0F / (kMostKey * static_cast<float>(n)) * 0.999F));
}

}  // namespace

KeyValues::KeyValues(int heads, int head_size, int capacity)
    : heads_(heads),
      head_size_(head_size),
      capacity_(capacity),
      padded_size_(whole_panels(head_size)),
      padded_(size(whole_panels(capacity))),
      keys_(size(heads) * size(head_size) * padded_, 0.0F),
      values_(size(heads) * head_floats(), 0.0F) {}

void KeyValues::reserve(int positions) {
  if (positions <= capacity_) return;
  KeyValues larger(heads_, head_size_, std::max(positions, 2 * capacity_));
  larger.copy_from(*this, capacity_);
  *this = std::move(larger);
}

const float* KeyValues::keys(int head) const {
  return keys_.data() + size(head) * size(head_size_) * padded_;
}

const float* KeyValues::values(int head) const {
  return values_.data() + size(head) * head_floats();
}

void KeyValues::store(int head, int first, int count, const float* key, const float* value,
                      std::ptrdiff_t stride) {
  float* keys = keys_.data() + size(head) * size(head_size_) * padded_;
  float* values = values_.data() + size(head) * head_floats();
  for (int i = 0; i < count; ++i) {
    const int position = first + i;
    float* panel = keys + size(position / kPanel) * size(head_size_) * kPanel + position % kPanel;
    for (int d = 0; d < head_size_; ++d) panel[d * kPanel] = key[i * stride + d];
    for (int d = 0; d < head_size_; d += kPanel) {
      const int n = std::min(kPanel, head_size_ - d);
      std::copy_n(value + i * stride + d, n,
                  values + (size(d / kPanel) * padded_ + size(position)) * kPanel);
    }
  }
}

void KeyValues::copy_from(const KeyValues& other, int count) {
  reserve(count);
  const std::size_t key_floats = size(whole_panels(count)) * size(head_size_);
  for (int head = 0; head < heads_; ++head) {
    std::copy_n(other.keys(head), key_floats,
                keys_.data() + size(head) * size(head_size_) * padded_);
    for (int d = 0; d < padded_size_; d += kPanel) {
      std::copy_n(other.values(head) + size(d) * other.padded_, size(count) * kPanel,
                  values_.data() + size(head) * head_floats() + size(d) * padded_);
    }
  }
}

IntegerKeyValues::IntegerKeyValues(int heads, int head_size, int capacity, Queries queries)
    : head_size_(head_size),
      queries_(queries),
      key_size_(padded_inputs(key_layout(), head_size)),
      value_size_(whole_panels(head_size)),
      capacity_(padded_inputs(active_kernels().layout, whole_panels(capacity))),
      keys_(size(heads) * size(key_size_) * size(capacity_), 0),
      values_(size(heads) * size(value_size_) * size(capacity_), 0),
      key_scales_(size(heads) * size(capacity_), 0.0F),
      value_scales_(size(heads) * size(value_size_), 0.0F),
      key_sums_(size(heads) * size(capacity_), 0) {}

Layout IntegerKeyValues::key_layout() const {
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

void IntegerKeyValues::store(int head, int count, const float* key, const float* value,
                             std::ptrdiff_t stride) {
  store_keys(head, count, key, stride);
  store_values(head, count, value, stride);
}

void IntegerKeyValues::store_keys(int head, int count, const float* key, std::ptrdiff_t stride) {
  const Kernels& isa = active_kernels();
  const int group = group_of(key_layout());
  std::int16_t numbers[kMostHeadSize];
  std::int8_t* keys = keys_.data() + size(head) * size(key_size_) * size(capacity_);
  float* scales = key_scales_.data() + size(head) * size(capacity_);
  std::int32_t* sums = key_sums_.data() + size(head) * size(capacity_);
  for (int i = 0; i < count; ++i) {
    scales[i] = isa.quantize(key + i * stride, head_size_, kMostKey, numbers);
    sums[i] = std::accumulate(numbers, numbers + head_size_, 0);
    put_column(key_layout(), numbers, head_size_,
               keys + size(i / kPanel) * size(key_size_) * kPanel + i % kPanel * group);
  }
}

// A column of values has one scale: its products with the weights of all positions are summed.
void IntegerKeyValues::store_values(int head, int count, const float* value,
                                    std::ptrdiff_t stride) {
  const Kernels& isa = active_kernels();
  const int group = group_of(isa.layout);
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
                isa.pack_group(x, step, rows, factors + d, panel + first * kPanel);
              });
  }
}

std::size_t attention_scratch(int positions, int head_size) {
  constexpr int kLine = 64;  // what a row of whole numbers may be longer by
  const std::size_t numbers =
      size(whole_panels(positions)) + size(whole_panels(head_size)) + 4 * kLine;
  const std::size_t scores = size(whole_panels(std::max(positions, head_size)));
  return kAttentionRows * (scores + numbers / 2 + 1);
}

void attend(const float* query, std::ptrdiff_t query_stride, int rows, const KeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride, float* probabilities) {
  // Keys of one pass over the values: what a head's panel of values keeps in the first cache level.
  constexpr int kKeyBlock = 512;
  const Kernels& isa = active_kernels();
  const int d = kv.head_size();
  const int n_keys = positions.count;
  const float* query_rows[kAttentionRows];
  float* score_rows[kAttentionRows];
  float* out_rows[kAttentionRows];
  for (int r = 0; r < rows; ++r) {
    query_rows[r] = query + r * query_stride;
    score_rows[r] = scratch + static_cast<std::ptrdiff_t>(r) * n_keys;
    out_rows[r] = out + r * out_stride;
  }
  PanelTask product{.a = query_rows,
                    .c = score_rows,
                    .residual = nullptr,
                    .rows = rows,
                    .columns = 0,
                    .a_offset = 0,
                    .c_offset = 0,
                    .segments = 1,
                    .segment_length = d,
                    .segment_stride = 0,
                    .b = nullptr,
                    .b_half = nullptr,
                    .b_stride = std::ptrdiff_t{d} * kPanel,
                    .bias = kNoBias,
                    .negative_slope = 1.0F};
  for (int key = 0; key < n_keys; key += kMostHeadSize) {
    product.columns = std::min(kMostHeadSize, n_keys - key);
    product.c_offset = key;
    product.b = kv.keys(head) + size(key) * size(d);
    isa.panels(product);
  }
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  for (int r = 0; r < rows; ++r) {
    positions.weigh(1.0F / scale, score_rows[r]);
    isa.softmax(score_rows[r], n_keys, scale);
  }
  if (probabilities != nullptr) std::copy_n(scratch, size(rows) * size(n_keys), probabilities);

  product.a = score_rows;
  product.c = out_rows;
  product.columns = d;
  product.c_offset = 0;
  product.b_stride = std::ptrdiff_t{whole_panels(kv.capacity())} * kPanel;
  for (int key = 0; key < n_keys; key += kKeyBlock) {
    product.a_offset = key;
    product.segment_length = std::min(kKeyBlock, n_keys - key);
    product.b = kv.values(head) + size(key) * kPanel;
    product.bias = key == 0 ? kNoBias : nullptr;
    isa.panels(product);
  }
}

namespace {

// A product with values, or with keys that meet whole queries, of one row or several.
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
  const int d = kv.head_size();
  const int n_keys = positions.count;
  const int padded_keys = padded_inputs(isa.layout, n_keys);
  const std::ptrdiff_t score_stride = whole_panels(n_keys);
  const std::ptrdiff_t weight_stride = row_stride(isa.layout, padded_keys);
  const bool bytes = kv.queries() == Queries::kBytes;
  const std::ptrdiff_t query_numbers = row_stride(kv.key_layout(), kv.key_size());
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
    const float sum =
        isa.exponential_row(score_rows[r], n_keys, left_limit(8191.0F, n_keys),
                            {weights + r * weight_stride, padded_keys, weight_stride});
    scales[r] = 1.0F / sum;
    if (probabilities == nullptr) continue;
    float* p = probabilities + size(r) * size(n_keys);
    std::copy_n(score_rows[r], n_keys, p);
    isa.softmax(p, n_keys, 1.0F);
  }
  product.a_zeros = nullptr;
  product.b_sums = nullptr;
  product.a = weights;
  product.a_stride = weight_stride;
  product.c = out_rows;
  product.columns = d;
  product.inputs = padded_keys;
  product.b = kv.values(head);
  product.b_stride = std::ptrdiff_t{kv.capacity()} * kPanel;
  product.b_scales = kv.value_scales(head);
  multiply(product);
}

}  // namespace earwitness::kernels
