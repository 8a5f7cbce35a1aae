#include "speakers/sincnet.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "speakers/segmentation.h"

namespace earwitness::speakers {
namespace {

using W = SegmentationWeights;

constexpr double kEpsilon = 1e-5;        // of torch's instance norm
constexpr float kNegativeSlope = 0.01F;  // of torch's leaky ReLU
constexpr int kPool = 3;
constexpr int kSincStride = 10;
constexpr int kSincChannels = 2 * W::kSincBands;
constexpr int kFoldedStride = 128;  // floats between rows of folded samples

constexpr int pooled(int n) { return n / kPool; }
constexpr int kSincFrames = (Segmentation::kWindow - 2 * W::kSincHalf - 1) / kSincStride + 1;
constexpr int kFirst = pooled(kSincFrames);
constexpr int kSecond = pooled(kFirst - W::kConvTaps + 1);
constexpr int kThird = pooled(kSecond - W::kConvTaps + 1);
static_assert(kThird == Segmentation::kFrames);

// Frames convolved at a time, before they are pooled: a multiple of kPool.
constexpr int kBlock = 48;
static_assert(kBlock % kPool == 0);
// Between checks of the cancel token: 100 blocks are about 3 ms.
constexpr int kCheck = 100 * kBlock;

constexpr std::size_t size(int n) { return static_cast<std::size_t>(n); }

// out[i][c] = the largest of kPool rows, of magnitudes if asked.
void max_pool(const float* in, int groups, int channels, bool magnitude, float* out) {
  for (int g = 0; g < groups; ++g) {
    const float* a = in + g * kPool * channels;
    const float* b = a + channels;
    const float* c = b + channels;
    float* to = out + g * channels;
    for (int i = 0; i < channels; ++i) {
      const float x = magnitude ? std::abs(a[i]) : a[i];
      const float y = magnitude ? std::abs(b[i]) : b[i];
      const float z = magnitude ? std::abs(c[i]) : c[i];
      to[i] = std::max(std::max(x, y), z);
    }
  }
}

// Per channel over time: mean 0, variance 1, weight and bias; then leaky ReLU. In place.
void instance_norm(float* x, int frames, int channels, const W::Norm& norm) {
  const auto n = size(channels);
  std::vector<double> sum(n);
  std::vector<double> squares(n);
  for (int t = 0; t < frames; ++t) {
    for (std::size_t c = 0; c < n; ++c) sum[c] += static_cast<double>(x[size(t) * n + c]);
  }
  for (double& s : sum) s /= frames;
  for (int t = 0; t < frames; ++t) {
    for (std::size_t c = 0; c < n; ++c) {
      const double d = static_cast<double>(x[size(t) * n + c]) - sum[c];
      squares[c] += d * d;
    }
  }
  std::vector<float> scale(n);
  std::vector<float> shift(n);
  for (std::size_t c = 0; c < n; ++c) {
    const double s =
        static_cast<double>(norm.weight[c]) / std::sqrt(squares[c] / frames + kEpsilon);
    scale[c] = static_cast<float>(s);
    shift[c] = static_cast<float>(static_cast<double>(norm.bias[c]) - sum[c] * s);
  }
  for (int t = 0; t < frames; ++t) {
    for (std::size_t c = 0; c < n; ++c) {
      const float y = x[size(t) * n + c] * scale[c] + shift[c];
      x[size(t) * n + c] = std::max(y, kNegativeSlope * y);
    }
  }
}

// The window with mean 0 and variance 1, weight and bias; and a copy of it back to front.
void normalise_wave(const float* in, const W::Norm& norm, SincNetScratch& s) {
  constexpr auto kCount = static_cast<std::size_t>(Segmentation::kWindow);
  const double mean = std::accumulate(in, in + kCount, 0.0) / kCount;
  double squares = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double d = static_cast<double>(in[i]) - mean;
    squares += d * d;
  }
  const double scale = static_cast<double>(norm.weight[0]) / std::sqrt(squares / kCount + kEpsilon);
  const auto factor = static_cast<float>(scale);
  const auto offset = static_cast<float>(static_cast<double>(norm.bias[0]) - mean * scale);
  s.wave.resize(kCount);
  s.reversed.resize(kCount);
  for (std::size_t i = 0; i < kCount; ++i) s.wave[i] = in[i] * factor + offset;
  std::reverse_copy(s.wave.begin(), s.wave.end(), s.reversed.begin());
}

// The filters are even or odd about their centre, so samples at the same distance from it are added
// or subtracted first, which halves the products.
void fold(const SincNetScratch& s, int frame, float* even, float* odd) {
  const kernels::Kernels& isa = kernels::active_kernels();
  const int centre = frame * kSincStride + W::kSincHalf;
  const float* after = s.wave.data() + centre + 1;
  const float* before = s.reversed.data() + (Segmentation::kWindow - centre);
  even[0] = s.wave[size(centre)];
  isa.sum_difference(before, after, even + 1, odd, W::kSincHalf);
}

void sinc_filters(const W& weights, SincNetScratch& s, const CancelToken& cancel) {
  s.folded.resize(size(2 * kBlock * kFoldedStride));
  s.block.resize(size(kBlock * kSincChannels));
  s.first.resize(size(kFirst * kSincChannels));
  float* even = s.folded.data();
  float* odd = even + kBlock * kFoldedStride;
  for (int frame = 0; frame < kFirst * kPool; frame += kBlock) {
    if (frame % kCheck == 0) cancel.throw_if_cancelled();
    const int count = std::min(kBlock, kFirst * kPool - frame);
    for (int i = 0; i < count; ++i) {
      fold(s, frame + i, even + i * kFoldedStride, odd + i * kFoldedStride);
    }
    kernels::gemm_rows({even, {kFoldedStride}}, 0, count, weights.sinc_even,
                       {s.block.data(), {kSincChannels}}, {});
    kernels::gemm_rows({odd, {kFoldedStride}}, 0, count, weights.sinc_odd,
                       {s.block.data() + W::kSincBands, {kSincChannels}}, {});
    max_pool(s.block.data(), count / kPool, kSincChannels, true,
             s.first.data() + frame / kPool * kSincChannels);
  }
}

// Convolution of kConvTaps frames and max-pooling, to `frames` frames.
void convolve(const kernels::FloatBuffer& in, int channels, const kernels::PackedMatrix& weights,
              int frames, kernels::FloatBuffer& out, SincNetScratch& s, const CancelToken& cancel) {
  s.block.resize(size(kBlock * kSincChannels));
  out.resize(size(frames * W::kConvChannels));
  for (int frame = 0; frame < frames * kPool; frame += kBlock) {
    if (frame % kCheck == 0) cancel.throw_if_cancelled();
    const int count = std::min(kBlock, frames * kPool - frame);
    // Rows overlap: each starts one frame after the one before.
    kernels::gemm_rows({in.data() + frame * channels, {channels}}, 0, count, weights,
                       {s.block.data(), {W::kConvChannels}}, {});
    max_pool(s.block.data(), count / kPool, W::kConvChannels, false,
             out.data() + frame / kPool * W::kConvChannels);
  }
}

}  // namespace

void sincnet(const SegmentationWeights& weights, const float* window, float* out,
             std::ptrdiff_t frame_stride, SincNetScratch& scratch, const CancelToken& cancel) {
  normalise_wave(window, weights.wav_norm, scratch);
  sinc_filters(weights, scratch, cancel);
  instance_norm(scratch.first.data(), kFirst, kSincChannels, weights.norm[0]);
  convolve(scratch.first, kSincChannels, weights.conv[0], kSecond, scratch.second, scratch, cancel);
  instance_norm(scratch.second.data(), kSecond, W::kConvChannels, weights.norm[1]);
  convolve(scratch.second, W::kConvChannels, weights.conv[1], kThird, scratch.third, scratch,
           cancel);
  instance_norm(scratch.third.data(), kThird, W::kConvChannels, weights.norm[2]);
  for (int t = 0; t < kThird; ++t) {
    const float* row = scratch.third.data() + t * W::kConvChannels;
    std::copy(row, row + W::kConvChannels, out + t * frame_stride);
  }
}

}  // namespace earwitness::speakers
