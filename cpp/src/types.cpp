#include "earwitness/types.h"

namespace earwitness {

bool Transcript::operator==(const Transcript& other) const {
  return task == other.task && language == other.language &&
         language_probability == other.language_probability && duration == other.duration &&
         segments == other.segments && speaker_segments == other.speaker_segments;
}

std::string Transcript::text() const {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? std::string() : text.substr(first);
}

std::vector<Word> Transcript::words() const {
  std::vector<Word> words;
  for (const Segment& segment : segments) {
    words.insert(words.end(), segment.words.begin(), segment.words.end());
  }
  return words;
}

}  // namespace earwitness
