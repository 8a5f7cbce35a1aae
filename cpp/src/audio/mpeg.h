// Headers of MPEG audio frames (ISO/IEC 11172-3 and 13818-3) and of ADTS frames (13818-7), and the
// tags that stand before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace earwitness::audio {

struct MpegFrame {
  int layer = 0;
  int sample_rate = 0;
  int channels = 0;
  int samples = 0;        // per channel
  std::size_t bytes = 0;  // with the header; 0 for free-format streams
  std::size_t side_info = 0;
};

// The frame that starts with these bytes, if they can start one.
std::optional<MpegFrame> parse_mpeg_frame(std::span<const std::uint8_t> bytes);

// Length of an ADTS frame, if these bytes can start one.
std::optional<std::size_t> parse_adts_frame(std::span<const std::uint8_t> bytes);

// Length of the ID3v2 tag that starts here, 0 if none does.
std::size_t id3v2_size(std::span<const std::uint8_t> bytes);

// Where several frames that agree with each other follow one another; frames may start a little
// into the data, as they do in a file cut out of a stream.
bool has_mpeg_frames(std::span<const std::uint8_t> bytes);
bool has_adts_frames(std::span<const std::uint8_t> bytes);

}  // namespace earwitness::audio
