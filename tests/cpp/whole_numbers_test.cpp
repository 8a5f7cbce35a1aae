// Products in whole numbers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/available_kernels.h"
#include "kernels/gemm.h"
#include "kernels_fixture.h"

namespace earwitness::kernels {
namespace {

constexpr PackedMatrix::Precision kBoth[] = {PackedMatrix::Precision::kInteger,
                                             PackedMatrix::Precision::kBytes};

void check_products(PackedMatrix::Precision precision) {
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
    const PackedMatrix packed(w.data(), s.outputs, s.inputs, bias.data(), precision);
    CHECK_NEAR(packed.weight(s.outputs - 1, s.inputs - 1), w.back(), 1e-6);
    for (const float slope : {1.0F, 0.0F}) {
      std::vector<float> y(n, 99.0F);
      gemm({x.data(), {s.inputs}}, s.rows, packed, {y.data(), {s.outputs}},
           {.negative_slope = slope, .residual = residual.data(), .residual_rows = {s.outputs}},
           pool, {});
      // Half a step for each input, adding up as noise does.
      const double step = precision == PackedMatrix::Precision::kBytes
                              ? 2.0 / 255.0
                              : 1.0 / static_cast<double>(packed.integer_limit());
      check_close(y, product(s, x, w, bias, residual, static_cast<double>(slope)),
                  1e-4 + 2.0 * step * std::sqrt(static_cast<double>(s.inputs)));
    }
  }
}

TEST(products_of_whole_numbers_agree_with_the_definition) {
  for (const auto precision : kBoth) check_products(precision);
}

TEST(largest_whole_numbers_do_not_overflow) {
  for (const auto precision : kBoth) {
    for (const int inputs : {2, 1536, 5120}) {
      const std::vector<float> ones(static_cast<std::size_t>(inputs), 1.0F);
      const std::vector<float> w(static_cast<std::size_t>(16 * inputs), -1.0F);
      const PackedMatrix packed(w.data(), 16, inputs, nullptr, precision);
      std::vector<float> y(16);
      gemm_rows({ones.data(), {inputs}}, 0, 1, packed, {y.data(), {16}}, {});
      for (const float value : y) CHECK_NEAR(value / static_cast<float>(-inputs), 1.0, 1e-3);
    }
  }
}

TEST(whole_numbers_do_not_hide_what_is_not_finite) {
  for (const auto precision : kBoth) {
    std::vector<float> w(16 * 8, 0.5F);
    w[3 * 8 + 2] = std::nanf("");
    const PackedMatrix damaged(w.data(), 16, 8, nullptr, precision);
    w[3 * 8 + 2] = 0.5F;
    const PackedMatrix sound(w.data(), 16, 8, nullptr, precision);
    std::vector<float> x(8, 1.0F);
    std::vector<float> y(16);
    gemm_rows({x.data(), {8}}, 0, 1, damaged, {y.data(), {16}}, {});
    CHECK(std::isnan(y[3]));
    CHECK_NEAR(y[4], 4.0, 1e-3);
    x[7] = std::numeric_limits<float>::infinity();
    gemm_rows({x.data(), {8}}, 0, 1, sound, {y.data(), {16}}, {});
    CHECK(std::isnan(y[0]));
    x[7] = std::nanf("");
    gemm_rows({x.data(), {8}}, 0, 1, sound, {y.data(), {16}}, {});
    CHECK(std::isnan(y[0]));
  }
}

// The definition of the layouts, number by number.
class Packed {
 public:
  Packed(Layout layout, int inputs)
      : layout_(layout),
        padded_(padded_inputs(layout, inputs)),
        stride_(row_stride(layout, padded_)) {}

  Layout layout() const { return layout_; }
  int padded() const { return padded_; }
  std::ptrdiff_t stride() const { return stride_; }
  IntegerRow row(std::int16_t* data) const { return {data, padded_, stride_}; }

  std::int16_t left(const std::int16_t* row, int k) const {
    if (layout_ == Layout::kPairs) return row[k];
    const auto* bytes = reinterpret_cast<const unsigned char*>(row);
    if (layout_ == Layout::kBytes) return bytes[k];
    return static_cast<std::int16_t>(bytes[k] | bytes[stride_ + k] << 8);
  }
  void set_left(std::int16_t* row, int k, int x) const {
    if (layout_ == Layout::kPairs) {
      row[k] = static_cast<std::int16_t>(x);
    } else {
      auto* bytes = reinterpret_cast<unsigned char*>(row);
      bytes[k] = static_cast<unsigned char>(x & 255);
      if (layout_ == Layout::kBytes) return;
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
  for (const Kernels* isa : available_kernels()) {
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

// Numbers of a span of 255, 0 among them; as bytes, from the least of them on.
TEST(all_sets_round_rows_to_bytes_alike) {
  constexpr int kInputs = 77;
  for (const float shift : {0.0F, 0.9F, 1.5F, -1.5F}) {
    auto x = noise(kInputs, 5);
    for (float& value : x) value += shift;
    x[70] = 0.0F;
    const auto [least, most] = std::minmax_element(x.begin(), x.end());
    const float span = std::max(*most, 0.0F) - std::min(*least, 0.0F);
    for (const Kernels* isa : available_kernels()) {
      const Packed packed(isa->byte_layout, kInputs);
      std::vector<std::int16_t> row(static_cast<std::size_t>(packed.stride()), 99);
      std::int32_t zero = 0;
      const float scale = isa->quantize_bytes(x.data(), kInputs, packed.row(row.data()), &zero);
      CHECK_NEAR(scale, span / 255.0F, 1e-7F);
      CHECK(zero >= 0 && zero <= 255);
      for (int k = 0; k < kInputs; ++k) {
        const float value = x[static_cast<std::size_t>(k)];
        const int number = packed.left(row.data(), k) - zero;
        // At the upper end, where 0 is not half way between two others, by one step.
        CHECK_NEAR(static_cast<float>(number) * scale, value,
                   (value < *most ? 0.51F : 1.0F) * scale);
        if (k == 70) CHECK(number == 0);
      }
      const std::vector<float> zeros(kInputs, 0.0F);
      CHECK(isa->quantize_bytes(zeros.data(), kInputs, packed.row(row.data()), &zero) == 0.0F);
      CHECK(packed.left(row.data(), 0) == zero);
    }
  }
}

// A loud position and many quiet ones, which are less than half a step each in bytes.
TEST(quiet_weights_in_bytes_add_up_beside_a_loud_one) {
  constexpr int kInputs = 1501;
  constexpr int kMostLanes = 16;
  constexpr float kQuiet = -7.0F;
  std::vector<float> x(kInputs, kQuiet + 3.0F);
  x[700] = 3.0F;
  for (const Kernels* isa : available_kernels()) {
    const Packed packed(isa->byte_layout, kInputs);
    std::vector<std::int16_t> row(static_cast<std::size_t>(packed.stride()), 99);
    const float sum = isa->exponential_bytes(x.data(), kInputs, packed.row(row.data()));
    const int loud = packed.left(row.data(), 700);
    CHECK(loud == 254 || loud == 255);
    double total = 0.0;
    for (int k = 0; k < packed.padded(); ++k) {
      const int number = packed.left(row.data(), k);
      if (k >= kInputs) CHECK(number == 0);
      if (k != 700) CHECK(number <= 1);
      total += number;
    }
    CHECK_NEAR(sum, total, 0.0);
    const double quiet = 254.0 * std::exp(double{kQuiet});
    CHECK_NEAR(total - loud, (kInputs - 1) * quiet, 0.5 * kMostLanes);
  }
}

// Values as a right operand, a group of positions at a time.
template <typename Pack>
void check_packing(const Pack& pack, Layout layout) {
  const auto x = noise(4 * kPanel, 6);
  const std::vector<float> factors(kPanel, 127.0F);
  const int group = group_of(layout);
  const Packed packed(layout, group);
  for (int rows = 1; rows <= group; ++rows) {
    std::vector<std::int8_t> want(static_cast<std::size_t>(group * kPanel), 0);
    std::vector<std::int8_t> got(want.size(), 99);
    pack(x.data(), kPanel, rows, factors.data(), got.data());
    for (int r = 0; r < rows; ++r) {
      for (int j = 0; j < kPanel; ++j) {
        const auto value = static_cast<double>(x[static_cast<std::size_t>(r * kPanel + j)]);
        packed.set_right(want.data(), r, j, static_cast<int>(std::lround(value * 127.0)));
      }
    }
    CHECK(got == want);
  }
}

TEST(all_sets_pack_groups_alike) {
  for (const Kernels* isa : available_kernels()) {
    check_packing(isa->pack_group, isa->layout);
    check_packing(isa->pack_byte_group, isa->byte_layout);
  }
}

// A product whose numbers are known, in the layout of a set.
class Exact {
 public:
  static constexpr int kRows = 17;
  static constexpr int kColumns = 5 * kPanel;

  Exact(const Kernels& isa, int inputs, bool bytes)
      : inputs_(inputs), bytes_(bytes), packed_(bytes ? isa.byte_layout : isa.layout, inputs) {
    constexpr int kRoom = 32;  // rows up to a multiple of 16
    a_.resize(static_cast<std::size_t>(kRoom * packed_.stride()));
    b_.resize(static_cast<std::size_t>(kColumns / kPanel * panel()));
    for (int k = 0; k < inputs; ++k) {
      for (int r = 0; r < kRows; ++r) {
        const bool from_least = packed_.layout() == Layout::kBytes;
        packed_.set_left(a_.data() + r * packed_.stride(), k,
                         left(r, k) + (from_least ? zero(r) : 0));
      }
      for (int j = 0; j < kColumns; ++j) {
        packed_.set_right(b_.data() + j / kPanel * panel(), k, j % kPanel, right(k, j));
      }
    }
    for (int r = 0; r < kRows; ++r) zeros_.push_back(zero(r));
    for (int j = 0; j < kColumns; ++j) {
      sums_.push_back(0);
      for (int k = 0; k < inputs; ++k) sums_.back() += right(k, j);
    }
  }

  IntegerTask task(float* const* c, int rows, int columns) const {
    IntegerTask task{};
    task.a = a_.data();
    task.a_stride = packed_.stride();
    task.a_scales = ones_.data();
    task.a_zeros = zeros_.data();
    task.b_sums = sums_.data();
    task.c = c;
    task.rows = rows;
    task.columns = columns;
    task.inputs = packed_.padded();
    task.b = b_.data();
    task.b_stride = panel();
    task.b_scales = ones_.data();
    task.negative_slope = 1.0F;
    return task;
  }
  IntegerRowTask row(float* c, int r, int columns) const {
    IntegerRowTask task{};
    task.a = a_.data() + r * packed_.stride();
    task.a_stride = packed_.stride();
    task.a_scale = 1.0F;
    task.c = c;
    task.inputs = packed_.padded();
    task.columns = columns;
    task.b = b_.data();
    task.b_stride = panel();
    task.b_scales = ones_.data();
    task.bias = none_.data();
    return task;
  }
  float sum(int r, int j) const {
    long sum = 0;
    for (int k = 0; k < inputs_; ++k) sum += long{left(r, k)} * right(k, j);
    return static_cast<float>(sum);
  }

 private:
  static int zero(int r) { return r * 37 % 256; }
  int left(int r, int k) const {
    const int any = (r * 311 + k) * 7919;
    return bytes_ ? any % 256 - zero(r) : any % 20001 - 10000;
  }
  static int right(int k, int j) { return (k * 53 + j) * 10473 % 255 - 127; }
  std::ptrdiff_t panel() const { return std::ptrdiff_t{packed_.padded()} * kPanel; }

  int inputs_;
  bool bytes_;
  Packed packed_;
  std::vector<std::int16_t> a_;
  std::vector<std::int8_t> b_;
  std::vector<std::int32_t> zeros_, sums_;
  std::vector<float> ones_ = std::vector<float>(kColumns, 1.0F);
  std::vector<float> none_ = std::vector<float>(kColumns, 0.0F);
};

// Tiles of every height and width, whole and broken panels: sums are exact.
void check_panels(const Exact& exact, void (*panels)(const IntegerTask&)) {
  for (int rows = 1; rows <= Exact::kRows; ++rows) {
    for (const int columns : {Exact::kColumns, 3 * kPanel, 2 * kPanel, kPanel + 5, 5}) {
      std::vector<float> once(Exact::kRows * Exact::kColumns, 1.0F), twice(once);
      float* once_rows[Exact::kRows];
      float* twice_rows[Exact::kRows];
      for (int r = 0; r < Exact::kRows; ++r) {
        once_rows[r] = once.data() + r * Exact::kColumns;
        twice_rows[r] = twice.data() + r * Exact::kColumns;
      }
      panels(exact.task(once_rows, rows, columns));
      IntegerTask more = exact.task(twice_rows, rows, columns);
      more.accumulate = true;
      panels(more);
      for (int r = 0; r < rows; ++r) {
        for (int j = 0; j < Exact::kColumns; ++j) {
          const bool in = j < columns;
          CHECK(once_rows[r][j] == (in ? exact.sum(r, j) : 1.0F));
          CHECK(twice_rows[r][j] == (in ? 1.0F + exact.sum(r, j) : 1.0F));
        }
      }
    }
  }
}

TEST(all_sets_agree_on_whole_numbers) {
  for (const Kernels* isa : available_kernels()) {
    for (const int inputs : {18, 150}) {
      const Exact words(*isa, inputs, false);
      check_panels(words, isa->integer_panels);
      check_panels(Exact(*isa, inputs, true), isa->byte_panels);
      for (const int columns : {Exact::kColumns, kPanel + 5, 5}) {
        std::vector<float> c(Exact::kColumns, 1.0F);
        isa->integer_row(words.row(c.data(), 2, columns));
        for (int j = 0; j < Exact::kColumns; ++j) {
          CHECK(c[static_cast<std::size_t>(j)] == (j < columns ? words.sum(2, j) : 1.0F));
        }
      }
    }
  }
}

}  // namespace
}  // namespace earwitness::kernels

CHECK_MAIN()
