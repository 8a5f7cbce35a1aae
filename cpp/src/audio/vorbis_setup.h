// Checks the headers of a Vorbis stream before stb_vorbis sees them.
#pragma once

#include <cstdint>
#include <span>

namespace earwitness::audio {

struct VorbisFormat {
  std::uint32_t sample_rate = 0;
  int channels = 0;
};

// The identification header. Throws AudioError when it is not a possible one.
VorbisFormat check_vorbis_identification(std::span<const std::uint8_t> packet);

// The setup header. stb_vorbis believes sizes and indices in it that it should not (among its
// published faults are CVE-2023-45676 to 45682): tables larger than their int size, a sixteenth
// submap in an array of fifteen, codebooks without entries, floor values beyond their table. All
// of them need an odd setup header, which encoders do not write. Throws AudioError for those, and
// UnsupportedFormat for floors of type 0, which encoders stopped using before Vorbis 1.0.
void check_vorbis_setup(std::span<const std::uint8_t> packet, const VorbisFormat& format);

}  // namespace earwitness::audio
