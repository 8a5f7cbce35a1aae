// The cross-attention heads that follow the speaker in time, by model (openai-whisper, __init__.py,
// _ALIGNMENT_HEADS). large-v1 has the dimensions of large-v2 and is taken for it.
#include <algorithm>

#include "speech/alignment.h"

namespace earwitness::speech {
namespace {

struct KnownHeads {
  int n_audio_layer;
  int n_text_layer;
  int n_vocab;
  std::vector<AttentionHead> heads;
  // Seconds: the median error of word times without it, by benches/word_times.py, which is the same
  // within 10 to 20 ms on monologues and on meetings. Only tiny.en and base were measured.
  double lag = 0.0;
};

const std::vector<KnownHeads> kKnownHeads = {
    // tiny.en
    {4, 4, 51864, {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}, 0.09},
    // tiny
    {4, 4, 51865, {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
    // base.en
    {6, 6, 51864, {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
    // base
    {6, 6, 51865, {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}, -0.05},
    // small.en
    {12,
     12,
     51864,
     {{6, 6},
      {7, 0},
      {7, 3},
      {7, 8},
      {8, 2},
      {8, 5},
      {8, 7},
      {9, 0},
      {9, 4},
      {9, 8},
      {9, 10},
      {10, 0},
      {10, 1},
      {10, 2},
      {10, 3},
      {10, 6},
      {10, 11},
      {11, 2},
      {11, 4}}},
    // small
    {12,
     12,
     51865,
     {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
    // medium.en
    {24,
     24,
     51864,
     {{11, 4},
      {14, 1},
      {14, 12},
      {14, 14},
      {15, 4},
      {16, 0},
      {16, 4},
      {16, 9},
      {17, 12},
      {17, 14},
      {18, 7},
      {18, 10},
      {18, 15},
      {20, 0},
      {20, 3},
      {20, 9},
      {20, 14},
      {21, 12}}},
    // medium
    {24, 24, 51865, {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}},
    // large-v2
    {32, 32, 51865, {{10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4},
                     {18, 11}, {18, 19}, {19, 11}, {21, 2},  {21, 3},  {22, 3},  {22, 9},  {22, 12},
                     {23, 5},  {23, 7},  {23, 13}, {25, 5},  {26, 1},  {26, 12}, {27, 15}}},
    // large-v3
    {32,
     32,
     51866,
     {{7, 0},
      {10, 17},
      {12, 18},
      {13, 12},
      {16, 1},
      {17, 14},
      {19, 11},
      {21, 4},
      {24, 1},
      {25, 6}}},
    // large-v3-turbo
    {32, 4, 51866, {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}},
};

const KnownHeads* known_heads(const Hyperparameters& h) {
  const auto it =
      std::find_if(kKnownHeads.begin(), kKnownHeads.end(), [&](const KnownHeads& known) {
        return known.n_audio_layer == h.n_audio_layer && known.n_text_layer == h.n_text_layer &&
               known.n_vocab == h.n_vocab;
      });
  return it == kKnownHeads.end() ? nullptr : &*it;
}

}  // namespace

std::vector<AttentionHead> alignment_heads(const Hyperparameters& h) {
  if (const KnownHeads* known = known_heads(h)) return known->heads;
  // An unknown model: all heads of the upper half of the layers, as openai-whisper does.
  std::vector<AttentionHead> heads;
  for (int layer = h.n_text_layer / 2; layer < h.n_text_layer; ++layer) {
    for (int head = 0; head < h.n_text_head; ++head) heads.push_back({layer, head});
  }
  return heads;
}

double attention_lag(const Hyperparameters& h) {
  const KnownHeads* known = known_heads(h);
  return known == nullptr ? 0.0 : known->lag;
}

}  // namespace earwitness::speech
