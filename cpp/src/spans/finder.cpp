// SpeechFinder and SpeechStream.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "earwitness/audio.h"
#include "earwitness/spans.h"
#include "runtime/watch.h"
#include "spans/silero.h"

namespace earwitness {

using spans::Silero;
using spans::SileroScratch;
using spans::SileroState;

namespace {

// Silero misses speech that is quiet, and little of what is as loud as this: root mean square of
// the loudest second (measured by benches/spans.py --down).
constexpr float kLevel = 0.2F;
constexpr std::size_t kLoudest = kSampleRate / kSpeechFrame;  // frames
constexpr float kMostGain = 100.0F;  // 40 dB: what is quieter yet is the noise of a converter

// What brings a recording to that level; what is louder stays.
float gain_of(PcmView pcm) {
  std::vector<float> powers(pcm.size / kSpeechFrame);
  for (std::size_t i = 0; i < powers.size(); ++i) {
    const float* frame = pcm.data + i * kSpeechFrame;
    powers[i] = std::inner_product(frame, frame + kSpeechFrame, frame, 0.0F) / kSpeechFrame;
  }
  if (powers.empty()) return 1.0F;
  const std::size_t loudest = std::min(kLoudest, powers.size()) - 1;
  std::nth_element(powers.begin(), powers.begin() + static_cast<std::ptrdiff_t>(loudest),
                   powers.end(), std::greater<>());
  const float level = std::sqrt(powers[loudest]);
  return level > 0.0F ? std::clamp(kLevel / level, 1.0F, kMostGain) : 1.0F;
}

}  // namespace

SpeechFinder::SpeechFinder(const std::filesystem::path& path)
    : network_(std::make_shared<const Silero>(path)) {}

SpeechFinder::~SpeechFinder() = default;

std::vector<float> SpeechFinder::probabilities(PcmView pcm, const Control& control) const {
  check_pcm(pcm);
  return probabilities(pcm, 1.0F, control);
}

std::vector<float> SpeechFinder::probabilities(PcmView pcm, float gain,
                                               const Control& control) const {
  Watch watch(control);
  SileroState state;
  SileroScratch scratch;
  const std::size_t whole = pcm.size / kSpeechFrame;
  const std::size_t frames = (pcm.size + kSpeechFrame - 1) / kSpeechFrame;
  std::vector<float> probabilities(frames);
  for (std::size_t at = 0; at < whole; at += Silero::kBatch) {
    watch.check();
    const std::size_t count = std::min<std::size_t>(Silero::kBatch, whole - at);
    network_->run(pcm.data + at * kSpeechFrame, static_cast<int>(count), gain, state, scratch,
                  probabilities.data() + at);
    if (control.on_progress) {
      control.on_progress(static_cast<double>(at + count) / static_cast<double>(frames));
    }
  }
  if (frames > whole) {
    std::vector<float> last(kSpeechFrame, 0.0F);
    std::copy(pcm.data + whole * kSpeechFrame, pcm.data + pcm.size, last.begin());
    network_->run(last.data(), 1, gain, state, scratch, probabilities.data() + whole);
    if (control.on_progress) control.on_progress(1.0);
  }
  return probabilities;
}

std::vector<Span> SpeechFinder::find(PcmView pcm, const SpeechRules& rules,
                                     const Control& control) const {
  rules.validate();
  check_pcm(pcm);
  return speech_spans(probabilities(pcm, gain_of(pcm), control), pcm.duration(), rules);
}

SpeechStream::SpeechStream(const SpeechFinder& finder)
    : network_(finder.network_), state_(std::make_unique<SileroState>()) {}

SpeechStream::~SpeechStream() = default;

std::vector<float> SpeechStream::push(PcmView samples) {
  if (samples.size == 0) return {};
  check_pcm(samples);
  waiting_.insert(waiting_.end(), samples.data, samples.data + samples.size);
  std::vector<float> probabilities(waiting_.size() / kSpeechFrame);
  SileroScratch scratch;
  for (std::size_t at = 0; at < probabilities.size(); at += Silero::kBatch) {
    const std::size_t count = std::min<std::size_t>(Silero::kBatch, probabilities.size() - at);
    network_->run(waiting_.data() + at * kSpeechFrame, static_cast<int>(count), 1.0F, *state_,
                  scratch, probabilities.data() + at);
  }
  const auto used = static_cast<std::ptrdiff_t>(probabilities.size() * kSpeechFrame);
  waiting_.erase(waiting_.begin(), waiting_.begin() + used);
  return probabilities;
}

void SpeechStream::reset() {
  *state_ = {};
  waiting_.clear();
}

}  // namespace earwitness
