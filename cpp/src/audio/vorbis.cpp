// Ogg Vorbis through stb_vorbis.
//
// stb_vorbis gets every packet on a page of its own, made by our own reader: that checks CRCs,
// follows streams that are interleaved or joined, drops comments (pictures among them) and streams
// from a file. Its setup header is checked before, and it allocates from one arena, so that it can
// neither leak on damaged data nor put large arrays on a small thread stack.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#define STB_VORBIS_NO_PULLDATA_API
#define STB_VORBIS_NO_STDIO
#define STB_VORBIS_MAX_CHANNELS 8
#if !defined(NDEBUG)
#define EARWITNESS_RESTORE_ASSERT
#define NDEBUG  // its assertions must not end the process
#endif
#if defined(__GNUC__)
// Its functions have external names: keep them out of the module's symbols.
#pragma GCC visibility push(hidden)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#elif defined(_MSC_VER)
#pragma warning(push, 0)
#endif
#include "stb_vorbis.c"  // NOLINT(bugprone-suspicious-include): a library of one file
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#pragma GCC visibility pop
#elif defined(_MSC_VER)
#pragma warning(pop)
#endif
// stb_vorbis leaves these short names behind.
#undef L
#undef C
#undef R
#if defined(EARWITNESS_RESTORE_ASSERT)
#undef NDEBUG
#undef EARWITNESS_RESTORE_ASSERT
#endif

#include "audio/decoders.h"
#include "audio/ogg.h"
#include "audio/vorbis_setup.h"
#include "earwitness/error.h"

namespace earwitness::audio {
namespace {

// More than the largest setup that passes the check needs; memory that is not used is not touched.
constexpr int kArenaBytes = 64 << 20;

struct Close {
  void operator()(stb_vorbis* decoder) const { stb_vorbis_close(decoder); }
};

bool is_identification(const OggPacket& packet) {
  return packet.first && packet.data.size() >= 7 &&
         std::memcmp(packet.data.data(), "\x01vorbis", 7) == 0;
}

// One logical stream.
class VorbisStream {
 public:
  explicit VorbisStream(const OggPacket& identification)
      : format_(check_vorbis_identification(identification.data)) {
    add_header(identification);
  }

  const VorbisFormat& format() const { return format_; }

  void decode(const OggPacket& packet, PcmSink& sink) {
    if (header_count_ < 3) return take_header(packet);
    const bool audio = !packet.data.empty() && (packet.data[0] & 1) == 0 && !packet.truncated;
    if (!audio) return;
    write_ogg_page(packet, sequence_++, page_);
    for (std::size_t at = 0; at < page_.size();) {
      int channels = 0;
      int samples = 0;
      float** output = nullptr;
      const int used = stb_vorbis_decode_frame_pushdata(decoder_.get(), page_.data() + at,
                                                        static_cast<int>(page_.size() - at),
                                                        &channels, &output, &samples);
      if (samples > 0 && channels == format_.channels) {
        sink.write_planar(output, static_cast<std::size_t>(samples));
      }
      if (used <= 0) break;
      at += static_cast<std::size_t>(used);
    }
  }

 private:
  void take_header(const OggPacket& packet) {
    if (header_count_ == 1) {
      // The comment header, replaced by an empty one: no vendor, no comments, the framing bit.
      constexpr std::array<std::uint8_t, 16> kNoComments = {3, 'v', 'o', 'r', 'b', 'i', 's', 0,
                                                            0, 0,   0,   0,   0,   0,   0,   1};
      OggPacket comments;
      comments.serial = packet.serial;
      comments.granule = 0;
      comments.data.assign(kNoComments.begin(), kNoComments.end());
      return add_header(comments);
    }
    if (packet.truncated) throw AudioError("the Ogg Vorbis headers are damaged");
    check_vorbis_setup(packet.data, format_);
    OggPacket setup = packet;
    setup.granule = 0;
    setup.last = false;
    add_header(setup);
    open();
  }

  void add_header(const OggPacket& packet) {
    write_ogg_page(packet, sequence_++, page_);
    headers_.insert(headers_.end(), page_.begin(), page_.end());
    ++header_count_;
  }

  void open() {
    arena_ = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(kArenaBytes));
    const stb_vorbis_alloc arena{arena_.get(), kArenaBytes};
    int used = 0;
    int error = 0;
    decoder_.reset(stb_vorbis_open_pushdata(headers_.data(), static_cast<int>(headers_.size()),
                                            &used, &error, &arena));
    if (!decoder_) throw AudioError("the Ogg Vorbis headers are damaged");
    headers_.clear();
  }

  VorbisFormat format_;
  int header_count_ = 0;
  std::uint32_t sequence_ = 0;
  std::vector<std::uint8_t> page_;
  std::vector<std::uint8_t> headers_;
  std::unique_ptr<char[]> arena_;  // must outlive the decoder
  std::unique_ptr<stb_vorbis, Close> decoder_;
};

}  // namespace

void decode_vorbis(Source& source, PcmSink& sink) {
  OggReader reader(source, [&sink] { sink.check_interrupt(); });
  std::unique_ptr<VorbisStream> stream;
  bool ended = true;
  while (const auto packet = reader.next()) {
    if (packet->first) {
      // A stream that starts while another is running is interleaved with it: not ours.
      if (!ended || !is_identification(*packet)) continue;
      stream = std::make_unique<VorbisStream>(*packet);
      reader.select(packet->serial);
      sink.set_format(stream->format().sample_rate,
                      static_cast<std::uint64_t>(stream->format().channels));
      ended = false;
    } else if (stream && !ended) {
      stream->decode(*packet, sink);
      ended = packet->last;
    }
  }
}

}  // namespace earwitness::audio
