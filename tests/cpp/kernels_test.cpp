#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "earwitness/error.h"
#include "kernels/available_kernels.h"
#include "kernels/gemm.h"
#include "kernels/half.h"
#include "kernels_fixture.h"

namespace earwitness::kernels {
namespace {

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
  constexpr int kPanels = 3;
  const auto b = noise(std::size_t{kPanels} * kInputs * kPanel, 1);
  const auto x = noise(std::size_t{70} * kInputs, 2);
  for (const Kernels* isa : available_kernels()) {
    for (int rows = 1; rows <= 70; rows += rows < 14 ? 1 : 14) {
      for (int columns = 1; columns <= kPanels * kPanel; ++columns) {
        std::vector<float> c(static_cast<std::size_t>(rows * columns) + 1, 0.5F);
        std::vector<const float*> a_rows;
        std::vector<float*> c_rows;
        for (int r = 0; r < rows; ++r) {
          a_rows.push_back(x.data() + r * kInputs);
          c_rows.push_back(c.data() + r * columns);
        }
        isa->panels({.a = a_rows.data(),
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
                     .b_stride = kInputs * kPanel,
                     .bias = nullptr,
                     .negative_slope = 1.0F});
        double worst = 0.0;
        for (int r = 0; r < rows; ++r) {
          for (int j = 0; j < columns; ++j) {
            double sum = 0.5;
            for (int k = 0; k < kInputs; ++k) {
              sum += static_cast<double>(x[static_cast<std::size_t>(r * kInputs + k)]) *
                     static_cast<double>(b[static_cast<std::size_t>(
                         (j / kPanel * kInputs + k) * kPanel + j % kPanel)]);
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
  for (const Kernels* isa : available_kernels()) {
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
  for (const Kernels* isa : available_kernels()) {
    for (std::size_t n = 0; n < 40; ++n) {
      const auto a = noise(n, 1);
      const auto b = noise(n, 2);
      const auto c = noise(n, 3);
      std::vector<float> sum(n + 1, 5.0F);
      std::vector<float> difference(n + 1, 5.0F);
      isa->sum_difference(a.data(), b.data(), sum.data(), difference.data(), static_cast<int>(n));
      std::vector<float> active(n + 1, 5.0F);
      isa->scale_shift_relu(a.data(), b.data(), c.data(), active.data(), static_cast<int>(n));
      std::vector<std::uint16_t> halves;
      for (const float x : a) halves.push_back(to_half(x));
      std::vector<float> wide(n + 1, 5.0F);
      isa->widen(halves.data(), wide.data(), static_cast<int>(n));
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(wide[i] == from_half(halves[i]));
        CHECK(sum[i] == a[i] + b[i]);
        CHECK(difference[i] == a[i] - b[i]);
        CHECK_NEAR(active[i], std::max(0.0F, a[i] * b[i] + c[i]), 1e-6);
      }
      CHECK(sum[n] == 5.0F && difference[n] == 5.0F && active[n] == 5.0F && wide[n] == 5.0F);
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
