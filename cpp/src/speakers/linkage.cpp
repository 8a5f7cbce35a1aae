#include "speakers/linkage.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace earwitness::speakers {
namespace {

constexpr float kTie = 1e-6F;

float dot(const VoiceVector& a, const VoiceVector& b) {
  // Lanes of their own let the compiler use vector registers without reordering sums.
  constexpr std::size_t kLanes = 32;
  std::array<float, kLanes> lanes{};
  for (std::size_t i = 0; i < a.size(); i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

float similarity(const WeightedVoice& a, const WeightedVoice& b) {
  return dot(a.sum, b.sum) / (a.weight * b.weight);
}

void absorb(WeightedVoice& into, const WeightedVoice& other) {
  for (std::size_t i = 0; i < into.sum.size(); ++i) into.sum[i] += other.sum[i];
  into.weight += other.weight;
}

class Forest {
 public:
  explicit Forest(std::size_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) {
    const std::size_t x = root(a);
    const std::size_t y = root(b);
    parent_[std::max(x, y)] = std::min(x, y);
  }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace

std::vector<Merge> average_linkage(const std::vector<WeightedVoice>& items, Watch& watch) {
  std::vector<Merge> merges;
  if (items.size() < 2) return merges;
  merges.reserve(items.size() - 1);

  // Nearest-neighbour chain (Murtagh 1983): average linkage is reducible, so that two clusters
  // which are each other's nearest may be merged at once, in whatever order. Live clusters stay
  // packed.
  std::vector<WeightedVoice> live = items;
  std::vector<int> member(items.size());
  std::iota(member.begin(), member.end(), 0);
  std::vector<std::size_t> chain;

  while (live.size() > 1) {
    watch.check();
    if (chain.empty()) chain.push_back(0);
    const std::size_t tip = chain.back();
    const bool has_previous = chain.size() > 1;
    // In a tie the cluster before it in the chain is the nearest, or the chain would not end.
    std::size_t nearest = has_previous ? chain[chain.size() - 2] : (tip == 0 ? 1 : 0);
    float best = similarity(live[tip], live[nearest]) + (has_previous ? kTie : 0.0F);
    for (std::size_t i = 0; i < live.size(); ++i) {
      if (i == tip) continue;
      const float s = similarity(live[tip], live[i]);
      if (s > best) {
        best = s;
        nearest = i;
      }
    }
    if (!has_previous || nearest != chain[chain.size() - 2]) {
      chain.push_back(nearest);
      continue;
    }
    chain.resize(chain.size() - 2);
    const std::size_t keep = std::min(tip, nearest);
    const std::size_t drop = std::max(tip, nearest);
    merges.push_back({similarity(live[keep], live[drop]), member[keep], member[drop]});
    absorb(live[keep], live[drop]);
    const std::size_t last = live.size() - 1;
    live[drop] = live[last];
    member[drop] = member[last];
    live.pop_back();
    std::replace(chain.begin(), chain.end(), last, drop);
  }
  std::stable_sort(merges.begin(), merges.end(),
                   [](const Merge& x, const Merge& y) { return x.similarity > y.similarity; });
  return merges;
}

std::vector<Merge> block_linkage(const std::vector<WeightedVoice>& items, float premerge,
                                 Watch& watch, std::size_t exact, std::size_t block) {
  if (items.size() <= exact) return average_linkage(items, watch);
  std::vector<Merge> merges;
  std::vector<WeightedVoice> groups;
  std::vector<int> member;
  for (std::size_t first = 0; first < items.size(); first += block) {
    const std::size_t end = std::min(first + block, items.size());
    const std::vector<WeightedVoice> part(items.begin() + static_cast<std::ptrdiff_t>(first),
                                          items.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<Merge> inner = average_linkage(part, watch);
    const auto count = static_cast<std::size_t>(
        std::find_if(inner.begin(), inner.end(),
                     [&](const Merge& m) { return m.similarity < premerge; }) -
        inner.begin());
    for (std::size_t i = 0; i < count; ++i) {
      merges.push_back({inner[i].similarity, inner[i].a + static_cast<int>(first),
                        inner[i].b + static_cast<int>(first)});
    }
    const std::vector<int> cluster = cut(inner, count, part.size());
    const std::size_t base = groups.size();
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::size_t group = base + static_cast<std::size_t>(cluster[i]);
      if (group == groups.size()) {
        groups.push_back(part[i]);
        member.push_back(static_cast<int>(first + i));
      } else {
        absorb(groups[group], part[i]);
      }
    }
  }
  // The merges within blocks come before all others, as they do in the clusters they made.
  for (const Merge& m : average_linkage(groups, watch)) {
    merges.push_back({m.similarity, member[static_cast<std::size_t>(m.a)],
                      member[static_cast<std::size_t>(m.b)]});
  }
  return merges;
}

std::vector<int> cut(const std::vector<Merge>& merges, std::size_t count, std::size_t items) {
  Forest forest(items);
  for (std::size_t i = 0; i < count && i < merges.size(); ++i) {
    forest.join(static_cast<std::size_t>(merges[i].a), static_cast<std::size_t>(merges[i].b));
  }
  std::vector<int> cluster(items, -1);
  int next = 0;
  for (std::size_t i = 0; i < items; ++i) {
    const std::size_t root = forest.root(i);  // never after i
    if (root == i) cluster[i] = next++;
    cluster[i] = cluster[root];
  }
  return cluster;
}

}  // namespace earwitness::speakers
