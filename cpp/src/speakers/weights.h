// The weights of the diarizer's two networks, laid out for the CPU kernels.
//
// Layer lists and names: python/earwitness/convert/diarizer.py, which writes the file.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "kernels/gemm.h"

namespace earwitness::speakers {

// pyannote's segmentation-3.0.
struct SegmentationWeights {
  static constexpr int kSincBands = 40;     // band-pass filters, each in an even and an odd form
  static constexpr int kSincHalf = 125;     // taps on either side of a filter's centre
  static constexpr int kConvChannels = 60;  // of the two convolutions that follow
  static constexpr int kConvTaps = 5;
  static constexpr int kLayers = 4;    // of the LSTM
  static constexpr int kHidden = 128;  // units of the LSTM in each direction
  static constexpr int kClasses = 7;

  struct Norm {
    std::vector<float> weight;
    std::vector<float> bias;
  };
  struct Direction {
    kernels::PackedMatrix input;  // with the sum of both biases
    kernels::PackedMatrix recurrent;
  };

  Norm wav_norm;
  kernels::PackedMatrix sinc_even;  // of x[c + k] + x[c - k], k = 0..125 (x[c] once)
  kernels::PackedMatrix sinc_odd;   // of x[c - k] - x[c + k], k = 1..125
  std::array<kernels::PackedMatrix, 2> conv;
  std::array<Norm, 3> norm;
  std::array<std::array<Direction, 2>, kLayers> lstm;  // forward, backward
  std::array<kernels::PackedMatrix, 2> linear;
  kernels::PackedMatrix classifier;
};

// 3D-Speaker's CAM++ (zh-en common).
struct EmbeddingWeights {
  static constexpr int kBands = 80;  // of the filterbank
  static constexpr int kHeadChannels = 32;
  static constexpr int kHeadOutputs = 320;  // 10 bands x 32 channels
  static constexpr int kInitialChannels = 128;
  static constexpr int kGrowth = 32;  // channels that each dense layer adds
  static constexpr int kWide = 128;   // channels inside a dense layer
  static constexpr int kGate = 64;    // channels inside its gate
  static constexpr std::array<int, 3> kBlockLayers{12, 24, 16};
  static constexpr std::array<int, 3> kBlockDilation{1, 2, 2};
  static constexpr int kMaxChannels = 1024;  // the widest that a block grows
  static constexpr int kFeatures = 512;
  static constexpr int kEmbedding = 192;

  struct Residual {
    kernels::PackedMatrix conv1;
    kernels::PackedMatrix conv2;
    kernels::PackedMatrix skip;  // only where the bands are halved
  };
  struct ScaleShift {
    std::vector<float> scale;
    std::vector<float> shift;
  };
  struct DenseLayer {
    ScaleShift norm;
    kernels::PackedMatrix wide;
    kernels::PackedMatrix local;
    kernels::PackedMatrix gate1;
    kernels::PackedMatrix gate2;
  };
  struct Block {
    int dilation = 1;
    std::vector<DenseLayer> layers;
    ScaleShift transit_norm;
    kernels::PackedMatrix transit;
  };

  kernels::PackedMatrix head1;
  std::array<std::array<Residual, 2>, 2> residual;
  kernels::PackedMatrix head2;
  kernels::PackedMatrix tdnn;
  std::array<Block, 3> blocks;
  kernels::PackedMatrix dense;
};

// Immutable once loaded: any number of networks and threads may share it.
class DiarizerWeights {
 public:
  // Throws ModelError if the file cannot be read or is not, in full, what the converter writes.
  static std::shared_ptr<const DiarizerWeights> load(const std::filesystem::path& path);

  const SegmentationWeights& segmentation() const { return segmentation_; }
  const EmbeddingWeights& embedding() const { return embedding_; }

 private:
  DiarizerWeights() = default;

  SegmentationWeights segmentation_;
  EmbeddingWeights embedding_;
};

}  // namespace earwitness::speakers
