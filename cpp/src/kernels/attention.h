// Scaled dot-product attention over keys and values that are packed for the register tiles.
#pragma once

#include <cstddef>

#include "kernels/aligned.h"
#include "kernels/isa.h"

namespace earwitness::kernels {

// The keys and values of one sequence, for all heads: written once each, read many times.
class KeyValues {
 public:
  KeyValues() = default;
  KeyValues(int heads, int head_size, int capacity);

  int heads() const { return heads_; }
  int head_size() const { return head_size_; }
  int capacity() const { return capacity_; }

  // Stores one head's keys and values of positions first ... first + count - 1; `key` and `value`
  // point to the head's first float of the first position, `stride` floats from one to the next.
  void store(int head, int first, int count, const float* key, const float* value,
             std::ptrdiff_t stride);

  // Copies positions 0 ... count - 1 of another of the same shape.
  void copy_from(const KeyValues& other, int count);

  const float* keys(int head) const;    // [capacity / kPanel][head_size][kPanel]
  const float* values(int head) const;  // [head_size / kPanel][capacity][kPanel]

 private:
  std::size_t head_floats() const { return static_cast<std::size_t>(padded_size_) * padded_; }

  int heads_ = 0;
  int head_size_ = 0;
  int capacity_ = 0;
  int padded_size_ = 0;     // head_size up to whole panels
  std::size_t padded_ = 0;  // capacity up to whole panels
  FloatBuffer keys_;
  FloatBuffer values_;
};

// Rows that one call of attend() may have.
inline constexpr int kAttentionRows = 48;

// out[r] = softmax(q[r] keys' / sqrt(head_size)) values over positions 0 ... n_keys - 1, for up to
// kAttentionRows rows of one head. scores: room for rows x n_keys floats; holds the probabilities,
// row after row, on return.
void attend(const float* query, std::ptrdiff_t query_stride, int rows, const KeyValues& kv,
            int head, int n_keys, float* scores, float* out, std::ptrdiff_t out_stride);

}  // namespace earwitness::kernels
