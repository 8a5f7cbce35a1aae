// Words and turns together: who said each word. Works on plain times and texts, wherever they come
// from.
#pragma once

#include <string>
#include <vector>

#include "earwitness/diarize.h"

namespace earwitness::speakers {

struct SpokenWord {
  double start = 0.0;
  double end = 0.0;
  std::string text;  // with the space that precedes it, if any
};

struct WordSpeaker {
  int speaker = -1;         // -1 only if there are no turns at all
  float confidence = 0.0F;  // 0 to 1
};

struct SpeakerSegment {
  double start = 0.0;
  double end = 0.0;
  int speaker = -1;
  std::string text;         // of its words, without outer spaces
  float confidence = 0.0F;  // mean over the words
  std::size_t first_word = 0;
  std::size_t end_word = 0;
};

// A speaker for every word, by the most overlap with the exclusive track, or the nearest turn where
// there is none. Single words that differ from both neighbours within a sentence follow them unless
// pauses or a strong acoustic lead set them apart, and a change of speaker moves by a word to the
// pause or the end of the sentence that it stands next to.
std::vector<WordSpeaker> attribute_words(const std::vector<SpokenWord>& words,
                                         const std::vector<Turn>& exclusive,
                                         const std::vector<Turn>& turns);

// Consecutive words of one speaker.
std::vector<SpeakerSegment> speaker_segments(const std::vector<SpokenWord>& words,
                                             const std::vector<WordSpeaker>& speakers);

}  // namespace earwitness::speakers
