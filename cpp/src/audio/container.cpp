// Tells containers apart by their first bytes. The signatures are those of the formats' own
// specifications; each is long enough not to occur in text.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "audio/mpeg.h"
#include "earwitness/audio.h"

namespace earwitness {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool has(Bytes bytes, std::size_t at, std::string_view signature) {
  return bytes.size() >= at + signature.size() &&
         std::memcmp(bytes.data() + at, signature.data(), signature.size()) == 0;
}

bool contains(Bytes bytes, std::string_view signature) {
  return std::search(bytes.begin(), bytes.end(), signature.begin(), signature.end(),
                     [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }) !=
         bytes.end();
}

using namespace std::string_view_literals;

struct Signature {
  std::size_t at;
  std::string_view bytes;
  AudioKind kind;
};

constexpr std::array kSignatures = {
    Signature{0, "riff\x2E\x91\xCF\x11"sv, AudioKind::wav},
    Signature{0, "fLaC"sv, AudioKind::flac},
    Signature{4, "ftyp"sv, AudioKind::mp4},
    Signature{4, "moov"sv, AudioKind::mp4},
    Signature{4, "mdat"sv, AudioKind::mp4},
    Signature{0, "#!AMR"sv, AudioKind::amr},
    Signature{0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11"sv, AudioKind::asf},
    Signature{0, "caff\x00"sv, AudioKind::caf},
    Signature{0, ".snd\x00"sv, AudioKind::au},
    Signature{0, "\x00\x00\x01\xBA"sv, AudioKind::mpeg_ps},
    Signature{0, "\x0B\x77"sv, AudioKind::ac3},
    Signature{0, "\x7F\xFE\x80\x01"sv, AudioKind::dts},
    Signature{0, "wvpk"sv, AudioKind::wavpack},
    Signature{0, "MAC \x96\x0F"sv, AudioKind::ape},
    Signature{0, "MPCK"sv, AudioKind::musepack},
    Signature{0, "MP+\x07"sv, AudioKind::musepack},
    Signature{0, "TTA1"sv, AudioKind::tta},
    Signature{0, "DSD \x1C\x00"sv, AudioKind::dsf},
    Signature{0, "FLV\x01"sv, AudioKind::flv},
    Signature{0, ".RMF\x00"sv, AudioKind::realmedia},
    Signature{0, "NIST_1A\n"sv, AudioKind::sphere},
    Signature{0, "Creative Voice File\x1A"sv, AudioKind::voc},
    Signature{0, "ADIF"sv, AudioKind::aac},
};

AudioKind sniff_ogg(Bytes bytes) {
  // The first page holds the first packet of the first stream, after its table of segments. In a
  // file of several streams their first packets come first, so that audio may stand further on.
  if (bytes.size() < 28) return AudioKind::ogg;
  const Bytes packet = bytes.subspan(std::min<std::size_t>(27U + bytes[26], bytes.size()));
  if (has(packet, 0, "\x01vorbis"sv)) return AudioKind::ogg_vorbis;
  if (has(packet, 0,
          "\x7F"
          "FLAC"sv)) {
    return AudioKind::ogg_flac;
  }
  if (has(packet, 0, "OpusHead"sv)) return AudioKind::ogg_opus;
  if (has(packet, 0, "Speex   "sv)) return AudioKind::ogg_speex;
  return contains(bytes, "\x01vorbis"sv) ? AudioKind::ogg_vorbis : AudioKind::ogg;
}

AudioKind sniff_frames(Bytes bytes) {
  if (bytes.size() > 188 && bytes[0] == 0x47 && bytes[188] == 0x47 &&
      (bytes.size() <= 376 || bytes[376] == 0x47)) {
    return AudioKind::mpeg_ts;
  }
  if (audio::has_adts_frames(bytes)) return AudioKind::aac;
  if (audio::has_mpeg_frames(bytes)) return AudioKind::mp3;
  return AudioKind::unknown;
}

AudioKind sniff(Bytes bytes) {
  const bool riff = has(bytes, 0, "RIFF"sv) || has(bytes, 0, "RIFX"sv) || has(bytes, 0, "RF64"sv);
  if (riff && has(bytes, 8, "WAVE"sv)) return AudioKind::wav;
  if (riff && has(bytes, 8, "AVI "sv)) return AudioKind::avi;
  if (has(bytes, 0, "FORM"sv) && (has(bytes, 8, "AIFF"sv) || has(bytes, 8, "AIFC"sv))) {
    return AudioKind::aiff;
  }
  if (has(bytes, 0, "OggS"sv)) return sniff_ogg(bytes);
  if (has(bytes, 0, "\x1A\x45\xDF\xA3"sv)) {
    const Bytes head = bytes.first(std::min<std::size_t>(bytes.size(), 64));
    return contains(head, "webm"sv) ? AudioKind::webm : AudioKind::matroska;
  }
  for (const Signature& signature : kSignatures) {
    if (has(bytes, signature.at, signature.bytes)) return signature.kind;
  }
  return sniff_frames(bytes);
}

}  // namespace

AudioKind sniff_audio(std::span<const std::byte> head) {
  Bytes bytes(reinterpret_cast<const std::uint8_t*>(head.data()), head.size());
  bool tagged = false;
  while (const std::size_t tag = audio::id3v2_size(bytes)) {
    tagged = true;
    bytes = bytes.subspan(std::min(tag, bytes.size()));
  }
  // A tag with a picture may be longer than the head; nearly always MPEG audio follows.
  if (tagged && bytes.empty()) return AudioKind::mp3;
  // Some writers leave zeros between the tag and the audio.
  if (tagged) {
    const auto audio = std::find_if(bytes.begin(), bytes.end(), [](auto b) { return b != 0; });
    bytes = bytes.subspan(static_cast<std::size_t>(audio - bytes.begin()));
  }
  return sniff(bytes);
}

const char* audio_kind_name(AudioKind kind) {
  switch (kind) {
    case AudioKind::wav:
      return "wav";
    case AudioKind::aiff:
      return "aiff";
    case AudioKind::mp3:
      return "mp3";
    case AudioKind::flac:
      return "flac";
    case AudioKind::ogg_flac:
      return "ogg/flac";
    case AudioKind::ogg_vorbis:
      return "ogg/vorbis";
    case AudioKind::ogg_opus:
      return "ogg/opus";
    case AudioKind::ogg_speex:
      return "ogg/speex";
    case AudioKind::ogg:
      return "ogg";
    case AudioKind::mp4:
      return "mp4";
    case AudioKind::webm:
      return "webm";
    case AudioKind::matroska:
      return "matroska";
    case AudioKind::aac:
      return "aac";
    case AudioKind::amr:
      return "amr";
    case AudioKind::asf:
      return "asf";
    case AudioKind::caf:
      return "caf";
    case AudioKind::au:
      return "au";
    case AudioKind::avi:
      return "avi";
    case AudioKind::mpeg_ts:
      return "mpeg-ts";
    case AudioKind::mpeg_ps:
      return "mpeg-ps";
    case AudioKind::ac3:
      return "ac3";
    case AudioKind::wavpack:
      return "wavpack";
    case AudioKind::ape:
      return "ape";
    case AudioKind::dsf:
      return "dsf";
    case AudioKind::dts:
      return "dts";
    case AudioKind::musepack:
      return "musepack";
    case AudioKind::tta:
      return "tta";
    case AudioKind::flv:
      return "flv";
    case AudioKind::realmedia:
      return "realmedia";
    case AudioKind::sphere:
      return "sphere";
    case AudioKind::voc:
      return "voc";
    case AudioKind::unknown:
      break;
  }
  return "unknown";
}

}  // namespace earwitness
