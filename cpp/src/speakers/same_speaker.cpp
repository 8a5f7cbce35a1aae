#include "speakers/same_speaker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace earwitness::speakers {
namespace {

// Pairs of the usual cosine that the pairs within a cluster are blended with.
constexpr double kPriorPairs = 20.0;

constexpr double kLeastWithin = 0.1;

// The mean of fewer stretches is no voice yet, and their noise is not known.
constexpr double kLeastStretches = 4.0;

// From this times the likeness of one speaker on, clusters are one whatever number is asked for:
// who is then missing is better sought among those who say little than in halves of a voice.
constexpr double kBeyondDoubt = 1.2;

struct Cluster {
  std::array<double, kVoiceDimensions> sum{};
  double stretches = 0.0;
  double alike = 0.0;  // sum of the cosines of pairs that do not overlap in time
  double pairs = 0.0;
  double seconds = 0.0;
  bool alive = true;
};

double dot(const Cluster& a, const Cluster& b) {
  return std::inner_product(a.sum.begin(), a.sum.end(), b.sum.begin(), 0.0);
}

double mean_cosine(const Cluster& a, const Cluster& b) {
  return dot(a, b) / (a.stretches * b.stretches);
}

Cluster describe(const Evidence& evidence, const std::vector<std::size_t>& members) {
  Cluster out;
  for (const std::size_t m : members) {
    for (std::size_t d = 0; d < out.sum.size(); ++d) {
      out.sum[d] += static_cast<double>(evidence.glimpses[m].voice[d]);
    }
  }
  out.stretches = static_cast<double>(members.size());
  out.alike = (dot(out, out) - out.stretches) / 2.0;
  out.pairs = out.stretches * (out.stretches - 1.0) / 2.0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Glimpse& a = evidence.glimpses[members[i]];
    for (std::size_t j = i + 1; j < members.size(); ++j) {
      const Glimpse& b = evidence.glimpses[members[j]];
      if (b.first_frame >= a.end_frame) break;
      out.alike -= cosine(a.voice, b.voice);
      out.pairs -= 1.0;
    }
  }
  return out;
}

// The stretches that overlap, of one cluster and the other, are left among the pairs: they are few.
void absorb(Cluster& into, const Cluster& other) {
  into.alike += other.alike + dot(into, other);
  into.pairs += other.pairs + into.stretches * other.stretches;
  for (std::size_t d = 0; d < into.sum.size(); ++d) into.sum[d] += other.sum[d];
  into.stretches += other.stretches;
  into.seconds += other.seconds;
}

// A stretch is its speaker's voice and noise, so that the cosine of two clusters' stretches is that
// of the voices times what the noise leaves of each; within a cluster it leaves the same twice
// (correction for attenuation, Spearman 1904).
double likeness(const Cluster& a, const Cluster& b, double within) {
  const auto inside = [&](const Cluster& c) {
    return std::max((c.alike + kPriorPairs * within) / (c.pairs + kPriorPairs), kLeastWithin);
  };
  return mean_cosine(a, b) / std::sqrt(inside(a) * inside(b));
}

class Joiner {
 public:
  Joiner(const Evidence& evidence, const std::vector<VoiceCluster>& clusters,
         const SameSpeaker& same)
      : same_(same), speaker_(clusters.size()) {
    std::iota(speaker_.begin(), speaker_.end(), 0);
    for (const VoiceCluster& cluster : clusters) {
      live_.push_back(describe(evidence, cluster.glimpses));
      live_.back().seconds = cluster.seconds;
    }
    neighbours_.resize(live_.size());
    for (std::size_t i = 0; i < live_.size(); ++i) find_neighbours(i);
  }

  std::vector<int> run() {
    while (join_one()) {
    }
    return numbered();
  }

 private:
  struct Nearest {
    double sure = -2.0;     // that it is the same speaker: from 1 on
    std::size_t other = 0;  // of a greater number; 0 = none
  };

  struct Neighbours {
    Nearest any;
    Nearest when_enough;  // of those to join when no speaker is to be lost
  };

  bool large(const Cluster& c) const { return c.seconds >= same_.seconds; }

  std::size_t speakers() const {
    return static_cast<std::size_t>(std::count_if(
        live_.begin(), live_.end(), [&](const Cluster& c) { return c.alive && large(c); }));
  }

  double sureness(const Cluster& a, const Cluster& b) const {
    if (std::min(a.stretches, b.stretches) < kLeastStretches) {
      return mean_cosine(a, b) / same_.alike;
    }
    return likeness(a, b, same_.within) / same_.likeness;
  }

  void find_neighbours(std::size_t i) {
    neighbours_[i] = {};
    for (std::size_t j = i + 1; j < live_.size(); ++j) {
      if (live_[j].alive) consider(i, j);
    }
  }

  void consider(std::size_t i, std::size_t j) {
    const double sure = sureness(live_[i], live_[j]);
    auto& [any, when_enough] = neighbours_[i];
    if (sure > any.sure) any = {sure, j};
    if (sure < kBeyondDoubt && large(live_[i]) && large(live_[j])) return;
    if (sure > when_enough.sure) when_enough = {sure, j};
  }

  // False: there is nothing left to join.
  bool join_one() {
    const std::size_t count = speakers();
    const bool too_many = count > same_.most;
    const bool enough = count <= std::max<std::size_t>(same_.least, 1);
    Nearest best;
    std::size_t keep = 0;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      const Nearest& nearest = enough ? neighbours_[i].when_enough : neighbours_[i].any;
      if (!live_[i].alive || nearest.sure <= best.sure) continue;
      best = nearest;
      keep = i;
    }
    if (best.other == 0 || (best.sure < 1.0 && !too_many)) return false;
    join(keep, best.other);
    return true;
  }

  void join(std::size_t keep, std::size_t drop) {
    absorb(live_[keep], live_[drop]);
    live_[drop].alive = false;
    std::replace(speaker_.begin(), speaker_.end(), static_cast<int>(drop), static_cast<int>(keep));
    for (std::size_t i = 0; i < live_.size(); ++i) {
      if (!live_[i].alive) continue;
      if (i == keep || among_nearest(i, keep) || among_nearest(i, drop)) {
        find_neighbours(i);
      } else if (i < keep) {
        consider(i, keep);
      }
    }
  }

  bool among_nearest(std::size_t i, std::size_t j) const {
    return neighbours_[i].any.other == j || neighbours_[i].when_enough.other == j;
  }

  std::vector<int> numbered() const {
    std::vector<int> number(live_.size(), 0);
    int next = 0;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      if (live_[i].alive) number[i] = next++;
    }
    std::vector<int> out;
    for (const int s : speaker_) out.push_back(number[static_cast<std::size_t>(s)]);
    return out;
  }

  const SameSpeaker& same_;
  std::vector<Cluster> live_;
  std::vector<Neighbours> neighbours_;
  std::vector<int> speaker_;
};

}  // namespace

std::vector<int> join_same_speakers(const Evidence& evidence,
                                    const std::vector<VoiceCluster>& clusters,
                                    const SameSpeaker& same) {
  return Joiner(evidence, clusters, same).run();
}

}  // namespace earwitness::speakers
