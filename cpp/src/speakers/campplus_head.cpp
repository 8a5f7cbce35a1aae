#include <algorithm>
#include <cstddef>

#include "kernels/gemm.h"
#include "speakers/campplus.h"

namespace earwitness::speakers {
namespace {

using W = EmbeddingWeights;
using kernels::FloatBuffer;
using kernels::LeftOperand;
using kernels::RowLayout;

constexpr int kChannels = W::kHeadChannels;

// A plane of [frames + 2][bands + 2][channels], whose border is zero: the padding of 3 x 3 kernels.
struct Plane {
  float* data;
  int frames;
  int bands;
  int channels;

  std::ptrdiff_t row() const { return std::ptrdiff_t{bands + 2} * channels; }
  float* inside() const { return data + row() + channels; }
  int positions() const { return frames * bands; }

  // Every position inside the border, as rows.
  RowLayout layout() const { return {channels, bands, row()}; }
};

Plane make_plane(FloatBuffer& buffer, int frames, int bands, int channels) {
  const auto row = static_cast<std::size_t>((bands + 2) * channels);
  const auto last = static_cast<std::size_t>(frames + 1);
  buffer.resize((last + 1) * row);
  float* p = buffer.data();
  std::fill(p, p + row, 0.0F);
  std::fill(p + last * row, p + (last + 1) * row, 0.0F);
  for (std::size_t t = 1; t < last; ++t) {
    std::fill(p + t * row, p + t * row + channels, 0.0F);
    std::fill(p + (t + 1) * row - channels, p + (t + 1) * row, 0.0F);
  }
  return {p, frames, bands, channels};
}

// 3 x 3 windows around every position, or around every second band.
LeftOperand windows(const Plane& in, int band_stride) {
  const int bands = in.bands / band_stride;
  return {in.data, {std::ptrdiff_t{band_stride} * in.channels, bands, in.row()}, 3, in.row()};
}

// Every second band's own channels.
LeftOperand every_second(const Plane& in) {
  return {in.inside(), {std::ptrdiff_t{2} * in.channels, in.bands / 2, in.row()}};
}

constexpr float kRelu = 0.0F;

// relu(conv2(relu(conv1(in))) + skip(in)), where skip is the identity if the bands stay as many.
// out may then be in.
void residual_block(const CamPlusContext& context, const W::Residual& weights, const Plane& in,
                    const Plane& inner, const Plane& out) {
  const int stride = in.bands / out.bands;
  const int positions = out.positions();
  kernels::gemm(windows(in, stride), positions, weights.conv1, {inner.inside(), inner.layout()},
                {.negative_slope = kRelu}, context.pool, context.cancel);
  if (stride > 1) {
    kernels::gemm(every_second(in), positions, weights.skip, {out.inside(), out.layout()}, {},
                  context.pool, context.cancel);
  }
  kernels::gemm(windows(inner, 1), positions, weights.conv2, {out.inside(), out.layout()},
                {.negative_slope = kRelu, .residual = out.inside(), .residual_rows = out.layout()},
                context.pool, context.cancel);
}

}  // namespace

void CamPlusHead::run(const CamPlusContext& context, const float* fbank, int frames, float* out) {
  const W& weights = context.weights;
  const Plane input = make_plane(input_, frames, W::kBands, 1);
  for (int t = 0; t < frames; ++t) {
    std::copy(fbank + t * W::kBands, fbank + (t + 1) * W::kBands, input.inside() + t * input.row());
  }
  Plane in = make_plane(full_, frames, W::kBands, kChannels);
  kernels::gemm(windows(input, 1), in.positions(), weights.head1, {in.inside(), in.layout()},
                {.negative_slope = kRelu}, context.pool, context.cancel);
  for (std::size_t level = 0; level < weights.residual.size(); ++level) {
    const int bands = in.bands / 2;
    const Plane inner = make_plane(inner_, frames, bands, kChannels);
    const Plane plane = make_plane(levels_[level], frames, bands, kChannels);
    residual_block(context, weights.residual[level][0], in, inner, plane);
    residual_block(context, weights.residual[level][1], plane, inner, plane);
    in = plane;
  }
  const int bands = in.bands / 2;
  static_assert(W::kBands / 8 * kChannels == W::kHeadOutputs);
  kernels::gemm(windows(in, 2), frames * bands, weights.head2,
                {out, {kChannels, bands, std::ptrdiff_t{bands} * kChannels}},
                {.negative_slope = kRelu}, context.pool, context.cancel);
}

}  // namespace earwitness::speakers
