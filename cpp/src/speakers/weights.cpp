#include "speakers/weights.h"

#include <cstdint>
#include <string>

#include "earwitness/error.h"
#include "speakers/gguf_file.h"

namespace earwitness::speakers {
namespace {

using kernels::PackedMatrix;

constexpr const char* kArchitecture = "earwitness-diarizer";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kMaxFileSize = std::size_t{64} << 20;  // twice the size in float32

std::vector<float> vector(const GgufFile& file, const std::string& name, int n) {
  return file.tensor(name, {static_cast<std::uint64_t>(n)});
}

PackedMatrix matrix(const GgufFile& file, const std::string& name, int outputs, int inputs,
                    const std::string& bias = {}) {
  const std::vector<float> weights =
      file.tensor(name, {static_cast<std::uint64_t>(outputs), static_cast<std::uint64_t>(inputs)});
  if (bias.empty()) return {weights.data(), outputs, inputs, nullptr};
  return {weights.data(), outputs, inputs, vector(file, bias, outputs).data()};
}

// NAME.weight and NAME.bias.
PackedMatrix layer(const GgufFile& file, const std::string& name, int outputs, int inputs) {
  return matrix(file, name + ".weight", outputs, inputs, name + ".bias");
}

SegmentationWeights::Norm norm(const GgufFile& file, const std::string& name, int n) {
  return {vector(file, name + ".weight", n), vector(file, name + ".bias", n)};
}

SegmentationWeights read_segmentation(const GgufFile& file) {
  using W = SegmentationWeights;
  W w;
  w.wav_norm = norm(file, "seg.wav_norm", 1);
  w.sinc_even = matrix(file, "seg.sinc.even", W::kSincBands, W::kSincHalf + 1);
  w.sinc_odd = matrix(file, "seg.sinc.odd", W::kSincBands, W::kSincHalf);
  int channels = 2 * W::kSincBands;
  for (std::size_t i = 0; i < w.norm.size(); ++i) {
    if (i > 0) {
      w.conv[i - 1] =
          layer(file, "seg.conv" + std::to_string(i), W::kConvChannels, W::kConvTaps * channels);
      channels = W::kConvChannels;
    }
    w.norm[i] = norm(file, "seg.norm" + std::to_string(i), channels);
  }
  int inputs = channels;
  for (std::size_t i = 0; i < w.lstm.size(); ++i) {
    for (std::size_t d = 0; d < 2; ++d) {
      const std::string name = "seg.lstm" + std::to_string(i) + (d == 0 ? ".forward" : ".backward");
      w.lstm[i][d].input = matrix(file, name + ".input", 4 * W::kHidden, inputs, name + ".bias");
      w.lstm[i][d].recurrent = matrix(file, name + ".recurrent", 4 * W::kHidden, W::kHidden);
    }
    inputs = 2 * W::kHidden;
  }
  w.linear[0] = layer(file, "seg.linear0", W::kHidden, inputs);
  w.linear[1] = layer(file, "seg.linear1", W::kHidden, W::kHidden);
  w.classifier = layer(file, "seg.classifier", W::kClasses, W::kHidden);
  return w;
}

EmbeddingWeights::ScaleShift scale_shift(const GgufFile& file, const std::string& name, int n) {
  return {vector(file, name + ".scale", n), vector(file, name + ".shift", n)};
}

EmbeddingWeights::DenseLayer dense_layer(const GgufFile& file, const std::string& name,
                                         int channels) {
  using W = EmbeddingWeights;
  W::DenseLayer out;
  out.norm = scale_shift(file, name + ".norm", channels);
  out.wide = layer(file, name + ".wide", W::kWide, channels);
  out.local = layer(file, name + ".local", W::kGrowth, 3 * W::kWide);
  out.gate1 = layer(file, name + ".gate1", W::kGate, W::kWide);
  out.gate2 = layer(file, name + ".gate2", W::kGrowth, W::kGate);
  return out;
}

EmbeddingWeights read_embedding(const GgufFile& file) {
  using W = EmbeddingWeights;
  constexpr int kTaps = 9 * W::kHeadChannels;  // of a 3 x 3 kernel
  W w;
  w.head1 = layer(file, "emb.head1", W::kHeadChannels, 9);
  for (std::size_t i = 0; i < w.residual.size(); ++i) {
    for (std::size_t j = 0; j < w.residual[i].size(); ++j) {
      const std::string name = "emb.res" + std::to_string(i + 1) + "." + std::to_string(j);
      W::Residual& r = w.residual[i][j];
      r.conv1 = layer(file, name + ".conv1", W::kHeadChannels, kTaps);
      r.conv2 = layer(file, name + ".conv2", W::kHeadChannels, kTaps);
      if (j == 0) r.skip = layer(file, name + ".skip", W::kHeadChannels, W::kHeadChannels);
    }
  }
  w.head2 = layer(file, "emb.head2", W::kHeadChannels, kTaps);
  w.tdnn = layer(file, "emb.tdnn", W::kInitialChannels, 5 * W::kHeadOutputs);
  int channels = W::kInitialChannels;
  for (std::size_t b = 0; b < w.blocks.size(); ++b) {
    W::Block& block = w.blocks[b];
    const std::string number = std::to_string(b + 1);
    block.dilation = W::kBlockDilation[b];
    for (int i = 0; i < W::kBlockLayers[b]; ++i) {
      block.layers.push_back(
          dense_layer(file, "emb.block" + number + "." + std::to_string(i), channels));
      channels += W::kGrowth;
    }
    const std::string transit = "emb.transit" + number;
    block.transit_norm = scale_shift(file, transit + ".norm", channels);
    block.transit = layer(file, transit, channels / 2, channels);
    channels /= 2;
  }
  w.dense = layer(file, "emb.dense", W::kEmbedding, 2 * W::kFeatures);
  return w;
}

}  // namespace

std::shared_ptr<const DiarizerWeights> DiarizerWeights::load(const std::filesystem::path& path) {
  const GgufFile file(path, kMaxFileSize);
  if (file.text("general.architecture") != kArchitecture ||
      file.number("earwitness.diarizer.version") != kFormatVersion) {
    throw ModelError(
        "the model file is not a diarizer of this version; use the one that the package ships, or "
        "convert it again with the same version of earwitness");
  }
  std::shared_ptr<DiarizerWeights> out(new DiarizerWeights);
  out->segmentation_ = read_segmentation(file);
  out->embedding_ = read_embedding(file);
  return out;
}

}  // namespace earwitness::speakers
