#include "speech/words.h"

#include <string>
#include <vector>

#include "check.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

// A vocabulary in which the given texts are tokens 256, 257, ...
struct Fixture {
  explicit Fixture(const std::vector<std::string>& texts) : vocabulary(make(texts), 51864) {
    for (std::size_t i = 0; i < texts.size(); ++i) ids.push_back(static_cast<TokenId>(256 + i));
  }
  static std::vector<std::string> make(const std::vector<std::string>& texts) {
    std::vector<std::string> tokens = synthetic::text_tokens(50256);
    for (std::size_t i = 0; i < texts.size(); ++i) tokens[256 + i] = texts[i];
    return tokens;
  }
  Vocabulary vocabulary;
  std::vector<TokenId> ids;
};

std::vector<std::string> split(const std::vector<std::string>& tokens,
                               const char* language = "en") {
  const Fixture f(tokens);
  std::vector<std::string> words;
  std::size_t next = 0;
  for (const TokenRun& run : split_words(f.ids, f.vocabulary, language)) {
    CHECK(run.first == next && run.last > run.first);  // every token is in one word, in order
    next = run.last;
    words.push_back(run.text);
  }
  CHECK(next == tokens.size());
  return words;
}

using Words = std::vector<std::string>;

TEST(words_begin_at_spaces) {
  CHECK(split({" And", " so", " my", " fel", "low"}) == (Words{" And", " so", " my", " fellow"}));
  CHECK(split({"And", " so"}) == (Words{"And", " so"}));
  CHECK(split({}).empty());
}

TEST(punctuation_joins_its_word) {
  CHECK(split({" country", ",", " ask", "."}) == (Words{" country,", " ask."}));
  CHECK(split({" \"", "Ask", "\"", ",", " he"}) == (Words{" \"Ask\",", " he"}));
  CHECK(split({" ¿", "Qué", "?"}) == (Words{" ¿Qué?"}));
  CHECK(split({" it", "'s", " well", "-", "known"}) == (Words{" it's", " well-known"}));
  CHECK(split({" Wait", "...", " no"}) == (Words{" Wait...", " no"}));
  CHECK(split({" (", "aside", ")", " and"}) == (Words{" (aside)", " and"}));
}

TEST(numbers_and_symbols_belong_to_a_word) {
  CHECK(split({" $", "3", ",", "000", " in", " 19", "61"}) == (Words{" $3,000", " in", " 1961"}));
  CHECK(split({" 50", "%", " of", " A", "&", "B"}) == (Words{" 50%", " of", " A&B"}));
  CHECK(split({" ♪", " la"}) == (Words{" ♪", " la"}));
}

TEST(hesitations_and_repetitions_stay_words) {
  CHECK(split({" I", "-", "I", " uh", ",", " the", " the", "..."}) ==
        (Words{" I-I", " uh,", " the", " the..."}));
}

TEST(an_opening_mark_does_not_swallow_the_next_word) {
  CHECK(split({" \"", " spaced"}) == (Words{" \"", " spaced"}));
  CHECK(split({" ("}) == (Words{" ("}));
}

TEST(languages_without_spaces_split_by_character) {
  CHECK(split({"日本", "語", "の", "。"}, "ja") == (Words{"日本", "語", "の。"}));
  CHECK(split({"你", "好", "，", "世界"}, "zh") == (Words{"你", "好，", "世界"}));
  CHECK(split({"日本", "語"}, "en") == (Words{"日本語"}));
}

TEST(tokens_that_share_a_character_stay_together) {
  // 語 is E8 AA 9E; the party popper F0 9F 8E 89.
  CHECK(split({" \xE8\xAA", "\x9E", " x"}) == (Words{" 語", " x"}));
  CHECK(split({"\xE8", "\xAA", "\x9E", "\xE8\xAA", "\x9E"}, "ja") == (Words{"語", "語"}));
  CHECK(split({" \xF0\x9F", "\x8E", "\x89", "!"}) == (Words{" 🎉!"}));
}

TEST(bytes_that_never_become_a_character_are_replaced) {
  CHECK(split({" a", "\xFF"}) == (Words{" a\xEF\xBF\xBD"}));
  CHECK(split({" a", "\xE8\xAA"}) == (Words{" a\xEF\xBF\xBD\xEF\xBF\xBD"}));
  for (const std::string& word : split({"\xE8", "\xE8", "\xE8", "\xE8", "\xE8", " x"})) {
    CHECK(valid_utf8(word) == word);
  }
}

TEST(valid_utf8_keeps_what_is_valid) {
  for (const std::string text :
       {"", "plain", "Größe", "日本語", "🎉", "\xF4\x8F\xBF\xBF", "\x7F"}) {
    CHECK(valid_utf8(text) == text);
  }
  CHECK(valid_utf8(std::string("a\0b", 3)) == std::string("a\0b", 3));
}

TEST(valid_utf8_replaces_what_is_not) {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(valid_utf8("\x80") == bad);
  CHECK(valid_utf8("\xC0\x80") == bad + bad);            // an overlong NUL
  CHECK(valid_utf8("\xC3") == bad);                      // cut short
  CHECK(valid_utf8("\xED\xA0\x80") == bad + bad + bad);  // a surrogate
  CHECK(valid_utf8("\xE0\x80\xAF") == bad + bad + bad);  // overlong
  CHECK(valid_utf8("\xF0\x80\x80\x80") == bad + bad + bad + bad);
  CHECK(valid_utf8("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(valid_utf8("a\xE8z") == "a" + bad + "z");
}

TEST(any_bytes_become_valid_utf8) {
  synthetic::Noise noise(11);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes;
    for (int k = 0; k < 12; ++k) bytes += static_cast<char>(static_cast<int>(noise() * 128.0F));
    const std::string once = valid_utf8(bytes);
    CHECK(valid_utf8(once) == once);
  }
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
