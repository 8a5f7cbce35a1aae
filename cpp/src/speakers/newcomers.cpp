#include "speakers/newcomers.h"

#include <algorithm>
#include <cstdint>

#include "speakers/unit_vector.h"

namespace earwitness::speakers {
namespace {

struct Candidate {
  std::size_t local = 0;
  double alone = 0.0;  // seconds
};

bool alone(const Evidence& evidence, const LocalVoice& local, int frame) {
  const Window& window = evidence.windows[static_cast<std::size_t>(local.window)];
  return window.active[static_cast<std::size_t>(frame)] == 1U << local.speaker;
}

class Search {
 public:
  Search(const Evidence& evidence, const Strangeness& strangeness)
      : evidence_(evidence), strangeness_(strangeness) {
    for (std::size_t i = 0; i < evidence.locals.size(); ++i) {
      int frames = 0;
      for (int t = 0; t < kWindowFrames; ++t) frames += alone(evidence, evidence.locals[i], t);
      if (frames * kFrameSeconds >= strangeness.alone) {
        candidates_.push_back({i, frames * kFrameSeconds});
      }
    }
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.alone > b.alone; });
  }

  void leave_out(const VoiceVector& known) {
    std::erase_if(candidates_, [&](const Candidate& c) {
      return cosine(voice(c), known) >= static_cast<double>(strangeness_.unlike);
    });
  }

  std::vector<Newcomer> run(std::size_t most) {
    std::vector<Newcomer> found;
    for (std::size_t i = 0; i < candidates_.size() && found.size() < most;) {
      Newcomer newcomer = around(candidates_[i]);
      if (newcomer.seconds < strangeness_.seconds) {
        ++i;
        continue;
      }
      leave_out(newcomer.voice);
      std::erase_if(candidates_, [&](const Candidate& c) {
        return std::find(newcomer.locals.begin(), newcomer.locals.end(), c.local) !=
               newcomer.locals.end();
      });
      found.push_back(std::move(newcomer));
      i = 0;
    }
    return found;
  }

 private:
  const VoiceVector& voice(const Candidate& c) const { return evidence_.locals[c.local].voice; }

  Newcomer around(const Candidate& seed) const {
    Newcomer out;
    std::vector<std::int64_t> frames;
    for (const Candidate& c : candidates_) {
      if (cosine(voice(c), voice(seed)) < static_cast<double>(strangeness_.alike)) continue;
      out.locals.push_back(c.local);
      for (std::size_t d = 0; d < out.voice.size(); ++d) {
        out.voice[d] += static_cast<float>(c.alone) * voice(c)[d];
      }
      const LocalVoice& local = evidence_.locals[c.local];
      const auto first = evidence_.windows[static_cast<std::size_t>(local.window)].first_frame;
      for (int t = 0; t < kWindowFrames; ++t) {
        if (alone(evidence_, local, t)) frames.push_back(first + t);
      }
    }
    std::sort(frames.begin(), frames.end());
    frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
    out.seconds = static_cast<double>(frames.size()) * kFrameSeconds;
    out.voice = unit_vector(out.voice);
    return out;
  }

  const Evidence& evidence_;
  const Strangeness& strangeness_;
  std::vector<Candidate> candidates_;  // by seconds alone, the longest first
};

}  // namespace

std::vector<Newcomer> find_newcomers(const Evidence& evidence,
                                     const std::vector<VoiceVector>& known,
                                     const Strangeness& strangeness, std::size_t most) {
  Search search(evidence, strangeness);
  for (const VoiceVector& voice : known) search.leave_out(voice);
  return search.run(most);
}

}  // namespace earwitness::speakers
