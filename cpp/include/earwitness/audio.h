// Audio in: files and raw buffers of any rate and channel count become 16 kHz mono samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "earwitness/cancel.h"
#include "earwitness/types.h"

namespace earwitness {

// What is accepted, of files and of buffers. The rates bound the work of resampling; the duration
// bounds what a few damaged or malicious bytes can make of the memory.
inline constexpr int kMinInputRate = 1000;
inline constexpr int kMaxInputRate = 384000;
inline constexpr int kMaxChannels = 8;
inline constexpr double kMaxDuration = 24.0 * 3600.0;

// Owns 16 kHz mono samples in [-1, 1]. Grows by `realloc`, which moves large blocks by remapping
// pages: a long recording never exists twice while it is decoded, as it would in a std::vector.
class Pcm {
 public:
  Pcm() = default;
  Pcm(Pcm&& other) noexcept;
  Pcm& operator=(Pcm&& other) noexcept;
  Pcm(const Pcm&) = delete;
  Pcm& operator=(const Pcm&) = delete;
  ~Pcm() = default;

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  double duration() const { return view().duration(); }
  PcmView view() const { return {data_.get(), size_}; }

  // Adds `count` samples that the caller must set. Throws AudioError past kMaxDuration or when
  // there is no memory left.
  float* extend(std::size_t count);
  // Gives unused memory back.
  void shrink();
  // Forgets the samples and keeps the memory.
  void clear() { size_ = 0; }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };

  void reallocate(std::size_t capacity);

  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// A container with the codec in it, where that matters, told apart by content alone.
enum class AudioKind {
  unknown,
  wav,  // RIFF, RIFX, RF64 and Wave64
  aiff,
  mp3,  // MPEG audio, layers I to III
  flac,
  ogg_flac,
  ogg_vorbis,
  ogg_opus,
  ogg_speex,
  ogg,  // with something else in it
  mp4,  // with its relatives m4a, mov and 3gp
  webm,
  matroska,
  aac,  // a bare ADTS stream
  amr,
  asf,  // wma and wmv
  caf,
  au,
  avi,
  mpeg_ts,
  mpeg_ps,
  ac3,
  dts,
  wavpack,
  ape,
  musepack,
  tta,
  dsf,
  flv,
  realmedia,
  sphere,  // NIST
  voc,
};

// Recognises a container by the first bytes of a file; 64 KiB of them are plenty. Text, HTML and
// everything not listed are `unknown`.
AudioKind sniff_audio(std::span<const std::byte> head);

// The name used in messages and in Python, such as "wav" or "ogg/opus".
const char* audio_kind_name(AudioKind kind);

// Called about twenty times a second while decoding; what it throws stops that and leaves it.
using Poll = std::function<void()>;

// Decode WAV, AIFF, MP3, FLAC (bare or in Ogg) and Ogg Vorbis to 16 kHz mono; several channels
// become their mean. What there is of a truncated file is decoded.
// Throws UnsupportedFormat for anything else, AudioError when the data is damaged, empty, not
// finite or out of the bounds above, and Cancelled.
Pcm decode_audio(std::span<const std::byte> data, const CancelToken& cancel = {},
                 const Poll& poll = {});

// The same from a file, of which never more than a few hundred kilobytes are in memory.
Pcm decode_audio_file(const std::filesystem::path& path, const CancelToken& cancel = {},
                      const Poll& poll = {});

// Takes the samples that come next, and the share of the file that has been read, 0 to 1. What it
// throws stops the decoding and leaves it.
using TakePcm = std::function<void(PcmView samples, double share)>;

// The same, with samples handed over some seconds at a time and kept no longer.
void decode_audio_file(const std::filesystem::path& path, const TakePcm& take,
                       const CancelToken& cancel = {}, const Poll& poll = {});

// Interleaved raw samples at any rate (Hz) to 16 kHz mono; int16 is scaled by 1/32768. Throws
// InvalidOption when rate, channels or their fit to the length are impossible, AudioError when the
// samples are empty or not finite, and Cancelled.
Pcm to_mono_16k(std::span<const float> samples, int sample_rate, int channels,
                const CancelToken& cancel = {}, const Poll& poll = {});
Pcm to_mono_16k(std::span<const std::int16_t> samples, int sample_rate, int channels,
                const CancelToken& cancel = {}, const Poll& poll = {});

// Throws InvalidOption unless `sample_rate` (Hz) and `channels` are within the bounds above.
void check_pcm_format(int sample_rate, int channels);

// Throws AudioError when there are no samples, or one is NaN, infinite or absurdly large.
void check_pcm(PcmView pcm);

}  // namespace earwitness
