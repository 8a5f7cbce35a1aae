#include "speech/loops.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>

#include "speech/compression.h"

namespace earwitness::speech {
namespace {

constexpr std::size_t kFewest = 3;  // what is said twice in a row is emphasis

// A sentence that is said twice deflates to about half, and is no loop.
constexpr double kSaidTwice = 2.0;

struct Repeats {
  std::size_t first = 0;  // of the tokens to leave out
  std::size_t count = 0;
};

// The repeats of the loop that has the most of them; none = there is no loop.
Repeats longest_loop(std::span<const int> tokens) {
  Repeats longest;
  const std::size_t n = tokens.size();
  for (std::size_t period = 1; period * kFewest <= n; ++period) {
    std::size_t run = 0;  // tokens, up to the current one, that are the same as one period before
    for (std::size_t i = period; i < n; ++i) {
      run = tokens[i] == tokens[i - period] ? run + 1 : 0;
      // Whole runs only, so that no character of several tokens is torn; but a loop that fills up
      // the window ends anywhere.
      const std::size_t count = i + 1 == n ? run : run / period * period;
      if (run / period + 1 >= kFewest && count > longest.count) {
        longest = {.first = i + 1 - run, .count = count};
      }
    }
  }
  return longest;
}

// Without case, and with one mark for all: loops differ in both ("Thank you. Thank you, thank
// you!").
std::string bare(const std::string& token) {
  std::string out;
  for (const char c : token) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool mark = c > ' ' && c <= '~' && (std::isalnum(static_cast<unsigned char>(c)) == 0);
    out += mark ? '.' : upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

std::vector<std::size_t> without_loops(std::span<const std::string> tokens) {
  std::vector<std::size_t> kept(tokens.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  std::map<std::string, int> numbers;
  std::vector<int> rest;
  for (const std::string& token : tokens) {
    rest.push_back(
        numbers.try_emplace(bare(token), static_cast<int>(numbers.size())).first->second);
  }
  for (Repeats loop = longest_loop(rest); loop.count > 0; loop = longest_loop(rest)) {
    const auto first = static_cast<std::ptrdiff_t>(loop.first);
    const auto last = first + static_cast<std::ptrdiff_t>(loop.count);
    rest.erase(rest.begin() + first, rest.begin() + last);
    kept.erase(kept.begin() + first, kept.begin() + last);
  }
  return kept;
}

void cut_loops(WindowSegments& cut, std::span<const TokenId> tokens, const Vocabulary& vocabulary,
               std::optional<double> compression_ratio_threshold) {
  std::vector<std::string> text;
  std::vector<std::size_t> places;
  for (const TokenSegment& segment : cut.segments) {
    for (std::size_t i : segment.text) {
      text.push_back(vocabulary.text(tokens[i]));
      places.push_back(i);
    }
  }
  std::string rest;
  std::vector<std::size_t> kept;  // indices into `tokens`, in order
  for (std::size_t i : without_loops(text)) {
    rest += text[i];
    kept.push_back(places[i]);
  }
  if (compression_ratio_threshold &&
      compression_ratio(rest) > kSaidTwice * *compression_ratio_threshold) {
    kept.clear();
  }
  for (TokenSegment& segment : cut.segments) {
    std::erase_if(segment.text,
                  [&](std::size_t i) { return !std::binary_search(kept.begin(), kept.end(), i); });
  }
  std::erase_if(cut.segments, [](const TokenSegment& segment) { return segment.text.empty(); });
}

}  // namespace earwitness::speech
