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

constexpr int kReach = 9;  // three times the spread, in steps

// For each place, the columns on both sides of where a head with this lag looks for it.
struct Lens {
  struct Place {
    std::int32_t left = 0;
    std::int32_t right = 0;
    float share = 0.0F;  // of the right one
  };

  Lens(double lag, std::size_t n_places, std::size_t n_columns) : places(n_places) {
    const auto last = static_cast<double>(n_columns - 1);
    for (std::size_t i = 0; i < n_places; ++i) {
      const double column = std::clamp((static_cast<double>(i) * kStep + lag) / kColumn, 0.0, last);
      const double left = std::floor(column);
      places[i].left = static_cast<std::int32_t>(left);
      places[i].right = static_cast<std::int32_t>(std::min(left + 1.0, last));
      places[i].share = static_cast<float>(column - left);
    }
  }

  // Adds what the head looked at: `row`, to a sum of one.
  void add(std::span<const float> row, std::span<float> out) const {
    float sum = 1e-12F;
    for (float p : row) sum += p;
    const float scale = 1.0F / sum;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Place& place = places[i];
      const float left = row[at(place.left)];
      out[i] += scale * (left + place.share * (row[at(place.right)] - left));
    }
  }

  std::vector<Place> places;
};

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

// How likely each place is: the logarithm of the smoothed looks. `padded` has kReach zeros on both
// sides of them.
void smooth_logarithm(std::span<const float> padded, float scale, std::span<float> out) {
  static const auto kKernel = gaussian();
  std::fill(out.begin(), out.end(), kFloor);
  for (std::size_t k = 0; k < kKernel.size(); ++k) {  // outside, so that the inner loop is plain
    const float weight = kKernel[k] * scale;
    const float* from = padded.data() + k;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * from[i];
  }
  for (float& value : out) value = std::log(value);
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
  std::vector<Lens> lenses;
  for (const PointingHead& head : heads) lenses.emplace_back(head.lag, width, at(n_frames));
  std::vector<float> padded(width + 2 * at(kReach), 0.0F);
  const std::span<float> places(padded.data() + kReach, width);
  std::vector<float> likely(width);
  std::vector<float> best(width, 0.0F);
  std::vector<std::int32_t> from(rows * width, 0);
  for (std::size_t row = 0; row < rows; ++row) {
    std::fill(places.begin(), places.end(), 0.0F);
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const std::size_t start = (h * at(n_tokens) + at(first_row) + row) * at(n_ctx);
      lenses[h].add(attention.subspan(start, at(n_frames)), places);
    }
    smooth_logarithm(padded, scale, likely);
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
