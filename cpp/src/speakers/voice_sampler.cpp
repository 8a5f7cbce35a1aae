#include "speakers/voice_sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace earwitness::speakers {
namespace {

// Bit s = local speaker s.
constexpr std::array<std::uint8_t, kPowersetClasses> kClassSpeakers{0, 1, 2, 4, 3, 5, 6};

// Glimpses, in features of 20 ms: their length, their step, and every which is a unit.
constexpr std::int64_t kGlimpse = 60;
constexpr std::int64_t kGlimpseStep = 12;
constexpr std::int64_t kUnitEvery = 2;

// Seconds of one speaker's speech in a glimpse, in a unit, and in the halves that are compared.
constexpr double kLeastGlimpse = 0.4;
constexpr double kLeastUnit = 0.8;
constexpr double kLeastHalf = 0.25;

// A local speaker's voice is taken from where it is alone if that is so long; under the second
// length it is not heard at all.
constexpr double kLeastAlone = 0.4;
constexpr double kLeastActive = 0.1;
constexpr double kLeastLocalWeight = 5.0;

constexpr double kFramesPerFeature = kFeatureSeconds / kFrameSeconds;

std::int64_t feature_of_frame(std::int64_t frame) { return frame * 270 / 320; }

std::int64_t frame_of_feature(std::int64_t feature) {
  return static_cast<std::int64_t>((static_cast<double>(feature) + 0.5) * kFramesPerFeature);
}

}  // namespace

void FeatureStrip::set(std::int64_t frame, const float* features) {
  if (frame < begin_) return;
  const auto index = static_cast<std::size_t>(frame - begin_);
  if (index >= valid_.size()) {
    valid_.resize(index + 1, 0);
    features_.resize((index + 1) * kVoiceFeatures, 0.0F);
  }
  std::copy_n(features, kVoiceFeatures,
              features_.begin() + static_cast<std::ptrdiff_t>(index) * kVoiceFeatures);
  valid_[index] = 1;
}

bool FeatureStrip::valid(std::int64_t frame) const {
  return frame >= begin_ && frame < end() && valid_[static_cast<std::size_t>(frame - begin_)] != 0;
}

const float* FeatureStrip::at(std::int64_t frame) const {
  return features_.data() + (frame - begin_) * kVoiceFeatures;
}

void FeatureStrip::drop_before(std::int64_t frame) {
  const std::int64_t count = std::clamp<std::int64_t>(frame - begin_, 0, end() - begin_);
  valid_.erase(valid_.begin(), valid_.begin() + count);
  features_.erase(features_.begin(), features_.begin() + count * kVoiceFeatures);
  begin_ = std::max(begin_, frame);
}

const Window& VoiceSampler::add_window(std::int64_t first_frame, const float* log_probabilities) {
  Window& window = evidence_.windows.emplace_back();
  window.first_frame = first_frame;
  const auto end = static_cast<std::size_t>(first_frame + kWindowFrames);
  if (end > coverage_.size()) {
    coverage_.resize(end);
    evidence_.frames.resize(end);
  }
  Pending& pending = pending_.emplace_back();
  pending.window = static_cast<int>(evidence_.windows.size()) - 1;
  for (std::size_t t = 0; t < kWindowFrames; ++t) {
    const float* row = log_probabilities + t * kPowersetClasses;
    const auto best = static_cast<std::size_t>(std::max_element(row, row + kPowersetClasses) - row);
    window.active[t] = kClassSpeakers[best];
    std::array<float, kLocalSpeakers> marginal{};
    float solo = 0.0F;
    for (std::size_t c = 0; c < kPowersetClasses; ++c) {
      const float p = std::exp(row[c]);
      for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
        if ((kClassSpeakers[c] >> s) & 1) marginal[s] += p;
      }
      if (c >= 1 && c <= kLocalSpeakers) solo += p;
    }
    pending.marginals[t] = marginal;
    for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
      window.probability[t][s] =
          static_cast<std::uint8_t>(std::lround(255.0F * std::clamp(marginal[s], 0.0F, 1.0F)));
    }
    // Means are kept, not sums: frames may be read while windows over them are yet to come.
    const std::size_t index = static_cast<std::size_t>(first_frame) + t;
    const float share = 1.0F / ++coverage_[index];
    FrameActivity& activity = evidence_.frames[index];
    const int count =
        (window.active[t] & 1) + ((window.active[t] >> 1) & 1) + ((window.active[t] >> 2) & 1);
    activity.speakers += share * (static_cast<float>(count) - activity.speakers);
    activity.solo += share * (solo - activity.solo);
  }
  return window;
}

void VoiceSampler::sample(std::int64_t features_end, std::int64_t next_window) {
  while (!pending_.empty()) {
    const Window& window = evidence_.windows[static_cast<std::size_t>(pending_.front().window)];
    if (feature_of_frame(window.first_frame + kWindowFrames) > features_end) break;
    sample_locals(pending_.front());
    pending_.pop_front();
  }
  const std::int64_t end = std::min(features_end, feature_of_frame(next_window));
  while (next_glimpse_ + kGlimpse <= end) {
    sample_glimpse(next_glimpse_);
    next_glimpse_ += kGlimpseStep;
  }
  const std::int64_t needed =
      pending_.empty()
          ? features_end
          : feature_of_frame(
                evidence_.windows[static_cast<std::size_t>(pending_.front().window)].first_frame);
  strip_.drop_before(std::min({needed, next_glimpse_, feature_of_frame(next_window)}));
}

Evidence VoiceSampler::finish(double duration) {
  evidence_.duration = duration;
  const double frames = std::max(0.0, (duration - kFrameOffset) / kFrameSeconds);
  evidence_.frames.resize(static_cast<std::size_t>(frames));  // the last window may reach beyond
  const std::int64_t end = strip_.end();
  while (!pending_.empty()) {
    sample_locals(pending_.front());
    pending_.pop_front();
  }
  // The last ones may reach beyond the end: speech there is heard as well as elsewhere.
  while (next_glimpse_ + kGlimpse / 2 <= end) {
    sample_glimpse(next_glimpse_);
    next_glimpse_ += kGlimpseStep;
  }
  return std::move(evidence_);
}

void VoiceSampler::sample_locals(const Pending& pending) {
  const Window& window = evidence_.windows[static_cast<std::size_t>(pending.window)];
  const std::int64_t first = feature_of_frame(window.first_frame);
  const std::int64_t begin = std::max(first, strip_.begin());
  const std::int64_t end =
      std::min(feature_of_frame(window.first_frame + kWindowFrames) + 1, strip_.end());
  if (begin >= end) return;
  for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
    const auto bit = static_cast<std::uint8_t>(1U << s);
    int active = 0;
    int alone = 0;
    for (const std::uint8_t a : window.active) {
      active += (a & bit) != 0 ? 1 : 0;
      alone += a == bit ? 1 : 0;
    }
    if (active * kFrameSeconds < kLeastActive) continue;
    const bool only_alone = alone * kFrameSeconds >= kLeastAlone;
    weights_.assign(static_cast<std::size_t>(end - begin), 0.0F);
    double total = 0.0;
    for (std::int64_t f = begin; f < end; ++f) {
      if (!strip_.valid(f)) continue;
      const auto t = std::min<std::size_t>(
          kWindowFrames - 1,
          static_cast<std::size_t>(static_cast<double>(f - first) * kFramesPerFeature));
      if (only_alone ? window.active[t] != bit : (window.active[t] & bit) == 0) continue;
      const auto& m = pending.marginals[t];
      const float others = m[0] + m[1] + m[2] - m[s];
      const float weight = m[s] * std::clamp(1.0F - others, 0.0F, 1.0F);
      weights_[static_cast<std::size_t>(f - begin)] = weight;
      total += static_cast<double>(weight);
    }
    if (total < kLeastLocalWeight) continue;
    evidence_.locals.push_back(
        {pending.window, static_cast<int>(s),
         pool_(strip_.at(begin), weights_.data(), static_cast<int>(end - begin))});
  }
}

double VoiceSampler::solo_weight(std::int64_t feature_frame) const {
  const auto frame = static_cast<std::size_t>(frame_of_feature(feature_frame));
  if (frame >= evidence_.frames.size() || !strip_.valid(feature_frame)) return 0.0;
  const FrameActivity& activity = evidence_.frames[frame];
  if (activity.speakers < 0.5F || activity.speakers >= 1.5F) return 0.0;
  return static_cast<double>(activity.solo);
}

VoiceSampler::Pooled VoiceSampler::pool_range(std::int64_t begin, std::int64_t end,
                                              double least_seconds) {
  Pooled out;
  begin = std::max(begin, strip_.begin());
  end = std::min(end, strip_.end());
  if (begin >= end) return out;
  weights_.assign(static_cast<std::size_t>(end - begin), 0.0F);
  double total = 0.0;
  for (std::int64_t f = begin; f < end; ++f) {
    const double weight = solo_weight(f);
    weights_[static_cast<std::size_t>(f - begin)] = static_cast<float>(weight);
    total += weight;
  }
  if (total * kFeatureSeconds < least_seconds) return out;
  out.seconds = total * kFeatureSeconds;
  out.voice = pool_(strip_.at(begin), weights_.data(), static_cast<int>(end - begin));
  return out;
}

void VoiceSampler::sample_glimpse(std::int64_t first) {
  const Pooled whole = pool_range(first, first + kGlimpse, kLeastGlimpse);
  if (!(whole.seconds > 0.0)) return;
  Glimpse glimpse;
  glimpse.first_frame = frame_of_feature(first);
  glimpse.end_frame = frame_of_feature(first + kGlimpse);
  glimpse.seconds = static_cast<float>(whole.seconds);
  glimpse.voice = whole.voice;
  glimpse.unit = first / kGlimpseStep % kUnitEvery == 0 && whole.seconds >= kLeastUnit;
  if (glimpse.unit) {
    const Pooled left = pool_range(first, first + kGlimpse / 2, kLeastHalf);
    const Pooled right = pool_range(first + kGlimpse / 2, first + kGlimpse, kLeastHalf);
    if (left.seconds > 0.0 && right.seconds > 0.0) {
      glimpse.purity = static_cast<float>(cosine(left.voice, right.voice));
    }
  }
  evidence_.glimpses.push_back(glimpse);
}

}  // namespace earwitness::speakers
