#include "audio/ogg.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace earwitness::audio {
namespace {

constexpr std::size_t kHeader = 27;
constexpr std::uint8_t kContinued = 1;
constexpr std::uint8_t kFirst = 2;
constexpr std::uint8_t kLast = 4;
constexpr std::string_view kCapture = "OggS";

// CRC-32 with the polynomial 0x04C11DB7, neither reflected nor inverted (RFC 3533, section 6).
constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc << 1) ^ ((crc & 0x80000000U) != 0 ? 0x04C11DB7U : 0U);
    }
    table[i] = crc;
  }
  return table;
}();

std::uint32_t update_crc(std::uint32_t crc, const std::uint8_t* data, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) crc = (crc << 8) ^ kCrcTable[(crc >> 24) ^ data[i]];
  return crc;
}

std::uint32_t read_u32(const std::uint8_t* data) {
  return data[0] | (data[1] << 8U) | (data[2] << 16U) |
         (static_cast<std::uint32_t>(data[3]) << 24U);
}

void write_u32(std::uint8_t* data, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) data[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// Of a whole page, with its own CRC field taken as zero.
std::uint32_t page_crc(const std::uint8_t* page, std::size_t size) {
  constexpr std::array<std::uint8_t, 4> kZero{};
  std::uint32_t crc = update_crc(0, page, 22);
  crc = update_crc(crc, kZero.data(), kZero.size());
  return update_crc(crc, page + 26, size - 26);
}

}  // namespace

// Makes at least `count` unused bytes available, unless the data ends before.
bool OggReader::fill(std::size_t count) {
  if (buffer_.size() - at_ >= count) return true;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  const std::size_t kept = buffer_.size();
  constexpr std::size_t kBlock = 1U << 16;
  buffer_.resize(kept + std::max(count - kept, kBlock));
  buffer_.resize(kept + source_.read(buffer_.data() + kept, buffer_.size() - kept));
  return buffer_.size() >= count;
}

// Takes the page that starts at `at_`, if a whole and undamaged one does.
bool OggReader::parse_page() {
  if (!fill(kHeader)) return false;
  const std::size_t segments = buffer_[at_ + 26];
  if (!fill(kHeader + segments)) return false;
  std::size_t body = 0;
  for (std::size_t i = 0; i < segments; ++i) body += buffer_[at_ + kHeader + i];
  const std::size_t size = kHeader + segments + body;
  if (!fill(size)) return false;
  const std::uint8_t* data = buffer_.data() + at_;
  if (data[4] != 0 || page_crc(data, size) != read_u32(data + 22)) return false;

  page_.flags = data[5];
  page_.granule = read_u32(data + 6) | (static_cast<std::uint64_t>(read_u32(data + 10)) << 32);
  page_.serial = read_u32(data + 14);
  page_.sequence = read_u32(data + 18);
  page_.segment_count = segments;
  page_.body = at_ + kHeader + segments;
  at_ += size;
  return true;
}

bool OggReader::next_page() {
  while (fill(kHeader)) {
    const auto start = buffer_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto found = std::search(start, buffer_.end(), kCapture.begin(), kCapture.end());
    at_ += static_cast<std::size_t>(found - start);
    if (found == buffer_.end()) {
      at_ -= kCapture.size() - 1;  // a capture pattern may be cut in two here
      if (!fill(kHeader)) return false;
      continue;
    }
    if (parse_page()) return true;
    ++at_;
    check_();
  }
  return false;
}

std::optional<OggPacket> OggReader::next() {
  for (;;) {
    if (!in_page_) {
      if (!next_page()) return std::nullopt;
      const bool wanted = !serial_ || page_.serial == *serial_ || (page_.flags & kFirst) != 0;
      if (!wanted) continue;
      in_page_ = true;
      segment_ = 0;
      segment_data_ = page_.body;
      const bool continues = (page_.flags & kContinued) != 0;
      const bool fits = has_partial_ && partial_.serial == page_.serial &&
                        page_.sequence == partial_sequence_ + 1;
      if (has_partial_ && !(continues && fits)) has_partial_ = false;
      if (continues && !has_partial_) {  // its beginning is lost
        while (segment_ < page_.segment_count) {
          const std::size_t size = buffer_[page_.body - page_.segment_count + segment_++];
          segment_data_ += size;
          if (size < 255) break;
        }
      }
    }
    if (!has_partial_) {
      partial_ = OggPacket{};
      partial_.serial = page_.serial;
      partial_.first = (page_.flags & kFirst) != 0 && segment_ == 0;
    }
    bool ended = false;
    const std::size_t table = page_.body - page_.segment_count;
    while (segment_ < page_.segment_count && !ended) {
      const std::size_t size = buffer_[table + segment_++];
      const std::size_t kept = std::min(size, kMaxOggPacket - partial_.data.size());
      partial_.truncated = partial_.truncated || kept < size;
      const auto from = buffer_.begin() + static_cast<std::ptrdiff_t>(segment_data_);
      partial_.data.insert(partial_.data.end(), from, from + static_cast<std::ptrdiff_t>(kept));
      segment_data_ += size;
      ended = size < 255;
      has_partial_ = true;
    }
    const bool page_done = segment_ >= page_.segment_count;
    if (page_done) in_page_ = false;
    if (!ended) {
      partial_sequence_ = page_.sequence;
      continue;
    }
    has_partial_ = false;
    // The position of a page is that of the last packet that ends on it.
    const auto rest = std::span(buffer_).subspan(table + segment_, page_.segment_count - segment_);
    if (std::all_of(rest.begin(), rest.end(), [](std::uint8_t s) { return s == 255; })) {
      partial_.granule = page_.granule;
      partial_.last = (page_.flags & kLast) != 0;
    }
    return std::exchange(partial_, OggPacket{});
  }
}

void write_ogg_page(const OggPacket& packet, std::uint32_t sequence,
                    std::vector<std::uint8_t>& page) {
  const std::size_t size = packet.data.size();
  const std::size_t segments = size / 255 + 1;
  page.assign(kHeader + segments + size, 0);
  std::memcpy(page.data(), kCapture.data(), kCapture.size());
  page[5] = static_cast<std::uint8_t>((packet.first ? kFirst : 0) | (packet.last ? kLast : 0));
  write_u32(page.data() + 6, static_cast<std::uint32_t>(packet.granule));
  write_u32(page.data() + 10, static_cast<std::uint32_t>(packet.granule >> 32));
  write_u32(page.data() + 14, packet.serial);
  write_u32(page.data() + 18, sequence);
  page[26] = static_cast<std::uint8_t>(segments);
  std::fill_n(page.begin() + kHeader, segments - 1, std::uint8_t{255});
  page[kHeader + segments - 1] = static_cast<std::uint8_t>(size % 255);
  if (size > 0) std::memcpy(page.data() + kHeader + segments, packet.data.data(), size);
  write_u32(page.data() + 22, page_crc(page.data(), page.size()));
}

}  // namespace earwitness::audio
