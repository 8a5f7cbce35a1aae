#include "speakers/splitting.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace earwitness::speakers {
namespace {

// Of a dendrogram; a parent comes after its children. The voice leaves out branches taken out.
struct Node {
  WeightedVoice voice;
  int parent = -1;
  bool speaker = false;
};

float mean_cosine(const WeightedVoice& a, const WeightedVoice& b) {
  const float product = a.weight * b.weight;
  if (!(product > 0.0F)) return 1.0F;
  return std::inner_product(a.sum.begin(), a.sum.end(), b.sum.begin(), 0.0F) / product;
}

void add(WeightedVoice& to, const WeightedVoice& from, float sign) {
  for (std::size_t d = 0; d < to.sum.size(); ++d) to.sum[d] += sign * from.sum[d];
  to.weight += sign * from.weight;
}

WeightedVoice difference(WeightedVoice from, const WeightedVoice& part) {
  add(from, part, -1.0F);
  return from;
}

class Splitter {
 public:
  Splitter(const std::vector<WeightedVoice>& items, const std::vector<Merge>& merges,
           std::size_t count)
      : items_(items.size()) {
    nodes_.reserve(items.size() + count);
    for (const WeightedVoice& item : items) nodes_.push_back({item, -1, false});
    for (std::size_t i = 0; i < count; ++i) {
      const int a = root(merges[i].a);
      const int b = root(merges[i].b);
      Node joined{nodes_[index(a)].voice, -1, false};
      add(joined.voice, nodes_[index(b)].voice, 1.0F);
      nodes_[index(a)].parent = nodes_[index(b)].parent = static_cast<int>(nodes_.size());
      nodes_.push_back(joined);
    }
  }

  std::vector<int> run(const std::vector<std::size_t>& kept, float threshold, std::size_t wanted,
                       Watch& watch) {
    for (const std::size_t item : kept) nodes_[index(root(static_cast<int>(item)))].speaker = true;
    for (std::size_t have = kept.size(); have < wanted; ++have) {
      watch.check();
      take_out(threshold);
    }
    const std::vector<int> owner = owners();
    std::vector<int> number(nodes_.size(), -1);
    int next = 0;
    std::vector<int> out(items_, -1);
    for (std::size_t i = 0; i < items_; ++i) {
      if (owner[i] < 0) continue;
      int& speaker = number[index(owner[i])];
      if (speaker < 0) speaker = next++;
      out[i] = speaker;
    }
    return out;
  }

 private:
  static std::size_t index(int node) { return static_cast<std::size_t>(node); }

  // While the tree is built.
  int root(int node) {
    if (up_.size() < nodes_.size()) up_.resize(nodes_.size(), -1);
    int top = node;
    for (;;) {
      const int next = up_[index(top)] >= 0 ? up_[index(top)] : nodes_[index(top)].parent;
      if (next < 0) break;
      top = next;
    }
    while (node != top) {
      const int next = up_[index(node)] >= 0 ? up_[index(node)] : nodes_[index(node)].parent;
      up_[index(node)] = top;
      node = next;
    }
    return top;
  }

  // The speaker that each node is a part of, or -1.
  std::vector<int> owners() const {
    std::vector<int> owner(nodes_.size(), -1);
    for (std::size_t n = nodes_.size(); n-- > 0;) {
      if (nodes_[n].speaker) {
        owner[n] = static_cast<int>(n);
      } else if (nodes_[n].parent >= 0) {
        owner[n] = owner[index(nodes_[n].parent)];
      }
    }
    return owner;
  }

  void take_out(float threshold) {
    const std::vector<int> owner = owners();
    std::size_t best = nodes_.size();
    float most = -std::numeric_limits<float>::infinity();
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const WeightedVoice& voice = nodes_[n].voice;
      // What is left of a node whose branches are all taken out, and the whole of a speaker, are
      // no new speaker.
      if (nodes_[n].speaker || !(voice.weight > kNothing)) continue;
      float alike = -1.0F;
      if (owner[n] >= 0) {
        const WeightedVoice rest = difference(nodes_[index(owner[n])].voice, voice);
        if (!(rest.weight > kNothing)) continue;
        alike = mean_cosine(voice, rest);
      } else {
        for (const Node& other : nodes_) {
          if (other.speaker) alike = std::max(alike, mean_cosine(voice, other.voice));
        }
      }
      const float value = voice.weight * (threshold - alike);
      if (value <= most) continue;
      most = value;
      best = n;
    }
    if (best == nodes_.size()) return;
    nodes_[best].speaker = true;
    if (owner[best] < 0) return;
    const WeightedVoice taken = nodes_[best].voice;
    for (int n = nodes_[best].parent; n >= 0; n = nodes_[index(n)].parent) {
      add(nodes_[index(n)].voice, taken, -1.0F);
      if (n == owner[best]) break;
    }
  }

  static constexpr float kNothing = 1e-3F;  // seconds; far below the shortest stretch

  std::size_t items_;
  std::vector<Node> nodes_;
  std::vector<int> up_;
};

}  // namespace

std::vector<int> split_further(const std::vector<WeightedVoice>& items,
                               const std::vector<Merge>& merges, std::size_t count,
                               const std::vector<std::size_t>& kept, float threshold,
                               std::size_t wanted, Watch& watch) {
  return Splitter(items, merges, count).run(kept, threshold, wanted, watch);
}

}  // namespace earwitness::speakers
