// WAV, AIFF, FLAC and MPEG audio through the decoders inside miniaudio.
//
// The whole of miniaudio is private to this file (every symbol is static), so that another package
// in the same process may carry another copy.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_THREADING
#define MA_NO_ENCODING
#define MA_NO_GENERATION
#define MA_NO_ENGINE
#define MA_NO_NODE_GRAPH
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_RUNTIME_LINKING
#define MA_NO_VORBIS
#define MA_DR_MP3_FLOAT_OUTPUT
#define MA_ASSERT(condition) static_cast<void>(0)
#define MA_DR_WAV_ASSERT(condition) static_cast<void>(0)
#define MA_DR_FLAC_ASSERT(condition) static_cast<void>(0)
#define MA_DR_MP3_ASSERT(condition) static_cast<void>(0)
#define MINIAUDIO_IMPLEMENTATION
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#elif defined(_MSC_VER)
#pragma warning(push, 0)
#endif
#include "miniaudio.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#elif defined(_MSC_VER)
#pragma warning(pop)
#endif

#include "audio/decoders.h"
#include "audio/mpeg.h"
#include "earwitness/error.h"

namespace earwitness::audio {
namespace {

constexpr std::size_t kBlockFrames = 8192;

// What miniaudio reads through: a source, and one 32-bit field that reads as another value than
// the file has.
struct Reader {
  Source* source;
  std::optional<std::uint64_t> patched_field;
};

std::size_t on_read(void* user, void* out, std::size_t size) {
  auto& reader = *static_cast<Reader*>(user);
  const std::uint64_t start = reader.source->position();
  const std::size_t count = reader.source->read(out, size);
  for (std::uint64_t i = 0; reader.patched_field && i < 4; ++i) {
    const std::uint64_t at = *reader.patched_field + i;
    if (at >= start && at < start + count) static_cast<std::uint8_t*>(out)[at - start] = 0xFF;
  }
  return count;
}

// miniaudio states offsets as int, and one made of an unsigned size in the file may have turned
// negative. Seeking backwards for that could go round in circles for ever, so it is refused.
template <class Origin>
ma_bool32 on_seek(void* user, int offset, Origin origin) {
  Source& source = *static_cast<Reader*>(user)->source;
  const auto distance = static_cast<std::uint64_t>(offset);
  switch (static_cast<int>(origin)) {
    case 0:  // the start
      return offset >= 0 && source.seek(distance);
    case 1:  // the current position
      return offset >= 0 && source.seek(source.position() + distance);
    default:  // the end
      return offset <= 0 && source.seek(source.size() + distance);
  }
}

ma_bool32 on_tell(void* user, ma_int64* position) {
  *position = static_cast<ma_int64>(static_cast<Reader*>(user)->source->position());
  return MA_TRUE;
}

std::uint32_t read_u32_le(const std::byte* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | std::to_integer<std::uint32_t>(bytes[i]);
  return value;
}

bool is_chunk_name(const std::byte* bytes) {
  return std::all_of(bytes, bytes + 4,
                     [](std::byte b) { return b >= std::byte{' '} && b <= std::byte{'~'}; });
}

bool decodes_wav_codec(std::uint32_t tag) {
  switch (tag) {
    case MA_DR_WAVE_FORMAT_PCM:
    case MA_DR_WAVE_FORMAT_IEEE_FLOAT:
    case MA_DR_WAVE_FORMAT_ALAW:
    case MA_DR_WAVE_FORMAT_MULAW:
    case MA_DR_WAVE_FORMAT_ADPCM:
    case MA_DR_WAVE_FORMAT_DVI_ADPCM:
      return true;
    default:
      return false;
  }
}

// Walks over the chunks of a RIFF file. Throws UnsupportedFormat for codecs that miniaudio takes
// for damage. A recorder that was stopped without closing its file leaves a data chunk of stated
// size 0, with the audio following nevertheless: gives the position of that size.
std::optional<std::uint64_t> inspect_riff(Source& source) {
  const auto head = source.read_at(0, 4);
  if (head.size() < 4 || std::memcmp(head.data(), "RIFF", 4) != 0) return std::nullopt;
  std::uint64_t at = 12;
  for (;;) {
    const auto chunk = source.read_at(at, 34);
    if (chunk.size() < 16) return std::nullopt;
    const std::uint64_t size = read_u32_le(chunk.data() + 4);
    if (std::memcmp(chunk.data(), "fmt ", 4) == 0) {
      std::uint32_t tag = read_u32_le(chunk.data() + 8) & 0xFFFFU;
      const bool extensible = tag == MA_DR_WAVE_FORMAT_EXTENSIBLE && chunk.size() == 34;
      if (extensible) tag = read_u32_le(chunk.data() + 30) & 0xFFFFU;
      if (!decodes_wav_codec(tag)) {
        throw UnsupportedFormat("the WAV file holds codec number " + std::to_string(tag) +
                                ", which the core does not decode");
      }
    } else if (std::memcmp(chunk.data(), "data", 4) == 0) {
      const bool chunk_follows = is_chunk_name(chunk.data() + 8) &&
                                 at + 16 + read_u32_le(chunk.data() + 12) <= source.size();
      if (size != 0 || chunk_follows) return std::nullopt;
      return at + 4;
    }
    at += 8 + size + (size & 1);
  }
}

}  // namespace

void decode_wav(Source& source, PcmSink& sink) {
  Reader reader{&source, inspect_riff(source)};
  source.seek(0);
  ma_dr_wav wav;
  if (!ma_dr_wav_init(&wav, on_read, on_seek<ma_dr_wav_seek_origin>, on_tell, &reader, nullptr)) {
    const auto head = source.read_at(8, 4);
    if (head.size() == 4 && std::memcmp(head.data(), "AIFC", 4) == 0) {
      throw UnsupportedFormat("the AIFF-C file is compressed in a way the core does not decode");
    }
    throw AudioError(
        "the WAV or AIFF header is damaged, lacks its format or data part, or states an "
        "impossible format");
  }
  const std::unique_ptr<ma_dr_wav, decltype(&ma_dr_wav_uninit)> guard(&wav, ma_dr_wav_uninit);
  if (!decodes_wav_codec(wav.translatedFormatTag)) {
    throw UnsupportedFormat("the file holds codec number " +
                            std::to_string(wav.translatedFormatTag) +
                            ", which the core does not decode");
  }
  sink.set_format(wav.sampleRate, wav.channels);
  std::vector<float> block(kBlockFrames * wav.channels);
  while (const auto frames = ma_dr_wav_read_pcm_frames_f32(&wav, kBlockFrames, block.data())) {
    sink.write(block.data(), static_cast<std::size_t>(frames));
  }
}

void decode_flac(Source& source, PcmSink& sink) {
  Reader reader{&source, std::nullopt};
  const std::unique_ptr<ma_dr_flac, decltype(&ma_dr_flac_close)> flac(
      ma_dr_flac_open(on_read, on_seek<ma_dr_flac_seek_origin>, on_tell, &reader, nullptr),
      ma_dr_flac_close);
  if (!flac) throw AudioError("the FLAC header is damaged or incomplete");
  sink.set_format(flac->sampleRate, flac->channels);
  std::vector<float> block(kBlockFrames * static_cast<std::size_t>(kMaxChannels));
  while (const auto frames =
             ma_dr_flac_read_pcm_frames_f32(flac.get(), kBlockFrames, block.data())) {
    sink.write(block.data(), static_cast<std::size_t>(frames));
  }
}

namespace {

// What an encoder says in the first frame about the samples it added (the Xing header with the
// extension of LAME; "Mp3 Info Tag rev 1", G. Bouvigne).
struct Gapless {
  std::uint64_t skip = 0;
  std::uint64_t length = ~std::uint64_t{0};
};

std::optional<Gapless> parse_info_frame(std::span<const std::uint8_t> frame) {
  const auto header = parse_mpeg_frame(frame);
  if (!header || header->layer != 3) return std::nullopt;
  auto rest = frame.subspan(std::min<std::size_t>(4 + header->side_info, frame.size()));
  if (rest.size() < 8) return std::nullopt;
  if (std::memcmp(rest.data(), "Xing", 4) != 0 && std::memcmp(rest.data(), "Info", 4) != 0) {
    return std::nullopt;
  }
  Gapless gapless;
  const unsigned flags = rest[7];
  const std::size_t fields = ((flags & 1U) != 0 ? 4U : 0U) + ((flags & 2U) != 0 ? 4U : 0U) +
                             ((flags & 4U) != 0 ? 100U : 0U) + ((flags & 8U) != 0 ? 4U : 0U);
  if (rest.size() < 8 + fields + 24) return gapless;
  const std::uint64_t frames =
      (static_cast<std::uint64_t>(rest[8]) << 24) | (rest[9] << 16U) | (rest[10] << 8U) | rest[11];
  const auto lame = rest.subspan(8 + fields);
  if (lame[0] == 0) return gapless;
  // Besides the encoder's delay there is that of every decoder: 528 + 1 samples.
  const std::uint64_t delay = (lame[21] << 4U) | (lame[22] >> 4U);
  const std::uint64_t padding = ((lame[22] & 15U) << 8U) | lame[23];
  gapless.skip = delay + 529;
  const std::uint64_t total = frames * static_cast<std::uint64_t>(header->samples);
  if ((flags & 1U) != 0 && total > delay + padding) gapless.length = total - delay - padding;
  return gapless;
}

// Where the tags begin that may follow the audio (ID3v1, and APEv2 before it). They must be left
// out, since the last frame counts as one only when nothing or another frame follows it.
std::uint64_t end_of_frames(Source& source) {
  const std::uint64_t start = source.position();
  std::uint64_t end = source.size();
  const auto ends_with = [&](std::uint64_t length, const char* mark) {
    if (end < start + length) return false;
    const auto bytes = source.read_at(end - length, std::strlen(mark));
    return bytes.size() == std::strlen(mark) && std::memcmp(bytes.data(), mark, bytes.size()) == 0;
  };
  if (ends_with(128, "TAG")) end -= 128;
  if (ends_with(32, "APETAGEX")) {
    const auto footer = source.read_at(end - 32, 32);
    const std::uint64_t header = (read_u32_le(footer.data() + 20) & 0x80000000U) != 0 ? 32 : 0;
    const std::uint64_t size = read_u32_le(footer.data() + 12) + header;
    if (size <= end - start) end -= size;
  }
  source.seek(start);
  return end;
}

// Passes on what lies within the gapless range.
class MpegOutput {
 public:
  explicit MpegOutput(PcmSink& sink) : sink_(sink) {}

  void set_range(const Gapless& gapless) { range_ = gapless; }

  void write(const float* samples, const ma_dr_mp3dec_frame_info& info, std::size_t frames) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(range_.skip, frames));
    range_.skip -= skipped;
    const auto kept =
        static_cast<std::size_t>(std::min<std::uint64_t>(range_.length, frames - skipped));
    range_.length -= kept;
    if (kept == 0) return;
    sink_.set_format(static_cast<std::uint64_t>(info.sample_rate),
                     static_cast<std::uint64_t>(info.channels));
    sink_.write(samples + skipped * static_cast<std::size_t>(info.channels), kept);
  }

 private:
  PcmSink& sink_;
  Gapless range_;
};

}  // namespace

// Frame by frame, rather than through miniaudio's own stream, which takes the format of the first
// frame for that of all: recordings that were joined may change it.
void decode_mpeg(Source& source, PcmSink& sink) {
  constexpr std::size_t kBuffer = 1U << 16;
  constexpr std::size_t kLongestRun = 1U << 14;  // frames of any kind, with room to verify the next
  const auto decoder = std::make_unique<ma_dr_mp3dec>();
  ma_dr_mp3dec_init(decoder.get());
  std::vector<std::uint8_t> buffer;
  buffer.reserve(kBuffer);
  std::array<float, MA_DR_MP3_MAX_SAMPLES_PER_FRAME> samples;
  MpegOutput output(sink);
  std::size_t at = 0;
  bool first = true;
  const std::uint64_t end = end_of_frames(source);
  for (;;) {
    if (buffer.size() - at < kLongestRun) {
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at));
      at = 0;
      const std::size_t kept = buffer.size();
      const std::uint64_t left = end - std::min(end, source.position());
      buffer.resize(kept + static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer - kept, left)));
      buffer.resize(kept + source.read(buffer.data() + kept, buffer.size() - kept));
      if (buffer.empty()) return;
      sink.check_interrupt();
    }
    ma_dr_mp3dec_frame_info info{};
    const std::uint8_t* data = buffer.data() + at;
    const int decoded = ma_dr_mp3dec_decode_frame(
        decoder.get(), data, static_cast<int>(buffer.size() - at), samples.data(), &info);
    if (info.frame_bytes <= 0) return;
    const auto used = static_cast<std::size_t>(info.frame_bytes);
    at += used;
    if (info.layer == 0) continue;  // junk between frames

    if (first) {
      first = false;
      const auto start = parse_mpeg_frame({data, used});
      const auto gapless = start ? parse_info_frame({data, used}) : std::nullopt;
      if (gapless) {  // this frame holds no audio
        output.set_range(*gapless);
        ma_dr_mp3dec_init(decoder.get());
        continue;
      }
    }
    auto frames = static_cast<std::size_t>(decoded);
    if (decoded == 0) {
      // A damaged frame: silence in its place keeps the times of what follows right.
      const bool full = info.layer == 2 || (info.layer == 3 && info.sample_rate >= 32000);
      frames = full ? 1152 : info.layer == 1 ? 384 : 576;
      samples.fill(0.0F);
    }
    output.write(samples.data(), info, frames);
  }
}

}  // namespace earwitness::audio
