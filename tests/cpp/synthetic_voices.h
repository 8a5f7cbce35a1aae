// Made-up voices and windows for tests of the diarizer's stages.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "speakers/evidence.h"

namespace earwitness::check {

inline VoiceVector unit(VoiceVector v) {
  const double length = std::sqrt(cosine(v, v));
  for (float& x : v) x = static_cast<float>(static_cast<double>(x) / length);
  return v;
}

class VoiceMaker {
 public:
  explicit VoiceMaker(unsigned seed) : random_(seed) {}

  VoiceVector person() { return unit(noise()); }

  // A sample of the person: cosines of two are about `within`.
  VoiceVector sample(const VoiceVector& person, double within) {
    const VoiceVector other = unit(noise());
    VoiceVector out{};
    const double own = std::sqrt(within);
    const double rest = std::sqrt(1.0 - within);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(own * static_cast<double>(person[i]) +
                                  rest * static_cast<double>(other[i]));
    }
    return unit(out);
  }

  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }

 private:
  VoiceVector noise() {
    std::normal_distribution<float> normal;
    VoiceVector v{};
    for (float& x : v) x = normal(random_);
    return v;
  }

  std::mt19937 random_;
};

struct SpokenTurn {
  double start = 0.0;
  double end = 0.0;
  int person = 0;
};

// What perfect networks would make of a conversation: windows with a hop of about 1 s, local
// speakers numbered in order of appearance, stretches of 1.2 s every 0.24 s.
inline speakers::Evidence perceive(const std::vector<SpokenTurn>& turns,
                                   const std::vector<VoiceVector>& people, double duration,
                                   VoiceMaker& maker, double within = 0.65) {
  using namespace speakers;
  Evidence e;
  e.duration = duration;
  const auto frames = static_cast<std::int64_t>((duration - kFrameOffset) / kFrameSeconds);
  std::vector<std::vector<int>> who(static_cast<std::size_t>(frames));
  for (const SpokenTurn& t : turns) {
    for (std::int64_t f = 0; f < frames; ++f) {
      const double at = frame_time(f) + kFrameSeconds / 2.0;
      if (at >= t.start && at < t.end) who[static_cast<std::size_t>(f)].push_back(t.person);
    }
  }
  e.frames.resize(who.size());
  for (std::size_t f = 0; f < who.size(); ++f) {
    e.frames[f].speakers = static_cast<float>(who[f].size());
    e.frames[f].solo = who[f].size() == 1 ? 1.0F : 0.0F;
  }
  for (std::int64_t first = 0; first == 0 || first + kWindowFrames <= frames + 58; first += 58) {
    Window w;
    w.first_frame = first;
    std::vector<int> local;
    for (std::int64_t t = 0; t < kWindowFrames && first + t < frames; ++t) {
      for (const int person : who[static_cast<std::size_t>(first + t)]) {
        auto at = std::find(local.begin(), local.end(), person);
        if (at == local.end() && local.size() == kLocalSpeakers) continue;
        if (at == local.end()) at = local.insert(at, person);
        const auto s = static_cast<std::size_t>(at - local.begin());
        auto& active = w.active[static_cast<std::size_t>(t)];
        active = static_cast<std::uint8_t>(active | (1U << s));
        w.probability[static_cast<std::size_t>(t)][s] = 240;
      }
    }
    for (std::size_t s = 0; s < local.size(); ++s) {
      e.locals.push_back({static_cast<int>(e.windows.size()), static_cast<int>(s),
                          maker.sample(people[static_cast<std::size_t>(local[s])], 0.8)});
    }
    e.windows.push_back(w);
  }
  constexpr std::int64_t kLength = 71;
  int number = 0;
  for (std::int64_t f = 0; f + kLength <= frames; f += 14, ++number) {
    std::vector<double> share(people.size(), 0.0);
    double solo = 0.0;
    for (std::int64_t t = f; t < f + kLength; ++t) {
      const auto& here = who[static_cast<std::size_t>(t)];
      if (here.size() != 1) continue;
      share[static_cast<std::size_t>(here.front())] += 1.0;
      solo += 1.0;
    }
    if (solo < 24.0) continue;
    Glimpse g;
    g.first_frame = f;
    g.end_frame = f + kLength;
    g.seconds = static_cast<float>(solo * kFrameSeconds);
    VoiceVector mix{};
    double largest = 0.0;
    for (std::size_t p = 0; p < people.size(); ++p) {
      if (share[p] == 0.0) continue;
      largest = std::max(largest, share[p] / solo);
      const VoiceVector v = maker.sample(people[p], within);
      for (std::size_t d = 0; d < mix.size(); ++d) {
        mix[d] += static_cast<float>(share[p] / solo) * v[d];
      }
    }
    g.voice = unit(mix);
    g.purity = largest > 0.8 ? 0.6F : 0.1F;
    g.unit = number % 2 == 0 && solo >= 48.0;
    e.glimpses.push_back(g);
  }
  return e;
}

// People who take turns of 2 to 6 s, each at least once in a round.
inline std::vector<SpokenTurn> conversation(int people, double duration, VoiceMaker& maker,
                                            double pause = 0.3) {
  std::vector<SpokenTurn> turns;
  double at = 0.4;
  for (int n = 0; at < duration - 1.0; ++n) {
    const double end = std::min(at + maker.uniform(2.0, 6.0), duration - 0.2);
    turns.push_back({at, end, n % people});
    at = end + pause;
  }
  return turns;
}

}  // namespace earwitness::check
