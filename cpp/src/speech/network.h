// The Whisper network of one running call: encoded windows, key/value caches, logits.
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
  bool operator==(const AttentionHead&) const = default;
};

// What a window holds: sound, then silence up to the length that the model always sees.
struct WindowMel {
  std::span<const float> sound;  // [n_mels][2 * positions]
  int positions = 0;             // of the encoder, one for two frames; n_audio_ctx at most
  float silence = 0.0F;          // every mel of a silent frame
};

// Spans that are returned hold until the next call, and may be written to. Every function throws
// what `watch` throws when the caller wants it to stop.
class Network {
 public:
  Network() = default;
  virtual ~Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  virtual const Hyperparameters& hparams() const = 0;

  // The tokens that each sequence holds.
  virtual int position() const = 0;

  // The windows that can be held at once, in as many slots.
  virtual int slots() const = 0;

  // Replaces what was encoded into the slot before.
  virtual void encode(const WindowMel& mel, int slot, int threads, Watch& watch) = 0;

  // Runs `tokens` from position 0 on each of the slots, as sequence i for slots[i]; returns the
  // logits [slots.size()][rows.size()][n_vocab] that follow the tokens at `rows`. Up to n_sequences
  // sequences may continue from them.
  virtual std::span<float> prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                                  std::span<const int> slots, int n_sequences, Watch& watch) = 0;

  // Makes sequence i continue what sequence sources[i] holds, on the same window.
  virtual void reorder(std::span<const int> sources, Watch& watch) = 0;

  // Appends tokens[i] to sequence i, all at the same position; returns logits [n][n_vocab].
  virtual std::span<float> step(std::span<const TokenId> tokens, Watch& watch) = 0;

  // The cross-attention probabilities [heads][tokens][positions of sound] of a given text on the
  // slot's window. Overwrites sequence 0; prompt() is to be called before the next step().
  virtual std::vector<float> attend(std::span<const TokenId> tokens,
                                    std::span<const AttentionHead> heads, int slot,
                                    Watch& watch) = 0;
};

}  // namespace earwitness::speech
