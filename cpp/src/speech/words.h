// Tokens → words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "speech/vocabulary.h"

namespace earwitness::speech {

// A run of text tokens [first, last) that make up one word with its punctuation.
struct TokenRun {
  std::string text;
  std::size_t first = 0;
  std::size_t last = 0;
};

// Splits at spaces, or between characters for languages that write none (Chinese, Japanese, Thai,
// Lao, Burmese, Cantonese); joins punctuation to the word that it belongs to. Tokens that share a
// character stay together.
std::vector<TokenRun> split_words(std::span<const TokenId> tokens, const Vocabulary& vocabulary,
                                  std::string_view language);

// Replaces what is not UTF-8 by U+FFFD, so that the text can leave for Python and JSON.
std::string valid_utf8(std::string_view bytes);

}  // namespace earwitness::speech
