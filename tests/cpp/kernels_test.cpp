#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"

namespace earwitness::kernels {
namespace {

std::vector<float> noise(std::size_t n, unsigned seed) {
  std::vector<float> out(n);
  for (float& x : out) {
    seed = seed * 1664525U + 1013904223U;
    x = static_cast<float>(seed >> 8) / 8388608.0F - 1.0F;
  }
  return out;
}

// All sets of inner loops that this machine runs.
std::vector<const Kernels*> available() {
  std::vector<const Kernels*> out;
  for (const char* name : {"scalar", "avx2", "avx512", "avx512vnni", "neon"}) {
    if (const Kernels* found = find_kernels(name)) out.push_back(found);
  }
  return out;
}

struct Shape {
  int rows;
  int outputs;
  int inputs;
};

// y = act(x w' + bias + residual), by definition.
std::vector<float> product(const Shape& s, const std::vector<float>& x, const std::vector<float>& w,
                           const std::vector<float>& bias, const std::vector<float>& residual,
                           double slope) {
  std::vector<float> y;
  for (int r = 0; r < s.rows; ++r) {
    for (int o = 0; o < s.outputs; ++o) {
      auto sum = static_cast<double>(bias[static_cast<std::size_t>(o)]);
      for (int i = 0; i < s.inputs; ++i) {
        sum += static_cast<double>(x[static_cast<std::size_t>(r * s.inputs + i)]) *
               static_cast<double>(w[static_cast<std::size_t>(o * s.inputs + i)]);
      }
      sum += static_cast<double>(residual[static_cast<std::size_t>(r * s.outputs + o)]);
      y.push_back(static_cast<float>(std::max(sum, slope * sum)));
    }
  }
  return y;
}

void check_close(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  CHECK(got.size() == want.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
  }
  CHECK_NEAR(worst, 0.0, tolerance);
}

TEST(gemm_agrees_with_the_definition) {
  ThreadPool pool(2);
  for (const Shape& s : {Shape{1, 1, 1}, Shape{7, 3, 5}, Shape{6, 16, 32}, Shape{49, 60, 129},
                         Shape{100, 7, 600}, Shape{13, 40, 1100}, Shape{5, 24, 64}}) {
    const auto n = static_cast<std::size_t>(s.rows * s.outputs);
    const auto x = noise(static_cast<std::size_t>(s.rows * s.inputs), 1);
    const auto w = noise(static_cast<std::size_t>(s.outputs * s.inputs), 2);
    const auto bias = noise(static_cast<std::size_t>(s.outputs), 3);
    const auto residual = noise(n, 4);
    const PackedMatrix packed(w.data(), s.outputs, s.inputs, bias.data());
    for (const float slope : {1.0F, 0.0F, 0.01F}) {
      std::vector<float> y(n, 99.0F);
      gemm({x.data(), {s.inputs}}, s.rows, packed, {y.data(), {s.outputs}},
           {.negative_slope = slope, .residual = residual.data(), .residual_rows = {s.outputs}},
           pool, {});
      check_close(y, product(s, x, w, bias, residual, static_cast<double>(slope)), 2e-4);
    }
  }
}

TEST(accumulate_adds_to_the_output) {
  const Shape s{9, 20, 33};
  const auto x = noise(9 * 33, 1);
  const auto w = noise(20 * 33, 2);
  const auto start = noise(9 * 20, 3);
  const PackedMatrix packed(w.data(), s.outputs, s.inputs, nullptr);
  std::vector<float> y = start;
  gemm_rows({x.data(), {s.inputs}}, 0, s.rows, packed, {y.data(), {s.outputs}},
            {.accumulate = true});
  check_close(y, product(s, x, w, std::vector<float>(20), start, 1.0), 1e-4);
}

// Weights that 8 bits hold exactly: what is left is the rounding of the left operand.
TEST(products_of_whole_numbers_agree_with_the_definition) {
  ThreadPool pool(2);
  for (const Shape& s : {Shape{1, 1, 1}, Shape{1, 40, 7}, Shape{7, 3, 5}, Shape{6, 16, 32},
                         Shape{49, 60, 129}, Shape{100, 7, 600}, Shape{13, 40, 5120}}) {
    const auto n = static_cast<std::size_t>(s.rows * s.outputs);
    const auto x = noise(static_cast<std::size_t>(s.rows * s.inputs), 1);
    auto w = noise(static_cast<std::size_t>(s.outputs * s.inputs), 2);
    for (float& weight : w) weight = std::round(weight * 127.0F) / 127.0F;
    for (std::size_t o = 0; o < w.size(); o += static_cast<std::size_t>(s.inputs)) w[o] = 1.0F;
    const auto bias = noise(static_cast<std::size_t>(s.outputs), 3);
    const auto residual = noise(n, 4);
    const PackedMatrix packed(w.data(), s.outputs, s.inputs, bias.data(),
                              PackedMatrix::Precision::kInteger);
    CHECK_NEAR(packed.weight(s.outputs - 1, s.inputs - 1), w.back(), 1e-6);
    for (const float slope : {1.0F, 0.0F}) {
      std::vector<float> y(n, 99.0F);
      gemm({x.data(), {s.inputs}}, s.rows, packed, {y.data(), {s.outputs}},
           {.negative_slope = slope, .residual = residual.data(), .residual_rows = {s.outputs}},
           pool, {});
      // Half a step for each input, adding up as noise does.
      const double step = 1.0 / static_cast<double>(packed.integer_limit());
      check_close(y, product(s, x, w, bias, residual, static_cast<double>(slope)),
                  1e-4 + 2.0 * step * std::sqrt(static_cast<double>(s.inputs)));
    }
  }
}

TEST(largest_whole_numbers_do_not_overflow) {
  for (const int inputs : {2, 1536, 5120}) {
    const std::vector<float> ones(static_cast<std::size_t>(inputs), 1.0F);
    const std::vector<float> w(static_cast<std::size_t>(16 * inputs), -1.0F);
    const PackedMatrix packed(w.data(), 16, inputs, nullptr, PackedMatrix::Precision::kInteger);
    std::vector<float> y(16);
    gemm_rows({ones.data(), {inputs}}, 0, 1, packed, {y.data(), {16}}, {});
    for (const float value : y) CHECK_NEAR(value / static_cast<float>(-inputs), 1.0, 1e-3);
  }
}

TEST(whole_numbers_do_not_hide_what_is_not_finite) {
  std::vector<float> w(16 * 8, 0.5F);
  w[3 * 8 + 2] = std::nanf("");
  const PackedMatrix damaged(w.data(), 16, 8, nullptr, PackedMatrix::Precision::kInteger);
  w[3 * 8 + 2] = 0.5F;
  const PackedMatrix sound(w.data(), 16, 8, nullptr, PackedMatrix::Precision::kInteger);
  std::vector<float> x(8, 1.0F);
  std::vector<float> y(16);
  gemm_rows({x.data(), {8}}, 0, 1, damaged, {y.data(), {16}}, {});
  CHECK(std::isnan(y[3]));
  CHECK_NEAR(y[4], 4.0, 1e-3);
  x[7] = std::numeric_limits<float>::infinity();
  gemm_rows({x.data(), {8}}, 0, 1, sound, {y.data(), {16}}, {});
  CHECK(std::isnan(y[0]));
}

TEST(all_sets_agree_on_whole_numbers) {
  constexpr int kInputs = 37;
  const auto x = noise(kInputs, 5);
  for (const Kernels* isa : available()) {
    std::int16_t whole[kInputs];
    const float scale = isa->quantize(x.data(), kInputs, 1000.0F, whole);
    std::int16_t weights[kInputs];
    const float sum = isa->exponential_weights(x.data(), kInputs, 8191.0F, weights);
    const float top = *std::max_element(x.begin(), x.end());
    double total = 0.0;
    for (std::size_t i = 0; i < kInputs; ++i) {
      CHECK_NEAR(static_cast<float>(whole[i]) * scale, x[i], 0.51F * scale);
      CHECK_NEAR(weights[i], 8191.0 * std::exp(static_cast<double>(x[i] - top)), 1.0);
      total += weights[i];
    }
    CHECK_NEAR(sum, total, 0.0);
    CHECK(*std::max_element(weights, weights + kInputs) == 8191);
    const float zeros[kInputs] = {};
    CHECK(isa->quantize(zeros, kInputs, 1000.0F, whole) == 0.0F);
    CHECK(whole[kInputs - 1] == 0);

    // One tile of every height, and the row by itself: the sums are the same to the last bit.
    constexpr int kRows = 17;
    constexpr int kPairs = 9;
    std::vector<std::int16_t> a(kRows * 2 * kPairs);
    std::vector<std::int8_t> b(kPairs * kPanel * 2);
    for (std::size_t i = 0; i < a.size(); ++i)
      a[i] = static_cast<std::int16_t>(i * 7919 % 20001 - 10000);
    for (std::size_t i = 0; i < b.size(); ++i)
      b[i] = static_cast<std::int8_t>(i * 104729 % 255 - 127);
    const std::vector<std::int16_t> wide(b.begin(), b.end());
    const std::vector<float> ones(kRows > kPanel ? kRows : kPanel, 1.0F);
    const std::vector<float> zero(kPanel, 0.0F);
    for (int rows = 1; rows <= kRows; ++rows) {
      for (const int columns : {kPanel, 5}) {
        std::vector<float> c(kRows * kPanel), c_wide(kRows * kPanel), c_row(kPanel);
        float* c_rows[kRows];
        float* wide_rows[kRows];
        for (int r = 0; r < kRows; ++r) {
          c_rows[r] = c.data() + r * kPanel;
          wide_rows[r] = c_wide.data() + r * kPanel;
        }
        IntegerTask task{};
        task.a = a.data();
        task.a_stride = 2 * kPairs;
        task.a_scales = ones.data();
        task.c = c_rows;
        task.rows = rows;
        task.columns = columns;
        task.pairs = kPairs;
        task.b = b.data();
        task.b_scales = ones.data();
        task.bias = zero.data();
        task.negative_slope = 1.0F;
        isa->integer_panel(task);
        task.b = nullptr;
        task.b_wide = wide.data();
        task.c = wide_rows;
        isa->integer_panel(task);
        for (int r = 0; r < rows; ++r) {
          IntegerRowTask alone{};
          alone.a = a.data() + r * 2 * kPairs;
          alone.a_scale = 1.0F;
          alone.c = c_row.data();
          alone.pairs = kPairs;
          alone.panels = 1;
          alone.columns = columns;
          alone.b = b.data();
          alone.b_scales = ones.data();
          alone.bias = zero.data();
          isa->integer_row(alone);
          for (int j = 0; j < columns; ++j) {
            long want = 0;
            for (int k = 0; k < 2 * kPairs; ++k) {
              want += long{a[static_cast<std::size_t>(r * 2 * kPairs + k)]} *
                      b[static_cast<std::size_t>((k / 2 * kPanel + j) * 2 + k % 2)];
            }
            const auto at = static_cast<std::size_t>(r * kPanel + j);
            CHECK(c[at] == static_cast<float>(want));
            CHECK(c_wide[at] == static_cast<float>(want));
            CHECK(c_row[static_cast<std::size_t>(j)] == static_cast<float>(want));
          }
        }
      }
    }
  }
}

// Attention over positions that stand for several is attention over as many copies.
TEST(attention_agrees_with_the_definition_and_counts_weights) {
  constexpr int kHeads = 2;
  constexpr int kSize = 24;
  constexpr int kStride = kHeads * kSize;
  constexpr int kRows = 5;
  constexpr int kKeys = 301;
  constexpr int kLast = 2;
  constexpr int kCopies = 40;  // that each of the last stands for
  const auto q = noise(kRows * kStride, 1);
  const auto k = noise(kKeys * kStride, 2);
  const auto v = noise(kKeys * kStride, 3);
  KeyValues single(kHeads, kSize, kKeys + 10);
  IntegerKeyValues whole(kHeads, kSize, kKeys + 10);
  for (int head = 0; head < kHeads; ++head) {
    single.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
    whole.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
  }
  const std::vector<float> weights(kLast, std::log(static_cast<float>(kCopies)));
  const Positions positions{kKeys, weights};
  std::vector<float> scratch(attention_scratch(kKeys, kSize));
  for (int head = 0; head < kHeads; ++head) {
    std::vector<float> want;
    for (int r = 0; r < kRows; ++r) {
      std::vector<double> out(kSize, 0.0);
      double total = 0.0;
      for (int key = 0; key < kKeys; ++key) {
        double score = 0.0;
        for (int d = 0; d < kSize; ++d) {
          score +=
              static_cast<double>(q[static_cast<std::size_t>(r * kStride + head * kSize + d)]) *
              static_cast<double>(k[static_cast<std::size_t>(key * kStride + head * kSize + d)]);
        }
        const double p =
            std::exp(score / std::sqrt(double{kSize})) * (key < kKeys - kLast ? 1 : kCopies);
        total += p;
        for (int d = 0; d < kSize; ++d) {
          out[static_cast<std::size_t>(d)] +=
              p *
              static_cast<double>(v[static_cast<std::size_t>(key * kStride + head * kSize + d)]);
        }
      }
      for (const double x : out) want.push_back(static_cast<float>(x / total));
    }
    std::vector<float> got(kRows * kSize);
    std::vector<float> probabilities(kRows * kKeys);
    const auto check = [&](const auto& kv, double tolerance) {
      attend(q.data() + head * kSize, kStride, kRows, kv, head, positions, scratch.data(),
             got.data(), kSize, probabilities.data());
      check_close(got, want, tolerance);
      double sum = 0.0;
      for (const float p : probabilities) sum += static_cast<double>(p);
      CHECK_NEAR(sum, kRows, 1e-3);
    };
    check(single, 1e-5);
    check(whole, 1e-3);
  }
}

TEST(overlapping_and_segmented_rows_are_convolutions) {
  // Three taps, dilated by two, over channels-last frames.
  constexpr int kFrames = 30;
  constexpr int kChannels = 5;
  constexpr int kOutputs = 17;
  const auto x = noise(kFrames * kChannels, 1);
  const auto w = noise(kOutputs * 3 * kChannels, 2);
  const PackedMatrix packed(w.data(), kOutputs, 3 * kChannels, nullptr);
  constexpr int kRows = kFrames - 4;
  std::vector<float> y(kRows * kOutputs);
  gemm_rows({x.data(), {kChannels}, 3, 2 * kChannels}, 0, kRows, packed, {y.data(), {kOutputs}},
            {});
  std::vector<float> gathered;
  for (int t = 0; t < kRows; ++t) {
    for (int tap = 0; tap < 3; ++tap) {
      const auto from = x.begin() + (t + 2 * tap) * kChannels;
      gathered.insert(gathered.end(), from, from + kChannels);
    }
  }
  check_close(y,
              product({kRows, kOutputs, 3 * kChannels}, gathered, w, std::vector<float>(kOutputs),
                      std::vector<float>(kRows * kOutputs), 1.0),
              1e-5);
}

TEST(grouped_rows_skip_borders) {
  const RowLayout layout{3, 4, 100};
  CHECK(layout.at(0) == 0);
  CHECK(layout.at(3) == 9);
  CHECK(layout.at(4) == 100);
  CHECK(layout.at(11) == 209);
}

TEST(results_do_not_depend_on_rows_or_threads) {
  const Shape s{301, 60, 700};
  const auto x = noise(static_cast<std::size_t>(s.rows * s.inputs), 1);
  const auto w = noise(static_cast<std::size_t>(s.outputs * s.inputs), 2);
  const PackedMatrix packed(w.data(), s.outputs, s.inputs, nullptr);
  const auto run = [&](int threads) {
    ThreadPool pool(threads);
    std::vector<float> y(static_cast<std::size_t>(s.rows * s.outputs));
    gemm({x.data(), {s.inputs}}, s.rows, packed, {y.data(), {s.outputs}}, {}, pool, {});
    return y;
  };
  const std::vector<float> want = run(1);
  CHECK(run(2) == want);
  CHECK(run(5) == want);
  std::vector<float> single(static_cast<std::size_t>(s.rows * s.outputs));
  for (int r = 0; r < s.rows; ++r) {
    gemm_rows({x.data(), {s.inputs}}, r, 1, packed, {single.data(), {s.outputs}}, {});
  }
  CHECK(single == want);
}

TEST(every_instruction_set_computes_the_same_panels) {
  constexpr int kInputs = 77;
  const auto b = noise(kInputs * kPanel, 1);
  const auto x = noise(std::size_t{70} * kInputs, 2);
  for (const Kernels* isa : available()) {
    for (int rows = 1; rows <= 70; rows += rows < 14 ? 1 : 14) {
      for (int columns = 1; columns <= kPanel; ++columns) {
        std::vector<float> c(static_cast<std::size_t>(rows * columns) + 1, 0.5F);
        std::vector<const float*> a_rows;
        std::vector<float*> c_rows;
        for (int r = 0; r < rows; ++r) {
          a_rows.push_back(x.data() + r * kInputs);
          c_rows.push_back(c.data() + r * columns);
        }
        isa->panel({.a = a_rows.data(),
                    .c = c_rows.data(),
                    .residual = nullptr,
                    .rows = rows,
                    .columns = columns,
                    .a_offset = 0,
                    .c_offset = 0,
                    .segments = 1,
                    .segment_length = kInputs,
                    .segment_stride = 0,
                    .b = b.data(),
                    .b_half = nullptr,
                    .bias = nullptr,
                    .negative_slope = 1.0F});
        double worst = 0.0;
        for (int r = 0; r < rows; ++r) {
          for (int j = 0; j < columns; ++j) {
            double sum = 0.5;
            for (int k = 0; k < kInputs; ++k) {
              sum += static_cast<double>(x[static_cast<std::size_t>(r * kInputs + k)]) *
                     static_cast<double>(b[static_cast<std::size_t>(k * kPanel + j)]);
            }
            const float got = c[static_cast<std::size_t>(r * columns + j)];
            worst = std::max(worst, std::abs(sum - static_cast<double>(got)));
          }
        }
        CHECK_NEAR(worst, 0.0, 5e-5);
        CHECK(c.back() == 0.5F);  // nothing beyond the last row is touched
      }
    }
  }
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

TEST(lstm_cells_agree_with_the_definition) {
  constexpr int kRows = 3;
  constexpr int kSize = 32;
  auto gates = noise(kRows * 4 * kSize, 1);
  for (float& g : gates) g *= 8.0F;
  for (std::size_t i = 0; i < 8; ++i) gates[i * 40] = i % 2 == 0 ? 1e4F : -1e4F;  // saturated
  const auto cells = noise(kRows * kSize, 2);
  for (const Kernels* isa : available()) {
    std::vector<float> cell = cells;
    std::vector<float> hidden(kRows * 2 * kSize, -7.0F);
    isa->lstm({gates.data(), cell.data(), hidden.data(), 2 * kSize, kRows, kSize});
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t j = 0; j < kSize; ++j) {
        const float* g = gates.data() + r * 4 * kSize + j;
        const double c =
            sigmoid(static_cast<double>(g[kSize])) * static_cast<double>(cells[r * kSize + j]) +
            sigmoid(static_cast<double>(g[0])) * std::tanh(static_cast<double>(g[2 * kSize]));
        CHECK_NEAR(cell[r * kSize + j], c, 1e-6);
        CHECK_NEAR(hidden[r * 2 * kSize + j],
                   sigmoid(static_cast<double>(g[3 * kSize])) * std::tanh(c), 1e-6);
        CHECK(hidden[r * 2 * kSize + kSize + j] == -7.0F);
      }
    }
  }
}

TEST(elementwise_loops_handle_every_length) {
  for (const Kernels* isa : available()) {
    for (std::size_t n = 0; n < 40; ++n) {
      const auto a = noise(n, 1);
      const auto b = noise(n, 2);
      const auto c = noise(n, 3);
      std::vector<float> sum(n + 1, 5.0F);
      std::vector<float> difference(n + 1, 5.0F);
      isa->sum_difference(a.data(), b.data(), sum.data(), difference.data(), static_cast<int>(n));
      std::vector<float> active(n + 1, 5.0F);
      isa->scale_shift_relu(a.data(), b.data(), c.data(), active.data(), static_cast<int>(n));
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(sum[i] == a[i] + b[i]);
        CHECK(difference[i] == a[i] - b[i]);
        CHECK_NEAR(active[i], std::max(0.0F, a[i] * b[i] + c[i]), 1e-6);
      }
      CHECK(sum[n] == 5.0F && difference[n] == 5.0F && active[n] == 5.0F);
    }
  }
}

TEST(unknown_instruction_sets_are_not_found) {
  CHECK(find_kernels("scalar") != nullptr);
  CHECK(find_kernels("mmx") == nullptr);
  CHECK(find_kernels("avx2") == nullptr || find_kernels("neon") == nullptr);
}

TEST(pool_runs_every_task_once) {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> ran(static_cast<std::size_t>(round % 13));
      pool.run(static_cast<int>(ran.size()), [&](int i, int worker) {
        CHECK(worker >= 0 && worker < threads);
        ++ran[static_cast<std::size_t>(i)];
      });
      CHECK(std::all_of(ran.begin(), ran.end(), [](const auto& n) { return n == 1; }));
    }
  }
}

TEST(pool_passes_on_the_first_exception_and_goes_on_working) {
  ThreadPool pool(3);
  std::atomic<int> ran = 0;
  const auto fail = [&](int i, int) {
    ++ran;
    if (i == 5) throw std::runtime_error("task 5");
  };
  CHECK_THROWS(std::runtime_error, pool.run(1000, fail));
  CHECK(ran >= 6);
  ran = 0;
  pool.run(100, [&](int, int) { ++ran; });
  CHECK(ran == 100);
}

TEST(pool_needs_a_thread) {
  CHECK_THROWS(InvalidOption, ThreadPool(0));
  CHECK_THROWS(InvalidOption, ThreadPool(-3));
}

TEST(gemm_can_be_cancelled) {
  ThreadPool pool(2);
  const auto w = noise(64 * 64, 1);
  const PackedMatrix packed(w.data(), 64, 64, nullptr);
  const auto x = noise(100 * 64, 2);
  std::vector<float> y(100 * 64);
  CancelToken cancelled;
  cancelled.cancel();
  CHECK_THROWS(Cancelled,
               gemm({x.data(), {64}}, 100, packed, {y.data(), {64}}, {}, pool, cancelled));
}

}  // namespace
}  // namespace earwitness::kernels

CHECK_MAIN()
