#include "kernels/attention.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace earwitness::kernels {
namespace {

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

int whole_panels(int n) { return (n + kPanel - 1) / kPanel * kPanel; }

constexpr float kNoBias[kPanel] = {};

constexpr int kMostHeadSize = 256;  // Whisper's is 64

// Whole numbers whose products add up to less than 2^31: a score's over the head's size, an
// output's over a block of positions.
constexpr int kWeightBlock = 128;
constexpr float kMostWeight = 8191.0F;
constexpr float kMostValue = 2047.0F;
static_assert(8191.0 * 2047.0 * kWeightBlock < 2147483648.0);

// To the nearest whole number, ties to even, for |x| < 2^15: adding 1.5 * 2^23 leaves it in the
// last bits of the sum. Every compiler turns this into vector code, unlike std::nearbyint.
std::int16_t to_nearest(float x) {
  return static_cast<std::int16_t>(std::bit_cast<std::uint32_t>(x + 0x1.8p23F) & 0xFFFFU);
}

float key_limit(int head_size) {
  return std::min(32767.0F,
                  std::floor(std::sqrt(2147483647.0F / static_cast<float>(head_size)) * 0.999F));
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
  const std::size_t key_floats = size(whole_panels(count)) * size(head_size_);
  for (int head = 0; head < heads_; ++head) {
    std::copy_n(other.keys(head), key_floats,
                keys_.data() + size(head) * size(head_size_) * padded_);
    for (int d = 0; d < padded_size_; d += kPanel) {
      const std::size_t panel = size(d / kPanel) * padded_ * kPanel;
      std::copy_n(other.values(head) + panel, size(count) * kPanel,
                  values_.data() + size(head) * head_floats() + panel);
    }
  }
}

IntegerKeyValues::IntegerKeyValues(int heads, int head_size, int capacity)
    : head_size_(head_size),
      padded_size_(whole_panels(head_size)),
      padded_(size(whole_panels(capacity))),
      keys_(size(heads) * size(padded_size_) * padded_, 0),
      values_(size(heads) * size(padded_size_) * padded_, 0),
      key_scales_(size(heads) * padded_, 0.0F),
      value_scales_(size(heads) * size(padded_size_), 0.0F) {}

const std::int16_t* IntegerKeyValues::keys(int head) const {
  return keys_.data() + size(head) * size(padded_size_) * padded_;
}

const std::int16_t* IntegerKeyValues::values(int head) const {
  return values_.data() + size(head) * size(padded_size_) * padded_;
}

const float* IntegerKeyValues::key_scales(int head) const {
  return key_scales_.data() + size(head) * padded_;
}

const float* IntegerKeyValues::value_scales(int head) const {
  return value_scales_.data() + size(head) * size(padded_size_);
}

void IntegerKeyValues::store(int head, int count, const float* key, const float* value,
                             std::ptrdiff_t stride) {
  const Kernels& isa = active_kernels();
  const std::size_t from = size(head) * size(padded_size_) * padded_;
  std::int16_t numbers[kMostHeadSize] = {};
  const int pairs = (head_size_ + 1) / 2;
  for (int i = 0; i < count; ++i) {
    key_scales_[size(head) * padded_ + size(i)] =
        isa.quantize(key + i * stride, head_size_, key_limit(head_size_), numbers);
    std::int16_t* out =
        keys_.data() + from + (size(i / kPanel) * size(pairs) * kPanel + size(i % kPanel)) * 2;
    for (int p = 0; p < pairs; ++p) std::copy_n(numbers + 2 * p, 2, out + size(p) * 2 * kPanel);
  }
  // A column of values has one scale: its products with the weights of all positions are summed.
  float tops[kMostHeadSize] = {};
  float broken[kMostHeadSize] = {};  // not a number where a value is not finite
  for (int i = 0; i < count; ++i) {
    const float* row = value + i * stride;
    for (int d = 0; d < head_size_; ++d) {
      tops[d] = std::max(tops[d], std::abs(row[d]));
      broken[d] += row[d] * 0.0F;
    }
  }
  float inverse[kMostHeadSize] = {};
  for (int d = 0; d < head_size_; ++d) {
    value_scales_[size(head) * size(padded_size_) + size(d)] = tops[d] / kMostValue + broken[d];
    inverse[d] = tops[d] > 0.0F && broken[d] == 0.0F ? kMostValue / tops[d] : 0.0F;
  }
  for (int i = 0; i < count; ++i) {
    const float* row = value + i * stride;
    for (int d = 0; d < head_size_; ++d) numbers[d] = to_nearest(row[d] * inverse[d]);
    for (int d = 0; d < head_size_; d += kPanel) {
      std::int16_t* out =
          values_.data() + from + (size(d / kPanel) * padded_ + size(i / 2 * 2)) * kPanel + i % 2;
      for (int j = 0; j < std::min(kPanel, head_size_ - d); ++j) out[2 * j] = numbers[d + j];
    }
  }
}

std::size_t attention_scratch(int positions, int head_size) {
  const std::size_t row = size(whole_panels(positions)) * 3 / 2 + size(whole_panels(head_size));
  return kAttentionRows * (row + 1);
}

namespace {

// Adds the weights of the last positions to a row of scores.
void weigh(const Positions& positions, float factor, float* scores) {
  float* last = scores + positions.count - std::ssize(positions.last_weights);
  for (const float weight : positions.last_weights) *last++ += weight * factor;
}

}  // namespace

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
                    .columns = kPanel,
                    .a_offset = 0,
                    .c_offset = 0,
                    .segments = 1,
                    .segment_length = d,
                    .segment_stride = 0,
                    .b = nullptr,
                    .b_half = nullptr,
                    .bias = kNoBias,
                    .negative_slope = 1.0F};
  for (int key = 0; key < n_keys; key += kPanel) {
    product.columns = std::min(kPanel, n_keys - key);
    product.c_offset = key;
    product.b = kv.keys(head) + size(key) * size(d);
    isa.panel(product);
  }
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  for (int r = 0; r < rows; ++r) {
    weigh(positions, 1.0F / scale, score_rows[r]);
    isa.softmax(score_rows[r], n_keys, scale);
  }
  if (probabilities != nullptr) std::copy_n(scratch, size(rows) * size(n_keys), probabilities);

  product.a = score_rows;
  product.c = out_rows;
  const std::size_t capacity = size(whole_panels(kv.capacity()));
  for (int column = 0; column < d; column += kPanel) {
    product.columns = std::min(kPanel, d - column);
    product.c_offset = column;
    const float* panel = kv.values(head) + size(column / kPanel) * capacity * kPanel;
    for (int key = 0; key < n_keys; key += kKeyBlock) {
      product.a_offset = key;
      product.segment_length = std::min(kKeyBlock, n_keys - key);
      product.b = panel + size(key) * kPanel;
      product.bias = key == 0 ? kNoBias : nullptr;
      isa.panel(product);
    }
  }
}

void attend(const float* query, std::ptrdiff_t query_stride, int rows, const IntegerKeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride, float* probabilities) {
  const Kernels& isa = active_kernels();
  const int d = kv.head_size();
  const int n_keys = positions.count;
  const std::ptrdiff_t padded_keys = whole_panels(n_keys);
  const std::ptrdiff_t padded_size = whole_panels(d);
  float* scores = scratch;
  auto* weights = reinterpret_cast<std::int16_t*>(scores + kAttentionRows * padded_keys);
  auto* queries = weights + kAttentionRows * padded_keys;

  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  float scales[kAttentionRows];
  float* score_rows[kAttentionRows];
  float* out_rows[kAttentionRows];
  for (int r = 0; r < rows; ++r) {
    std::int16_t* numbers = queries + r * padded_size;
    scales[r] = isa.quantize(query + r * query_stride, d, key_limit(d), numbers) * scale;
    if (d % 2 != 0) numbers[d] = 0;
    score_rows[r] = scores + r * padded_keys;
    out_rows[r] = out + r * out_stride;
  }
  IntegerTask product{.a = queries,
                      .a_stride = padded_size,
                      .a_scales = scales,
                      .c = score_rows,
                      .residual = nullptr,
                      .rows = rows,
                      .columns = kPanel,
                      .c_offset = 0,
                      .pairs = (d + 1) / 2,
                      .b = nullptr,
                      .b_wide = nullptr,
                      .b_scales = nullptr,
                      .bias = kNoBias,
                      .negative_slope = 1.0F};
  for (int key = 0; key < n_keys; key += kPanel) {
    product.c_offset = key;
    product.b_wide = kv.keys(head) + size(key / kPanel) * size(product.pairs) * 2 * kPanel;
    product.b_scales = kv.key_scales(head) + key;
    isa.integer_panel(product);
  }
  for (int r = 0; r < rows; ++r) {
    weigh(positions, 1.0F, score_rows[r]);
    std::int16_t* row = weights + r * padded_keys;
    const float sum = isa.exponential_weights(score_rows[r], n_keys, kMostWeight, row);
    scales[r] = 1.0F / sum;
    if (n_keys % 2 != 0) row[n_keys] = 0;
    if (probabilities != nullptr) {
      float* p = probabilities + size(r) * size(n_keys);
      for (int key = 0; key < n_keys; ++key) p[key] = static_cast<float>(row[key]) / sum;
    }
  }
  product.a_stride = padded_keys;
  product.c = out_rows;
  for (int column = 0; column < d; column += kPanel) {
    product.columns = std::min(kPanel, d - column);
    product.c_offset = column;
    product.b_scales = kv.value_scales(head) + column;
    const std::int16_t* panel = kv.values(head) + size(column) * kv.padded();
    for (int key = 0; key < n_keys; key += kWeightBlock) {
      product.a = weights + key;
      product.pairs = (std::min(kWeightBlock, n_keys - key) + 1) / 2;
      product.b_wide = panel + size(key) * kPanel;
      product.bias = key == 0 ? kNoBias : nullptr;
      isa.integer_panel(product);
    }
  }
}

}  // namespace earwitness::kernels
