// Gathers evidence of a recording from the two networks' outputs as they come, window by window:
// who speaks when in each window, and the voices of local speakers and of short stretches. Features
// are needed for some ten seconds only and are then dropped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "speakers/evidence.h"

namespace earwitness::speakers {

inline constexpr int kPowersetClasses = 7;
inline constexpr int kVoiceFeatures = 512;
inline constexpr double kFeatureSeconds = 0.02;

// Voice features at 50 Hz from some frame on.
class FeatureStrip {
 public:
  // Frame i is centred on 0.02 i + 0.0125 s: fbank frame 2 i. Frames never set are not valid.
  void set(std::int64_t frame, const float* features);
  bool valid(std::int64_t frame) const;
  // [frames from there to end()][kVoiceFeatures]
  const float* at(std::int64_t frame) const;
  std::int64_t begin() const { return begin_; }
  std::int64_t end() const { return begin_ + static_cast<std::int64_t>(valid_.size()); }
  void drop_before(std::int64_t frame);

 private:
  std::int64_t begin_ = 0;
  std::vector<float> features_;
  std::vector<std::uint8_t> valid_;
};

class VoiceSampler {
 public:
  // Embedder::pool: the voice of feature frames, given with weights of which one is positive.
  using Pool = std::function<VoiceVector(const float* features, const float* weights, int frames)>;

  explicit VoiceSampler(Pool pool) : pool_(std::move(pool)) {}

  // By first_frame. log_probabilities: [kWindowFrames][kPowersetClasses], in the network's order:
  // silence, speakers 0, 1, 2, 01, 02, 12.
  const Window& add_window(std::int64_t first_frame, const float* log_probabilities);

  FeatureStrip& features() { return strip_; }

  // Takes samples of all that is complete: features are final before `features_end`, and windows to
  // come start at `next_window` or later.
  void sample(std::int64_t features_end, std::int64_t next_window);

  // After the last window and feature; duration: of the recording, in seconds.
  Evidence finish(double duration);

 private:
  using Marginals = std::array<std::array<float, kLocalSpeakers>, kWindowFrames>;
  struct Pending {
    int window = 0;
    Marginals marginals;
  };
  struct Pooled {
    VoiceVector voice{};
    double seconds = 0.0;
  };

  void sample_locals(const Pending& pending);
  void sample_glimpse(std::int64_t first);
  double solo_weight(std::int64_t feature_frame) const;
  Pooled pool_range(std::int64_t begin, std::int64_t end, double least_seconds);

  Evidence evidence_;
  Pool pool_;
  FeatureStrip strip_;
  std::deque<Pending> pending_;
  std::vector<float> coverage_;  // windows over each frame
  std::int64_t next_glimpse_ = 0;
  std::vector<float> weights_;
};

}  // namespace earwitness::speakers
