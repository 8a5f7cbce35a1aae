// The format is RFC 1951; how matches are chosen, zlib's at level 6 (deflate.c, deflate_slow).
#include "speech/compression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

namespace earwitness::speech {
namespace {

constexpr std::size_t kShortestMatch = 3;
constexpr std::size_t kLongestMatch = 258;
constexpr std::size_t kWindow = 32768 - 262;  // how far back zlib looks
constexpr std::size_t kTooFar = 4096;         // for a match of three bytes
// zlib's configuration of level 6.
constexpr std::size_t kGood = 8;
constexpr std::size_t kLazy = 16;
constexpr std::size_t kNice = 128;
constexpr int kChain = 128;

constexpr std::size_t kEndOfBlock = 256;

// A symbol and the bits that follow it. Lengths and distances share a scheme: two, or four, symbols
// for each power of two.
struct Symbol {
  std::size_t code;
  int extra;
};

Symbol length_symbol(std::size_t length) {
  if (length == kLongestMatch) return {285, 0};
  const std::size_t x = length - kShortestMatch;
  if (x < 8) return {257 + x, 0};
  const int bits = static_cast<int>(std::bit_width(x)) - 3;
  return {257 + 4 * static_cast<std::size_t>(bits) + (x >> bits), bits};
}

Symbol distance_symbol(std::size_t distance) {
  const std::size_t x = distance - 1;
  if (x < 4) return {x, 0};
  const int bits = static_cast<int>(std::bit_width(x)) - 2;
  return {2 * static_cast<std::size_t>(bits) + (x >> bits), bits};
}

using Counts = std::vector<std::size_t>;
using Lengths = std::vector<int>;

// Lengths of a Huffman code's words. zlib gives every code two words at least.
Lengths code_lengths(Counts counts) {
  for (std::size_t i = 0; std::count(counts.begin(), counts.end(), 0U) >
                          static_cast<std::ptrdiff_t>(counts.size()) - 2;
       ++i) {
    if (counts[i] == 0) counts[i] = 1;
  }
  struct Node {
    std::size_t count;
    int depth;
    std::size_t id;
  };
  const auto later = [](const Node& a, const Node& b) {
    return a.count != b.count ? a.count > b.count : a.depth > b.depth;
  };
  std::priority_queue<Node, std::vector<Node>, decltype(later)> heap(later);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) heap.push({counts[i], 0, i});
  }
  std::vector<std::size_t> parent(counts.size(), 0);
  while (heap.size() > 1) {
    const Node a = heap.top();
    heap.pop();
    const Node b = heap.top();
    heap.pop();
    const std::size_t id = parent.size();
    parent.push_back(0);
    parent[a.id] = parent[b.id] = id;
    heap.push({a.count + b.count, std::max(a.depth, b.depth) + 1, id});
  }
  std::vector<int> depth(parent.size(), 0);
  for (std::size_t i = parent.size(); i-- > 0;) {
    if (parent[i] > i) depth[i] = depth[parent[i]] + 1;
  }
  Lengths lengths(counts.size(), 0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) lengths[i] = depth[i];
  }
  return lengths;
}

int fixed_length(std::size_t literal) {
  return literal < 144 ? 8 : literal < 256 ? 9 : literal < 280 ? 7 : 8;
}

// What is counted while the text is gone through.
struct Tally {
  Counts literals = Counts(286, 0);
  Counts distances = Counts(30, 0);
  std::size_t extra = 0;  // bits

  void literal(char byte) { ++literals[static_cast<unsigned char>(byte)]; }
  void match(std::size_t length, std::size_t distance) {
    const Symbol first = length_symbol(length);
    const Symbol second = distance_symbol(distance);
    ++literals[first.code];
    ++distances[second.code];
    extra += static_cast<std::size_t>(first.extra + second.extra);
  }
};

// Positions at which each three bytes were seen, the last one first.
class History {
 public:
  explicit History(std::string_view text) : text_(text), before_(text.size(), kNone) {}

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // Enters a position; gives the one before it with the same bytes.
  std::size_t enter(std::size_t at) {
    if (at + kShortestMatch > text_.size()) return kNone;
    std::uint32_t key = 0;
    for (std::size_t i = 0; i < kShortestMatch; ++i) {
      key = key << 8 | static_cast<unsigned char>(text_[at + i]);
    }
    const auto [entry, fresh] = last_.try_emplace(key, at);
    if (!fresh) before_[at] = std::exchange(entry->second, at);
    return before_[at];
  }

  // The longest match from `candidate` back that is longer than `shortest`: length and distance.
  std::pair<std::size_t, std::size_t> longest(std::size_t at, std::size_t candidate,
                                              std::size_t shortest) const {
    std::pair<std::size_t, std::size_t> best{shortest, 0};
    const std::size_t limit = std::min(kLongestMatch, text_.size() - at);
    int chain = shortest >= kGood ? kChain / 4 : kChain;
    for (; candidate != kNone && at - candidate <= kWindow && chain > 0; --chain) {
      std::size_t length = 0;
      while (length < limit && text_[candidate + length] == text_[at + length]) ++length;
      if (length > best.first) best = {length, at - candidate};
      if (best.first >= std::min(kNice, limit)) break;
      candidate = before_[candidate];
    }
    return best;
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> before_;
  std::unordered_map<std::uint32_t, std::size_t> last_;
};

// A match is taken unless the next position has a longer one.
Tally tally(std::string_view text) {
  Tally counted;
  counted.literals[kEndOfBlock] = 1;
  History history(text);
  constexpr std::size_t kNoMatch = kShortestMatch - 1;
  std::pair<std::size_t, std::size_t> found{kNoMatch, 0};
  bool literal_waits = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t candidate = history.enter(at);
    const auto previous = std::exchange(found, {kNoMatch, 0});
    if (candidate != History::kNone && previous.first < kLazy) {
      found = history.longest(at, candidate, previous.first);
      if (found.first == kShortestMatch && found.second > kTooFar) found = {kNoMatch, 0};
    }
    if (previous.first >= kShortestMatch && found.first <= previous.first) {
      counted.match(previous.first, previous.second);
      const std::size_t next = at - 1 + previous.first;
      for (++at; at < next; ++at) history.enter(at);
      found = {kNoMatch, 0};
      literal_waits = false;
      continue;
    }
    if (literal_waits) counted.literal(text[at - 1]);
    literal_waits = true;
    ++at;
  }
  if (literal_waits) counted.literal(text.back());
  return counted;
}

// Bits of the two codes' tables: lengths of their words, runs shortened, in a code of their own.
std::size_t table_bits(const Lengths& literals, const Lengths& distances) {
  Lengths all;
  for (const auto& [lengths, fewest] : {std::pair{&literals, 257}, std::pair{&distances, 1}}) {
    auto used = static_cast<std::ptrdiff_t>(lengths->size());
    while (used > fewest && (*lengths)[static_cast<std::size_t>(used - 1)] == 0) --used;
    all.insert(all.end(), lengths->begin(), lengths->begin() + used);
  }
  Counts counts(19, 0);
  std::size_t extra = 0;
  const auto count = [&](std::size_t code, int bits) {
    ++counts[code];
    extra += static_cast<std::size_t>(bits);
  };
  for (std::size_t at = 0; at < all.size();) {
    const int length = all[at];
    std::size_t run = 1;
    while (at + run < all.size() && all[at + run] == length) ++run;
    at += run;
    if (length == 0) {
      for (; run >= 11; run -= std::min<std::size_t>(run, 138)) count(18, 7);
      if (run >= 3) count(17, 3), run = 0;
    } else {
      count(static_cast<std::size_t>(length), 0);
      for (--run; run >= 3; run -= std::min<std::size_t>(run, 6)) count(16, 2);
    }
    for (; run > 0; --run) count(static_cast<std::size_t>(length), 0);
  }
  const Lengths lengths = code_lengths(counts);
  constexpr std::array<std::size_t, 19> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                  11, 4,  12, 3, 13, 2, 14, 1, 15};
  std::size_t listed = kOrder.size();
  while (listed > 4 && lengths[kOrder[listed - 1]] == 0) --listed;
  std::size_t bits = 5 + 5 + 4 + 3 * listed + extra;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    bits += counts[i] * static_cast<std::size_t>(lengths[i]);
  }
  return bits;
}

}  // namespace

std::size_t deflated_size(std::string_view text) {
  const Tally counted = tally(text);
  const Lengths literals = code_lengths(counted.literals);
  const Lengths distances = code_lengths(counted.distances);
  std::size_t own = table_bits(literals, distances) + counted.extra;
  std::size_t fixed = counted.extra;
  for (std::size_t i = 0; i < literals.size(); ++i) {
    own += counted.literals[i] * static_cast<std::size_t>(literals[i]);
    fixed += counted.literals[i] * static_cast<std::size_t>(fixed_length(i));
  }
  for (std::size_t i = 0; i < distances.size(); ++i) {
    own += counted.distances[i] * static_cast<std::size_t>(distances[i]);
    fixed += counted.distances[i] * 5;
  }
  constexpr std::size_t kHeader = 3;    // bits of a block's
  constexpr std::size_t kEnvelope = 6;  // bytes of zlib's header and checksum
  const std::size_t coded = (kHeader + std::min(own, fixed) + 7) / 8;
  return kEnvelope + std::min(coded, text.size() + 5);
}

double compression_ratio(std::string_view text) {
  constexpr const char* kSpaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return 0.0;
  text = text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
  return static_cast<double>(text.size()) / static_cast<double>(deflated_size(text));
}

}  // namespace earwitness::speech
