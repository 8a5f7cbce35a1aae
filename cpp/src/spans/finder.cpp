// SpeechFinder and SpeechStream.
#include <algorithm>

#include "earwitness/audio.h"
#include "earwitness/spans.h"
#include "runtime/watch.h"
#include "spans/silero.h"

namespace earwitness {

using spans::Silero;
using spans::SileroScratch;
using spans::SileroState;

SpeechFinder::SpeechFinder(const std::filesystem::path& path)
    : network_(std::make_shared<const Silero>(path)) {}

SpeechFinder::~SpeechFinder() = default;

std::vector<float> SpeechFinder::probabilities(PcmView pcm, const Control& control) const {
  check_pcm(pcm);
  Watch watch(control);
  SileroState state;
  SileroScratch scratch;
  const std::size_t whole = pcm.size / kSpeechFrame;
  const std::size_t frames = (pcm.size + kSpeechFrame - 1) / kSpeechFrame;
  std::vector<float> probabilities(frames);
  for (std::size_t at = 0; at < whole; at += Silero::kBatch) {
    watch.check();
    const std::size_t count = std::min<std::size_t>(Silero::kBatch, whole - at);
    network_->run(pcm.data + at * kSpeechFrame, static_cast<int>(count), state, scratch,
                  probabilities.data() + at);
    if (control.on_progress) {
      control.on_progress(static_cast<double>(at + count) / static_cast<double>(frames));
    }
  }
  if (frames > whole) {
    std::vector<float> last(kSpeechFrame, 0.0F);
    std::copy(pcm.data + whole * kSpeechFrame, pcm.data + pcm.size, last.begin());
    network_->run(last.data(), 1, state, scratch, probabilities.data() + whole);
    if (control.on_progress) control.on_progress(1.0);
  }
  return probabilities;
}

std::vector<Span> SpeechFinder::find(PcmView pcm, const SpeechRules& rules,
                                     const Control& control) const {
  rules.validate();
  return speech_spans(probabilities(pcm, control), pcm.duration(), rules);
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
    network_->run(waiting_.data() + at * kSpeechFrame, static_cast<int>(count), *state_, scratch,
                  probabilities.data() + at);
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
