// The length that zlib would deflate a text to, and the ratio that tells repetition.
#include "speech/compression.h"

#include <string>
#include <utility>
#include <vector>

#include "check.h"

namespace earwitness::speech {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(lengths_are_those_of_zlib) {
  // len(zlib.compress(text)) in Python, with zlib 1.2.13.
  const std::vector<std::pair<std::string, int>> cases = {
      {"a", 9},
      {"Hello.", 14},
      {"And so, my fellow Americans, ask not what your country can do for you, ask what you can do "
       "for your country.",
       80},
      {repeated("Thank you. ", 20), 22},
      {repeated("you you ", 100), 19},
      {"はい、はい、はい、はい、はい、はい、はい、はい。", 21},
      {"The quick brown fox jumps over the lazy dog while 1234567890 angry wasps buzz; Zoë shrugs "
       "& leaves (finally?) for Køge, Århus or Québec.",
       139},
  };
  for (const auto& [text, length] : cases) {
    CHECK_NEAR(static_cast<double>(deflated_size(text)), length, 2);
  }
}

TEST(repetition_passes_the_threshold_and_speech_does_not) {
  CHECK(compression_ratio(repeated("Thank you. ", 20)) > 2.4);
  CHECK(compression_ratio("Ask not what your country can do for you, ask what you can do for it.") <
        1.5);
}

TEST(outer_spaces_do_not_count) {
  CHECK(compression_ratio("  Hello.\n") == compression_ratio("Hello."));
  CHECK(compression_ratio("") == 0.0);
  CHECK(compression_ratio(" \t\r\n") == 0.0);
}

TEST(any_bytes_have_a_length) {
  std::string bytes;
  unsigned random = 1;
  for (int i = 0; i < 70000; ++i) {
    random = random * 1664525U + 1013904223U;
    bytes += static_cast<char>(random >> 24);
  }
  // What cannot be deflated is stored.
  CHECK_NEAR(static_cast<double>(deflated_size(bytes)), 70000.0, 100);
  CHECK(deflated_size("") > 0);
  CHECK(deflated_size(std::string(70000, 'x')) < 200);
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
