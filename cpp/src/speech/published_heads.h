// The heads that OpenAI published as following the words in time.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "speech/network.h"

namespace earwitness::speech {

// Of one released model; what was made from it has its shape. They follow the words, at their
// starts or at their ends: which of them point at a start is to be measured.
struct PublishedHeads {
  std::string_view model;  // the catalogue's family, such as "large-v3"
  int n_text_layer = 0;
  int n_text_head = 0;
  int n_vocab = 0;
  std::vector<AttentionHead> heads;
};

// Of all models that OpenAI released.
std::span<const PublishedHeads> published_heads();

// Of the models that have this shape: large-v1 and large-v2 share theirs. None for other shapes.
std::vector<AttentionHead> published_heads(const Hyperparameters& hparams);

}  // namespace earwitness::speech
