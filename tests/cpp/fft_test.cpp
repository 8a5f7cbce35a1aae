#include "audio/fft.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <thread>
#include <vector>

#include "check.h"
#include "earwitness/error.h"

namespace earwitness {
namespace {

// Deterministic noise in [-1, 1).
std::vector<float> noise(int n, unsigned seed) {
  std::vector<float> out;
  for (int i = 0; i < n; ++i) {
    seed = seed * 1664525U + 1013904223U;
    out.push_back(static_cast<float>(seed >> 8) / 8388608.0F - 1.0F);
  }
  return out;
}

// The definition, in double precision.
std::vector<double> power_by_definition(const std::vector<float>& x) {
  const int n = static_cast<int>(x.size());
  std::vector<double> out;
  for (int k = 0; k <= n / 2; ++k) {
    double re = 0.0;
    double im = 0.0;
    for (int j = 0; j < n; ++j) {
      const double a = -2.0 * std::numbers::pi * (k * j % n) / n;
      re += x[static_cast<std::size_t>(j)] * std::cos(a);
      im += x[static_cast<std::size_t>(j)] * std::sin(a);
    }
    out.push_back(re * re + im * im);
  }
  return out;
}

TEST(power_agrees_with_the_definition_for_every_allowed_length) {
  for (int n = 2; n <= 1200; ++n) {
    int rest = n;
    for (const int p : {2, 3, 5}) {
      while (rest % p == 0) rest /= p;
    }
    if (rest != 1) {
      CHECK_THROWS(InvalidOption, RealFft(n));
      continue;
    }
    const RealFft fft(n);
    CHECK(fft.size() == n);
    CHECK(fft.bins() == n / 2 + 1);
    const std::vector<float> x = noise(n, static_cast<unsigned>(n));
    std::vector<float> got(static_cast<std::size_t>(fft.bins()));
    fft.power(x.data(), got.data());
    const std::vector<double> want = power_by_definition(x);
    const double largest = *std::max_element(want.begin(), want.end());
    for (std::size_t k = 0; k < want.size(); ++k) CHECK_NEAR(got[k], want[k], 2e-6 * largest);
  }
}

TEST(a_sine_fills_one_bin) {
  const RealFft fft(400);
  std::vector<float> x;
  for (int j = 0; j < 400; ++j) {
    x.push_back(static_cast<float>(std::sin(2.0 * std::numbers::pi * 37 * j / 400)));
  }
  std::vector<float> p(static_cast<std::size_t>(fft.bins()));
  fft.power(x.data(), p.data());
  for (std::size_t k = 0; k < p.size(); ++k) CHECK_NEAR(p[k], k == 37 ? 40000.0 : 0.0, 0.01);
}

TEST(lengths_that_cannot_be_are_refused) {
  for (const int n : {-400, -1, 0, 1, 7, 14, 401}) CHECK_THROWS(InvalidOption, RealFft(n));
}

TEST(threads_may_share_one_transform) {
  const RealFft fft(400);
  const std::vector<float> a = noise(400, 1);
  std::vector<float> want(201);
  fft.power(a.data(), want.data());
  std::vector<std::vector<float>> got(4, std::vector<float>(201));
  std::vector<std::thread> threads;
  for (auto& out : got) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) fft.power(a.data(), out.data());
    });
  }
  for (auto& t : threads) t.join();
  for (const auto& out : got) CHECK(out == want);
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
