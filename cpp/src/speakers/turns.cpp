#include "speakers/turns.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <tuple>

#include "speakers/tracks.h"

namespace earwitness::speakers {
namespace {

constexpr double kLeastTurn = 0.1;

struct Run {
  std::int64_t first = 0;
  std::int64_t end = 0;
  double confidence = 0.0;  // sum over its frames
};

// The runs of frames for which `at` gives a confidence of 0 or more; -1 = not this speaker's.
template <class At>
std::vector<Run> find_runs(const std::vector<FrameSpeakers>& frames, At&& at) {
  std::vector<Run> runs;
  bool open = false;
  for (std::size_t t = 0; t < frames.size(); ++t) {
    const float confidence = at(frames[t]);
    if (confidence >= 0.0F) {
      const auto frame = static_cast<std::int64_t>(t);
      if (!open) runs.push_back({frame, frame, 0.0});
      runs.back().end = frame + 1;
      runs.back().confidence += static_cast<double>(confidence);
    }
    open = confidence >= 0.0F;
  }
  return runs;
}

float confidence_of(const FrameSpeakers& frame, int speaker) {
  for (std::size_t i = 0; i < frame.speaker.size(); ++i) {
    if (frame.speaker[i] == speaker) return frame.confidence[i];
  }
  return -1.0F;
}

Turn to_turn(const Run& run, int speaker, double duration) {
  Turn turn;
  turn.start = std::clamp(frame_time(run.first), 0.0, duration);
  turn.end = std::clamp(frame_time(run.end), 0.0, duration);
  turn.speaker = speaker;
  turn.confidence = static_cast<float>(run.confidence / static_cast<double>(run.end - run.first));
  return turn;
}

void drop_short(std::vector<Turn>& turns, bool keep_one) {
  if (turns.empty()) return;
  const auto length = [](const Turn& t) { return t.end - t.start; };
  const Turn longest =
      *std::max_element(turns.begin(), turns.end(),
                        [&](const Turn& a, const Turn& b) { return length(a) < length(b); });
  turns.erase(std::remove_if(turns.begin(), turns.end(),
                             [&](const Turn& t) { return length(t) < kLeastTurn; }),
              turns.end());
  if (turns.empty() && keep_one) turns.push_back(longest);
}

bool earlier(const Turn& a, const Turn& b) {
  return std::tie(a.start, a.end, a.speaker) < std::tie(b.start, b.end, b.speaker);
}

std::string label(std::size_t index) {
  char text[32];
  std::snprintf(text, sizeof text, "SPEAKER_%02zu", index);
  return text;
}

// How likely the stretches that a speaker was found from are to be that speaker's, on average.
std::vector<float> cluster_confidence(const Evidence& evidence, const Clustering& clustering) {
  const std::size_t speakers = clustering.centroids.size();
  std::vector<float> sum(speakers, 0.0F);
  std::vector<float> count(speakers, 0.0F);
  std::vector<float> cosines(speakers);
  const auto count_in = [&](const VoiceVector& voice, int speaker) {
    for (std::size_t k = 0; k < speakers; ++k) {
      cosines[k] = static_cast<float>(cosine(voice, clustering.centroids[k]));
    }
    const auto own = static_cast<std::size_t>(speaker);
    sum[own] += TrackLabeller::posterior(cosines.data(), speakers)[own];
    count[own] += 1.0F;
  };
  for (std::size_t i = 0; i < clustering.units.size(); ++i) {
    count_in(evidence.glimpses[clustering.units[i]].voice, clustering.unit_speaker[i]);
  }
  for (std::size_t i = 0; i < clustering.locals.size(); ++i) {
    count_in(evidence.locals[clustering.locals[i]].voice, clustering.local_speaker[i]);
  }
  for (std::size_t k = 0; k < speakers; ++k) sum[k] /= std::max(count[k], 1.0F);
  return sum;
}

}  // namespace

Diarization make_turns(const Evidence& evidence, const Clustering& clustering,
                       const std::vector<FrameSpeakers>& frames, int at_least) {
  const std::size_t speakers = clustering.centroids.size();
  std::vector<std::vector<Turn>> turns(speakers);
  for (std::size_t k = 0; k < speakers; ++k) {
    const int speaker = static_cast<int>(k);
    for (const Run& run :
         find_runs(frames, [&](const FrameSpeakers& f) { return confidence_of(f, speaker); })) {
      turns[k].push_back(to_turn(run, speaker, evidence.duration));
    }
  }
  const auto with_long = std::count_if(turns.begin(), turns.end(), [](std::vector<Turn> t) {
    drop_short(t, false);
    return !t.empty();
  });
  for (auto& own : turns) drop_short(own, with_long < at_least);

  std::vector<std::size_t> order;
  for (std::size_t k = 0; k < speakers; ++k) {
    if (!turns[k].empty()) order.push_back(k);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return turns[a].front().start < turns[b].front().start;
  });

  Diarization out;
  out.duration = evidence.duration;
  const std::vector<float> confidence = cluster_confidence(evidence, clustering);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t k = order[i];
    Speaker speaker{label(i), clustering.centroids[k], 0.0, confidence[k]};
    for (Turn turn : turns[k]) {
      turn.speaker = static_cast<int>(i);
      speaker.seconds += turn.end - turn.start;
      out.turns.push_back(turn);
    }
    out.speakers.push_back(std::move(speaker));
    const auto own = [&](const FrameSpeakers& f) {
      return f.exclusive == static_cast<int>(k) ? confidence_of(f, f.exclusive) : -1.0F;
    };
    std::vector<Turn> alone;
    for (const Run& run : find_runs(frames, own)) {
      alone.push_back(to_turn(run, static_cast<int>(i), evidence.duration));
    }
    drop_short(alone, false);
    out.exclusive.insert(out.exclusive.end(), alone.begin(), alone.end());
  }
  std::sort(out.turns.begin(), out.turns.end(), earlier);
  std::sort(out.exclusive.begin(), out.exclusive.end(), earlier);
  return out;
}

}  // namespace earwitness::speakers
