// The tensors of a Whisper model, packed for our own kernels.
#pragma once

#include <vector>

#include "kernels/gemm.h"
#include "speech/model_file.h"

namespace earwitness::speech {

struct CpuNorm {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct CpuMlp {
  CpuNorm norm;
  kernels::PackedMatrix up, down;
};

struct CpuSelfAttention {
  CpuNorm norm;
  kernels::PackedMatrix query_key_value;  // 3 n_state outputs, in this order
  kernels::PackedMatrix out;
};

struct CpuCrossAttention {
  CpuNorm norm;
  kernels::PackedMatrix query;
  kernels::PackedMatrix key_value;  // 2 n_state outputs, of the encoder's output
  kernels::PackedMatrix out;
};

struct CpuEncoderBlock {
  CpuSelfAttention attention;
  CpuMlp mlp;
};

struct CpuDecoderBlock {
  CpuSelfAttention attention;
  CpuCrossAttention cross;
  CpuMlp mlp;
};

class CpuWeights {
 public:
  // Reads and packs the tensors of a checked file. kInteger is the fast and small one, kHalf what
  // Whisper's weights are published in.
  CpuWeights(const ModelFile& file, kernels::PackedMatrix::Precision wanted);

  const Hyperparameters hparams;
  const kernels::PackedMatrix::Precision precision;

  kernels::PackedMatrix conv1, conv2;  // inputs: [3 taps][channels]
  std::vector<float> audio_positions;  // [n_audio_ctx][n_state]
  std::vector<CpuEncoderBlock> encoder;
  CpuNorm encoder_norm;
  std::vector<float> encoder_divided;  // what its output's channels are divided by; none: by 1

  kernels::PackedMatrix token_embedding;  // outputs: tokens
  std::vector<float> text_positions;      // [n_text_ctx][n_state]
  std::vector<CpuDecoderBlock> decoder;
  CpuNorm decoder_norm;
};

}  // namespace earwitness::speech
