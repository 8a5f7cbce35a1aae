// The transcript's words and the diarization's turns → who said what.
#include <algorithm>
#include <string>

#include "earwitness/diarize.h"
#include "speakers/join.h"

namespace earwitness {

Transcript attribute(Transcript transcript, const Diarization& diarization) {
  std::vector<Word*> words;
  std::vector<speakers::SpokenWord> spoken;
  for (Segment& segment : transcript.segments) {
    for (Word& word : segment.words) {
      words.push_back(&word);
      spoken.push_back({word.start, word.end, word.text});
    }
  }
  const auto owners = speakers::attribute_words(spoken, diarization.exclusive, diarization.turns);
  const auto label = [&](int speaker) -> std::string {
    return speaker < 0 ? "SPEAKER_00"
                       : diarization.speakers[static_cast<std::size_t>(speaker)].label;
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i]->speaker = label(owners[i].speaker);
    words[i]->speaker_confidence = owners[i].confidence;
  }
  transcript.speaker_segments.clear();
  for (const auto& run : speakers::speaker_segments(spoken, owners)) {
    SpeakerSegment segment{.speaker = label(run.speaker),
                           .start = run.start,
                           .end = run.end,
                           .text = run.text,
                           .words = {}};
    for (std::size_t i = run.first_word; i < run.end_word; ++i) segment.words.push_back(*words[i]);
    transcript.speaker_segments.push_back(std::move(segment));
  }
  return transcript;
}

}  // namespace earwitness
