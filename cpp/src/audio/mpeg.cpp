#include "audio/mpeg.h"

#include <algorithm>
#include <array>

namespace earwitness::audio {
namespace {

// kbit/s by bit rate index: MPEG-1 layers I, II and III, then MPEG-2 and 2.5 layers I and II/III.
constexpr std::array<std::array<int, 15>, 5> kBitRates = {{
    {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}};
constexpr std::array<int, 3> kSampleRates = {44100, 48000, 32000};

// A run this long does not occur by chance: each header repeats about 13 bits of the first.
constexpr int kRun = 4;
// How far into the data the first whole frame may start: frames are at most 2881 bytes long.
constexpr std::size_t kSearch = 8192;

std::optional<std::size_t> frame_bytes(std::span<const std::uint8_t> bytes, bool adts) {
  if (adts) return parse_adts_frame(bytes);
  const auto frame = parse_mpeg_frame(bytes);
  if (!frame || frame->bytes == 0) return std::nullopt;
  return frame->bytes;
}

// Whether both headers belong to one stream: the same sync, version, layer and rate.
bool same_stream(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, bool adts) {
  const std::uint8_t mask = adts ? 0xFC : 0x0C;
  return ((a[1] ^ b[1]) & 0xFE) == 0 && ((a[2] ^ b[2]) & mask) == 0;
}

// Whether kRun agreeing frames follow one another from `at`. Fewer do when the data ends with them:
// two, or a single one that is all there is.
bool is_run(std::span<const std::uint8_t> bytes, std::size_t at, bool adts) {
  const auto first = bytes.subspan(at);
  for (int count = 0; count < kRun; ++count) {
    const auto rest = bytes.subspan(at);
    if (rest.empty()) return count >= 2 || (count == 1 && first.size() == bytes.size());
    const auto size = frame_bytes(rest, adts);
    if (!size || !same_stream(first, rest, adts)) return false;
    // A frame that is cut off by the end of the data counts only after whole ones.
    if (*size > rest.size()) return count >= 2;
    at += *size;
  }
  return true;
}

bool has_frames(std::span<const std::uint8_t> bytes, bool adts) {
  const std::size_t end = std::min(bytes.size(), kSearch);
  for (std::size_t at = 0; at + 4 <= end; ++at) {
    if (bytes[at] == 0xFF && is_run(bytes, at, adts)) return true;
  }
  return false;
}

}  // namespace

std::optional<MpegFrame> parse_mpeg_frame(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 4 || bytes[0] != 0xFF || (bytes[1] & 0xE0) != 0xE0) return std::nullopt;
  const int version = (bytes[1] >> 3) & 3;  // 0: MPEG-2.5, 2: MPEG-2, 3: MPEG-1
  const int layer = 4 - ((bytes[1] >> 1) & 3);
  const int rate_index = (bytes[2] >> 2) & 3;
  const int bit_index = bytes[2] >> 4;
  if (version == 1 || layer == 4 || rate_index == 3 || bit_index == 15) return std::nullopt;

  MpegFrame frame;
  const bool first_version = version == 3;
  const int shift = first_version ? 0 : (version == 2 ? 1 : 2);
  frame.layer = layer;
  frame.sample_rate = kSampleRates[static_cast<std::size_t>(rate_index)] >> shift;
  frame.channels = (bytes[3] >> 6) == 3 ? 1 : 2;
  frame.samples = layer == 1 ? 384 : (layer == 3 && !first_version ? 576 : 1152);
  const std::size_t table = first_version ? static_cast<std::size_t>(layer - 1)
                            : layer == 1  ? 3
                                          : 4;
  const int bit_rate = kBitRates[table][static_cast<std::size_t>(bit_index)] * 1000;
  const int padding = (bytes[2] >> 1) & 1;
  if (bit_rate > 0) {
    const int slots = layer == 1 ? 4 * (12 * bit_rate / frame.sample_rate + padding)
                                 : frame.samples / 8 * bit_rate / frame.sample_rate + padding;
    frame.bytes = static_cast<std::size_t>(slots);
  }
  const bool mono = frame.channels == 1;
  frame.side_info = first_version ? (mono ? 17U : 32U) : (mono ? 9U : 17U);
  return frame;
}

std::optional<std::size_t> parse_adts_frame(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 6 || bytes[0] != 0xFF || (bytes[1] & 0xF6) != 0xF0) return std::nullopt;
  if (((bytes[2] >> 2) & 15) > 12) return std::nullopt;  // sample rate index
  const std::size_t size = (static_cast<std::size_t>(bytes[3] & 3) << 11) |
                           (static_cast<std::size_t>(bytes[4]) << 3) | (bytes[5] >> 5);
  if (size < 7) return std::nullopt;
  return size;
}

std::size_t id3v2_size(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 10 || bytes[0] != 'I' || bytes[1] != 'D' || bytes[2] != '3') return 0;
  std::size_t size = 0;
  for (std::size_t i = 6; i < 10; ++i) size = (size << 7) | (bytes[i] & 0x7FU);
  const bool footer = (bytes[5] & 0x10) != 0;
  return 10 + size + (footer ? 10 : 0);
}

bool has_mpeg_frames(std::span<const std::uint8_t> bytes) { return has_frames(bytes, false); }

bool has_adts_frames(std::span<const std::uint8_t> bytes) { return has_frames(bytes, true); }

}  // namespace earwitness::audio
