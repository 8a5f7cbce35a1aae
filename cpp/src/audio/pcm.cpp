#include "audio/pcm.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace earwitness {
namespace {

// Samples belong in [-1, 1]. Float data at the scale of 16-bit integers still works, since every
// stage normalises; anything beyond is damage, and squaring it could overflow.
constexpr float kMaxSample = 65536.0F;

// Bit patterns of non-negative floats sort like the floats, with infinity and NaN above all
// others: one integer comparison finds all three faults, and no -ffast-math can undo it.
bool all_sane(const float* samples, std::size_t count) {
  constexpr std::uint32_t kMagnitude = 0x7FFFFFFFU;
  std::uint32_t peak = 0;
  for (std::size_t i = 0; i < count; ++i) {
    peak = std::max(peak, std::bit_cast<std::uint32_t>(samples[i]) & kMagnitude);
  }
  return peak <= std::bit_cast<std::uint32_t>(kMaxSample);
}

// Of `count` more samples.
void check_length(std::size_t size, std::size_t count) {
  constexpr auto kMaxSamples = static_cast<std::size_t>(kMaxDuration * kSampleRate);
  if (count > kMaxSamples - size) {
    throw AudioError("the audio is longer than 24 hours; split the recording");
  }
}

template <class Sample>
Pcm convert(std::span<const Sample> samples, int sample_rate, int channels,
            const CancelToken& cancel, const Poll& poll) {
  check_pcm_format(sample_rate, channels);
  const auto width = static_cast<std::size_t>(channels);
  if (samples.size() % width != 0) {
    throw InvalidOption(std::to_string(samples.size()) + " interleaved samples do not divide by " +
                        std::to_string(channels) + " channels; check `channels`");
  }
  audio::PcmSink sink(cancel, poll);
  sink.set_format(static_cast<std::uint64_t>(sample_rate), width);
  constexpr std::size_t kBlock = 16384;  // small enough to stay in the cache
  for (std::size_t at = 0; at < samples.size(); at += kBlock * width) {
    const std::size_t frames = std::min(kBlock, (samples.size() - at) / width);
    sink.write(samples.data() + at, frames);
  }
  return sink.finish();
}

}  // namespace

Pcm::Pcm(Pcm&& other) noexcept
    : data_(std::move(other.data_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Pcm& Pcm::operator=(Pcm&& other) noexcept {
  data_ = std::move(other.data_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

void Pcm::reallocate(std::size_t capacity) {
  auto* grown = static_cast<float*>(std::realloc(data_.get(), capacity * sizeof(float)));
  if (grown == nullptr) {
    throw AudioError("not enough memory for " +
                     std::to_string(capacity / static_cast<std::size_t>(kSampleRate)) +
                     " s of audio; split the recording");
  }
  static_cast<void>(data_.release());  // realloc has already freed or moved it
  data_.reset(grown);
  capacity_ = capacity;
}

float* Pcm::extend(std::size_t count) {
  check_length(size_, count);
  if (size_ + count > capacity_) {
    reallocate(std::max(size_ + count, std::max<std::size_t>(capacity_ + capacity_ / 4, 1U << 16)));
  }
  float* added = data_.get() + size_;
  size_ += count;
  return added;
}

void Pcm::shrink() {
  if (size_ > 0 && size_ < capacity_) reallocate(size_);
}

void check_pcm_format(int sample_rate, int channels) {
  if (sample_rate < kMinInputRate || sample_rate > kMaxInputRate) {
    throw InvalidOption("sample_rate must be " + std::to_string(kMinInputRate) + " to " +
                        std::to_string(kMaxInputRate) + " Hz, not " + std::to_string(sample_rate));
  }
  if (channels < 1 || channels > kMaxChannels) {
    throw InvalidOption("channels must be 1 to " + std::to_string(kMaxChannels) + ", not " +
                        std::to_string(channels));
  }
}

void check_pcm(PcmView pcm) {
  if (pcm.size == 0) throw AudioError("there are no audio samples");
  if (!all_sane(pcm.data, pcm.size)) {
    throw AudioError(
        "the audio has samples that are NaN, infinite or far outside [-1, 1]; it is damaged or of "
        "another sample type");
  }
}

Pcm to_mono_16k(std::span<const float> samples, int sample_rate, int channels,
                const CancelToken& cancel, const Poll& poll) {
  return convert(samples, sample_rate, channels, cancel, poll);
}

Pcm to_mono_16k(std::span<const std::int16_t> samples, int sample_rate, int channels,
                const CancelToken& cancel, const Poll& poll) {
  return convert(samples, sample_rate, channels, cancel, poll);
}

namespace audio {

void PcmSink::check_interrupt() {
  cancel_.throw_if_cancelled();
  if (!poll_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_poll_) return;
  next_poll_ = now + std::chrono::milliseconds(50);
  poll_();
}

void PcmSink::set_format(std::uint64_t sample_rate, std::uint64_t channels) {
  if (sample_rate < kMinInputRate || sample_rate > kMaxInputRate) {
    throw AudioError("the file states an impossible sample rate of " + std::to_string(sample_rate) +
                     " Hz; it is damaged");
  }
  if (channels < 1 || channels > kMaxChannels) {
    throw AudioError("the file states " + std::to_string(channels) +
                     " channels; 1 to 8 are possible");
  }
  channels_ = static_cast<std::size_t>(channels);
  if (static_cast<int>(sample_rate) == sample_rate_) return;
  flush();
  sample_rate_ = static_cast<int>(sample_rate);
  if (sample_rate_ != kSampleRate) resampler_.emplace(sample_rate_);
}

template <class Sample>
void PcmSink::mix(const Sample* interleaved, std::size_t frames, float scale) {
  mono_.resize(frames);
  const float gain = scale / static_cast<float>(channels_);
  if (channels_ == 1) {
    for (std::size_t i = 0; i < frames; ++i) {
      mono_[i] = static_cast<float>(interleaved[i]) * gain;
    }
  } else if (channels_ == 2) {
    for (std::size_t i = 0; i < frames; ++i) {
      mono_[i] =
          (static_cast<float>(interleaved[2 * i]) + static_cast<float>(interleaved[2 * i + 1])) *
          gain;
    }
  } else {
    for (std::size_t i = 0; i < frames; ++i) {
      float sum = 0.0F;
      for (std::size_t c = 0; c < channels_; ++c) {
        sum += static_cast<float>(interleaved[i * channels_ + c]);
      }
      mono_[i] = sum * gain;
    }
  }
  consume(mono_.data(), frames);
}

void PcmSink::write(const float* interleaved, std::size_t frames) {
  if (channels_ == 1) return consume(interleaved, frames);
  mix(interleaved, frames, 1.0F);
}

void PcmSink::write(const std::int16_t* interleaved, std::size_t frames) {
  mix(interleaved, frames, 1.0F / 32768.0F);
}

void PcmSink::write_planar(const float* const* channels, std::size_t frames) {
  if (channels_ == 1) return consume(channels[0], frames);
  mono_.assign(frames, 0.0F);
  const float gain = 1.0F / static_cast<float>(channels_);
  for (std::size_t c = 0; c < channels_; ++c) {
    for (std::size_t i = 0; i < frames; ++i) mono_[i] += channels[c][i] * gain;
  }
  consume(mono_.data(), frames);
}

void PcmSink::consume(const float* mono, std::size_t frames) {
  check_interrupt();
  if (frames == 0) return;
  check_pcm({mono, frames});
  if (resampler_) {
    resampler_->push(mono, frames, pcm_);
  } else {
    std::memcpy(pcm_.extend(frames), mono, frames * sizeof(float));
  }
  constexpr std::size_t kBlock = 4 * kSampleRate;
  if (take_ && pcm_.size() >= kBlock) hand_over();
}

void PcmSink::hand_over() {
  check_length(handed_over_, pcm_.size());
  handed_over_ += pcm_.size();
  take_(pcm_.view());
  pcm_.clear();
}

void PcmSink::flush() {
  if (resampler_) resampler_->finish(pcm_);
  resampler_.reset();
}

Pcm PcmSink::finish() {
  flush();
  if (pcm_.size() + handed_over_ == 0) {
    throw AudioError("there is no audio in the data: it is empty or damaged");
  }
  if (take_) hand_over();
  pcm_.shrink();
  return std::move(pcm_);
}

}  // namespace audio
}  // namespace earwitness
