#include "speech/alignment.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using Frames = std::vector<int>;

// The cheapest total cost of a monotonic path, by trying every one.
float cheapest(const std::vector<float>& cost, int rows, int columns, int r = 0, int c = 0) {
  const float here = cost[static_cast<std::size_t>(r * columns + c)];
  if (r == rows - 1 && c == columns - 1) return here;
  float best = std::numeric_limits<float>::infinity();
  if (r + 1 < rows) best = std::min(best, cheapest(cost, rows, columns, r + 1, c));
  if (c + 1 < columns) best = std::min(best, cheapest(cost, rows, columns, r, c + 1));
  if (r + 1 < rows && c + 1 < columns) {
    best = std::min(best, cheapest(cost, rows, columns, r + 1, c + 1));
  }
  return here + best;
}

// The cost of the path on which row r starts at column first[r] and lasts until the next row's.
float cost_of(const std::vector<float>& cost, int rows, int columns, const Frames& first) {
  float best = std::numeric_limits<float>::infinity();
  // Whether a row's stretch ends at or before the next row's first column is not told by the
  // starts: both are tried for every row.
  for (int choice = 0; choice < (1 << (rows - 1)); ++choice) {
    float sum = 0.0F;
    for (int r = 0; r < rows; ++r) {
      int last = columns - 1;
      if (r + 1 < rows) {
        last = first[static_cast<std::size_t>(r) + 1] - ((choice >> r) & 1);
        last = std::max(last, first[static_cast<std::size_t>(r)]);
      }
      for (int c = first[static_cast<std::size_t>(r)]; c <= last; ++c) {
        sum += cost[static_cast<std::size_t>(r * columns + c)];
      }
    }
    best = std::min(best, sum);
  }
  return best;
}

TEST(a_diagonal_is_followed) {
  const int n = 6;
  std::vector<float> cost(n * n, 1.0F);
  for (std::size_t i = 0; i < n; ++i) cost[i * n + i] = 0.0F;
  CHECK(warp(cost, n, n) == (Frames{0, 1, 2, 3, 4, 5}));
}

TEST(stretches_are_found) {
  // Row 0 owns columns 0-1, row 1 columns 2-6, row 2 columns 7-9.
  std::vector<float> cost(3 * 10, 1.0F);
  for (std::size_t c = 0; c < 10; ++c) cost[(c < 2 ? 0 : c < 7 ? 1 : 2) * 10 + c] = 0.0F;
  CHECK(warp(cost, 3, 10) == (Frames{0, 2, 7}));
}

TEST(one_row_or_one_column) {
  CHECK(warp(std::vector<float>(5, 1.0F), 1, 5) == (Frames{0}));
  CHECK(warp(std::vector<float>(4, 1.0F), 4, 1) == (Frames{0, 0, 0, 0}));
  CHECK(warp(std::vector<float>(1, 1.0F), 1, 1) == (Frames{0}));
}

TEST(more_rows_than_columns) {
  const Frames first = warp(std::vector<float>(7 * 3, 1.0F), 7, 3);
  CHECK(std::is_sorted(first.begin(), first.end()));
  CHECK(first.front() == 0 && first.back() <= 2);
}

TEST(the_path_is_the_cheapest_there_is) {
  synthetic::Noise noise(21);
  for (int run = 0; run < 200; ++run) {
    const int rows = 2 + run % 4;
    const int columns = 2 + run % 5;
    std::vector<float> cost(static_cast<std::size_t>(rows * columns));
    for (float& c : cost) c = noise() + 1.0F;
    const Frames first = warp(cost, rows, columns);
    CHECK_NEAR(cost_of(cost, rows, columns, first), cheapest(cost, rows, columns), 1e-5);
  }
}

TEST(any_costs_give_a_monotonic_path) {
  synthetic::Noise noise(22);
  for (int run = 0; run < 100; ++run) {
    const int rows = 1 + static_cast<int>(15.0F * (noise() + 1.0F));
    const int columns = 1 + static_cast<int>(30.0F * (noise() + 1.0F));
    std::vector<float> cost(static_cast<std::size_t>(rows * columns));
    for (float& c : cost) c = noise();
    const Frames first = warp(cost, rows, columns);
    CHECK(first.size() == static_cast<std::size_t>(rows));
    CHECK(std::is_sorted(first.begin(), first.end()));
    CHECK(first.front() == 0 && first.back() < columns);
  }
}

TEST(costs_that_are_no_numbers_still_end) {
  const std::vector<float> cost(4 * 9, std::numeric_limits<float>::quiet_NaN());
  const Frames first = warp(cost, 4, 9);
  CHECK(std::is_sorted(first.begin(), first.end()));
  CHECK(first.front() >= 0 && first.back() < 9);
}

// Attention [heads][tokens][n_ctx] in which token t looks at `width` frames from t * width on.
std::vector<float> staircase(int heads, int tokens, int n_ctx, int width, float padding) {
  std::vector<float> attention(static_cast<std::size_t>(heads * tokens * n_ctx), 1e-4F);
  for (int h = 0; h < heads; ++h) {
    for (int t = 0; t < tokens; ++t) {
      float* row = attention.data() + (h * tokens + t) * n_ctx;
      for (int c = t * width; c < (t + 1) * width; ++c) row[c] = 1.0F / static_cast<float>(width);
      row[n_ctx - 1] = padding;
    }
  }
  return attention;
}

TEST(tokens_are_placed_where_they_look) {
  const int width = 10;
  const std::vector<float> attention = staircase(3, 8, 100, width, 0.0F);
  const Frames frames = token_frames(attention, 3, 8, 100, 80, 0);
  for (std::size_t t = 0; t < 8; ++t) CHECK_NEAR(frames[t], width * static_cast<int>(t), 1);
}

TEST(rows_before_the_first_are_left_out) {
  const std::vector<float> attention = staircase(2, 8, 100, 10, 0.0F);
  const Frames frames = token_frames(attention, 2, 8, 100, 80, 3);
  CHECK(frames.size() == 5);
  CHECK(frames[0] == 0);  // the path starts at the first frame
  for (std::size_t t = 1; t < 5; ++t) CHECK_NEAR(frames[t], 10 * static_cast<int>(t + 3), 1);
}

TEST(what_went_to_the_padding_does_not_count) {
  const Frames want = token_frames(staircase(2, 8, 100, 10, 0.0F), 2, 8, 100, 80, 0);
  CHECK(token_frames(staircase(2, 8, 100, 10, 50.0F), 2, 8, 100, 80, 0) == want);
}

TEST(one_frame_and_few_frames) {
  const std::vector<float> attention = staircase(2, 4, 50, 1, 0.0F);
  CHECK(token_frames(attention, 2, 4, 50, 1, 0) == (Frames{0, 0, 0, 0}));
  for (int n = 2; n < 10; ++n) {  // shorter than the median's width
    const Frames frames = token_frames(attention, 2, 4, 50, n, 1);
    CHECK(std::is_sorted(frames.begin(), frames.end()) && frames.back() < n);
  }
}

TEST(published_heads_fit_their_models) {
  struct Model {
    int audio_layers;
    int text_layers;
    int heads;
    int vocabulary;
    std::size_t n;
  };
  for (const Model& m :
       {Model{4, 4, 6, 51864, 8}, Model{4, 4, 6, 51865, 6}, Model{6, 6, 8, 51864, 5},
        Model{6, 6, 8, 51865, 8}, Model{12, 12, 12, 51864, 19}, Model{12, 12, 12, 51865, 10},
        Model{24, 24, 16, 51864, 18}, Model{24, 24, 16, 51865, 6}, Model{32, 32, 20, 51865, 23},
        Model{32, 32, 20, 51866, 10}, Model{32, 4, 20, 51866, 6}}) {
    Hyperparameters h;
    h.n_audio_layer = m.audio_layers;
    h.n_text_layer = m.text_layers;
    h.n_text_head = m.heads;
    h.n_vocab = m.vocabulary;
    const std::vector<AttentionHead> heads = alignment_heads(h);
    CHECK(heads.size() == m.n);
    for (const AttentionHead& head : heads) {
      CHECK(head.layer >= 0 && head.layer < m.text_layers);
      CHECK(head.head >= 0 && head.head < m.heads);
    }
  }
}

TEST(an_unknown_model_uses_its_upper_layers) {
  Hyperparameters h;
  h.n_audio_layer = 2;
  h.n_text_layer = 3;
  h.n_text_head = 2;
  h.n_vocab = 51864;
  const std::vector<AttentionHead> heads = alignment_heads(h);
  CHECK(heads.size() == 4);
  CHECK(heads.front().layer == 1 && heads.back().layer == 2);
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
