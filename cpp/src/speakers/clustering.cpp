#include "speakers/clustering.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>

#include "earwitness/error.h"
#include "speakers/linkage.h"
#include "speakers/splitting.h"

namespace earwitness::speakers {
namespace {

// A stretch whose halves are less alike holds two people and would bridge their clusters.
constexpr float kPurity = 0.3F;

// Two clusters are one speaker if their mean cosine is this share of that within speakers here.
constexpr double kSameSpeaker = 0.55;

// The cosine within speakers is measured on neighbouring stretches of one local speaker, blended
// with kPriorPairs pairs of the usual value: short recordings have few. The quantile is above the
// median because some local speakers are two people.
constexpr double kPriorWithin = 0.6;
constexpr double kPriorPairs = 10.0;
constexpr double kWithinQuantile = 0.6;
constexpr double kNeighbourSeconds = 2.0;

// A smaller share of all speech than this, up to a time that no chance cluster reaches, does not
// make a speaker.
constexpr double kLeastShare = 0.02;
constexpr double kLeastSeconds = 8.0;

// Premerging in long recordings: far above what divides speakers.
constexpr float kPremerge = 0.62F;

struct Group {
  std::vector<std::size_t> units;  // positions in the list of units
  double seconds = 0.0;            // of their union
};

using Sum = std::array<double, kVoiceDimensions>;

void add(Sum& sum, const VoiceVector& voice) {
  for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += static_cast<double>(voice[d]);
}

VoiceVector unit_vector(const Sum& sum) {
  double squares = 0.0;
  for (const double x : sum) squares += x * x;
  const double scale = 1.0 / std::max(std::sqrt(squares), 1e-12);
  VoiceVector out{};
  for (std::size_t d = 0; d < sum.size(); ++d) out[d] = static_cast<float>(sum[d] * scale);
  return out;
}

class Clusterer {
 public:
  Clusterer(const Evidence& evidence, const SpeakerBounds& bounds, Watch& watch)
      : evidence_(evidence), bounds_(bounds), watch_(watch) {}

  Clustering run() {
    choose_units();
    require_units();
    if (units_.empty()) return from_locals();
    std::vector<WeightedVoice> items;
    items.reserve(units_.size());
    for (const std::size_t u : units_) items.push_back(weighted(evidence_.glimpses[u]));
    merges_ = block_linkage(items, kPremerge, watch_);
    const double within = measure_within();
    const auto threshold = static_cast<float>(kSameSpeaker * within);
    const auto stop = std::find_if(merges_.begin(), merges_.end(),
                                   [&](const Merge& m) { return m.similarity < threshold; });
    const auto merged = static_cast<std::size_t>(stop - merges_.begin());
    std::vector<Group> groups = groups_after(merged);
    keep_large(groups);
    const auto count = static_cast<int>(groups.size());
    if (count > bounds_.max) groups = at_most(bounds_.max);
    if (count < bounds_.min) {
      std::vector<std::size_t> kept;
      for (const Group& group : groups) kept.push_back(group.units.front());
      groups = grouped(split_further(items, merges_, merged, kept, threshold,
                                     static_cast<std::size_t>(bounds_.min), watch_));
    }
    Clustering out = assign(groups);
    out.within = within;
    return out;
  }

 private:
  static WeightedVoice weighted(const Glimpse& glimpse) {
    WeightedVoice out{glimpse.voice, glimpse.seconds};
    for (float& x : out.sum) x *= glimpse.seconds;
    return out;
  }

  const Glimpse& unit(std::size_t i) const { return evidence_.glimpses[units_[i]]; }

  // Pure units; all units if too few of them are; all glimpses if there are too few units.
  void choose_units() {
    const auto take = [&](auto&& wanted) {
      units_.clear();
      for (std::size_t i = 0; i < evidence_.glimpses.size(); ++i) {
        if (wanted(evidence_.glimpses[i])) units_.push_back(i);
      }
      return units_.size() >= static_cast<std::size_t>(std::max(2, bounds_.min));
    };
    if (take([](const Glimpse& g) { return g.unit && g.purity >= kPurity; })) return;
    if (take([](const Glimpse& g) { return g.unit; })) return;
    take([](const Glimpse&) { return true; });
  }

  void require_units() const {
    if (units_.size() >= static_cast<std::size_t>(bounds_.min)) return;
    if (bounds_.min == 1 && !evidence_.locals.empty()) return;
    throw InvalidOption("at least " + std::to_string(bounds_.min) +
                        " speakers were asked for, but the recording has only " +
                        std::to_string(units_.size()) +
                        " distinct stretches of speech; lower min_speakers or num_speakers, or "
                        "leave them unset");
  }

  // Whether both stretches mostly belong to one local speaker of the window around them.
  bool same_local_speaker(const Glimpse& a, const Glimpse& b) {
    const std::int64_t middle = (a.first_frame + b.end_frame) / 2;
    const auto& windows = evidence_.windows;
    while (window_ + 1 < windows.size() &&
           std::abs(windows[window_ + 1].first_frame + kWindowFrames / 2 - middle) <=
               std::abs(windows[window_].first_frame + kWindowFrames / 2 - middle)) {
      ++window_;
    }
    while (window_ > 0 && windows[window_].first_frame > a.first_frame) --window_;
    const Window& window = windows[window_];
    const int first = dominant(window, a);
    return first >= 0 && first == dominant(window, b);
  }

  static int dominant(const Window& window, const Glimpse& glimpse) {
    const std::int64_t begin = std::max<std::int64_t>(glimpse.first_frame - window.first_frame, 0);
    const std::int64_t end =
        std::min<std::int64_t>(glimpse.end_frame - window.first_frame, kWindowFrames);
    std::array<int, kLocalSpeakers> frames{};
    for (std::int64_t t = begin; t < end; ++t) {
      for (std::size_t s = 0; s < frames.size(); ++s) {
        frames[s] += (window.active[static_cast<std::size_t>(t)] >> s) & 1;
      }
    }
    const auto most = std::max_element(frames.begin(), frames.end());
    if (static_cast<double>(*most) <= 0.6 * static_cast<double>(end - begin)) return -1;
    return static_cast<int>(most - frames.begin());
  }

  double measure_within() {
    std::vector<double> cosines;
    if (!evidence_.windows.empty()) {
      const auto reach = static_cast<std::int64_t>(kNeighbourSeconds / kFrameSeconds);
      for (std::size_t i = 0; i < units_.size(); ++i) {
        for (std::size_t j = i + 1; j < units_.size(); ++j) {
          const std::int64_t gap = unit(j).first_frame - unit(i).end_frame;
          if (gap > reach) break;
          if (gap < 0 || !same_local_speaker(unit(i), unit(j))) continue;
          cosines.push_back(cosine(unit(i).voice, unit(j).voice));
        }
      }
    }
    if (cosines.empty()) return kPriorWithin;
    const auto at =
        static_cast<std::size_t>(kWithinQuantile * static_cast<double>(cosines.size() - 1));
    std::nth_element(cosines.begin(), cosines.begin() + static_cast<std::ptrdiff_t>(at),
                     cosines.end());
    const auto pairs = static_cast<double>(cosines.size());
    return (cosines[at] * pairs + kPriorWithin * kPriorPairs) / (pairs + kPriorPairs);
  }

  std::vector<Group> groups_after(std::size_t merges) const {
    return grouped(cut(merges_, merges, units_.size()));
  }

  // By the number of each unit's cluster; -1 = of none.
  std::vector<Group> grouped(const std::vector<int>& cluster) const {
    std::vector<Group> groups;
    std::vector<std::int64_t> reached;
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (cluster[i] < 0) continue;
      const auto k = static_cast<std::size_t>(cluster[i]);
      if (k >= groups.size()) {
        groups.resize(k + 1);
        reached.resize(k + 1, 0);
      }
      const Glimpse& g = unit(i);
      // Units overlap: only the part beyond the ones before it is new.
      const auto length = static_cast<double>(g.end_frame - g.first_frame);
      const auto fresh =
          static_cast<double>(g.end_frame - std::clamp(reached[k], g.first_frame, g.end_frame));
      groups[k].seconds += static_cast<double>(g.seconds) * fresh / std::max(length, 1.0);
      groups[k].units.push_back(i);
      reached[k] = std::max(reached[k], g.end_frame);
    }
    return groups;
  }

  static double least_seconds(const std::vector<Group>& groups) {
    double all = 0.0;
    for (const Group& g : groups) all += g.seconds;
    return std::min(kLeastShare * all, kLeastSeconds);
  }

  static void keep_large(std::vector<Group>& groups) {
    const double least = least_seconds(groups);
    const auto largest =
        std::max_element(groups.begin(), groups.end(),
                         [](const Group& a, const Group& b) { return a.seconds < b.seconds; });
    std::swap(*groups.begin(), *largest);
    groups.erase(std::remove_if(groups.begin() + 1, groups.end(),
                                [&](const Group& g) { return g.seconds < least; }),
                 groups.end());
  }

  // The fewest clusters of which `count` are large enough, and those.
  std::vector<Group> at_most(int count) const {
    const auto wanted = static_cast<std::size_t>(count);
    const double least = least_seconds(groups_after(merges_.size()));
    for (std::size_t n = wanted;; ++n) {
      std::vector<Group> groups = groups_after(units_.size() - n);
      std::stable_sort(groups.begin(), groups.end(),
                       [](const Group& a, const Group& b) { return a.seconds > b.seconds; });
      if (groups[wanted - 1].seconds < least) continue;
      groups.resize(wanted);
      return groups;
    }
  }

  // Where all that is said is a word or two, it is one speaker's.
  Clustering from_locals() const {
    Clustering out;
    if (evidence_.locals.empty()) return out;
    Sum sum{};
    for (const LocalVoice& local : evidence_.locals) add(sum, local.voice);
    out.centroids.push_back(unit_vector(sum));
    out.within = kPriorWithin;
    return out;
  }

  Clustering assign(const std::vector<Group>& groups) const {
    Clustering out;
    out.units = units_;
    out.unit_speaker.assign(units_.size(), -1);
    for (const Group& group : groups) {
      for (const std::size_t i : group.units) {
        out.unit_speaker[i] = static_cast<int>(out.centroids.size());
      }
      out.centroids.push_back(mean(group.units));
    }
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (out.unit_speaker[i] >= 0) continue;
      double best = -2.0;
      for (std::size_t k = 0; k < out.centroids.size(); ++k) {
        const double score = cosine(unit(i).voice, out.centroids[k]);
        if (score <= best) continue;
        best = score;
        out.unit_speaker[i] = static_cast<int>(k);
      }
    }
    return out;
  }

  VoiceVector mean(const std::vector<std::size_t>& units) const {
    Sum sum{};
    for (const std::size_t i : units) add(sum, unit(i).voice);
    return unit_vector(sum);
  }

  const Evidence& evidence_;
  const SpeakerBounds& bounds_;
  Watch& watch_;
  std::vector<std::size_t> units_;  // glimpses
  std::vector<Merge> merges_;
  std::size_t window_ = 0;  // the last one looked at
};

}  // namespace

Clustering cluster_speakers(const Evidence& evidence, const SpeakerBounds& bounds, Watch& watch) {
  return Clusterer(evidence, bounds, watch).run();
}

}  // namespace earwitness::speakers
