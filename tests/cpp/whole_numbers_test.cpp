// Products and attention in whole numbers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels_fixture.h"

namespace earwitness::kernels {
namespace {

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

}  // namespace
}  // namespace earwitness::kernels

CHECK_MAIN()
