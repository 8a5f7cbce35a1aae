// The Whisper network on our own CPU kernels.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "kernels/attention.h"
#include "kernels/thread_pool.h"
#include "speech/cpu_weights.h"
#include "speech/network.h"

namespace earwitness::speech {

class CpuNetwork final : public Network {
 public:
  explicit CpuNetwork(std::shared_ptr<const CpuWeights> weights);

  const Hyperparameters& hparams() const override { return weights_->hparams; }
  int position() const override { return position_; }
  // As many as are worth it: what a token costs is then mostly its own attention.
  int slots() const override { return 8; }
  void encode(const WindowMel& mel, int slot, int threads, Watch& watch) override;
  // The encoder's output [positions][n_state] for the window encoded last: the positions of its
  // sound, each its own, then those of its silence.
  std::vector<float> encoded() const;
  std::span<float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                          std::span<const int> slots, int n_sequences, Watch& watch) override;
  void reorder(std::span<const int> sources, Watch& watch) override;
  std::span<float> step(std::span<const TokenId> tokens, Watch& watch) override;
  std::vector<float> attend(std::span<const TokenId> tokens, std::span<const AttentionHead> heads,
                            int slot, Watch& watch) override;

 private:
  struct Pass;
  struct Part;
  using Sequence = std::vector<kernels::KeyValues>;  // by text layer
  using WindowKeyValues = std::variant<kernels::KeyValues, kernels::IntegerKeyValues>;
  using EncoderKeyValues =
      std::variant<kernels::KeyValues, kernels::IntegerKeyValues, kernels::Bf16KeyValues>;
  struct Window {  // as the decoder sees it
    int n_sound = 0;
    int n_positions = 0;
    std::vector<float> silence_weights;
    std::vector<WindowKeyValues> cross;  // by text layer

    kernels::Positions positions() const { return {n_positions, silence_weights}; }
  };

  WindowKeyValues window_key_values() const;
  EncoderKeyValues encoder_key_values() const;

  void set_threads(int threads);
  void run(int tasks, Watch& watch, const kernels::ThreadPool::Task& task);
  static void check(int worker, Watch& watch);

  void lay_out(int sound);
  void reserve_positions(int n);
  void convolve(const WindowMel& mel, Watch& watch);
  kernels::Positions positions() const { return {n_positions_, silence_weights_}; }
  void encode_block(std::size_t index, Watch& watch);
  void finish_rows(const CpuEncoderBlock& block, int first, int rows, int worker);
  void project_cross(Window& window, Watch& watch);
  Window& window_of(int slot);

  void reserve_sequences(int n);
  std::span<float> run_decoder(const Pass& pass, Watch& watch);
  void run_layers(const Pass& pass, const Part& part, int worker, Watch& watch);
  void self_attention(const CpuSelfAttention& w, std::size_t layer, const Pass& pass,
                      const Part& part);
  void cross_attention(const CpuCrossAttention& w, std::size_t layer, const Pass& pass,
                       const Part& part);
  void mlp(const CpuMlp& w, const Part& part);
  std::span<float> logits(std::span<const int> rows, Watch& watch);

  std::shared_ptr<const CpuWeights> weights_;
  std::unique_ptr<kernels::ThreadPool> pool_;

  // Encoder. Its positions: those of sound, each its own; then some of silence.
  struct Places {  // of the whole window, that one position of silence stands for
    int first = 0;
    int count = 0;
  };
  int n_sound_ = 0;
  int n_positions_ = 0;
  std::vector<Places> silence_;
  std::vector<float> silence_weights_;  // the logarithms of their counts
  kernels::FloatBuffer mel_rows_;       // [frames + 2][n_mels], a row of zeros at either end
  kernels::FloatBuffer conv_;           // [frames + 2][n_state], likewise
  kernels::FloatBuffer x_;              // [positions][n_state]
  kernels::FloatBuffer qkv_;            // [positions][3 n_state], or [2 n_state] for the cross
  kernels::FloatBuffer mixed_;          // [positions][n_state]
  EncoderKeyValues encoder_kv_;
  std::vector<kernels::FloatBuffer> scratch_;  // one per worker

  // Decoder.
  std::vector<Window> windows_;  // by slot
  std::vector<Sequence> sequences_;
  std::vector<int> slots_;  // of the sequences that are being decoded
  int position_ = 0;
  kernels::FloatBuffer y_, normed_, projected_, attended_, hidden_;
  kernels::FloatBuffer probabilities_;
  std::vector<float> logits_;
};

}  // namespace earwitness::speech
