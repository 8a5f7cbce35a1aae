#include "speech/words.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace earwitness::speech {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the well-formed character at the start; 0 if it is malformed or cut short.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                    ? 1
                             : lead >= 0xC2 && lead < 0xE0  ? 2
                             : (lead & 0xF0) == 0xE0        ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  if (length == 3 && ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) >= 0xA0))) {
    return 0;
  }
  if (length == 4 && ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) >= 0x90))) {
    return 0;
  }
  return length;
}

bool is_whole(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

template <std::size_t N>
bool all_of(std::string_view text, const std::array<std::string_view, N>& marks) {
  if (text.empty()) return false;
  while (!text.empty()) {
    const auto mark = std::find_if(marks.begin(), marks.end(),
                                   [&](std::string_view m) { return text.starts_with(m); });
    if (mark == marks.end()) return false;
    text.remove_prefix(mark->size());
  }
  return true;
}

// openai-whisper, timing.py: marks that belong to the word after, and to the word before.
constexpr std::array<std::string_view, 7> kOpening = {"\"", "'", "“", "¿", "(", "[", "{"};
constexpr std::array<std::string_view, 23> kClosing = {"\"", "'",  ".", "。", ",", "，", "!", "！",
                                                       "?",  "？", ":", "：", "”", ")",  "]", "}",
                                                       "、", ";",  "…", "%",  "»", "’",  "-"};

bool writes_without_spaces(std::string_view language) {
  static constexpr std::array<std::string_view, 6> kLanguages = {"zh", "ja", "th",
                                                                 "lo", "my", "yue"};
  return std::find(kLanguages.begin(), kLanguages.end(), language) != kLanguages.end();
}

// Tokens joined until they hold whole characters.
std::vector<TokenRun> whole_pieces(std::span<const TokenId> tokens, const Vocabulary& vocabulary) {
  std::vector<TokenRun> pieces;
  TokenRun piece;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    piece.text += vocabulary.text(tokens[i]);
    piece.last = i + 1;
    // A character is at most four bytes: what is not whole by then never will be.
    if (is_whole(piece.text) || piece.last - piece.first >= 4 || i + 1 == tokens.size()) {
      piece.text = valid_utf8(piece.text);
      pieces.push_back(piece);
      piece = {.text = {}, .first = i + 1, .last = i + 1};
    }
  }
  return pieces;
}

void append(TokenRun& word, const TokenRun& piece) {
  word.text += piece.text;
  word.last = piece.last;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = character_length(bytes);
    out += length == 0 ? kReplacement : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::vector<TokenRun> split_words(std::span<const TokenId> tokens, const Vocabulary& vocabulary,
                                  std::string_view language) {
  const bool by_character = writes_without_spaces(language);
  std::vector<TokenRun> words;
  bool open = false;  // the last word is an opening mark that waits for its word
  for (const TokenRun& piece : whole_pieces(tokens, vocabulary)) {
    const std::string_view bare = trimmed(piece.text);
    const bool spaced = bare.size() < piece.text.size();
    // A quote without a space before it closes; with one it opens.
    const bool closes = !spaced && all_of(bare, kClosing);
    const bool opens = !closes && all_of(bare, kOpening);
    const bool starts = words.empty() || (!open && !closes && (spaced || by_character || opens));
    if (starts || (open && spaced)) {
      words.push_back(piece);
    } else {
      append(words.back(), piece);
    }
    open = opens;
  }
  return words;
}

}  // namespace earwitness::speech
