// The tensors of a Whisper model on a device of ggml's.
#pragma once

#include <vector>

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "speech/model_file.h"

namespace earwitness::speech {

struct Norm {
  ggml_tensor* weight = nullptr;
  ggml_tensor* bias = nullptr;
};

struct Linear {
  ggml_tensor* weight = nullptr;  // [n_in, n_out]
  ggml_tensor* bias = nullptr;    // [n_out]; none for keys
};

struct Attention {
  Norm norm;
  Linear query, key, value, out;
};

struct Mlp {
  Norm norm;
  Linear up, down;
};

struct EncoderBlock {
  Attention attention;
  Mlp mlp;
};

struct DecoderBlock {
  Attention attention;
  Attention cross;
  Mlp mlp;
};

class GgmlWeights {
 public:
  // Reads the tensors of a checked file into the device's memory.
  GgmlWeights(const ModelFile& file, ggml_backend_dev_t device);

  const Hyperparameters hparams;

  Linear conv1, conv2;
  ggml_tensor* audio_positions = nullptr;
  std::vector<EncoderBlock> encoder;
  Norm encoder_norm;

  ggml_tensor* token_embedding = nullptr;
  ggml_tensor* text_positions = nullptr;
  std::vector<DecoderBlock> decoder;
  Norm decoder_norm;

 private:
  ggml_context_ptr context_;
  ggml_backend_buffer_ptr buffer_;
};

}  // namespace earwitness::speech
