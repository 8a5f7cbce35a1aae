// A whisper.cpp model file, checked in full before anything is allocated from its claims.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "ggml.h"

namespace earwitness::speech {

struct Hyperparameters {
  int n_vocab = 0;
  int n_audio_ctx = 0;
  int n_audio_state = 0;
  int n_audio_head = 0;
  int n_audio_layer = 0;
  int n_text_ctx = 0;
  int n_text_state = 0;
  int n_text_head = 0;
  int n_text_layer = 0;
  int n_mels = 0;
  int ftype = 0;  // ggml_ftype, without the quantisation version
};

struct TensorEntry {
  ggml_type type = GGML_TYPE_F32;
  int n_dims = 0;
  std::array<std::int64_t, 4> ne{1, 1, 1, 1};  // fastest dimension first
  std::uint64_t offset = 0;                    // of the data, from the start of the file
  std::uint64_t size = 0;                      // in bytes
};

struct ModelFile {
  std::filesystem::path path;
  Hyperparameters hparams;
  int n_filter_mels = 0;
  int n_filter_bins = 0;
  std::vector<float> mel_filters;   // [n_filter_mels][n_filter_bins]
  std::vector<std::string> tokens;  // bytes of the text tokens, by id
  std::unordered_map<std::string, TensorEntry> tensors;
  // Of the last biases of the decoder, in which no two trainings agree, and which quantisation
  // leaves as they are.
  std::uint64_t fingerprint = 0;

  // Throws ModelError, which says what is wrong, unless every tensor that the hyperparameters call
  // for is there once, whole, in the right shape and in a type that can be computed with.
  static ModelFile parse(const std::filesystem::path& path);
};

}  // namespace earwitness::speech
