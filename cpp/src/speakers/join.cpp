#include "speakers/join.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string_view>

namespace earwitness::speakers {
namespace {

// Silence between words that may separate speakers.
constexpr double kPause = 0.25;

// A word of this share of its time with one speaker keeps it against its neighbours, if it is also
// this long: a clear answer is not a flip.
constexpr double kClearShare = 0.9;
constexpr double kClearSeconds = 0.45;
constexpr double kClearConfidence = 0.8;

// Words need some length to overlap with anything.
constexpr double kLeastWord = 0.02;

// Confidence of a word outside all turns halves with each so many seconds.
constexpr double kHalving = 0.5;

double overlap(double a_start, double a_end, double b_start, double b_end) {
  return std::max(0.0, std::min(a_end, b_end) - std::max(a_start, b_start));
}

double gap(double a_start, double a_end, double b_start, double b_end) {
  return std::max({0.0, b_start - a_end, a_start - b_end});
}

struct Evidence {
  std::map<int, double> share;   // of the word's time, of each speaker's exclusive turns
  double turn_confidence = 0.0;  // of the leading speaker's turns there

  double of(int speaker) const {
    const auto at = share.find(speaker);
    return at == share.end() ? 0.0 : at->second;
  }
};

class Attribution {
 public:
  Attribution(const std::vector<SpokenWord>& words, const std::vector<Turn>& exclusive,
              const std::vector<Turn>& turns)
      : words_(words), exclusive_(exclusive), turns_(turns) {
    // How far back a turn that is still running may have begun.
    for (const auto* track : {&exclusive_, &turns_}) {
      for (const Turn& t : *track) longest_ = std::max(longest_, t.end - t.start);
    }
  }

  std::vector<WordSpeaker> run() {
    out_.resize(words_.size());
    evidence_.resize(words_.size());
    if (exclusive_.empty() && turns_.empty()) return out_;
    for (std::size_t i = 0; i < words_.size(); ++i) choose(i);
    undo_flips();
    move_changes_to_pauses();
    return out_;
  }

 private:
  static double end_of(const SpokenWord& w) { return std::max(w.end, w.start + kLeastWord); }

  // The turns that could overlap or be near to a stretch: all that start within `reach` of it.
  template <class Visit>
  void visit(const std::vector<Turn>& track, double start, double end, Visit&& each) const {
    const auto first = std::lower_bound(track.begin(), track.end(), start - longest_,
                                        [](const Turn& t, double at) { return t.start < at; });
    for (auto t = first; t != track.end() && t->start < end; ++t) each(*t);
  }

  void choose(std::size_t i) {
    const double start = words_[i].start;
    const double end = end_of(words_[i]);
    Evidence& evidence = evidence_[i];
    std::map<int, double> confidence;
    visit(exclusive_, start, end, [&](const Turn& t) {
      const double share = overlap(start, end, t.start, t.end) / (end - start);
      if (!(share > 0.0)) return;
      evidence.share[t.speaker] += share;
      confidence[t.speaker] += share * static_cast<double>(t.confidence);
    });
    if (evidence.share.empty()) {
      out_[i] = nearest(start, end);
      return;
    }
    const auto best =
        std::max_element(evidence.share.begin(), evidence.share.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    evidence.turn_confidence = confidence[best->first] / best->second;
    out_[i].speaker = best->first;
    out_[i].confidence = word_confidence(i, best->first);
  }

  // How much of the word is the speaker's, how sure those turns are, and whether others speak too.
  float word_confidence(std::size_t i, int speaker) const {
    const double start = words_[i].start;
    const double end = end_of(words_[i]);
    double others = 0.0;
    visit(turns_, start, end, [&](const Turn& t) {
      if (t.speaker != speaker) others += overlap(start, end, t.start, t.end) / (end - start);
    });
    const double own = evidence_[i].of(speaker);
    const double contested = own / std::max(own + 0.5 * others, 1e-9);
    return static_cast<float>(std::clamp(own * contested * evidence_[i].turn_confidence, 0.0, 1.0));
  }

  WordSpeaker nearest(double start, double end) const {
    const Turn* best = nullptr;
    double least = 0.0;
    for (const auto* track : {&exclusive_, &turns_}) {
      // Both sides of the place where the word would be, as far as a nearer turn may still come.
      const auto after = std::lower_bound(track->begin(), track->end(), start,
                                          [](const Turn& t, double at) { return t.start < at; });
      const auto consider = [&](const Turn& t) {
        const double distance = gap(start, end, t.start, t.end);
        if (best == nullptr || distance < least) {
          best = &t;
          least = distance;
        }
      };
      for (auto t = after; t != track->end(); ++t) {
        if (best != nullptr && t->start - end > least) break;
        consider(*t);
      }
      for (auto t = after; t != track->begin();) {
        --t;
        if (best != nullptr && start - t->start > least + longest_) break;
        consider(*t);
      }
    }
    return {best->speaker, static_cast<float>(0.5 * static_cast<double>(best->confidence) *
                                              std::exp2(-least / kHalving))};
  }

  bool pause_between(std::size_t i, std::size_t j) const {
    return words_[j].start - words_[i].end >= kPause;
  }

  bool ends_sentence(std::size_t i) const {
    std::string_view text = words_[i].text;
    const auto ends_with = [&](std::string_view tail) {
      return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
    };
    for (const std::string_view quote : {"\"", "'", ")", "\u201D", "\u2019"}) {
      if (ends_with(quote)) text.remove_suffix(quote.size());
    }
    for (const std::string_view mark :
         {".", "?", "!", "\u3002", "\uFF1F", "\uFF01", "\u061F", "\u2026"}) {
      if (ends_with(mark)) return true;
    }
    return false;
  }

  bool boundary(std::size_t i, std::size_t j) const {
    return ends_sentence(i) || pause_between(i, j);
  }

  bool clear(std::size_t i) const {
    return evidence_[i].of(out_[i].speaker) >= kClearShare &&
           words_[i].end - words_[i].start >= kClearSeconds &&
           static_cast<double>(out_[i].confidence) >= kClearConfidence;
  }

  void give(std::size_t i, int speaker) {
    out_[i].speaker = speaker;
    // Against its own acoustics: the share that speaks for it, or a little.
    out_[i].confidence =
        std::min(0.5F, std::max(0.1F, static_cast<float>(evidence_[i].of(speaker))));
  }

  void undo_flips() {
    for (std::size_t i = 1; i + 1 < out_.size(); ++i) {
      const int around = out_[i - 1].speaker;
      if (around != out_[i + 1].speaker || around == out_[i].speaker) continue;
      const bool apart = boundary(i - 1, i) || boundary(i, i + 1);
      if (apart || clear(i)) continue;
      give(i, around);
    }
  }

  // A change between words i - 1 and i that no pause supports, while there is one a word away.
  void move_changes_to_pauses() {
    for (std::size_t i = 1; i < out_.size(); ++i) {
      if (out_[i].speaker == out_[i - 1].speaker || boundary(i - 1, i)) continue;
      const bool first_of_run = i + 1 >= out_.size() || out_[i + 1].speaker == out_[i].speaker;
      const bool last_of_run = i < 2 || out_[i - 2].speaker == out_[i - 1].speaker;
      const bool after = i + 1 < out_.size() && boundary(i, i + 1) && first_of_run;
      const bool before = i >= 2 && boundary(i - 2, i - 1) && last_of_run;
      // Of two possible moves, the one of the word that is less surely where it is.
      const bool forward = after && (!before || out_[i].confidence <= out_[i - 1].confidence);
      if (forward && !clear(i)) {
        give(i, out_[i - 1].speaker);
      } else if (before && !forward && !clear(i - 1)) {
        give(i - 1, out_[i].speaker);
      }
    }
  }

  const std::vector<SpokenWord>& words_;
  const std::vector<Turn>& exclusive_;
  const std::vector<Turn>& turns_;
  double longest_ = 0.0;
  std::vector<Evidence> evidence_;
  std::vector<WordSpeaker> out_;
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::vector<WordSpeaker> attribute_words(const std::vector<SpokenWord>& words,
                                         const std::vector<Turn>& exclusive,
                                         const std::vector<Turn>& turns) {
  return Attribution(words, exclusive, turns).run();
}

std::vector<SpeakerSegment> speaker_segments(const std::vector<SpokenWord>& words,
                                             const std::vector<WordSpeaker>& speakers) {
  std::vector<SpeakerSegment> out;
  const std::size_t count = std::min(words.size(), speakers.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (out.empty() || out.back().speaker != speakers[i].speaker) {
      SpeakerSegment& next = out.emplace_back();
      next.start = words[i].start;
      next.speaker = speakers[i].speaker;
      next.first_word = i;
    }
    SpeakerSegment& segment = out.back();
    segment.end = std::max(words[i].end, segment.start);
    segment.text += words[i].text;
    segment.end_word = i + 1;
    segment.confidence += speakers[i].confidence;
  }
  for (SpeakerSegment& segment : out) {
    segment.text = trimmed(segment.text);
    segment.confidence /= static_cast<float>(segment.end_word - segment.first_word);
  }
  return out;
}

}  // namespace earwitness::speakers
