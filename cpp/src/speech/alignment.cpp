#include "speech/alignment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace earwitness::speech {
namespace {

constexpr int kMedianWidth = 7;  // frames of 0.02 s

float median_at(std::span<const float> row, int at) {
  std::array<float, kMedianWidth> window{};
  const int n = static_cast<int>(row.size());
  for (int i = 0; i < kMedianWidth; ++i) {
    int j = std::abs(at + i - kMedianWidth / 2);   // reflected at the left end
    if (j >= n) j = std::max(0, 2 * (n - 1) - j);  // and at the right one
    window[static_cast<std::size_t>(i)] = row[static_cast<std::size_t>(j)];
  }
  std::nth_element(window.begin(), window.begin() + kMedianWidth / 2, window.end());
  return window[kMedianWidth / 2];
}

// Each column to zero mean and unit variance over the tokens: what counts is which token attends to
// a frame more than the others do.
void normalise_columns(std::vector<float>& matrix, std::size_t rows, std::size_t columns) {
  for (std::size_t c = 0; c < columns; ++c) {
    float mean = 0.0F;
    for (std::size_t r = 0; r < rows; ++r) mean += matrix[r * columns + c];
    mean /= static_cast<float>(rows);
    float variance = 0.0F;
    for (std::size_t r = 0; r < rows; ++r) {
      const float d = matrix[r * columns + c] - mean;
      variance += d * d;
    }
    const float deviation = std::sqrt(variance / static_cast<float>(rows)) + 1e-12F;
    for (std::size_t r = 0; r < rows; ++r) {
      matrix[r * columns + c] = (matrix[r * columns + c] - mean) / deviation;
    }
  }
}

}  // namespace

std::vector<int> warp(std::span<const float> cost, int rows, int columns) {
  enum Step : std::uint8_t { kDiagonal, kUp, kLeft };
  const auto width = static_cast<std::size_t>(columns) + 1;
  const auto height = static_cast<std::size_t>(rows) + 1;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> above(width, kInfinity);
  std::vector<float> current(width, kInfinity);
  std::vector<Step> steps(height * width, kLeft);
  above[0] = 0.0F;
  for (std::size_t i = 1; i < height; ++i) {
    current[0] = kInfinity;
    for (std::size_t j = 1; j < width; ++j) {
      const float diagonal = above[j - 1];
      const float up = above[j];
      const float left = current[j - 1];
      Step step = kLeft;
      float best = left;
      if (diagonal < up && diagonal < left) {
        step = kDiagonal;
        best = diagonal;
      } else if (up < diagonal && up < left) {
        step = kUp;
        best = up;
      }
      current[j] = cost[(i - 1) * (width - 1) + (j - 1)] + best;
      steps[i * width + j] = step;
    }
    std::swap(above, current);
  }
  std::vector<int> first(static_cast<std::size_t>(rows), 0);
  std::size_t i = height - 1;
  std::size_t j = width - 1;
  while (i > 0 && j > 0) {
    first[i - 1] = static_cast<int>(j - 1);
    const Step step = i == 1 ? kLeft : j == 1 ? kUp : steps[i * width + j];
    if (step != kLeft) --i;
    if (step != kUp) --j;
  }
  return first;
}

std::vector<int> token_frames(std::span<const float> attention, int n_heads, int n_tokens,
                              int n_ctx, int n_frames, int first_row) {
  const auto tokens = static_cast<std::size_t>(n_tokens);
  const auto frames = static_cast<std::size_t>(n_frames);
  const auto first = static_cast<std::size_t>(first_row);
  std::vector<float> cost((tokens - first) * frames, 0.0F);
  std::vector<float> matrix(tokens * frames);
  for (int head = 0; head < n_heads; ++head) {
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto row = attention.subspan(
          (static_cast<std::size_t>(head) * tokens + t) * static_cast<std::size_t>(n_ctx), frames);
      // What went to the padding is shared out: the softmax that audio alone would have had.
      float sum = 1e-12F;
      for (float p : row) sum += p;
      for (std::size_t c = 0; c < frames; ++c) matrix[t * frames + c] = row[c] / sum;
    }
    normalise_columns(matrix, tokens, frames);
    for (std::size_t t = first; t < tokens; ++t) {
      const std::span<const float> row(matrix.data() + t * frames, frames);
      for (std::size_t c = 0; c < frames; ++c) {
        cost[(t - first) * frames + c] -= median_at(row, static_cast<int>(c));
      }
    }
  }
  return warp(cost, n_tokens - first_row, n_frames);
}

}  // namespace earwitness::speech
