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

constexpr std::int64_t kUnknown = -1;  // number of windows

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

double seconds(std::int64_t samples) { return static_cast<double>(samples) / kSampleRate; }

}  // namespace

Listener::Listener(const std::shared_ptr<const DiarizerWeights>& weights,
                   const DiarizeOptions& options, kernels::ThreadPool& pool, Watch& watch,
                   double progress_share)
    : options_(options),
      pool_(pool),
      watch_(watch),
      progress_share_(progress_share),
      segmentation_(weights),
      sampler_([this](const float* features, const float* frame_weights, int frames) {
        return embedders_.front().pool(features, frame_weights, frames);
      }),
      batch_(kBatch * ((pool.size() + 1) / 2)) {
  for (int i = 0; i < pool.size(); ++i) embedders_.emplace_back(weights);
}

void Listener::add(PcmView samples, double share) {
  kept_.insert(kept_.end(), samples.data, samples.data + samples.size);
  received_ += static_cast<std::int64_t>(samples.size);
  share_ = share;
  if (step_ == 0) {
    if (!options_.hop_is_known(seconds(received_))) return;
    choose_step();
  }
  // The one after them is a full window too: it is known where that starts.
  while (full_windows() > windows_ + batch_) {
    hear_windows(batch_, kUnknown);
    report(share_ * static_cast<double>(windows_) / static_cast<double>(full_windows()));
  }
}

Evidence Listener::finish() {
  if (received_ == 0) return sampler_.finish(0.0);
  if (step_ == 0) choose_step();
  const std::int64_t total = full_windows() + 1;
  while (windows_ < total) {
    hear_windows(std::min(batch_, total - windows_), total);
    report(static_cast<double>(windows_) / static_cast<double>(total));
  }
  return sampler_.finish(seconds(received_));
}

void Listener::choose_step() {
  const double window = kWindowFrames * kFrameSeconds;
  const double hop = options_.resolved_hop(seconds(received_));
  const std::int64_t hops = std::max(1L, std::lround(window / hop));
  hear_every_ = std::max<std::int64_t>(1, hops / 2);
  step_ = kWindowFrames / hops;
}

// The last window ends where the recording ends: silence after it would change how the network
// normalizes what it hears. Where it starts if no more samples come, in frames.
std::int64_t Listener::last_start() const {
  return (std::max<std::int64_t>(received_ - Segmentation::kWindow, 0) + kStep - 1) / kStep;
}

// Those that start before the last one does.
std::int64_t Listener::full_windows() const { return (last_start() + step_ - 1) / step_; }

// In frames.
std::int64_t Listener::start(std::int64_t window, std::int64_t total) const {
  return window + 1 == total ? last_start() : window * step_;
}

const float* Listener::samples_from(std::int64_t sample) const {
  return kept_.data() + (sample - kept_from_);
}

void Listener::forget_before(std::int64_t sample) {
  kept_.erase(kept_.begin(), kept_.begin() + (sample - kept_from_));
  kept_from_ = sample;
}

void Listener::report(double share) {
  reported_ = std::max(reported_, share);  // what a file says of its length is a guess
  if (watch_.control().on_progress) watch_.control().on_progress(progress_share_ * reported_);
}

// The next ones, of `total` or of a number not known yet.
void Listener::hear_windows(std::int64_t count, std::int64_t total) {
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < count; ++i) starts.push_back(start(windows_ + i, total));
  segment(starts);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = windows_ + i;
    const Window& window = sampler_.add_window(
        starts[size(i)], log_probabilities_.data() + i * kWindowFrames * kPowersetClasses);
    const bool last = index + 1 == total;
    if (index % hear_every_ == 0 || last) cut_pieces(window, last);
  }
  watch_.check();
  hear_pieces();
  windows_ += count;
  if (windows_ == total) return;
  const std::int64_t next = start(windows_, total);
  sampler_.sample(heard_ / 2, next);
  forget_before(std::min(next * kStep, heard_ * Fbank::kShift));
}

void Listener::segment(const std::vector<std::int64_t>& starts) {
  std::vector<const float*> windows;
  padded_.clear();
  padded_.reserve(starts.size());
  for (const std::int64_t frame : starts) {
    const std::int64_t begin = frame * kStep;
    if (begin + Segmentation::kWindow <= received_) {
      windows.push_back(samples_from(begin));
      continue;
    }
    std::vector<float>& padded = padded_.emplace_back(Segmentation::kWindow, 0.0F);
    std::copy(samples_from(begin), samples_from(received_), padded.begin());
    windows.push_back(padded.data());
  }
  log_probabilities_.resize(starts.size() * kWindowFrames * kPowersetClasses);
  segmentation_.run(windows.data(), static_cast<int>(starts.size()), log_probabilities_.data(),
                    pool_, watch_.control().cancel);
}

// Each speaker's own frames are heard together, others' left out: the network's gates look at the
// whole of its input, and would mix two voices. Who they are is best known in the middle of a
// window, so that all but the last is heard up to three quarters, and the next one is half a window
// later.
void Listener::cut_pieces(const Window& window, bool last) {
  const std::int64_t start = window.first_frame * kStep;
  const std::int64_t first = std::max(heard_, start / Fbank::kShift);
  const std::int64_t heard_frames = last ? kWindowFrames : kWindowFrames * 3 / 4;
  const std::int64_t end = std::min<std::int64_t>((start + heard_frames * kStep) / Fbank::kShift,
                                                  Fbank::frames(size(received_)));
  if (first >= end) return;
  const auto count = static_cast<int>(end - first);
  bands_.resize(size(count) * Fbank::kBands);
  fbank_.run(samples_from(first * Fbank::kShift), count, bands_.data());

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
    add_piece(frames, first);
    for (const int i : frames) active[size(i)] = 0;
  }
  frames.clear();
  for (std::size_t i = 0; i < active.size(); ++i) {
    if (active[i] != 0) frames.push_back(static_cast<int>(i));
  }
  if (frames.size() >= kLeastPiece) add_piece(frames, first);
  heard_ = end;
}

void Listener::add_piece(const std::vector<int>& frames, std::int64_t first_frame) {
  Piece& piece = pieces_.emplace_back();
  for (const int frame : frames) {
    piece.frames.push_back(first_frame + frame);
    const auto row = bands_.begin() + std::ptrdiff_t{frame} * Fbank::kBands;
    piece.bands.insert(piece.bands.end(), row, row + Fbank::kBands);
  }
  const auto count = static_cast<int>(frames.size());
  subtract_mean(piece.bands.data(), count);
  piece.features.resize(size(Embedder::feature_frames(count)) * kVoiceFeatures);
}

void Listener::hear_pieces() {
  const auto hear = [this](Piece& piece, Embedder& embedder, kernels::ThreadPool& pool) {
    embedder.frame_features(piece.bands.data(), static_cast<int>(piece.frames.size()),
                            piece.features.data(), pool, watch_.control().cancel);
  };
  if (pieces_.size() >= 2 * embedders_.size()) {
    pool_.run(static_cast<int>(pieces_.size()), [&](int task, int worker) {
      kernels::ThreadPool alone(1);
      hear(pieces_[size(task)], embedders_[size(worker)], alone);
    });
  } else {  // too few to keep all threads busy: they share the layers of each
    for (Piece& piece : pieces_) hear(piece, embedders_.front(), pool_);
  }
  for (const Piece& piece : pieces_) place_features(piece);
  pieces_.clear();
}

// Feature k was made from frames 2 k and 2 k + 1 of the piece, which need not be neighbours in the
// recording: the second fills a place that no first one takes.
void Listener::place_features(const Piece& piece) {
  FeatureStrip& strip = sampler_.features();
  for (const std::size_t odd : {std::size_t{0}, std::size_t{1}}) {
    for (std::size_t i = odd; i < piece.frames.size(); i += 2) {
      const std::int64_t place = piece.frames[i] / 2;
      if (odd == 1 && strip.valid(place)) continue;
      strip.set(place, piece.features.data() + i / 2 * kVoiceFeatures);
    }
  }
}

}  // namespace earwitness::speakers
