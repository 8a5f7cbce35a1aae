#include "speakers/tracks.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "speakers/assignment.h"

namespace earwitness::speakers {
namespace {

// Head start of the speaker that the whole local speaker is assigned to.
constexpr float kWholeBias = 0.07F;

// Cost of a change of speaker in cosine-seconds: two changes pay off where another voice leads by
// 0.3 for half a second.
constexpr double kChange = 0.075;

// After so much silence of the local speaker a change costs less: people take turns at pauses.
constexpr double kPauseSeconds = 0.2;
constexpr double kChangeAtPause = 0.03;

// A glimpse speaks for frames up to this far from its middle.
constexpr double kReachSeconds = 0.2;

// Inverse temperature of confidences.
constexpr double kSharpness = 10.0;

bool solo(std::uint8_t active) { return active == 1 || active == 2 || active == 4; }

}  // namespace

TrackLabeller::TrackLabeller(const Evidence& evidence, const std::vector<VoiceVector>& centroids)
    : evidence_(evidence), centroids_(centroids) {
  scores_.reserve(evidence.glimpses.size() * centroids.size());
  for (const Glimpse& g : evidence.glimpses) {
    for (const VoiceVector& c : centroids)
      scores_.push_back(static_cast<float>(cosine(g.voice, c)));
  }
}

std::vector<float> TrackLabeller::posterior(const float* cosines, std::size_t speakers) {
  std::vector<float> out(cosines, cosines + speakers);
  const float top = *std::max_element(out.begin(), out.end());
  float sum = 0.0F;
  for (float& x : out)
    sum += x = static_cast<float>(std::exp(kSharpness * static_cast<double>(x - top)));
  for (float& x : out) x /= sum;
  return out;
}

void TrackLabeller::find_glimpses(const Window& window) {
  const auto& glimpses = evidence_.glimpses;
  const auto middle = [&](std::size_t i) {
    return (glimpses[i].first_frame + glimpses[i].end_frame) / 2;
  };
  glimpse_.fill(-1);
  if (glimpses.empty()) return;
  const auto reach = static_cast<std::int64_t>(kReachSeconds / kFrameSeconds);
  while (next_glimpse_ + 1 < glimpses.size() &&
         glimpses[next_glimpse_].end_frame < window.first_frame) {
    ++next_glimpse_;
  }
  std::size_t at = next_glimpse_;
  for (int t = 0; t < kWindowFrames; ++t) {
    const std::int64_t frame = window.first_frame + t;
    while (at + 1 < glimpses.size() &&
           std::abs(middle(at + 1) - frame) <= std::abs(middle(at) - frame)) {
      ++at;
    }
    if (std::abs(middle(at) - frame) <= reach) {
      glimpse_[static_cast<std::size_t>(t)] = static_cast<int>(at);
    }
  }
}

void TrackLabeller::label(std::size_t index, WindowTracks& out) {
  const Window& window = evidence_.windows[index];
  for (auto& track : out.speaker) track.fill(-1);
  for (auto& track : out.confidence) track.fill(0.0F);
  if (centroids_.empty()) return;

  std::vector<std::size_t> present;
  std::vector<std::vector<double>> similarity;
  for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
    if (std::none_of(window.active.begin(), window.active.end(),
                     [&](std::uint8_t a) { return (a >> s) & 1; })) {
      continue;
    }
    present.push_back(s);
    similarity.emplace_back(centroids_.size(), 0.0);
  }
  const auto& locals = evidence_.locals;
  while (next_local_ < locals.size() && locals[next_local_].window < static_cast<int>(index)) {
    ++next_local_;
  }
  for (std::size_t i = next_local_;
       i < locals.size() && locals[i].window == static_cast<int>(index); ++i) {
    for (std::size_t p = 0; p < present.size(); ++p) {
      if (static_cast<int>(present[p]) != locals[i].speaker) continue;
      for (std::size_t k = 0; k < centroids_.size(); ++k) {
        similarity[p][k] = cosine(locals[i].voice, centroids_[k]);
      }
    }
  }
  find_glimpses(window);
  const std::vector<int> whole = assign_distinct(similarity);
  for (std::size_t p = 0; p < present.size(); ++p) {
    label_track(window, present[p], whole[p], out);
  }
}

void TrackLabeller::label_track(const Window& window, std::size_t local, int whole,
                                WindowTracks& out) {
  const std::size_t speakers = centroids_.size();
  active_.clear();
  emission_.clear();
  for (int t = 0; t < kWindowFrames; ++t) {
    const auto frame = static_cast<std::size_t>(t);
    if (((window.active[frame] >> local) & 1) == 0) continue;
    active_.push_back(t);
    // Who it is tells the voice in the second around the frame; where there is none, as where
    // people speak at once, the frames before and after, and whose the local speaker is as a whole.
    const int near = solo(window.active[frame]) ? glimpse_[frame] : -1;
    for (std::size_t k = 0; k < speakers; ++k) {
      float score = static_cast<int>(k) == whole ? kWholeBias : 0.0F;
      if (near >= 0) score += scores_[static_cast<std::size_t>(near) * speakers + k];
      emission_.push_back(score);
    }
  }

  // Viterbi: stay, or change at a cost from whoever leads.
  const std::size_t frames = active_.size();
  const auto change_within = static_cast<float>(kChange / kFrameSeconds);
  const auto change_at_pause = static_cast<float>(kChangeAtPause / kFrameSeconds);
  std::vector<float> total(emission_.begin(),
                           emission_.begin() + static_cast<std::ptrdiff_t>(speakers));
  from_.assign(frames * speakers, 0);
  for (std::size_t i = 1; i < frames; ++i) {
    const auto lead = std::max_element(total.begin(), total.end());
    const int leader = static_cast<int>(lead - total.begin());
    const bool pause = (active_[i] - active_[i - 1]) * kFrameSeconds > kPauseSeconds;
    const float changed = *lead - (pause ? change_at_pause : change_within);
    for (std::size_t k = 0; k < speakers; ++k) {
      const bool stay = total[k] >= changed;
      from_[i * speakers + k] = stay ? static_cast<int>(k) : leader;
      total[k] = (stay ? total[k] : changed) + emission_[i * speakers + k];
    }
  }
  auto state =
      static_cast<std::size_t>(std::max_element(total.begin(), total.end()) - total.begin());
  for (std::size_t i = frames; i-- > 0;) {
    const auto frame = static_cast<std::size_t>(active_[i]);
    out.speaker[local][frame] = static_cast<int>(state);
    out.confidence[local][frame] = posterior(&emission_[i * speakers], speakers)[state];
    state = static_cast<std::size_t>(from_[i * speakers + state]);
  }
}

}  // namespace earwitness::speakers
