// The Whisper network of one running call: encoder output, key/value caches, logits.
#pragma once

#include <span>
#include <vector>

#include "runtime/watch.h"
#include "speech/model_file.h"
#include "speech/vocabulary.h"

namespace earwitness::speech {

// Layer and head of the decoder's cross attention.
struct AttentionHead {
  int layer = 0;
  int head = 0;
};

// What a window holds: sound, then silence up to the length that the model always sees.
struct WindowMel {
  std::span<const float> sound;  // [n_mels][2 * positions]
  int positions = 0;             // of the encoder, one for two frames; n_audio_ctx at most
  float silence = 0.0F;          // every mel of a silent frame
};

// Spans that are returned hold until the next call. Every function throws what `watch` throws when
// the caller wants it to stop.
class Network {
 public:
  Network() = default;
  virtual ~Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  virtual const Hyperparameters& hparams() const = 0;

  // The tokens that each sequence holds.
  virtual int position() const = 0;

  // Replaces what was encoded before.
  virtual void encode(const WindowMel& mel, int threads, Watch& watch) = 0;

  // Runs `tokens` from position 0 as sequence 0; returns the logits [rows.size()][n_vocab] that
  // follow the tokens at `rows`. Up to n_sequences sequences may continue from it.
  virtual std::span<const float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                                        int n_sequences, Watch& watch) = 0;

  // Makes sequence i continue what sequence sources[i] holds.
  virtual void reorder(std::span<const int> sources, Watch& watch) = 0;

  // Appends tokens[i] to sequence i, all at the same position; returns logits [n][n_vocab].
  virtual std::span<const float> step(std::span<const TokenId> tokens, Watch& watch) = 0;

  // The cross-attention probabilities [heads][tokens][positions of sound] of a given text.
  // Overwrites sequence 0; prompt() is to be called before the next step().
  virtual std::vector<float> attend(std::span<const TokenId> tokens,
                                    std::span<const AttentionHead> heads, Watch& watch) = 0;
};

}  // namespace earwitness::speech
