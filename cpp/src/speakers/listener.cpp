#include "speakers/listener.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace earwitness::speakers {
namespace {

static_assert(kWindowFrames == Segmentation::kFrames);
static_assert(kPowersetClasses == Segmentation::kClasses);
static_assert(kLocalSpeakers == Segmentation::kSpeakers);
static_assert(kVoiceFeatures == Embedder::kFeatures);

constexpr std::int64_t kStep = Segmentation::kFrameStep;

// Windows that the segmentation network takes at a time, for each two threads.
constexpr int kBatch = 12;

// CAM++ hears a local speaker from where it is alone if that is so long, in pieces of no less than
// so many filterbank frames.
constexpr double kLeastAlone = 0.4;
constexpr std::size_t kLeastPiece = 20;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

Listener::Listener(std::shared_ptr<const DiarizerWeights> weights, PcmView pcm, double hop,
                   kernels::ThreadPool& pool, Watch& watch)
    : pcm_(pcm),
      pool_(pool),
      watch_(watch),
      segmentation_(weights),
      embedder_(std::move(weights)),
      sampler_(pcm.duration(),
               [this](const float* features, const float* frame_weights, int frames) {
                 return embedder_.pool(features, frame_weights, frames);
               }) {
  place_windows(hop);
}

void Listener::place_windows(double hop) {
  const auto samples = static_cast<std::int64_t>(pcm_.size);
  if (samples == 0) return;
  const double window = kWindowFrames * kFrameSeconds;
  const auto hops = static_cast<std::size_t>(std::max(1L, std::lround(window / hop)));
  hear_every_ = std::max<std::size_t>(1, hops / 2);
  const std::int64_t step = kWindowFrames / static_cast<std::int64_t>(hops);
  // The last window ends where the recording ends: silence after it would change how the network
  // normalizes what it hears.
  const std::int64_t last =
      (std::max<std::int64_t>(samples - Segmentation::kWindow, 0) + kStep - 1) / kStep;
  for (std::int64_t start = 0; start < last; start += step) starts_.push_back(start);
  starts_.push_back(last);
}

Evidence Listener::run(double progress_share) {
  const auto batch = static_cast<std::size_t>(kBatch * ((pool_.size() + 1) / 2));
  for (std::size_t first = 0; first < starts_.size(); first += batch) {
    const std::size_t count = std::min(batch, starts_.size() - first);
    segment(first, count);
    for (std::size_t i = 0; i < count; ++i) {
      watch_.check();
      const std::size_t index = first + i;
      const Window& window = sampler_.add_window(
          starts_[index], log_probabilities_.data() + i * kWindowFrames * kPowersetClasses);
      const bool last = index + 1 == starts_.size();
      if (index % hear_every_ == 0 || last) hear(window, last);
    }
    const std::size_t next = first + count;
    if (next < starts_.size()) sampler_.sample(heard_ / 2, starts_[next]);
    if (watch_.control().on_progress) {
      watch_.control().on_progress(progress_share * static_cast<double>(next) /
                                   static_cast<double>(starts_.size()));
    }
  }
  return sampler_.finish();
}

void Listener::segment(std::size_t first, std::size_t count) {
  std::vector<const float*> windows;
  padded_.clear();
  padded_.reserve(count);
  for (std::size_t i = first; i < first + count; ++i) {
    const std::size_t begin = size(starts_[i] * kStep);
    if (begin + Segmentation::kWindow <= pcm_.size) {
      windows.push_back(pcm_.data + begin);
      continue;
    }
    std::vector<float>& padded = padded_.emplace_back(Segmentation::kWindow, 0.0F);
    std::copy(pcm_.data + begin, pcm_.data + pcm_.size, padded.begin());
    windows.push_back(padded.data());
  }
  log_probabilities_.resize(count * kWindowFrames * kPowersetClasses);
  segmentation_.run(windows.data(), static_cast<int>(count), log_probabilities_.data(), pool_,
                    watch_.control().cancel);
}

// Each speaker's own frames are heard together, others' left out: the network's gates look at the
// whole of its input, and would mix two voices. Who they are is best known in the middle of a
// window, so that all but the last is heard up to three quarters, and the next one is half a window
// later.
void Listener::hear(const Window& window, bool last) {
  const std::int64_t start = window.first_frame * kStep;
  const std::int64_t first = std::max(heard_, start / Fbank::kShift);
  const std::int64_t heard_frames = last ? kWindowFrames : kWindowFrames * 3 / 4;
  const std::int64_t end = std::min<std::int64_t>((start + heard_frames * kStep) / Fbank::kShift,
                                                  Fbank::frames(pcm_.size));
  if (first >= end) return;
  const auto count = static_cast<int>(end - first);
  bands_.resize(size(count) * Fbank::kBands);
  fbank_.run(pcm_.data + first * Fbank::kShift, count, bands_.data());

  std::array<int, kLocalSpeakers> alone{};
  for (const std::uint8_t active : window.active) {
    for (std::size_t s = 0; s < alone.size(); ++s) alone[s] += active == 1U << s ? 1 : 0;
  }
  std::vector<std::uint8_t> active(size(count));
  for (std::size_t i = 0; i < active.size(); ++i) {
    const std::int64_t t = ((first + static_cast<std::int64_t>(i)) * Fbank::kShift - start) / kStep;
    active[i] = window.active[size(std::clamp<std::int64_t>(t, 0, kWindowFrames - 1))];
  }
  std::vector<int> frames;
  for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
    const auto bit = static_cast<std::uint8_t>(1U << s);
    const bool only_alone = alone[s] * kFrameSeconds >= kLeastAlone;
    frames.clear();
    for (std::size_t i = 0; i < active.size(); ++i) {
      if (only_alone ? active[i] == bit : (active[i] & bit) != 0) {
        frames.push_back(static_cast<int>(i));
      }
    }
    if (frames.size() < kLeastPiece) continue;
    hear_frames(frames, first);
    for (const int i : frames) active[size(i)] = 0;
  }
  frames.clear();
  for (std::size_t i = 0; i < active.size(); ++i) {
    if (active[i] != 0) frames.push_back(static_cast<int>(i));
  }
  if (frames.size() >= kLeastPiece) hear_frames(frames, first);
  heard_ = end;
}

void Listener::hear_frames(const std::vector<int>& frames, std::int64_t first_frame) {
  const int count = static_cast<int>(frames.size());
  piece_.resize(frames.size() * Fbank::kBands);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    std::copy_n(bands_.begin() + std::ptrdiff_t{frames[i]} * Fbank::kBands, Fbank::kBands,
                piece_.begin() + static_cast<std::ptrdiff_t>(i) * Fbank::kBands);
  }
  subtract_mean(piece_.data(), count);
  features_.resize(size(Embedder::feature_frames(count)) * kVoiceFeatures);
  embedder_.frame_features(piece_.data(), count, features_.data(), pool_, watch_.control().cancel);
  // Feature k was made from frames 2 k and 2 k + 1 of the piece, which need not be neighbours in
  // the recording: the second fills a place that no first one takes.
  FeatureStrip& strip = sampler_.features();
  for (const std::size_t odd : {std::size_t{0}, std::size_t{1}}) {
    for (std::size_t i = odd; i < frames.size(); i += 2) {
      const std::int64_t place = (first_frame + frames[i]) / 2;
      if (odd == 1 && strip.valid(place)) continue;
      strip.set(place, features_.data() + i / 2 * kVoiceFeatures);
    }
  }
}

}  // namespace earwitness::speakers
