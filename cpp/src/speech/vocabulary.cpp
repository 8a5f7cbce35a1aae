#include "speech/vocabulary.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

// Ids after the text tokens that are no languages: end of text, start of transcript, translate,
// transcribe, start of LM, start of previous, no speech, no timestamps; and 1501 timestamps.
constexpr int kControlTokens = 8;
constexpr int kTimestampTokens = 1501;
constexpr TokenId kEnglishEndOfText = 50256;
constexpr int kFirstMultilingualSize = 51865;

enum class CharClass { kSpace, kLetter, kDigit, kSymbol };

// GPT-2 splits on Unicode classes. Beyond ASCII only general punctuation and CJK punctuation are
// told from letters, which is what decides how real prompts are split.
CharClass classify(std::string_view text, std::size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == ' ' || (c >= '\t' && c <= '\r')) return CharClass::kSpace;
  if (c >= '0' && c <= '9') return CharClass::kDigit;
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return CharClass::kLetter;
  if (c < 0x80) return CharClass::kSymbol;
  const bool lead_punctuation = c == 0xE2 || (c == 0xE3 && at + 1 < text.size() &&
                                              static_cast<unsigned char>(text[at + 1]) == 0x80);
  return lead_punctuation ? CharClass::kSymbol : CharClass::kLetter;
}

std::size_t character_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xF0) return 4;
  if (lead >= 0xE0) return 3;
  return lead >= 0xC0 ? 2 : 1;
}

std::size_t run_length(std::string_view text, std::size_t from, CharClass wanted) {
  std::size_t at = from;
  while (at < text.size() && classify(text, at) == wanted) {
    at = std::min(text.size(), at + character_length(static_cast<unsigned char>(text[at])));
  }
  return at - from;
}

// Length of the next piece by GPT-2's rule: 's 't 're 've 'm 'll 'd | ?letters | ?digits |
// ?symbols | spaces but the last before a word | spaces.
std::size_t next_piece(std::string_view text, std::size_t at) {
  static constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                                    "'m", "'ll", "'d"};
  for (std::string_view contraction : kContractions) {
    if (text.substr(at).starts_with(contraction)) return contraction.size();
  }
  const std::size_t lead = text[at] == ' ' && at + 1 < text.size() ? 1 : 0;
  const CharClass next = classify(text, at + lead);
  if (next != CharClass::kSpace) return lead + run_length(text, at + lead, next);
  const std::size_t spaces = run_length(text, at, CharClass::kSpace);
  return at + spaces < text.size() && spaces > 1 ? spaces - 1 : spaces;
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> tokens, int n_vocab)
    : tokens_(std::move(tokens)),
      n_vocab_(n_vocab),
      multilingual_(n_vocab >= kFirstMultilingualSize),
      end_of_text_(multilingual_ ? kEnglishEndOfText + 1 : kEnglishEndOfText),
      n_languages_(n_vocab - end_of_text_ - kControlTokens - kTimestampTokens) {
  if (n_languages_ < 1 || n_languages_ > static_cast<int>(kLanguages.size())) {
    throw ModelError("a vocabulary of " + std::to_string(n_vocab) +
                     " tokens is not that of a Whisper model");
  }
  if (static_cast<TokenId>(tokens_.size()) < end_of_text_) {
    throw ModelError("the model's vocabulary lacks text tokens");
  }
  tokens_.resize(static_cast<std::size_t>(end_of_text_));
  ids_.reserve(tokens_.size());
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    ids_.emplace(tokens_[i], static_cast<TokenId>(i));
  }
  for (char c = ' '; c <= '~'; ++c) {  // without them not even plain text can be encoded
    if (!ids_.contains(std::string_view(&c, 1))) {
      throw ModelError("the model's vocabulary lacks single characters");
    }
  }
  non_speech_ = find_non_speech();
}

std::optional<int> Vocabulary::language_index(std::string_view name) const {
  const std::optional<int> index = find_language(name);
  return index && *index < n_languages_ ? index : std::nullopt;
}

const std::string& Vocabulary::text(TokenId id) const {
  static const std::string kNone;
  return is_text(id) ? tokens_[static_cast<std::size_t>(id)] : kNone;
}

std::vector<TokenId> Vocabulary::encode(std::string_view text) const {
  std::vector<TokenId> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = next_piece(text, at);
    encode_piece(text.substr(at, length), out);
    at += length;
  }
  return out;
}

void Vocabulary::encode_piece(std::string_view piece, std::vector<TokenId>& out) const {
  // A long run without a space costs quadratic time to merge; no word is longer than this.
  constexpr std::size_t kLongestPiece = 512;
  while (piece.size() > kLongestPiece) {
    encode_piece(piece.substr(0, kLongestPiece), out);
    piece.remove_prefix(kLongestPiece);
  }
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < piece.size(); ++i) parts.push_back(piece.substr(i, 1));
  while (parts.size() > 1) {
    TokenId best = std::numeric_limits<TokenId>::max();
    std::size_t best_at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::string_view joined(parts[i].data(), parts[i].size() + parts[i + 1].size());
      const auto it = ids_.find(joined);
      if (it != ids_.end() && it->second < best) {
        best = it->second;
        best_at = i;
      }
    }
    if (best == std::numeric_limits<TokenId>::max()) break;
    parts[best_at] = {parts[best_at].data(), parts[best_at].size() + parts[best_at + 1].size()};
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
  for (std::string_view part : parts) {
    const auto it = ids_.find(part);
    if (it != ids_.end()) out.push_back(it->second);
  }
}

std::vector<TokenId> Vocabulary::find_non_speech() const {
  // The symbols of openai-whisper's tokenizer.py, non_speech_tokens.
  static constexpr std::array<std::string_view, 50> kSymbols = {
      "\"",  "#",   "(",  ")",   "*",   "+",  "/",   ":",   ";",  "<",  "=",   ">",  "@",
      "[",   "\\",  "]",  "^",   "_",   "`",  "{",   "|",   "}",  "~",  "「",  "」", "『",
      "』",  "<<",  ">>", "<<<", ">>>", "--", "---", "-(",  "-[", "('", "(\"", "((", "))",
      "(((", ")))", "[[", "]]",  "{{",  "}}", "♪♪",  "♪♪♪", "♩",  "♪",  "♫"};
  static constexpr std::array<std::string_view, 7> kNotes = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};
  std::vector<TokenId> ids = {encode(" -").front(), encode(" '").front()};
  const auto add = [&](std::string_view symbol, bool first_of_many) {
    for (const std::string& form : {std::string(symbol), std::string(" ").append(symbol)}) {
      const std::vector<TokenId> encoded = encode(form);
      if (encoded.size() == 1 || (first_of_many && !encoded.empty())) {
        ids.push_back(encoded.front());
      }
    }
  };
  for (std::string_view symbol : kSymbols) add(symbol, false);
  for (std::string_view note : kNotes) add(note, true);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace earwitness::speech
