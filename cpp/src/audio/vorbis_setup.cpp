// Follows the bit stream as section 4.2 of the Vorbis I specification lays it out.
#include "audio/vorbis_setup.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "earwitness/audio.h"
#include "earwitness/error.h"

namespace earwitness::audio {
namespace {

// The largest tables of known encoders hold about 50 000 values; these bounds leave room and keep
// every size far within an int.
constexpr std::uint64_t kMaxBookValues = 1U << 20;
constexpr std::uint64_t kMaxTotalValues = 1U << 21;
constexpr std::uint32_t kMaxSubmaps = 15;

[[noreturn]] void fail() { throw AudioError("the Ogg Vorbis headers are damaged"); }

void require(bool condition) {
  if (!condition) fail();
}

// Bits from the least significant up, as Vorbis packs them.
class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> data) : data_(data) {}

  std::uint32_t read(int count) {
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      require(at_ < data_.size() * 8);
      value |= static_cast<std::uint32_t>((data_[at_ / 8] >> (at_ % 8)) & 1) << i;
      ++at_;
    }
    return value;
  }

  void skip(std::uint64_t count) {
    require(count <= data_.size() * 8 - at_);
    at_ += static_cast<std::size_t>(count);
  }

 private:
  std::span<const std::uint8_t> data_;
  std::size_t at_ = 0;
};

struct Codebook {
  std::uint32_t dimensions = 0;
  std::uint32_t entries = 0;
  bool decodable = false;  // has a codeword at all
};

bool is_header(std::span<const std::uint8_t> packet, std::uint8_t type) {
  return packet.size() >= 7 && packet[0] == type && std::memcmp(&packet[1], "vorbis", 6) == 0;
}

int bits_for(std::uint32_t value) { return static_cast<int>(std::bit_width(value)); }

// The largest r for which r to the power of `dimensions` is at most `entries`.
std::uint32_t lookup1_values(std::uint32_t entries, std::uint32_t dimensions) {
  std::uint32_t root = 1;
  for (;; ++root) {
    std::uint64_t power = 1;
    for (std::uint32_t i = 0; i < dimensions && power <= entries; ++i) power *= root + 1;
    if (power > entries) return root;
  }
}

std::uint32_t read_code_lengths(BitReader& bits, std::uint32_t entries) {
  const bool ordered = bits.read(1) != 0;
  if (ordered) {
    bits.skip(5);
    for (std::uint32_t entry = 0; entry < entries;) {
      const std::uint32_t count = bits.read(bits_for(entries - entry));
      require(count <= entries - entry);
      entry += count;
    }
    return entries;
  }
  const bool sparse = bits.read(1) != 0;
  std::uint32_t used = 0;
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (sparse && bits.read(1) == 0) continue;
    bits.skip(5);
    ++used;
  }
  return used;
}

Codebook read_codebook(BitReader& bits) {
  require(bits.read(24) == 0x564342);  // "BCV"
  Codebook book;
  book.dimensions = bits.read(16);
  book.entries = bits.read(24);
  require(static_cast<std::uint64_t>(book.entries) * (book.dimensions + 1U) <= kMaxBookValues);
  book.decodable = read_code_lengths(bits, book.entries) > 0 && book.dimensions > 0;
  const std::uint32_t lookup = bits.read(4);
  require(lookup <= 2);
  if (lookup == 0) return book;
  require(book.dimensions > 0 && book.entries > 0);
  bits.skip(64);  // smallest value and step
  const std::uint32_t value_bits = bits.read(4) + 1;
  bits.skip(1);
  const std::uint64_t values = lookup == 1
                                   ? lookup1_values(book.entries, book.dimensions)
                                   : static_cast<std::uint64_t>(book.entries) * book.dimensions;
  bits.skip(values * value_bits);
  return book;
}

class SetupChecker {
 public:
  SetupChecker(BitReader& bits, int channels) : bits_(bits), channels_(channels) {}

  void run() {
    const std::uint32_t book_count = bits_.read(8) + 1;
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < book_count; ++i) {
      books_.push_back(read_codebook(bits_));
      total += static_cast<std::uint64_t>(books_.back().entries) * (books_.back().dimensions + 1U);
      require(total <= kMaxTotalValues);
    }
    const std::uint32_t transforms = bits_.read(6) + 1;
    for (std::uint32_t i = 0; i < transforms; ++i) require(bits_.read(16) == 0);
    const std::uint32_t floors = bits_.read(6) + 1;
    for (std::uint32_t i = 0; i < floors; ++i) read_floor();
    const std::uint32_t residues = bits_.read(6) + 1;
    for (std::uint32_t i = 0; i < residues; ++i) read_residue();
    const std::uint32_t mappings = bits_.read(6) + 1;
    for (std::uint32_t i = 0; i < mappings; ++i) read_mapping(floors, residues);
    // The modes that follow index only the mappings, which stb_vorbis checks.
  }

 private:
  const Codebook& book(std::uint32_t index) const {
    require(index < books_.size() && books_[index].decodable);
    return books_[index];
  }

  void read_floor() {
    const std::uint32_t type = bits_.read(16);
    if (type == 0) throw UnsupportedFormat("the Ogg Vorbis file uses floors of type 0");
    require(type == 1);
    std::vector<std::uint32_t> partitions(bits_.read(5));
    std::uint32_t class_count = 0;
    for (auto& partition : partitions) {
      partition = bits_.read(4);
      class_count = std::max(class_count, partition + 1);
    }
    std::array<std::uint32_t, 16> dimensions{};
    std::vector<std::uint32_t> value_books;
    for (std::uint32_t i = 0; i < class_count; ++i) {
      dimensions[i] = bits_.read(3) + 1;
      const std::uint32_t subclass_bits = bits_.read(2);
      if (subclass_bits > 0) book(bits_.read(8));
      for (std::uint32_t j = 0; j < 1U << subclass_bits; ++j) {
        const std::uint32_t index = bits_.read(8);
        if (index > 0) value_books.push_back(index - 1);
      }
    }
    // Values must stay below the range that the multiplier leaves of the table of 256 amplitudes.
    constexpr std::array<std::uint32_t, 4> kRanges = {256, 128, 86, 64};
    const std::uint32_t range = kRanges[bits_.read(2)];
    for (const std::uint32_t index : value_books) require(book(index).entries <= range);
    const std::uint32_t range_bits = bits_.read(4);
    for (const std::uint32_t partition : partitions) {
      bits_.skip(static_cast<std::uint64_t>(dimensions[partition]) * range_bits);
    }
  }

  void read_residue() {
    require(bits_.read(16) <= 2);
    const std::uint32_t begin = bits_.read(24);
    require(begin <= bits_.read(24));
    bits_.skip(24);  // size of a partition
    const std::uint32_t classifications = bits_.read(6) + 1;
    book(bits_.read(8));
    std::vector<std::uint32_t> cascades(classifications);
    for (auto& cascade : cascades) {
      cascade = bits_.read(3);
      if (bits_.read(1) != 0) cascade |= bits_.read(5) << 3;
    }
    for (const std::uint32_t cascade : cascades) {
      for (int i = 0; i < std::popcount(cascade); ++i) book(bits_.read(8));
    }
  }

  void read_mapping(std::uint32_t floors, std::uint32_t residues) {
    require(bits_.read(16) == 0);
    const std::uint32_t submaps = bits_.read(1) != 0 ? bits_.read(4) + 1 : 1;
    require(submaps <= kMaxSubmaps);
    const auto channels = static_cast<std::uint32_t>(channels_);
    if (bits_.read(1) != 0) {
      const std::uint32_t steps = bits_.read(8) + 1;
      for (std::uint32_t i = 0; i < steps; ++i) {
        const std::uint32_t magnitude = bits_.read(bits_for(channels - 1));
        const std::uint32_t angle = bits_.read(bits_for(channels - 1));
        require(magnitude < channels && angle < channels && magnitude != angle);
      }
      require(steps <= channels);
    }
    require(bits_.read(2) == 0);
    if (submaps > 1) {
      for (std::uint32_t i = 0; i < channels; ++i) require(bits_.read(4) < submaps);
    }
    for (std::uint32_t i = 0; i < submaps; ++i) {
      bits_.skip(8);
      require(bits_.read(8) < floors);
      require(bits_.read(8) < residues);
    }
  }

  BitReader& bits_;
  int channels_;
  std::vector<Codebook> books_;
};

}  // namespace

VorbisFormat check_vorbis_identification(std::span<const std::uint8_t> packet) {
  require(packet.size() == 30 && is_header(packet, 1));
  BitReader bits(packet.subspan(7));
  require(bits.read(32) == 0);  // version
  VorbisFormat format;
  format.channels = static_cast<int>(bits.read(8));
  format.sample_rate = bits.read(32);
  bits.skip(96);  // bit rates
  const std::uint32_t short_block = bits.read(4);
  const std::uint32_t long_block = bits.read(4);
  require(short_block >= 6 && short_block <= long_block && long_block <= 13);
  require(bits.read(1) == 1);
  require(format.channels >= 1);
  return format;
}

void check_vorbis_setup(std::span<const std::uint8_t> packet, const VorbisFormat& format) {
  require(is_header(packet, 5));
  BitReader bits(packet.subspan(7));
  SetupChecker(bits, format.channels).run();
}

}  // namespace earwitness::audio
