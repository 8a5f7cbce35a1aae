#include "speech/vocabulary.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using Ids = std::vector<TokenId>;

Vocabulary synthetic_vocabulary(int n_vocab) {
  const int end_of_text = n_vocab >= synthetic::kMultilingualVocabulary ? 50257 : 50256;
  return Vocabulary(synthetic::text_tokens(end_of_text), n_vocab);
}

std::string decode(const Vocabulary& vocabulary, const Ids& ids) {
  std::string text;
  for (TokenId id : ids) text += vocabulary.text(id);
  return text;
}

// The ids are those of openai-whisper's tokenizer.
TEST(english_layout) {
  const Vocabulary v = synthetic_vocabulary(51864);
  CHECK(v.size() == 51864);
  CHECK(!v.multilingual());
  CHECK(v.end_of_text() == 50256);
  CHECK(v.start_of_transcript() == 50257);
  CHECK(v.translate() == 50357);
  CHECK(v.transcribe() == 50358);
  CHECK(v.start_of_previous() == 50360);
  CHECK(v.no_speech() == 50361);
  CHECK(v.no_timestamps() == 50362);
  CHECK(v.timestamp_begin() == 50363);
}

TEST(multilingual_layout) {
  const Vocabulary v = synthetic_vocabulary(51865);
  CHECK(v.multilingual());
  CHECK(v.language_count() == 99);
  CHECK(v.end_of_text() == 50257);
  CHECK(v.start_of_transcript() == 50258);
  CHECK(v.language_token(0) == 50259);
  CHECK(v.language_token(98) == 50357);
  CHECK(v.translate() == 50358);
  CHECK(v.transcribe() == 50359);
  CHECK(v.start_of_previous() == 50361);
  CHECK(v.no_speech() == 50362);
  CHECK(v.no_timestamps() == 50363);
  CHECK(v.timestamp_begin() == 50364);
  CHECK(!v.language_index("yue"));
}

TEST(large_v3_layout_adds_cantonese) {
  const Vocabulary v = synthetic_vocabulary(51866);
  CHECK(v.language_count() == 100);
  CHECK(v.translate() == 50359);
  CHECK(v.no_speech() == 50363);
  CHECK(v.timestamp_begin() == 50365);
  CHECK(v.language_index("yue") == 99);
  CHECK(v.language_index("Cantonese") == 99);
}

TEST(kinds_of_tokens) {
  const Vocabulary v = synthetic_vocabulary(51865);
  CHECK(v.is_text(0) && v.is_text(50256));
  CHECK(!v.is_text(-1) && !v.is_text(50257) && !v.is_text(51864));
  CHECK(v.is_timestamp(50364) && v.is_timestamp(51864));
  CHECK(!v.is_timestamp(50363) && !v.is_timestamp(51865) && !v.is_timestamp(-1));
  CHECK(v.text(65) == "A");
  CHECK(v.text(50257).empty() && v.text(-1).empty() && v.text(1 << 30).empty());
}

TEST(languages_go_by_code_or_name_in_any_case) {
  CHECK(kLanguages.size() == 100);
  CHECK(find_language("en") == 0);
  CHECK(find_language("EN") == 0);
  CHECK(find_language("German") == 2);
  CHECK(find_language("haitian creole") == 80);
  CHECK(find_language("su") == 98);
  for (const char* unknown : {"", "xx", "en ", "english!", "e"}) CHECK(!find_language(unknown));
  for (std::size_t i = 0; i < kLanguages.size(); ++i) {
    CHECK(find_language(kLanguages[i].code) == static_cast<int>(i));
    CHECK(find_language(kLanguages[i].name) == static_cast<int>(i));
  }
}

TEST(other_sizes_are_no_whisper_vocabulary) {
  for (const int n_vocab : {0, 1000, 50257, 51765, 51867, 200000}) {
    CHECK_THROWS(ModelError, Vocabulary(synthetic::text_tokens(50257), n_vocab));
  }
  CHECK_THROWS(ModelError, Vocabulary(synthetic::text_tokens(50256), 51865));
  CHECK_THROWS(ModelError, Vocabulary({}, 51864));
}

TEST(a_vocabulary_of_nothing_is_refused) {
  // Whole in number, but without the bytes that any text can be spelt with.
  CHECK_THROWS(ModelError, Vocabulary(std::vector<std::string>(50256), 51864));
  CHECK_THROWS(ModelError, Vocabulary(std::vector<std::string>(50257, "the"), 51865));
}

TEST(any_bytes_survive_encoding) {
  const Vocabulary v = synthetic_vocabulary(51864);
  synthetic::Noise noise(3);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int k = 0; k < i; ++k) text += static_cast<char>(static_cast<int>(noise() * 127.0F));
    CHECK(decode(v, v.encode(text)) == text);
  }
  CHECK(v.encode("").empty());
}

TEST(a_hundred_thousand_letters_do_not_take_for_ever) {
  const Vocabulary v = synthetic_vocabulary(51864);
  const std::string text(100'000, 'a');
  CHECK(decode(v, v.encode(text)) == text);
}

TEST(merges_go_by_rank_not_from_the_left) {
  std::vector<std::string> tokens = synthetic::text_tokens(50256);
  tokens[300] = "bc";  // merged before "ab" can be
  tokens[301] = "ab";
  tokens[302] = "abc";
  tokens[303] = "cc";
  const Vocabulary v(tokens, 51864);
  CHECK(v.encode("abc") == (Ids{302}));
  CHECK(v.encode("abd") == (Ids{301, 'd'}));
  CHECK(v.encode("abcc") == (Ids{302, 'c'}));
  CHECK(v.encode("acc") == (Ids{'a', 303}));
}

#ifdef EARWITNESS_VOCABULARIES

// The vocabulary of a whisper.cpp file that has no tensors.
Vocabulary real_vocabulary(const std::string& name, int n_vocab) {
  std::ifstream in(EARWITNESS_VOCABULARIES "/" + name, std::ios::binary);
  const auto read = [&] {
    std::int32_t value = 0;
    in.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  };
  for (int i = 0; i < 12; ++i) read();  // magic, hyperparameters
  const std::int32_t filters = read() * read();
  in.seekg(filters * 4, std::ios::cur);
  std::vector<std::string> tokens(static_cast<std::size_t>(read()));
  for (std::string& token : tokens) {
    token.resize(static_cast<std::size_t>(read()));
    in.read(token.data(), static_cast<std::streamsize>(token.size()));
  }
  CHECK(in.good());
  return Vocabulary(std::move(tokens), n_vocab);
}

struct Encoding {
  const char* text;
  Ids ids;
};

// Only ASCII: these files write U+FFFD for bytes that are no character of their own. The ids are
// tiktoken's, over the same ranks and GPT-2's pattern.
TEST(english_encodings_are_those_of_gpt2) {
  const Vocabulary v = real_vocabulary("for-tests-ggml-tiny.en.bin", 51864);
  const std::vector<Encoding> encodings = {
      {" And so my fellow Americans", {843, 523, 616, 5891, 3399}},
      {" ask not what your country can do for you, ask what you can do for your country.",
       {1265, 407, 644, 534, 1499, 460, 466, 329, 345, 11, 1265, 644, 345, 460, 466, 329, 534, 1499,
        13}},
      {"Don't  stop -- it's 25% off!\n\nNext",
       {3987, 470, 220, 2245, 1377, 340, 338, 1679, 4, 572, 0, 198, 198, 10019}},
      {"   three spaces", {220, 220, 1115, 9029}},
      {" I'll we've they're", {314, 1183, 356, 1053, 484, 821}},
      {"x1y22z333", {87, 16, 88, 1828, 89, 20370}},
      {"\t tab", {197, 7400}},
      {"   ", {220, 220, 220}},
  };
  for (const Encoding& e : encodings) {
    CHECK(v.encode(e.text) == e.ids);
    CHECK(decode(v, e.ids) == e.text);
  }
}

TEST(multilingual_encodings_are_those_of_tiktoken) {
  const Vocabulary v = real_vocabulary("for-tests-ggml-tiny.bin", 51865);
  const std::vector<Encoding> encodings = {
      {" And so my fellow Americans", {400, 370, 452, 7177, 6280}},
      {" ask not what your country can do for you, ask what you can do for your country.",
       {1029, 406, 437, 428, 1941, 393, 360, 337, 291, 11, 1029, 437, 291, 393, 360, 337, 428, 1941,
        13}},
      {"Don't  stop -- it's 25% off!\n\nNext",
       {7450, 380, 220, 1590, 1350, 309, 311, 3552, 4, 766, 0, 198, 198, 31002}},
      {" I'll we've they're", {286, 603, 321, 600, 436, 434}},
      {"x1y22z333", {87, 16, 88, 7490, 89, 10191, 18}},
  };
  for (const Encoding& e : encodings) CHECK(v.encode(e.text) == e.ids);
}

// openai-whisper's non_speech_tokens over the same vocabularies, as far as they are ASCII.
TEST(unspoken_symbols_are_those_of_openai) {
  struct Case {
    const char* file;
    int n_vocab;
    Ids unspoken;
  };
  const std::vector<Case> cases = {
      {"for-tests-ggml-tiny.en.bin",
       51864,
       {1,     2,     7,     8,     9,     10,    14,    25,    26,    27,    28,    29,    31,
        58,    59,    60,    61,    62,    63,    90,    91,    92,    93,    357,   366,   438,
        532,   685,   705,   796,   930,   1058,  1220,  1267,  1279,  1303,  1343,  1377,  1391,
        1635,  1782,  1875,  2162,  2361,  2488,  3467,  4008,  4211,  4600,  4808,  5299,  5855,
        6329,  7203,  9609,  9959,  10563, 10786, 11420, 11709, 11907, 13163, 14808, 15306, 16410,
        16791, 19203, 19510, 22305, 22935, 27007, 30109, 30420, 33409, 34949, 47282, 49146}},
      {"for-tests-ggml-tiny.bin",
       51865,
       {1,     2,     7,     8,     9,     10,    14,    25,    26,    27,    28,    29,    31,
        58,    59,    60,    61,    62,    63,    90,    91,    92,    93,    359,   503,   522,
        542,   893,   902,   918,   922,   1350,  1853,  1982,  2460,  2627,  3536,  4183,  4667,
        6585,  6647,  7273,  9383,  10428, 10929, 11938, 12033, 12331, 12562, 13793, 14635, 15265,
        15618, 18362, 18956, 20075, 26161, 26435, 28279, 29464, 32302, 32470, 47425, 49870, 50254}},
  };
  for (const Case& c : cases) {
    const Vocabulary v = real_vocabulary(c.file, c.n_vocab);
    const auto is_ascii = [&](TokenId id) {
      return std::all_of(v.text(id).begin(), v.text(id).end(),
                         [](unsigned char b) { return b > ' ' ? b < 0x80 : b == ' '; });
    };
    Ids ascii;
    std::copy_if(v.non_speech().begin(), v.non_speech().end(), std::back_inserter(ascii),
                 [&](TokenId id) { return v.text(id) != " " && is_ascii(id); });
    CHECK(ascii == c.unspoken);
  }
}

#endif

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
