// What goes in and what comes out. Times are seconds from the start of the recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace earwitness {

// The one sample rate that every stage works at, in Hz.
inline constexpr int kSampleRate = 16000;

// Borrowed 16 kHz mono samples in [-1, 1].
struct PcmView {
  const float* data = nullptr;
  std::size_t size = 0;

  double duration() const { return static_cast<double>(size) / kSampleRate; }
};

struct Span {
  double start = 0.0;
  double end = 0.0;

  bool operator==(const Span&) const = default;
};

struct Token {
  std::int32_t id = 0;
  std::string text;  // bytes: one character may be spread over several tokens
  float logprob = 0.0F;

  bool operator==(const Token&) const = default;
};

struct Word {
  std::string text;  // UTF-8, with the space that precedes it
  double start = 0.0;
  double end = 0.0;
  float confidence = 0.0F;  // mean probability of the word's tokens
  std::string speaker;      // label, such as "SPEAKER_00"; empty unless speakers were asked for
  float speaker_confidence = 0.0F;

  bool operator==(const Word&) const = default;
};

struct Segment {
  int id = 0;
  int seek = 0;  // start of the decoded window, in hundredths of a second
  double start = 0.0;
  double end = 0.0;
  std::string text;  // UTF-8, with the space that precedes it
  std::vector<Token> tokens;
  std::vector<Word> words;  // empty unless asked for
  float temperature = 0.0F;
  float avg_logprob = 0.0F;
  float no_speech_prob = 0.0F;

  bool operator==(const Segment&) const = default;
};

// Consecutive words of one speaker.
struct SpeakerSegment {
  std::string speaker;
  double start = 0.0;
  double end = 0.0;
  std::string text;  // UTF-8, without outer spaces
  std::vector<Word> words;

  bool operator==(const SpeakerSegment&) const = default;
};

// Wall-clock seconds spent in each stage of one call.
struct Timings {
  double mel = 0.0;
  double encode = 0.0;
  double decode = 0.0;
  double align = 0.0;
  double total = 0.0;

  bool operator==(const Timings&) const = default;
};

struct Transcript {
  std::string task;
  std::string language;  // code, such as "en"
  float language_probability = 1.0F;
  double duration = 0.0;
  std::vector<Segment> segments;
  std::vector<SpeakerSegment> speaker_segments;  // empty unless speakers were asked for
  Timings timings;

  std::string text() const;
  std::vector<Word> words() const;

  // Whether the same was heard; how long it took does not count.
  bool operator==(const Transcript& other) const;
};

}  // namespace earwitness
