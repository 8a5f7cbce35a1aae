#include <algorithm>
#include <span>
#include <string>

#include "audio/decoders.h"
#include "audio/mpeg.h"
#include "audio/pcm.h"
#include "audio/source.h"
#include "earwitness/audio.h"
#include "earwitness/error.h"

namespace earwitness {
namespace {

constexpr std::size_t kHead = 1U << 16;

std::span<const std::uint8_t> as_u8(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

// Past the ID3v2 tags, and past zeros that some writers leave after them.
std::uint64_t start_of_audio(audio::Source& source) {
  std::uint64_t at = 0;
  while (const std::size_t tag = audio::id3v2_size(as_u8(source.read_at(at, 10)))) at += tag;
  if (at == 0) return 0;
  const auto head = source.read_at(at, kHead);
  const auto zeros =
      std::find_if(head.begin(), head.end(), [](auto b) { return b != std::byte{}; });
  return at + static_cast<std::uint64_t>(zeros - head.begin());
}

void decode(audio::Source& source, audio::PcmSink& sink) {
  if (source.size() == 0) throw AudioError("the audio data is empty: it has 0 bytes");
  sink.check_interrupt();
  const std::uint64_t start = start_of_audio(source);
  const auto head = source.read_at(start, kHead);
  const AudioKind kind = sniff_audio(head);
  source.seek(std::min(start, source.size()));
  switch (kind) {
    case AudioKind::wav:
    case AudioKind::aiff:
      audio::decode_wav(source, sink);
      break;
    case AudioKind::mp3:
      audio::decode_mpeg(source, sink);
      break;
    case AudioKind::flac:
    case AudioKind::ogg_flac:
      audio::decode_flac(source, sink);
      break;
    case AudioKind::ogg_vorbis:
      audio::decode_vorbis(source, sink);
      break;
    case AudioKind::unknown:
      throw UnsupportedFormat("the data is in no audio format that is known here");
    default:
      throw UnsupportedFormat(std::string("the core does not decode ") + audio_kind_name(kind) +
                              "; it decodes wav, aiff, mp3, flac and ogg/vorbis");
  }
}

Pcm decode(audio::Source& source, const CancelToken& cancel, const Poll& poll) {
  audio::PcmSink sink(cancel, poll);
  decode(source, sink);
  return sink.finish();
}

}  // namespace

Pcm decode_audio(std::span<const std::byte> data, const CancelToken& cancel, const Poll& poll) {
  audio::MemorySource source(data);
  return decode(source, cancel, poll);
}

Pcm decode_audio_file(const std::filesystem::path& path, const CancelToken& cancel,
                      const Poll& poll) {
  audio::FileSource source(path);
  return decode(source, cancel, poll);
}

void decode_audio_file(const std::filesystem::path& path, const TakePcm& take,
                       const CancelToken& cancel, const Poll& poll) {
  audio::FileSource source(path);
  audio::PcmSink sink(cancel, poll, [&](PcmView samples) {
    take(samples, static_cast<double>(source.position()) / static_cast<double>(source.size()));
  });
  decode(source, sink);
  sink.finish();
}

}  // namespace earwitness
