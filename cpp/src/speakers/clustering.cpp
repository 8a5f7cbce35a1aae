#include "speakers/clustering.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>

#include "earwitness/error.h"
#include "speakers/linkage.h"
#include "speakers/newcomers.h"
#include "speakers/same_speaker.h"
#include "speakers/unit_vector.h"

namespace earwitness::speakers {
namespace {

// A stretch whose halves are less alike holds two people and would bridge their clusters.
constexpr float kPurity = 0.3F;

// Stretches are gathered into clusters up to a mean cosine that is this share of that within
// speakers here: the clusters are then of one speaker, who may have several of them. From 0.6 to
// 0.85 nothing changes much; stretches that hold two voices bridge larger clusters below.
constexpr double kPureCluster = 0.75;

// What is one speaker: clusters of this likeness of their mean voices; with a cluster of a few
// stretches only, this share of the cosine within speakers. In simulated and real conversations the
// likeness of two people is mostly below 0.52, that of one above 0.58.
constexpr double kSameSpeaker = 0.55;
constexpr double kSameCluster = 0.55;

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

// A newcomer's voice is so much less like every speaker's than stretches of one speaker are: of
// local speakers who are alone for kNewcomerAlone seconds, less than one in a thousand is so unlike
// the speaker that it belongs to. Where a number is asked for, shorter ones count too.
constexpr double kStranger = 0.5;
constexpr double kNewcomerAlone = 1.0;
constexpr double kWantedAlone = 0.4;

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
    within_ = measure_within();
    least_seconds_ = std::min(kLeastShare * seconds_of_speech(), kLeastSeconds);
    const std::vector<Group> groups = find_groups();
    Clustering out = assign(groups, find_newcomers(groups));
    out.within = within_;
    return out;
  }

 private:
  static WeightedVoice weighted(const Glimpse& glimpse) {
    WeightedVoice out{glimpse.voice, glimpse.seconds};
    for (float& x : out.sum) x *= glimpse.seconds;
    return out;
  }

  std::size_t least_speakers() const { return static_cast<std::size_t>(bounds_.min); }
  std::size_t most_speakers() const { return static_cast<std::size_t>(bounds_.max); }

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

  // Of what the speakers are found from.
  double seconds_of_speech() const {
    return grouped(std::vector<int>(units_.size(), 0)).front().seconds;
  }

  static void keep_large(std::vector<Group>& groups, double least) {
    const auto largest =
        std::max_element(groups.begin(), groups.end(),
                         [](const Group& a, const Group& b) { return a.seconds < b.seconds; });
    std::swap(*groups.begin(), *largest);
    groups.erase(std::remove_if(groups.begin() + 1, groups.end(),
                                [&](const Group& g) { return g.seconds < least; }),
                 groups.end());
  }

  // How many merges are of clusters that are still of one speaker.
  std::size_t pure_merges() const {
    const auto stop = std::find_if(merges_.begin(), merges_.end(), [&](const Merge& m) {
      return static_cast<double>(m.similarity) < kPureCluster * within_;
    });
    return static_cast<std::size_t>(stop - merges_.begin());
  }

  // The speakers of whom there is enough. The first clusters hold one speaker each, as far as can
  // be told from single stretches; what they have in common tells which are one speaker's.
  std::vector<Group> find_groups() const {
    const std::vector<Group> parts = grouped(cut(merges_, pure_merges(), units_.size()));
    std::vector<VoiceCluster> clusters;
    for (const Group& part : parts) {
      VoiceCluster& cluster = clusters.emplace_back();
      cluster.seconds = part.seconds;
      for (const std::size_t i : part.units) cluster.glimpses.push_back(units_[i]);
    }
    SameSpeaker same;
    same.within = within_;
    same.alike = kSameCluster * within_;
    same.likeness = kSameSpeaker;
    same.seconds = least_seconds_;
    same.least = least_speakers();
    same.most = most_speakers();
    const std::vector<int> speaker = join_same_speakers(evidence_, clusters, same);
    std::vector<int> cluster(units_.size(), -1);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      for (const std::size_t i : parts[p].units) cluster[i] = speaker[p];
    }
    std::vector<Group> groups = grouped(cluster);
    keep_large(groups, least_seconds_);
    return groups;
  }

  // Beside those that the groups are: any who are heard well, and who may be one if the least
  // number is not reached.
  std::vector<Newcomer> find_newcomers(const std::vector<Group>& groups) const {
    std::vector<VoiceVector> known;
    for (const Group& group : groups) known.push_back(mean(group.units));
    Strangeness strangeness;
    strangeness.unlike = static_cast<float>(kStranger * within_);
    strangeness.alike = static_cast<float>(kSameCluster * within_);
    strangeness.alone = kNewcomerAlone;
    strangeness.seconds = std::max(kNewcomerAlone, least_seconds_);
    std::vector<Newcomer> found =
        speakers::find_newcomers(evidence_, known, strangeness, most_speakers() - known.size());
    if (known.size() + found.size() >= least_speakers()) return found;
    for (const Newcomer& newcomer : found) known.push_back(newcomer.voice);
    strangeness.alone = strangeness.seconds = kWantedAlone;
    const auto more =
        speakers::find_newcomers(evidence_, known, strangeness, least_speakers() - known.size());
    found.insert(found.end(), more.begin(), more.end());
    return found;
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

  Clustering assign(const std::vector<Group>& groups,
                    const std::vector<Newcomer>& newcomers) const {
    Clustering out;
    out.units = units_;
    out.unit_speaker.assign(units_.size(), -1);
    for (const Group& group : groups) {
      for (const std::size_t i : group.units) {
        out.unit_speaker[i] = static_cast<int>(out.centroids.size());
      }
      out.centroids.push_back(mean(group.units));
    }
    for (const Newcomer& newcomer : newcomers) {
      for (const std::size_t local : newcomer.locals) {
        out.locals.push_back(local);
        out.local_speaker.push_back(static_cast<int>(out.centroids.size()));
      }
      out.centroids.push_back(newcomer.voice);
    }
    std::vector<std::pair<double, std::size_t>> likeness;  // to the own speaker, and unit
    for (std::size_t i = 0; i < units_.size(); ++i) {
      int& own = out.unit_speaker[i];
      if (own >= 0) {
        likeness.emplace_back(cosine(unit(i).voice, out.centroids[index(own)]), i);
        continue;
      }
      double best = -2.0;
      for (std::size_t k = 0; k < out.centroids.size(); ++k) {
        const double score = cosine(unit(i).voice, out.centroids[k]);
        if (score <= best) continue;
        best = score;
        own = static_cast<int>(k);
      }
      likeness.emplace_back(best, i);
    }
    take_out_strays(out, std::move(likeness));
    return out;
  }

  // Speakers beyond those that can be heard are the stretches least like the speaker they were
  // counted to, one each: that costs a stray stretch, and not half of somebody.
  void take_out_strays(Clustering& out,
                       std::vector<std::pair<double, std::size_t>> likeness) const {
    std::sort(likeness.begin(), likeness.end());
    std::vector<int> left(out.centroids.size(), 0);
    for (const int speaker : out.unit_speaker) ++left[index(speaker)];
    for (const auto& [score, i] : likeness) {
      if (out.centroids.size() >= least_speakers()) return;
      int& own = out.unit_speaker[i];
      if (left[index(own)]-- == 1) continue;  // its last
      own = static_cast<int>(out.centroids.size());
      out.centroids.push_back(unit(i).voice);
      ++out.strays;
    }
  }

  static std::size_t index(int speaker) { return static_cast<std::size_t>(speaker); }

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
  double within_ = kPriorWithin;
  double least_seconds_ = 0.0;
  std::size_t window_ = 0;  // the last one looked at
};

}  // namespace

Clustering cluster_speakers(const Evidence& evidence, const SpeakerBounds& bounds, Watch& watch) {
  return Clusterer(evidence, bounds, watch).run();
}

}  // namespace earwitness::speakers
