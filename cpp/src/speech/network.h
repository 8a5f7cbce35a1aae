// The Whisper network of one running call: encoder output, key/value caches, logits.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/compute.h"
#include "speech/vocabulary.h"
#include "speech/weights.h"

namespace earwitness::speech {

// Layer and head of the decoder's cross attention.
struct AttentionHead {
  int layer = 0;
  int head = 0;
};

class Network {
 public:
  Network(std::shared_ptr<const Weights> weights, ggml_backend_dev_t device);

  // mel: [n_mels][2 * n_ctx], n_ctx <= n_audio_ctx. Replaces what was encoded before.
  void encode(std::span<const float> mel, int n_ctx, int threads, Watch& watch);

  // Runs `tokens` from position 0 as sequence 0; returns the logits [rows.size()][n_vocab] that
  // follow the tokens at `rows`. Up to n_sequences sequences may continue from it.
  std::span<const float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                                int n_sequences, int threads, Watch& watch);

  // Makes sequence i continue what sequence sources[i] holds.
  void reorder(std::span<const int> sources, int threads, Watch& watch);

  // Appends tokens[i] to sequence i, all at the same position; returns logits [n][n_vocab].
  std::span<const float> step(std::span<const TokenId> tokens, int threads, Watch& watch);

  // The cross-attention probabilities [heads][tokens][n_ctx] of a given text. Overwrites sequence
  // 0.
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int threads, Watch& watch);

  const Hyperparameters& hparams() const { return weights_->hparams; }
  int position() const { return position_; }

 private:
  struct Pass;

  void reserve_sequences(int n);
  ggml_tensor* build_decoder(Graph& graph, Pass& pass) const;
  ggml_tensor* self_attention(Graph& graph, const Attention& w, ggml_tensor* x, std::size_t layer,
                              const Pass& pass) const;
  ggml_tensor* cross_attention(Graph& graph, const Attention& w, ggml_tensor* x, std::size_t layer,
                               Pass& pass) const;
  void run_decoder(Pass& pass, int threads, Watch& watch);

  std::shared_ptr<const Weights> weights_;
  Compute compute_;

  // Keys [n_state, n_audio_ctx] and transposed values [n_audio_ctx, n_state] of each text layer.
  ggml_context_ptr cross_context_;
  ggml_backend_buffer_ptr cross_buffer_;
  std::vector<ggml_tensor*> cross_keys_, cross_values_;
  int n_ctx_ = 0;

  // Keys [n_state, n_text_ctx, sequences] and transposed values [n_text_ctx, n_state, sequences].
  ggml_context_ptr self_context_;
  ggml_backend_buffer_ptr self_buffer_;
  std::vector<ggml_tensor*> self_keys_, self_values_;
  int n_sequences_ = 0;
  int position_ = 0;

  std::vector<float> logits_;
};

}  // namespace earwitness::speech
