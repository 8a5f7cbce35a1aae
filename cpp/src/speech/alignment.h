// Tokens and the cross attention that produced them → when each was spoken.
#pragma once

#include <span>
#include <vector>

#include "speech/network.h"

namespace earwitness::speech {

std::vector<AttentionHead> alignment_heads(const Hyperparameters& hparams);

// Seconds by which these heads look behind the sound; 0 for models on which it was not measured.
double attention_lag(const Hyperparameters& hparams);

// attention: [n_heads][n_tokens][n_ctx] probabilities, of which the first n_frames columns belong
// to audio. Returns, for each token, the first column of its stretch on the cheapest monotonic path
// (openai-whisper, timing.py: normalise over tokens, median over 7 frames, mean over heads, DTW).
// Rows before `first_row` (the start of transcript) are left out of the path.
std::vector<int> token_frames(std::span<const float> attention, int n_heads, int n_tokens,
                              int n_ctx, int n_frames, int first_row);

// Dynamic time warping over cost [rows][columns]; for each row, its first column on the path.
std::vector<int> warp(std::span<const float> cost, int rows, int columns);

}  // namespace earwitness::speech
