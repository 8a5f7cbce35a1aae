// Where decoders put their samples: down-mixed, checked and resampled block by block.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "audio/resample.h"
#include "earwitness/audio.h"

namespace earwitness::audio {

class PcmSink {
 public:
  // With `take`, samples are handed to it block by block instead of being gathered.
  using Take = std::function<void(PcmView)>;
  PcmSink(const CancelToken& cancel, const Poll& poll, Take take = {})
      : cancel_(cancel), poll_(poll), take_(std::move(take)) {}

  // States the format of what follows; it may change within a file. Throws AudioError when it is
  // out of bounds.
  void set_format(std::uint64_t sample_rate, std::uint64_t channels);

  void write(const float* interleaved, std::size_t frames);
  void write(const std::int16_t* interleaved, std::size_t frames);
  void write_planar(const float* const* channels, std::size_t frames);

  // What was gathered. Throws AudioError when nothing was written.
  Pcm finish();

  // Throws Cancelled, or whatever the poll function throws.
  void check_interrupt();

 private:
  template <class Sample>
  void mix(const Sample* interleaved, std::size_t frames, float scale);
  void consume(const float* mono, std::size_t frames);
  void flush();
  void hand_over();

  const CancelToken& cancel_;
  const Poll& poll_;
  const Take take_;
  std::chrono::steady_clock::time_point next_poll_{};
  int sample_rate_ = 0;
  std::size_t channels_ = 0;
  std::optional<Resampler> resampler_;
  std::vector<float> mono_;
  Pcm pcm_;
  std::size_t handed_over_ = 0;  // samples
};

}  // namespace earwitness::audio
