// Heads that point at where a token starts → when each token was spoken.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "speech/mel.h"
#include "speech/network.h"
#include "speech/vocabulary.h"

namespace earwitness::speech {

// A cross-attention head whose look, while a token is found, lies `lag` seconds after the start of
// that token, whatever its length.
struct PointingHead {
  AttentionHead head;
  double lag = 0.0;
};

// Those of tiny.en and base, measured beforehand, told by ModelFile::fingerprint. What was trained
// on from them is another model.
std::optional<std::vector<PointingHead>> measured_pointing_heads(std::uint64_t fingerprint);

// Finds them in any other model: hears a sentence whose words are known with their times, and looks
// for the heads that lie at one distance from the starts; among those that do so equally well,
// published ones (published_heads.h) come first. One at least. Takes half as long as transcribing
// the eleven seconds of it; overwrites what `network` holds; throws what `watch` throws.
std::vector<PointingHead> find_pointing_heads(Network& network, const Vocabulary& vocabulary,
                                              const Mel& mel, int threads, Watch& watch);

// attention: [heads.size()][n_tokens][n_ctx] probabilities, of which the first n_frames columns (of
// 20 ms) belong to audio; row i is where the heads looked to find token i + 1. Returns, for the
// rows from `first_row` on, when the token that each row found starts: seconds from the first
// column, in rising order, at least 0.02 apart where the audio is long enough.
std::vector<double> token_starts(std::span<const float> attention,
                                 std::span<const PointingHead> heads, int n_tokens, int n_ctx,
                                 int n_frames, int first_row);

}  // namespace earwitness::speech
