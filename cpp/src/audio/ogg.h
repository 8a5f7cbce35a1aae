// Ogg (RFC 3533): pages with checked CRCs, put together to the packets of one logical stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "audio/source.h"

namespace earwitness::audio {

// The longest packet that is kept, which is also the longest that fits one page. Vorbis headers
// and audio stay far below it; comments with pictures in them do not and are cut off.
inline constexpr std::size_t kMaxOggPacket = 254 * 255 + 254;
inline constexpr std::uint64_t kNoGranule = ~std::uint64_t{0};

struct OggPacket {
  std::vector<std::uint8_t> data;
  std::uint64_t granule = kNoGranule;  // known only for the last packet that ends on a page
  std::uint32_t serial = 0;
  bool first = false;      // of its logical stream
  bool last = false;       // of its logical stream
  bool truncated = false;  // was longer than kMaxOggPacket
};

class OggReader {
 public:
  // `check` is called while searching through damaged data; what it throws leaves next().
  OggReader(Source& source, std::function<void()> check)
      : source_(source), check_(std::move(check)) {}

  // The next packet of the stream in `serial`; without one, of any stream. Damaged pages, and the
  // packets that were partly on them, are left out.
  std::optional<OggPacket> next();

  // Reads only this logical stream from now on; first packets of others still come through, so
  // that a file of several recordings one after the other can be followed.
  void select(std::uint32_t serial) { serial_ = serial; }

 private:
  struct Page {
    std::uint8_t flags = 0;
    std::uint64_t granule = 0;
    std::uint32_t serial = 0;
    std::uint32_t sequence = 0;
    std::size_t segment_count = 0;
    std::size_t body = 0;  // offset in buffer_
  };

  bool fill(std::size_t count);
  bool next_page();
  bool parse_page();

  Source& source_;
  std::function<void()> check_;
  std::optional<std::uint32_t> serial_;

  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0;  // start of what is not yet used

  Page page_;
  std::size_t segment_ = 0;       // next segment of the page
  std::size_t segment_data_ = 0;  // and its offset in buffer_
  bool in_page_ = false;
  OggPacket partial_;
  bool has_partial_ = false;
  std::uint32_t partial_sequence_ = 0;
};

// Writes a whole packet of at most kMaxOggPacket bytes as one page of its own.
void write_ogg_page(const OggPacket& packet, std::uint32_t sequence,
                    std::vector<std::uint8_t>& page);

}  // namespace earwitness::audio
