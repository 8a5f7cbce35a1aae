#include "speakers/reconstruction.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "earwitness/error.h"
#include "speakers/tracks.h"

namespace earwitness::speakers {
namespace {

struct Vote {
  float windows = 0.0F;     // that heard the speaker at the frame
  float confidence = 0.0F;  // sum over those
  float strength = 0.0F;    // sum of the segmentation's probabilities
};

struct Span {  // frames of the recording
  std::size_t begin = 0;
  std::size_t end = 0;
};

class Reconstruction {
 public:
  Reconstruction(const Evidence& evidence, const Clustering& clustering, Watch& watch)
      : evidence_(evidence),
        clustering_(clustering),
        watch_(watch),
        speakers_(clustering.centroids.size()),
        frames_(evidence.frames.size()) {}

  std::vector<FrameSpeakers> run(int at_least) {
    if (speakers_ == 0) return std::move(frames_);
    const std::vector<VoiceVector> heard(
        clustering_.centroids.begin(),
        clustering_.centroids.end() - static_cast<std::ptrdiff_t>(clustering_.strays));
    TrackLabeller labeller(evidence_, heard);
    WindowTracks tracks;
    for (std::size_t w = 0; w < evidence_.windows.size(); ++w) {
      watch_.check();
      finish_before(evidence_.windows[w].first_frame);
      labeller.label(w, tracks);
      add(evidence_.windows[w], tracks);
    }
    finish_before(static_cast<std::int64_t>(frames_.size()));
    give_overlaps_to_the_loudest();
    give_frames_to_the_missing(at_least);
    return std::move(frames_);
  }

 private:
  // Votes are kept for the frames that windows to come may still cover.
  void add(const Window& window, const WindowTracks& tracks) {
    votes_.resize(static_cast<std::size_t>(window.first_frame + kWindowFrames - base_) * speakers_);
    std::vector<Vote> seen(speakers_);
    for (std::size_t t = 0; t < kWindowFrames; ++t) {
      if (window.active[t] == 0) continue;
      std::fill(seen.begin(), seen.end(), Vote{});
      for (std::size_t s = 0; s < kLocalSpeakers; ++s) {
        if (tracks.speaker[s][t] < 0) continue;
        Vote& vote = seen[static_cast<std::size_t>(tracks.speaker[s][t])];
        vote.windows = 1.0F;  // two local speakers may be one
        vote.confidence = std::max(vote.confidence, tracks.confidence[s][t]);
        vote.strength =
            std::max(vote.strength, static_cast<float>(window.probability[t][s]) / 255.0F);
      }
      Vote* votes = &votes_[(static_cast<std::size_t>(window.first_frame - base_) + t) * speakers_];
      for (std::size_t k = 0; k < speakers_; ++k) {
        votes[k].windows += seen[k].windows;
        votes[k].confidence += seen[k].confidence;
        votes[k].strength += seen[k].strength;
      }
    }
  }

  void finish_before(std::int64_t end) {
    const std::int64_t known = base_ + static_cast<std::int64_t>(votes_.size() / speakers_);
    for (std::int64_t t = base_; t < std::min(end, known); ++t) {
      finish(t, &votes_[static_cast<std::size_t>(t - base_) * speakers_]);
    }
    const std::int64_t drop = std::clamp(end, base_, known) - base_;
    votes_.erase(votes_.begin(), votes_.begin() + static_cast<std::ptrdiff_t>(drop) *
                                                      static_cast<std::ptrdiff_t>(speakers_));
    base_ = std::max(base_, end);
  }

  void finish(std::int64_t frame, const Vote* votes) {
    if (frame < 0 || static_cast<std::size_t>(frame) >= frames_.size()) return;
    const auto index = static_cast<std::size_t>(frame);
    const float mean = evidence_.frames[index].speakers;
    const auto wanted = std::min(static_cast<std::size_t>(std::lround(std::floor(mean + 0.5F))),
                                 std::min<std::size_t>(speakers_, kLocalSpeakers));
    order_.resize(speakers_);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(wanted),
                      order_.end(), [&](std::size_t a, std::size_t b) {
                        if (votes[a].windows != votes[b].windows)
                          return votes[a].windows > votes[b].windows;
                        if (votes[a].strength != votes[b].strength)
                          return votes[a].strength > votes[b].strength;
                        return a < b;
                      });
    FrameSpeakers& out = frames_[index];
    float strongest = 0.0F;
    for (std::size_t i = 0; i < wanted; ++i) {
      const Vote& vote = votes[order_[i]];
      if (!(vote.windows > 0.0F)) break;
      out.speaker[i] = static_cast<std::int16_t>(order_[i]);
      out.confidence[i] = vote.confidence / vote.windows;
      strength_.push_back(vote.strength / vote.windows);
      if (vote.strength > strongest) {
        strongest = vote.strength;
        out.exclusive = out.speaker[i];
      }
    }
  }

  // A stretch in which the same people speak at once belongs to one of them as a whole: words do
  // not change owner from one frame to the next.
  void give_overlaps_to_the_loudest() {
    std::size_t next = 0;  // strengths, in the order in which frames were finished
    std::vector<float> sum(speakers_);
    for (std::size_t first = 0; first < frames_.size();) {
      auto same = [&](std::size_t t) {
        auto a = frames_[first].speaker;
        auto b = frames_[t].speaker;
        std::sort(a.begin(), a.end());
        std::sort(b.begin(), b.end());
        return a == b;
      };
      std::size_t end = first;
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (; end < frames_.size() && same(end); ++end) {
        for (const std::int16_t k : frames_[end].speaker) {
          if (k >= 0) sum[static_cast<std::size_t>(k)] += strength_[next++];
        }
      }
      const auto loudest = std::max_element(sum.begin(), sum.end());
      if (*loudest > 0.0F) {
        for (std::size_t t = first; t < end; ++t) {
          frames_[t].exclusive = static_cast<std::int16_t>(loudest - sum.begin());
        }
      }
      first = end;
    }
  }

  std::vector<int> frames_of_each() const {
    std::vector<int> frames(speakers_, 0);
    for (const FrameSpeakers& f : frames_) {
      for (const std::int16_t k : f.speaker) {
        if (k >= 0) ++frames[static_cast<std::size_t>(k)];
      }
    }
    return frames;
  }

  void give_frames_to_the_missing(int at_least) {
    for (;;) {
      const std::vector<int> have = frames_of_each();
      const auto present = std::count_if(have.begin(), have.end(), [](int n) { return n > 0; });
      if (present >= at_least) return;
      if (!give_to_one(have)) {
        throw InvalidOption("at least " + std::to_string(at_least) +
                            " speakers were asked for, but only " + std::to_string(present) +
                            " can be told apart in this recording; lower min_speakers or "
                            "num_speakers, or leave them unset");
      }
    }
  }

  bool give_to_one(const std::vector<int>& have) {
    const auto none = std::find(have.begin(), have.end(), 0);
    const auto speaker = static_cast<int>(none - have.begin());
    for (const Span& span : spans_of(speaker)) {
      std::vector<int> left = have;
      for (std::size_t t = span.begin; t < span.end; ++t) {
        for (const std::int16_t k : frames_[t].speaker) {
          if (k >= 0) --left[static_cast<std::size_t>(k)];
        }
      }
      bool robs = span.begin >= span.end;
      for (std::size_t k = 0; k < speakers_; ++k) robs = robs || (have[k] > 0 && left[k] == 0);
      if (robs) continue;
      for (std::size_t t = span.begin; t < span.end; ++t) {
        frames_[t] = {};
        frames_[t].speaker[0] = frames_[t].exclusive = static_cast<std::int16_t>(speaker);
      }
      return true;
    }
    return false;
  }

  // Where the speaker was found, the surest first.
  std::vector<Span> spans_of(int speaker) const {
    std::vector<std::pair<double, Span>> found;
    const VoiceVector& voice = clustering_.centroids[static_cast<std::size_t>(speaker)];
    for (std::size_t i = 0; i < clustering_.units.size(); ++i) {
      if (clustering_.unit_speaker[i] != speaker) continue;
      const Glimpse& g = evidence_.glimpses[clustering_.units[i]];
      // The middle quarter, 0.3 s: what is surely of that stretch, and no more than it must cost.
      const std::int64_t margin = (g.end_frame - g.first_frame) * 3 / 8;
      found.emplace_back(-cosine(g.voice, voice),
                         within_recording(g.first_frame + margin, g.end_frame - margin));
    }
    for (std::size_t i = 0; i < clustering_.locals.size(); ++i) {
      if (clustering_.local_speaker[i] != speaker) continue;
      const LocalVoice& local = evidence_.locals[clustering_.locals[i]];
      found.emplace_back(-cosine(local.voice, voice), longest_alone(local));
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Span> out;
    for (const auto& [score, span] : found) out.push_back(span);
    return out;
  }

  Span longest_alone(const LocalVoice& local) const {
    const Window& window = evidence_.windows[static_cast<std::size_t>(local.window)];
    std::int64_t best_begin = 0;
    std::int64_t best_end = 0;
    std::int64_t begin = 0;
    for (std::int64_t t = 0; t < kWindowFrames; ++t) {
      if (window.active[static_cast<std::size_t>(t)] != 1U << local.speaker) {
        begin = t + 1;
      } else if (t + 1 - begin > best_end - best_begin) {
        best_begin = begin;
        best_end = t + 1;
      }
    }
    return within_recording(window.first_frame + best_begin, window.first_frame + best_end);
  }

  Span within_recording(std::int64_t begin, std::int64_t end) const {
    const auto frames = static_cast<std::int64_t>(frames_.size());
    return {static_cast<std::size_t>(std::clamp<std::int64_t>(begin, 0, frames)),
            static_cast<std::size_t>(std::clamp<std::int64_t>(end, 0, frames))};
  }

  const Evidence& evidence_;
  const Clustering& clustering_;
  Watch& watch_;
  std::size_t speakers_;
  std::vector<FrameSpeakers> frames_;
  std::vector<float> strength_;  // of each entry of frames_[..].speaker in turn
  std::vector<Vote> votes_;      // [frames from base_][speakers]
  std::int64_t base_ = 0;
  std::vector<std::size_t> order_;
};

}  // namespace

std::vector<FrameSpeakers> reconstruct(const Evidence& evidence, const Clustering& clustering,
                                       int at_least, Watch& watch) {
  return Reconstruction(evidence, clustering, watch).run(at_least);
}

}  // namespace earwitness::speakers
