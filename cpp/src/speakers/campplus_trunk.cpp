#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/gemm.h"
#include "speakers/campplus.h"

namespace earwitness::speakers {
namespace {

using W = EmbeddingWeights;

constexpr int kPadding = 2;      // rows of zeros at either end, for the widest kernels
constexpr int kSegment = 100;    // frames whose mean a gate sees beside the mean of all
constexpr int kTaskFrames = 48;  // eight tiles of six rows
constexpr float kRelu = 0.0F;

std::size_t size(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

int tasks(int frames) { return (frames + kTaskFrames - 1) / kTaskFrames; }

// relu(scale x + shift) of rows, packed.
void activate(const float* x, int rows, int channels, const W::ScaleShift& norm, float* out) {
  const kernels::Kernels& isa = kernels::active_kernels();
  for (int r = 0; r < rows; ++r) {
    isa.scale_shift_relu(x + std::ptrdiff_t{r} * W::kMaxChannels, norm.scale.data(),
                         norm.shift.data(), out + std::ptrdiff_t{r} * channels, channels);
  }
}

}  // namespace

float* CamPlusTrunk::input(int frames) {
  const std::ptrdiff_t padding = std::ptrdiff_t{kPadding} * W::kHeadOutputs;
  const std::ptrdiff_t body = std::ptrdiff_t{frames} * W::kHeadOutputs;
  input_.resize(size(body + 2 * padding));
  std::fill_n(input_.begin(), padding, 0.0F);
  std::fill_n(input_.begin() + padding + body, padding, 0.0F);
  return input_.data() + padding;
}

void CamPlusTrunk::run(const CamPlusContext& context, int frames, float* out) {
  const W& weights = context.weights;
  frames_ = output_frames(frames);
  x_.resize(size(std::ptrdiff_t{frames_} * W::kMaxChannels));
  wide_.assign(size(std::ptrdiff_t{frames_ + 2 * kPadding} * W::kWide), 0.0F);
  kernels::gemm({input_.data(), {2 * W::kHeadOutputs}}, frames_, weights.tdnn,
                {x_.data(), {W::kMaxChannels}}, {.negative_slope = kRelu}, context.pool,
                context.cancel);
  int channels = W::kInitialChannels;
  for (const W::Block& block : weights.blocks) {
    for (const W::DenseLayer& layer : block.layers) {
      dense_layer(context, layer, block.dilation, channels);
      channels += W::kGrowth;
    }
    const bool last = &block == &weights.blocks.back();
    if (last) {
      transit(context, block, channels, out, W::kFeatures, kRelu);
    } else {
      transit(context, block, channels, x_.data(), W::kMaxChannels, 1.0F);
    }
    channels /= 2;
  }
}

void CamPlusTrunk::dense_layer(const CamPlusContext& context, const W::DenseLayer& layer,
                               int dilation, int channels) {
  float* wide = wide_.data() + kPadding * W::kWide;
  context.pool.run(tasks(frames_), [&](int task, int) {
    context.cancel.throw_if_cancelled();
    alignas(64) float active[kTaskFrames * W::kMaxChannels];
    const int first = task * kTaskFrames;
    const int count = std::min(kTaskFrames, frames_ - first);
    activate(x_.data() + std::ptrdiff_t{first} * W::kMaxChannels, count, channels, layer.norm,
             active);
    kernels::gemm_rows({active, {channels}}, 0, count, layer.wide,
                       {wide + std::ptrdiff_t{first} * W::kWide, {W::kWide}},
                       {.negative_slope = kRelu});
  });
  make_gates(layer);
  const kernels::LeftOperand taps{
      wide - dilation * W::kWide, {W::kWide}, 3, std::ptrdiff_t{dilation} * W::kWide};
  context.pool.run(tasks(frames_), [&](int task, int) {
    context.cancel.throw_if_cancelled();
    const int first = task * kTaskFrames;
    const int count = std::min(kTaskFrames, frames_ - first);
    kernels::gemm_rows(taps, first, count, layer.local, {x_.data() + channels, {W::kMaxChannels}},
                       {});
    for (int t = first; t < first + count; ++t) {
      float* y = x_.data() + std::ptrdiff_t{t} * W::kMaxChannels + channels;
      const float* gate = gates_.data() + std::ptrdiff_t{t / kSegment} * W::kGrowth;
      for (int c = 0; c < W::kGrowth; ++c) y[c] *= gate[c];
    }
  });
}

// The mask of a layer's new channels: one for each segment of frames, from the mean over the
// segment plus the mean over all.
void CamPlusTrunk::make_gates(const W::DenseLayer& layer) {
  const int segments = (frames_ + kSegment - 1) / kSegment;
  context_.assign(size(std::ptrdiff_t{segments} * W::kWide), 0.0F);
  hidden_.resize(size(std::ptrdiff_t{segments} * W::kGate));
  gates_.resize(size(std::ptrdiff_t{segments} * W::kGrowth));
  float total[W::kWide] = {};
  for (int s = 0; s < segments; ++s) {
    float* sum = context_.data() + std::ptrdiff_t{s} * W::kWide;
    const int end = std::min(frames_, (s + 1) * kSegment);
    for (int t = s * kSegment; t < end; ++t) {
      const float* row = wide_.data() + std::ptrdiff_t{t + kPadding} * W::kWide;
      for (int c = 0; c < W::kWide; ++c) sum[c] += row[c];
    }
    const auto count = static_cast<float>(end - s * kSegment);
    for (int c = 0; c < W::kWide; ++c) {
      total[c] += sum[c];
      sum[c] /= count;
    }
  }
  const auto all = static_cast<float>(frames_);
  for (int s = 0; s < segments; ++s) {
    float* mean = context_.data() + std::ptrdiff_t{s} * W::kWide;
    for (int c = 0; c < W::kWide; ++c) mean[c] += total[c] / all;
  }
  kernels::gemm_rows({context_.data(), {W::kWide}}, 0, segments, layer.gate1,
                     {hidden_.data(), {W::kGate}}, {.negative_slope = kRelu});
  kernels::gemm_rows({hidden_.data(), {W::kGate}}, 0, segments, layer.gate2,
                     {gates_.data(), {W::kGrowth}}, {});
  for (float& gate : gates_) gate = 1.0F / (1.0F + std::exp(-gate));
}

// Halves the channels. Each task copies its rows before it writes, so out may be x_.
void CamPlusTrunk::transit(const CamPlusContext& context, const W::Block& block, int channels,
                           float* out, int stride, float negative_slope) {
  context.pool.run(tasks(frames_), [&](int task, int) {
    context.cancel.throw_if_cancelled();
    alignas(64) float active[kTaskFrames * W::kMaxChannels];
    const int first = task * kTaskFrames;
    const int count = std::min(kTaskFrames, frames_ - first);
    activate(x_.data() + std::ptrdiff_t{first} * W::kMaxChannels, count, channels,
             block.transit_norm, active);
    kernels::gemm_rows({active, {channels}}, 0, count, block.transit,
                       {out + std::ptrdiff_t{first} * stride, {stride}},
                       {.negative_slope = negative_slope});
  });
}

}  // namespace earwitness::speakers
