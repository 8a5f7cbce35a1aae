// SpeechFinder and SpeechStream.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "earwitness/audio.h"
#include "earwitness/spans.h"
#include "kernels/thread_pool.h"
#include "runtime/check.h"
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

// A recording in batches of frames; the last frame, where it is filled up with silence, is one of
// its own.
class Batches {
 public:
  explicit Batches(PcmView pcm) : pcm_(pcm), whole_(pcm.size / kSpeechFrame) {
    const float* rest = pcm.data + whole_ * kSpeechFrame;
    last_.assign(rest, pcm.data + pcm.size);
    if (!last_.empty()) last_.resize(kSpeechFrame);
  }

  std::size_t frames() const { return whole_ + (last_.empty() ? 0 : 1); }
  std::size_t count() const { return whole_batches() + (last_.empty() ? 0 : 1); }
  std::size_t first(std::size_t batch) const { return std::min(batch * kBatch, whole_); }
  int length(std::size_t batch) const {
    return batch < whole_batches() ? static_cast<int>(std::min(kBatch, whole_ - first(batch))) : 1;
  }
  const float* samples(std::size_t batch) const {
    return batch < whole_batches() ? pcm_.data + first(batch) * kSpeechFrame : last_.data();
  }
  const float* before(std::size_t batch) const {
    static constexpr float kNothing[spans::kContext] = {};
    const std::size_t at = first(batch) * kSpeechFrame;
    return at == 0 ? kNothing : pcm_.data + at - spans::kContext;
  }

 private:
  static constexpr std::size_t kBatch = Silero::kBatch;

  std::size_t whole_batches() const { return (whole_ + kBatch - 1) / kBatch; }

  PcmView pcm_;
  std::size_t whole_;  // frames
  std::vector<float> last_;
};

constexpr std::size_t kBatchGates = std::size_t{Silero::kBatch} * spans::kGates;

}  // namespace

SpeechFinder::SpeechFinder(const std::filesystem::path& path)
    : network_(std::make_shared<const Silero>(path)) {}

SpeechFinder::~SpeechFinder() = default;

std::vector<float> SpeechFinder::probabilities(PcmView pcm, const Control& control,
                                               int threads) const {
  check_threads(threads);
  check_pcm(pcm);
  return probabilities(pcm, 1.0F, control, threads);
}

std::vector<float> SpeechFinder::probabilities(PcmView pcm, float gain, const Control& control,
                                               int threads) const {
  Watch watch(control);
  kernels::ThreadPool pool(kernels::resolve_threads(threads));
  std::vector<SileroScratch> scratch(static_cast<std::size_t>(pool.size()));
  SileroState state;
  const Batches batches(pcm);
  std::vector<float> probabilities(batches.frames());
  // Batches are heard side by side; meanwhile those heard before are followed, one after another.
  const std::size_t most = 2 * static_cast<std::size_t>(pool.size());
  std::vector<float> heard(most * kBatchGates);
  std::vector<float> next(most * kBatchGates);
  std::size_t followed = 0;
  for (std::size_t first = 0; followed < batches.count();) {
    watch.check();
    const std::size_t count = std::min(most, batches.count() - first);
    pool.run(static_cast<int>(count) + 1, [&](int task, int worker) {
      if (task == 0) {
        for (std::size_t b = followed; b < first; ++b) {
          network_->follow(heard.data() + (b - followed) * kBatchGates, batches.length(b), state,
                           probabilities.data() + batches.first(b));
        }
      } else {
        const auto own = static_cast<std::size_t>(task - 1);
        const std::size_t b = first + own;
        network_->hear(batches.samples(b), batches.before(b), batches.length(b), gain,
                       scratch[static_cast<std::size_t>(worker)], next.data() + own * kBatchGates);
      }
    });
    std::swap(heard, next);
    followed = first;
    first += count;
    if (control.on_progress && followed > 0) {
      control.on_progress(static_cast<double>(followed) / static_cast<double>(batches.count()));
    }
  }
  return probabilities;
}

std::vector<Span> SpeechFinder::find(PcmView pcm, const SpeechRules& rules, const Control& control,
                                     int threads) const {
  rules.validate();
  check_threads(threads);
  check_pcm(pcm);
  return speech_spans(probabilities(pcm, gain_of(pcm), control, threads), pcm.duration(), rules);
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
  std::vector<float> gates(kBatchGates);
  for (std::size_t at = 0; at < probabilities.size(); at += Silero::kBatch) {
    const auto count =
        static_cast<int>(std::min<std::size_t>(Silero::kBatch, probabilities.size() - at));
    const float* own = waiting_.data() + at * kSpeechFrame;
    network_->hear(own, state_->context.data(), count, 1.0F, scratch, gates.data());
    network_->follow(gates.data(), count, *state_, probabilities.data() + at);
    std::copy_n(own + count * kSpeechFrame - spans::kContext, spans::kContext,
                state_->context.begin());
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
