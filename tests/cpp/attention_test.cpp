// Attention, and its inner loops in bfloat16.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels_fixture.h"

namespace earwitness::kernels {
namespace {

using Bf16 = std::vector<std::uint16_t>;

// The nearest number of 8 bits of significand, ties to even.
std::uint16_t to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(std::uint16_t x) {
  const std::uint32_t bits = std::uint32_t{x} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

TEST(rows_in_bf16_are_rounded_to_nearest) {
  const Bf16Kernels* isa = active_kernels().bf16;
  if (isa == nullptr) return;
  for (const int n : {1, 24, 32, 64, 77}) {
    const auto x = noise(static_cast<std::size_t>(n), 1);
    const int padded = bf16_inputs(n);
    Bf16 out(static_cast<std::size_t>(padded) + 1, 99);
    isa->round_row(x.data(), 0.125F, n, padded, out.data());
    for (int i = 0; i < padded; ++i) {
      const auto at = static_cast<std::size_t>(i);
      CHECK(out[at] == (i < n ? to_bf16(x[at] * 0.125F) : 0));
    }
    CHECK(out.back() == 99);
  }
  const auto rows = noise(2 * kPanel, 2);
  for (const int n : {1, 2}) {
    Bf16 pair(2 * kPanel, 99);
    isa->pack_pair(rows.data(), kPanel, n, pair.data());
    for (std::size_t j = 0; j < kPanel; ++j) {
      CHECK(pair[2 * j] == to_bf16(rows[j]));
      CHECK(pair[2 * j + 1] == (n > 1 ? to_bf16(rows[kPanel + j]) : 0));
    }
  }
}

TEST(exponentials_in_bf16_are_near_and_summed) {
  const Bf16Kernels* isa = active_kernels().bf16;
  if (isa == nullptr) return;
  for (const int n : {1, 31, 32, 100}) {
    auto x = noise(static_cast<std::size_t>(n), 3);
    for (float& value : x) value *= 20.0F;
    const float top = *std::max_element(x.begin(), x.end());
    const int padded = bf16_inputs(n);
    Bf16 out(static_cast<std::size_t>(padded) + 1, 99);
    const float sum = isa->exponential_row(x.data(), n, padded, out.data());
    double total = 0.0;
    for (int i = 0; i < padded; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double want = i < n ? std::exp(std::max(static_cast<double>(x[at] - top), -28.0)) : 0.0;
      total += want;
      CHECK_NEAR(from_bf16(out[at]), want, 0.0045 * want);
    }
    CHECK_NEAR(sum, total, 1e-3 * total);
    CHECK(out.back() == 99);
  }
  const std::vector<float> broken = {0.0F, std::nanf("")};
  Bf16 out(kBf16Inputs);
  CHECK(std::isnan(isa->exponential_row(broken.data(), 2, kBf16Inputs, out.data())));
}

// Whole numbers of few bits, whose products are exact.
TEST(products_in_bf16_are_those_of_the_definition) {
  const Bf16Kernels* isa = active_kernels().bf16;
  if (isa == nullptr) return;
  constexpr int kMostRows = 33;
  constexpr int kRoom = 48;
  constexpr int kMostPanels = 6;
  const auto left = [](int r, int k) { return static_cast<float>((r * 31 + k * 7) % 23 - 11); };
  const auto right = [](int k, int j) { return static_cast<float>((k * 5 + j * 3) % 19 - 9); };
  for (const int inputs : {32, 96}) {
    Bf16 a(static_cast<std::size_t>(kRoom * inputs));
    Bf16 b(static_cast<std::size_t>(kMostPanels * kPanel * inputs));
    for (int k = 0; k < inputs; ++k) {
      for (int r = 0; r < kRoom; ++r)
        a[static_cast<std::size_t>(r * inputs + k)] = to_bf16(left(r, k));
      for (int j = 0; j < kMostPanels * kPanel; ++j) {
        const int at = (j / kPanel * inputs + k / 2 * 2) * kPanel + j % kPanel * 2 + k % 2;
        b[static_cast<std::size_t>(at)] = to_bf16(right(k, j));
      }
    }
    for (const int rows : {1, 16, kMostRows}) {
      for (int panels = 1; panels <= kMostPanels; ++panels) {
        const int stride = panels * kPanel;
        std::vector<float> c(static_cast<std::size_t>(kRoom * stride));
        isa->panels({a.data(), inputs, c.data(), stride, rows, panels, inputs, b.data(),
                     std::ptrdiff_t{inputs} * kPanel});
        for (int r = 0; r < rows; ++r) {
          for (int j = 0; j < stride; ++j) {
            float want = 0.0F;
            for (int k = 0; k < inputs; ++k) want += left(r, k) * right(k, j);
            CHECK(c[static_cast<std::size_t>(r * stride + j)] == want);
          }
        }
      }
    }
  }
}

TEST(a_sequence_that_outgrows_its_room_keeps_what_it_holds) {
  constexpr int kHeads = 3;
  constexpr int kSize = 64;
  constexpr int kStride = kHeads * kSize;
  constexpr int kKeys = 150;
  const auto q = noise(kStride, 1);
  const auto k = noise(kKeys * kStride, 2);
  const auto v = noise(kKeys * kStride, 3);
  KeyValues roomy(kHeads, kSize, kKeys);
  KeyValues tight(kHeads, kSize, 16);
  KeyValues copy(kHeads, kSize, 16);
  std::vector<float> scratch(attention_scratch(kKeys, kSize));
  const auto seen = [&](const KeyValues& kv, int head, int keys) {
    std::vector<float> out(kSize);
    attend(q.data() + head * kSize, 0, 1, kv, head, {keys}, scratch.data(), out.data(), 0);
    return out;
  };
  for (int i = 0; i < kKeys; ++i) {
    tight.reserve(i + 1);
    for (int head = 0; head < kHeads; ++head) {
      const std::ptrdiff_t at = i * kStride + head * kSize;
      for (KeyValues* kv : {&roomy, &tight}) {
        kv->store(head, i, 1, k.data() + at, v.data() + at, 0);
      }
      CHECK(seen(tight, head, i + 1) == seen(roomy, head, i + 1));
    }
    copy.copy_from(tight, i + 1);
    CHECK(seen(copy, 1, i + 1) == seen(roomy, 1, i + 1));
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
  IntegerKeyValues whole(kHeads, kSize, kKeys + 10, Queries::kWords);
  IntegerKeyValues bytes(kHeads, kSize, kKeys + 10, Queries::kBytes);
  Bf16KeyValues bf16(kHeads, kSize, kKeys + 10);
  const bool has_bf16 = active_kernels().bf16 != nullptr;
  const std::vector<float> before((kKeys + 10) * kStride, std::nanf(""));  // a longer window's
  const std::vector<float> longer((kKeys + 10) * kStride, 1.0F);
  for (int head = 0; head < kHeads; ++head) {
    for (IntegerKeyValues* kv : {&whole, &bytes}) {
      kv->store(head, kKeys + 10, longer.data(), longer.data(), kStride);
    }
    single.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
    whole.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
    bytes.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
    if (!has_bf16) continue;
    bf16.store(head, kKeys + 10, before.data(), before.data(), kStride);
    bf16.store(head, kKeys, k.data() + head * kSize, v.data() + head * kSize, kStride);
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
    check(whole, 1e-2);  // keys and values of 8 bits
    check(bytes, 1e-2);  // and queries and weights
    if (!has_bf16) continue;
    attend(q.data() + head * kSize, kStride, kRows, bf16, head, positions, scratch.data(),
           got.data(), kSize);
    check_close(got, want, 5e-3);
  }
}

}  // namespace
}  // namespace earwitness::kernels

CHECK_MAIN()
