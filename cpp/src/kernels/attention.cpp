#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace earwitness::kernels {
namespace {

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

constexpr float kNoBias[kMostHeadSize] = {};

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

}  // namespace earwitness::kernels
