#include "speech/pointing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace earwitness::speech {
namespace {

constexpr double kColumn = 0.02;  // seconds of a column of the attention
constexpr double kStep = 0.01;    // seconds of a place that a token may start at
constexpr int kLeastSteps = 2;    // between the starts of two tokens

// The look of a head is some 20 ms off where it should be (median), now and then much more: places
// are likely as by a Gaussian of 30 ms around what was looked at, and as by this floor elsewhere.
constexpr double kSpread = 0.03;
constexpr float kFloor = 1e-3F;

std::size_t at(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

// Adds what a head looked at, moved back by its lag, at places of kStep.
void add_look(std::span<const float> row, double lag, std::span<float> places) {
  float sum = 1e-12F;
  for (float p : row) sum += p;
  const double last = static_cast<double>(row.size() - 1);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const double column = std::clamp((static_cast<double>(i) * kStep + lag) / kColumn, 0.0, last);
    const auto left = static_cast<std::size_t>(column);
    const std::size_t right = std::min(left + 1, row.size() - 1);
    const auto share = static_cast<float>(column - static_cast<double>(left));
    places[i] += (row[left] * (1.0F - share) + row[right] * share) / sum;
  }
}

constexpr int kReach = 9;  // three times the spread, in steps

std::array<float, 2 * kReach + 1> gaussian() {
  std::array<float, 2 * kReach + 1> kernel{};
  float sum = 0.0F;
  for (int i = -kReach; i <= kReach; ++i) {
    const double x = i * kStep / kSpread;
    kernel[at(i + kReach)] = static_cast<float>(std::exp(-0.5 * x * x));
    sum += kernel[at(i + kReach)];
  }
  for (float& k : kernel) k /= sum;
  return kernel;
}

// How likely each place is: the logarithm of the smoothed looks.
void smooth_logarithm(std::span<const float> places, float scale, std::span<float> out) {
  static const auto kernel = gaussian();
  const auto n = std::ssize(places);
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    float sum = 0.0F;
    const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, i - kReach);
    const std::ptrdiff_t last = std::min(n - 1, i + kReach);
    for (std::ptrdiff_t j = first; j <= last; ++j)
      sum += places[at(j)] * kernel[at(j - i + kReach)];
    out[at(i)] = std::log(sum * scale + kFloor);
  }
}

}  // namespace

std::vector<double> token_starts(std::span<const float> attention,
                                 std::span<const PointingHead> heads, int n_tokens, int n_ctx,
                                 int n_frames, int first_row) {
  const std::size_t rows = at(n_tokens - first_row);
  const std::size_t width = at(n_frames) * 2;
  const std::size_t apart = rows * kLeastSteps <= width ? kLeastSteps : 0;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const float scale = 0.5F / static_cast<float>(heads.size());

  // The likeliest rising sequence of places, one a row (Viterbi): best[i] is that of the rows so
  // far with the last of them at place i, from[row][i] where the row before it then is.
  std::vector<float> places(width);
  std::vector<float> likely(width);
  std::vector<float> best(width, 0.0F);
  std::vector<std::int32_t> from(rows * width, 0);
  for (std::size_t row = 0; row < rows; ++row) {
    std::fill(places.begin(), places.end(), 0.0F);
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const std::size_t start = (h * at(n_tokens) + at(first_row) + row) * at(n_ctx);
      add_look(attention.subspan(start, at(n_frames)), heads[h].lag, places);
    }
    smooth_logarithm(places, scale, likely);
    if (row == 0) {
      best = likely;
      continue;
    }
    // From the right, so that what lies to the left is still that of the row before.
    std::int32_t* back = from.data() + row * width;
    float highest = kNever;
    std::int32_t place = 0;
    for (std::size_t i = 0; i + apart < width; ++i) {
      if (best[i] > highest) {
        highest = best[i];
        place = static_cast<std::int32_t>(i);
      }
      back[i + apart] = place;
    }
    for (std::size_t i = width; i-- > 0;) {
      best[i] = i < apart ? kNever : best[at(back[i])] + likely[i];
    }
  }

  std::vector<double> starts(rows);
  auto place = static_cast<std::int32_t>(std::max_element(best.begin(), best.end()) - best.begin());
  for (std::size_t row = rows; row-- > 0;) {
    starts[row] = place * kStep;
    place = from[row * width + at(place)];
  }
  return starts;
}

}  // namespace earwitness::speech
