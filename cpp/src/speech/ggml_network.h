// The Whisper network as ggml graphs, for any device that ggml has a backend for.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/compute.h"
#include "speech/ggml_weights.h"
#include "speech/network.h"

namespace earwitness::speech {

// The encoder's output [n_state, n_audio_ctx] for mel [2 n_audio_ctx, n_mels].
ggml_tensor* build_encoder(ggml_context* g, const GgmlWeights& w, ggml_tensor* mel);

class GgmlNetwork final : public Network {
 public:
  GgmlNetwork(std::shared_ptr<const GgmlWeights> weights, ggml_backend_dev_t device);

  const Hyperparameters& hparams() const override { return weights_->hparams; }
  int position() const override { return position_; }
  int slots() const override { return 1; }
  void encode(const WindowMel& mel, int slot, int threads, Watch& watch) override;
  std::span<float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                          std::span<const int> slots, int n_sequences, Watch& watch) override;
  void reorder(std::span<const int> sources, Watch& watch) override;
  std::span<float> step(std::span<const TokenId> tokens, Watch& watch) override;
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int slot, Watch& watch) override;

 private:
  struct Pass;

  void reserve_sequences(int n);
  ggml_tensor* build_decoder(Graph& graph, Pass& pass) const;
  ggml_tensor* self_attention(Graph& graph, const Attention& w, ggml_tensor* x, std::size_t layer,
                              const Pass& pass) const;
  ggml_tensor* cross_attention(Graph& graph, const Attention& w, ggml_tensor* x, std::size_t layer,
                               Pass& pass) const;
  void run_decoder(Pass& pass, Watch& watch);

  std::shared_ptr<const GgmlWeights> weights_;
  Compute compute_;

  // Keys [n_state, n_audio_ctx] and transposed values [n_audio_ctx, n_state] of each text layer.
  ggml_context_ptr cross_context_;
  ggml_backend_buffer_ptr cross_buffer_;
  std::vector<ggml_tensor*> cross_keys_, cross_values_;
  int n_sound_ = 0;

  // Keys [n_state, n_text_ctx, sequences] and transposed values [n_text_ctx, n_state, sequences].
  ggml_context_ptr self_context_;
  ggml_backend_buffer_ptr self_buffer_;
  std::vector<ggml_tensor*> self_keys_, self_values_;
  int n_sequences_ = 0;
  int position_ = 0;

  std::vector<float> logits_;
};

}  // namespace earwitness::speech
