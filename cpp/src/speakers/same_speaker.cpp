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

// The mean of fewer stretches is no voice yet: such clusters are what the stretches made them.
constexpr double kLeastStretches = 4.0;

struct Cluster {
  std::array<double, kVoiceDimensions> sum{};
  double stretches = 0.0;
  double alike = 0.0;  // sum of the cosines of pairs that do not overlap in time
  double pairs = 0.0;
};

double dot(const Cluster& a, const Cluster& b) {
  return std::inner_product(a.sum.begin(), a.sum.end(), b.sum.begin(), 0.0);
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
}

// A stretch is its speaker's voice and noise, so that the cosine of two clusters' stretches is that
// of the voices times what the noise leaves of each; within a cluster it leaves the same twice
// (correction for attenuation, Spearman 1904).
double likeness(const Cluster& a, const Cluster& b, double within) {
  const auto inside = [&](const Cluster& c) {
    return std::max((c.alike + kPriorPairs * within) / (c.pairs + kPriorPairs), kLeastWithin);
  };
  return dot(a, b) / (a.stretches * b.stretches) / std::sqrt(inside(a) * inside(b));
}

}  // namespace

std::vector<int> join_same_speakers(const Evidence& evidence,
                                    const std::vector<std::vector<std::size_t>>& clusters,
                                    const SameSpeaker& same) {
  std::vector<Cluster> live;
  live.reserve(clusters.size());
  for (const auto& members : clusters) live.push_back(describe(evidence, members));
  std::vector<int> speaker(clusters.size());
  std::iota(speaker.begin(), speaker.end(), 0);
  while (live.size() > std::max<std::size_t>(same.least, 1)) {
    const bool must = live.size() > same.most;
    double best = -2.0;
    std::pair<std::size_t, std::size_t> pair;
    for (std::size_t i = 0; i < live.size(); ++i) {
      for (std::size_t j = i + 1; j < live.size(); ++j) {
        if (!must && std::min(live[i].stretches, live[j].stretches) < kLeastStretches) continue;
        const double alike = likeness(live[i], live[j], same.within);
        if (alike <= best) continue;
        best = alike;
        pair = {i, j};
      }
    }
    if (best < same.likeness && !must) break;
    const auto [keep, drop] = pair;
    absorb(live[keep], live[drop]);
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(drop));
    for (int& s : speaker) {
      if (s == static_cast<int>(drop)) {
        s = static_cast<int>(keep);
      } else if (s > static_cast<int>(drop)) {
        --s;
      }
    }
  }
  return speaker;
}

}  // namespace earwitness::speakers
