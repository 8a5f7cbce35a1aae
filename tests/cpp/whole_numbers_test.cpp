// Products in whole numbers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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

// The definition of the layouts, number by number.
class Packed {
 public:
  Packed(Layout layout, int inputs)
      : layout_(layout),
        padded_(padded_inputs(layout, inputs)),
        stride_(row_stride(layout, padded_)) {}

  int padded() const { return padded_; }
  std::ptrdiff_t stride() const { return stride_; }
  IntegerRow row(std::int16_t* data) const { return {data, padded_, stride_}; }

  std::int16_t left(const std::int16_t* row, int k) const {
    if (layout_ == Layout::kPairs) return row[k];
    const auto* bytes = reinterpret_cast<const unsigned char*>(row);
    return static_cast<std::int16_t>(bytes[k] | bytes[stride_ + k] << 8);
  }
  void set_left(std::int16_t* row, int k, int x) const {
    if (layout_ == Layout::kPairs) {
      row[k] = static_cast<std::int16_t>(x);
    } else {
      auto* bytes = reinterpret_cast<unsigned char*>(row);
      bytes[k] = static_cast<unsigned char>(x & 255);
      bytes[stride_ + k] = static_cast<unsigned char>((x >> 8) & 255);
    }
  }
  void set_right(std::int8_t* panel, int k, int column, int x) const {
    const int group = group_of(layout_);
    panel[k / group * group * kPanel + column * group + k % group] = static_cast<std::int8_t>(x);
  }

 private:
  Layout layout_;
  int padded_;
  std::ptrdiff_t stride_;
};

TEST(all_sets_round_rows_alike) {
  constexpr int kInputs = 37;
  const auto x = noise(kInputs, 5);
  const std::vector<float> zeros(kInputs, 0.0F);
  for (const Kernels* isa : available()) {
    const Packed packed(isa->layout, kInputs);
    std::vector<std::int16_t> words(kInputs);
    std::vector<std::int16_t> row(static_cast<std::size_t>(packed.stride()), 99);
    std::vector<std::int16_t> weights(row);
    const float scale = isa->quantize_row(x.data(), kInputs, 1000.0F, packed.row(row.data()));
    CHECK(isa->quantize(x.data(), kInputs, 1000.0F, words.data()) == scale);
    const float sum = isa->exponential_row(x.data(), kInputs, 8191.0F, packed.row(weights.data()));
    const float top = *std::max_element(x.begin(), x.end());
    double total = 0.0;
    int most = 0;
    for (int k = 0; k < packed.padded(); ++k) {
      const auto i = static_cast<std::size_t>(k);
      const int number = packed.left(row.data(), k);
      const int weight = packed.left(weights.data(), k);
      if (k >= kInputs) {
        CHECK(number == 0 && weight == 0);
        continue;
      }
      CHECK(number == words[i]);
      CHECK_NEAR(static_cast<float>(number) * scale, x[i], 0.51F * scale);
      CHECK_NEAR(weight, 8191.0 * std::exp(static_cast<double>(x[i] - top)), 1.0);
      total += weight;
      most = std::max(most, weight);
    }
    CHECK_NEAR(sum, total, 0.0);
    CHECK(most == 8191);
    CHECK(isa->quantize_row(zeros.data(), kInputs, 1000.0F, packed.row(row.data())) == 0.0F);
    CHECK(packed.left(row.data(), kInputs - 1) == 0);
  }
}

// Values as a right operand, a group of positions at a time.
TEST(all_sets_pack_groups_alike) {
  const auto x = noise(4 * kPanel, 6);
  const std::vector<float> factors(kPanel, 127.0F);
  for (const Kernels* isa : available()) {
    const int group = group_of(isa->layout);
    const Packed packed(isa->layout, group);
    for (int rows = 1; rows <= group; ++rows) {
      std::vector<std::int8_t> want(static_cast<std::size_t>(group * kPanel), 0);
      std::vector<std::int8_t> got(want.size(), 99);
      isa->pack_group(x.data(), kPanel, rows, factors.data(), got.data());
      for (int r = 0; r < rows; ++r) {
        for (int j = 0; j < kPanel; ++j) {
          const double value = static_cast<double>(x[static_cast<std::size_t>(r * kPanel + j)]);
          packed.set_right(want.data(), r, j, static_cast<int>(std::lround(value * 127.0)));
        }
      }
      CHECK(got == want);
    }
  }
}

// Tiles of every height, whole and broken panels, and the row by itself: sums are exact.
TEST(all_sets_agree_on_whole_numbers) {
  constexpr int kRows = 17;
  constexpr int kRoom = 32;  // rows up to a multiple of 16
  const std::vector<float> ones(3 * kPanel, 1.0F);
  for (const Kernels* isa : available()) {
    for (const int inputs : {18, 150}) {
      const Packed packed(isa->layout, inputs);
      const auto left = [](int r, int k) { return (r * 311 + k) * 7919 % 20001 - 10000; };
      const auto right = [](int k, int j) { return (k * 53 + j) * 10473 % 255 - 127; };
      std::vector<std::int16_t> a(static_cast<std::size_t>(kRoom * packed.stride()));
      const std::ptrdiff_t panel = std::ptrdiff_t{packed.padded()} * kPanel;
      std::vector<std::int8_t> b(static_cast<std::size_t>(3 * panel));
      for (int k = 0; k < inputs; ++k) {
        for (int r = 0; r < kRows; ++r) {
          packed.set_left(a.data() + r * packed.stride(), k, left(r, k));
        }
        for (int j = 0; j < 3 * kPanel; ++j) {
          packed.set_right(b.data() + j / kPanel * panel, k, j % kPanel, right(k, j));
        }
      }
      for (int rows = 1; rows <= kRows; ++rows) {
        for (const int columns : {3 * kPanel, 2 * kPanel, kPanel + 5, 5}) {
          std::vector<float> c(kRows * 3 * kPanel, 1.0F), c_more(c), c_row(c);
          float* c_rows[kRows];
          float* more_rows[kRows];
          for (int r = 0; r < kRows; ++r) {
            c_rows[r] = c.data() + r * 3 * kPanel;
            more_rows[r] = c_more.data() + r * 3 * kPanel;
          }
          IntegerTask task{};
          task.a = a.data();
          task.a_stride = packed.stride();
          task.a_scales = ones.data();
          task.c = c_rows;
          task.rows = rows;
          task.columns = columns;
          task.inputs = packed.padded();
          task.b = b.data();
          task.b_stride = panel;
          task.b_scales = ones.data();
          task.negative_slope = 1.0F;
          isa->integer_panels(task);
          task.c = more_rows;
          task.accumulate = true;
          isa->integer_panels(task);
          for (int r = 0; r < rows; ++r) {
            const std::vector<float> bias(3 * kPanel, 0.0F);
            IntegerRowTask alone{};
            alone.a = a.data() + r * packed.stride();
            alone.a_stride = packed.stride();
            alone.a_scale = 1.0F;
            alone.c = c_row.data();
            alone.inputs = packed.padded();
            alone.columns = columns;
            alone.b = b.data();
            alone.b_stride = panel;
            alone.b_scales = ones.data();
            alone.bias = bias.data();
            isa->integer_row(alone);
            for (int j = 0; j < 3 * kPanel; ++j) {
              long want = 0;
              for (int k = 0; k < inputs; ++k) want += long{left(r, k)} * right(k, j);
              const bool in = j < columns;
              const auto at = static_cast<std::size_t>(r * 3 * kPanel + j);
              CHECK(c[at] == (in ? static_cast<float>(want) : 1.0F));
              CHECK(c_more[at] == (in ? 1.0F + static_cast<float>(want) : 1.0F));
              CHECK(c_row[static_cast<std::size_t>(j)] == (in ? static_cast<float>(want) : 1.0F));
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace earwitness::kernels

CHECK_MAIN()
