// Token ids and the text they stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace earwitness::speech {

using TokenId = std::int32_t;

// The layout of ids is OpenAI's: text tokens, end of text, start of transcript, languages, the six
// control tokens, 1501 timestamps of 0.02 s (openai-whisper, tokenizer.py).
class Vocabulary {
 public:
  // `tokens` are the bytes of the text tokens by id; a token's id is also its merge rank.
  // Throws ModelError if n_vocab fits no known layout, or a printable ASCII character is no token.
  Vocabulary(std::vector<std::string> tokens, int n_vocab);

  Vocabulary(const Vocabulary&) = delete;  // ids_ points into tokens_
  Vocabulary& operator=(const Vocabulary&) = delete;

  int size() const { return n_vocab_; }
  bool multilingual() const { return multilingual_; }

  TokenId end_of_text() const { return end_of_text_; }
  TokenId start_of_transcript() const { return end_of_text_ + 1; }
  TokenId translate() const { return end_of_text_ + 2 + n_languages_; }
  TokenId transcribe() const { return translate() + 1; }
  TokenId start_of_previous() const { return translate() + 3; }
  TokenId no_speech() const { return translate() + 4; }
  TokenId no_timestamps() const { return translate() + 5; }
  TokenId timestamp_begin() const { return translate() + 6; }

  bool is_text(TokenId id) const { return id >= 0 && id < end_of_text_; }
  bool is_timestamp(TokenId id) const { return id >= timestamp_begin() && id < n_vocab_; }

  int language_count() const { return n_languages_; }
  TokenId language_token(int index) const { return start_of_transcript() + 1 + index; }
  // Index of a language by code ("en") or English name ("english"), in any case.
  std::optional<int> language_index(std::string_view name) const;

  // Bytes of a text token; empty for the others.
  const std::string& text(TokenId id) const;

  // Byte-pair encoding of UTF-8 text.
  std::vector<TokenId> encode(std::string_view text) const;

  // Tokens of symbols that are not spoken: brackets, notes, dashes between spaces.
  const std::vector<TokenId>& non_speech() const { return non_speech_; }

 private:
  void encode_piece(std::string_view piece, std::vector<TokenId>& out) const;
  std::vector<TokenId> find_non_speech() const;

  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, TokenId> ids_;
  int n_vocab_ = 0;
  bool multilingual_ = false;
  TokenId end_of_text_ = 0;
  int n_languages_ = 0;
  std::vector<TokenId> non_speech_;
};

// Codes and English names of the languages in the order of their tokens.
struct Language {
  const char* code;
  const char* name;
};
extern const std::vector<Language> kLanguages;

// The index in kLanguages of a code or English name, in any case.
std::optional<int> find_language(std::string_view name);

}  // namespace earwitness::speech
