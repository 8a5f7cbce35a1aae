// Scaled dot-product attention over keys and values that are packed for the register tiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

  // Makes room for so many positions, and some more, and keeps those that are there.
  void reserve(int positions);

  // Stores one head's keys and values of positions first ... first + count - 1; `key` and `value`
  // point to the head's first float of the first position, `stride` floats from one to the next.
  void store(int head, int first, int count, const float* key, const float* value,
             std::ptrdiff_t stride);

  // Stores positions 0 ... count - 1.
  void store(int head, int count, const float* key, const float* value, std::ptrdiff_t stride) {
    store(head, 0, count, key, value, stride);
  }

  // Copies positions 0 ... count - 1 of another of the same heads, and makes room for them.
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

// What queries and their weights are rounded to: 15 and 13 bits, or 8, which takes half the time
// where the machine multiplies bytes.
enum class Queries { kWords, kBytes };

// The same for a sequence that is known whole, in 8 bits: each key and each column of values with a
// scale of its own.
class IntegerKeyValues {
 public:
  IntegerKeyValues() = default;
  IntegerKeyValues(int heads, int head_size, int capacity, Queries queries);

  int head_size() const { return head_size_; }
  Queries queries() const { return queries_; }
  Layout layout() const;  // of the active kernels for such queries

  // Stores positions 0 ... count - 1 of one head, in place of what it had.
  void store(int head, int count, const float* key, const float* value, std::ptrdiff_t stride);

  // Panels of 16 positions' keys, in layout(); of key_size() inputs.
  const std::int8_t* keys(int head) const;
  int key_size() const { return key_size_; }
  const float* key_scales(int head) const;       // [capacity]
  const std::int32_t* key_sums(int head) const;  // [capacity], of the numbers
  // Panels of 16 of the head's values, in layout(); of capacity() inputs.
  const std::int8_t* values(int head) const;
  int capacity() const { return capacity_; }
  const float* value_scales(int head) const;       // [head_size]
  const std::int32_t* value_sums(int head) const;  // [head_size], of the numbers

 private:
  void store_keys(int head, int count, const float* key, std::ptrdiff_t stride);
  void store_values(int head, int count, const float* value, std::ptrdiff_t stride);

  int head_size_ = 0;
  Queries queries_ = Queries::kWords;
  int key_size_ = 0;    // head_size as a layout's number of inputs
  int value_size_ = 0;  // head_size up to whole panels
  int capacity_ = 0;    // up to whole panels, and as a layout's number of inputs
  AlignedVector<std::int8_t> keys_, values_;
  FloatBuffer key_scales_, value_scales_;
  AlignedVector<std::int32_t> key_sums_, value_sums_;
};

// The same in bfloat16, where the active kernels have products of it.
class Bf16KeyValues {
 public:
  Bf16KeyValues() = default;
  Bf16KeyValues(int heads, int head_size, int capacity);

  int head_size() const { return head_size_; }

  // Stores positions 0 ... count - 1 of one head, in place of what it had.
  void store(int head, int count, const float* key, const float* value, std::ptrdiff_t stride);

  // Panels of 16 positions' keys, of key_size() inputs.
  const std::uint16_t* keys(int head) const;
  int key_size() const { return key_size_; }
  // Panels of 16 of the head's values, of capacity() inputs.
  const std::uint16_t* values(int head) const;
  int capacity() const { return capacity_; }

 private:
  int head_size_ = 0;
  int key_size_ = 0;    // head_size as a number of inputs
  int value_size_ = 0;  // head_size up to whole panels
  int capacity_ = 0;    // as a number of inputs
  AlignedVector<std::uint16_t> keys_, values_;
};

// What attend() looks at.
struct Positions {
  int count = 0;
  // Added to the scores of the last positions: the logarithm of how many positions each stands for.
  std::span<const float> last_weights = {};

  // Adds them to a row of scores, each times `factor`.
  void weigh(float factor, float* scores) const {
    float* last = scores + count - std::ssize(last_weights);
    for (const float weight : last_weights) *last++ += weight * factor;
  }
};

// Whisper's heads have 64.
inline constexpr int kMostHeadSize = 256;

// Rows that one call of attend() may have.
inline constexpr int kAttentionRows = 48;

// Floats that attend() needs as scratch.
std::size_t attention_scratch(int positions, int head_size);

// out[r] = softmax(q[r] keys' / sqrt(head_size)) values, for up to kAttentionRows rows of one head.
// On return `probabilities`, where it is not null, holds [rows][positions].
void attend(const float* query, std::ptrdiff_t query_stride, int rows, const KeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride, float* probabilities = nullptr);
void attend(const float* query, std::ptrdiff_t query_stride, int rows, const IntegerKeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride, float* probabilities = nullptr);
void attend(const float* query, std::ptrdiff_t query_stride, int rows, const Bf16KeyValues& kv,
            int head, const Positions& positions, float* scratch, float* out,
            std::ptrdiff_t out_stride);

}  // namespace earwitness::kernels
