#include "audio/fft.h"

#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include "earwitness/error.h"

namespace earwitness {
namespace {

// The butterflies of Stockham's autosort transform: of `stride` neighbours at a time, so that the
// inner loop runs over consecutive floats and the compiler can vectorise it.
// Reads x[q + distance * k], writes y[q + stride * k] for k < radix.
struct Butterfly {
  const float* xr;
  const float* xi;
  float* yr;
  float* yi;
  std::size_t distance;
  std::size_t stride;
  const float* c;  // twiddles 1..radix-1
  const float* s;

  void store(std::size_t q, int k, float re, float im) const {
    const auto i = static_cast<std::size_t>(k);
    yr[q + stride * i] = re * c[i - 1] - im * s[i - 1];
    yi[q + stride * i] = re * s[i - 1] + im * c[i - 1];
  }
};

void radix2(const Butterfly& b) {
  for (std::size_t q = 0; q < b.stride; ++q) {
    const float ar = b.xr[q];
    const float ai = b.xi[q];
    const float br = b.xr[q + b.distance];
    const float bi = b.xi[q + b.distance];
    b.yr[q] = ar + br;
    b.yi[q] = ai + bi;
    b.store(q, 1, ar - br, ai - bi);
  }
}

void radix3(const Butterfly& b) {
  constexpr float kSin60 = 0.866025403784438647F;
  for (std::size_t q = 0; q < b.stride; ++q) {
    const float ar = b.xr[q];
    const float ai = b.xi[q];
    const float tr = b.xr[q + b.distance] + b.xr[q + 2 * b.distance];
    const float ti = b.xi[q + b.distance] + b.xi[q + 2 * b.distance];
    const float dr = kSin60 * (b.xr[q + b.distance] - b.xr[q + 2 * b.distance]);
    const float di = kSin60 * (b.xi[q + b.distance] - b.xi[q + 2 * b.distance]);
    const float mr = ar - 0.5F * tr;
    const float mi = ai - 0.5F * ti;
    b.yr[q] = ar + tr;
    b.yi[q] = ai + ti;
    b.store(q, 1, mr + di, mi - dr);
    b.store(q, 2, mr - di, mi + dr);
  }
}

void radix4(const Butterfly& b) {
  for (std::size_t q = 0; q < b.stride; ++q) {
    const float ar = b.xr[q];
    const float ai = b.xi[q];
    const float br = b.xr[q + b.distance];
    const float bi = b.xi[q + b.distance];
    const float cr = b.xr[q + 2 * b.distance];
    const float ci = b.xi[q + 2 * b.distance];
    const float dr = b.xr[q + 3 * b.distance];
    const float di = b.xi[q + 3 * b.distance];
    const float sum_r = ar + cr;
    const float sum_i = ai + ci;
    const float dif_r = ar - cr;
    const float dif_i = ai - ci;
    b.yr[q] = sum_r + (br + dr);
    b.yi[q] = sum_i + (bi + di);
    b.store(q, 1, dif_r + (bi - di), dif_i - (br - dr));
    b.store(q, 2, sum_r - (br + dr), sum_i - (bi + di));
    b.store(q, 3, dif_r - (bi - di), dif_i + (br - dr));
  }
}

void radix5(const Butterfly& b) {
  constexpr float kCos72 = 0.309016994374947424F;
  constexpr float kCos144 = -0.809016994374947424F;
  constexpr float kSin72 = 0.951056516295153572F;
  constexpr float kSin144 = 0.587785252292473129F;
  for (std::size_t q = 0; q < b.stride; ++q) {
    const float ar = b.xr[q];
    const float ai = b.xi[q];
    const std::size_t d = b.distance;
    const float p1r = b.xr[q + d] + b.xr[q + 4 * d];
    const float p1i = b.xi[q + d] + b.xi[q + 4 * d];
    const float m1r = b.xr[q + d] - b.xr[q + 4 * d];
    const float m1i = b.xi[q + d] - b.xi[q + 4 * d];
    const float p2r = b.xr[q + 2 * d] + b.xr[q + 3 * d];
    const float p2i = b.xi[q + 2 * d] + b.xi[q + 3 * d];
    const float m2r = b.xr[q + 2 * d] - b.xr[q + 3 * d];
    const float m2i = b.xi[q + 2 * d] - b.xi[q + 3 * d];
    const float u1r = ar + kCos72 * p1r + kCos144 * p2r;
    const float u1i = ai + kCos72 * p1i + kCos144 * p2i;
    const float u2r = ar + kCos144 * p1r + kCos72 * p2r;
    const float u2i = ai + kCos144 * p1i + kCos72 * p2i;
    const float v1r = kSin72 * m1r + kSin144 * m2r;
    const float v1i = kSin72 * m1i + kSin144 * m2i;
    const float v2r = kSin144 * m1r - kSin72 * m2r;
    const float v2i = kSin144 * m1i - kSin72 * m2i;
    b.yr[q] = ar + p1r + p2r;
    b.yi[q] = ai + p1i + p2i;
    b.store(q, 1, u1r + v1i, u1i - v1r);
    b.store(q, 2, u2r + v2i, u2i - v2r);
    b.store(q, 3, u2r - v2i, u2i + v2r);
    b.store(q, 4, u1r - v1i, u1i + v1r);
  }
}

double angle(int k, int n) { return -2.0 * std::numbers::pi * k / n; }

}  // namespace

RealFft::RealFft(int n) : n_(n), m_(n % 2 == 0 ? n / 2 : n) {
  int rest = n < 2 ? 0 : m_;
  int stride = 1;
  // Odd radices first: the later stages, of larger stride, are those that vectorise.
  for (const int radix : {5, 3, 4, 2}) {
    while (rest > 1 && rest % radix == 0) {
      Stage stage{radix, rest / radix, stride, {}, {}};
      for (int p = 0; p < stage.groups; ++p) {
        for (int k = 1; k < radix; ++k) {
          stage.cos.push_back(static_cast<float>(std::cos(angle(p * k, rest))));
          stage.sin.push_back(static_cast<float>(std::sin(angle(p * k, rest))));
        }
      }
      stages_.push_back(std::move(stage));
      rest /= radix;
      stride *= radix;
    }
  }
  if (rest != 1) {
    throw InvalidOption("FFT length " + std::to_string(n) +
                        " is not a product of 2, 3 and 5 of at least 2");
  }
  for (int k = 0; k < bins(); ++k) {
    split_cos_.push_back(static_cast<float>(std::cos(angle(k, n))));
    split_sin_.push_back(static_cast<float>(std::sin(angle(k, n))));
  }
}

int RealFft::transform(float* const work[4]) const {
  int from = 0;
  for (const Stage& stage : stages_) {
    const int to = 2 - from;
    const auto stride = static_cast<std::size_t>(stage.stride);
    const auto radix = static_cast<std::size_t>(stage.radix);
    for (std::size_t p = 0; p < static_cast<std::size_t>(stage.groups); ++p) {
      const std::size_t x = stride * p;
      const std::size_t y = stride * radix * p;
      const Butterfly b{work[from] + x,
                        work[from + 1] + x,
                        work[to] + y,
                        work[to + 1] + y,
                        stride * static_cast<std::size_t>(stage.groups),
                        stride,
                        stage.cos.data() + p * (radix - 1),
                        stage.sin.data() + p * (radix - 1)};
      switch (stage.radix) {
        case 2:
          radix2(b);
          break;
        case 3:
          radix3(b);
          break;
        case 4:
          radix4(b);
          break;
        default:
          radix5(b);
          break;
      }
    }
    from = to;
  }
  return from;
}

void RealFft::power(const float* in, float* out) const {
  thread_local std::vector<float> scratch;
  const auto m = static_cast<std::size_t>(m_);
  if (scratch.size() < 4 * m) scratch.resize(4 * m);
  float* const work[4] = {scratch.data(), scratch.data() + m, scratch.data() + 2 * m,
                          scratch.data() + 3 * m};
  const bool even = n_ % 2 == 0;
  for (std::size_t j = 0; j < m; ++j) {
    work[0][j] = even ? in[2 * j] : in[j];
    work[1][j] = even ? in[2 * j + 1] : 0.0F;
  }
  const int at = transform(work);
  const float* re = work[at];
  const float* im = work[at + 1];
  if (!even) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(bins()); ++k) {
      out[k] = re[k] * re[k] + im[k] * im[k];
    }
    return;
  }
  // Z = E + iO with E, O the transforms of the even and odd samples; X = E + w O.
  const auto split = [&](std::size_t k, std::size_t i, std::size_t j) {
    const float er = 0.5F * (re[i] + re[j]);
    const float ei = 0.5F * (im[i] - im[j]);
    const float odd_r = 0.5F * (im[i] + im[j]);
    const float odd_i = 0.5F * (re[j] - re[i]);
    const float xr = er + split_cos_[k] * odd_r - split_sin_[k] * odd_i;
    const float xi = ei + split_cos_[k] * odd_i + split_sin_[k] * odd_r;
    out[k] = xr * xr + xi * xi;
  };
  split(0, 0, 0);
  for (std::size_t k = 1; k < m; ++k) split(k, k, m - k);
  split(m, 0, 0);
}

}  // namespace earwitness
