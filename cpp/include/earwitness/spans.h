// Where there is speech: audio → speech probability of each 32-ms frame → spans.
//
//   earwitness::SpeechFinder finder("silero-vad.bin");
//   for (const auto& span : finder.find({pcm.data(), pcm.size()})) { ... }  // seconds
//
//   earwitness::SpeechStream stream(finder);  // live audio, in pieces of any length
//   for (float p : stream.push(piece)) { ... }
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "earwitness/control.h"
#include "earwitness/types.h"

namespace earwitness {

// Samples of a frame, which has one probability.
inline constexpr int kSpeechFrame = 512;

// How probabilities become spans; times in seconds. Defaults are those of the hosted service that
// the client's calls are of. Silero's own are 0.5, 0.03, 0.1 and 0.25, with which quiet speech far
// from the microphone is lost.
struct SpeechRules {
  double threshold = 0.3;    // speech begins at this probability, and ends 0.15 below it
  double padding = 0.25;     // added on each side, at most half of the silence to the next span
  double min_silence = 0.5;  // a shorter one does not end a span
  double min_speech = 0.25;  // a shorter span is none

  // Throws InvalidOption that names the field, the value and what is allowed.
  void validate() const;
};

// The spans, in order and apart, within `duration` seconds; probabilities[i] is that of the frame
// that starts at sample i * kSpeechFrame.
std::vector<Span> speech_spans(std::span<const float> probabilities, double duration,
                               const SpeechRules& rules);

namespace spans {
class Silero;
struct SileroState;
}  // namespace spans

// The network's weights, read once; any number of threads may use it at a time.
class SpeechFinder {
 public:
  // Throws ModelError if the file is not Silero VAD v6.2 for 16 kHz in whisper.cpp's layout.
  explicit SpeechFinder(const std::filesystem::path& path);
  ~SpeechFinder();

  SpeechFinder(const SpeechFinder&) = delete;
  SpeechFinder& operator=(const SpeechFinder&) = delete;

  // One probability for each frame, the last filled up with silence. Throws AudioError if a sample
  // is not finite, InvalidOption for a number of threads below 0 or above 256, Cancelled, and
  // whatever the functions of `control` throw. threads: 0 = as many as the machine has cores, 4 at
  // most; the result is the same with any.
  std::vector<float> probabilities(PcmView pcm, const Control& control = {}, int threads = 1) const;

  // The spans by the probabilities of the recording brought to the level at which the network
  // misses least: speech that is quiet throughout is found like any. Throws as probabilities() and
  // SpeechRules::validate() do.
  std::vector<Span> find(PcmView pcm, const SpeechRules& rules = {}, const Control& control = {},
                         int threads = 1) const;

 private:
  friend class SpeechStream;

  // Of samples that were checked, times `gain`.
  std::vector<float> probabilities(PcmView pcm, float gain, const Control& control,
                                   int threads) const;

  std::shared_ptr<const spans::Silero> network_;
};

// Speech probabilities of audio that is still coming in. Gives for any division into pieces what
// SpeechFinder::probabilities() gives for the whole. For one thread at a time.
class SpeechStream {
 public:
  explicit SpeechStream(const SpeechFinder& finder);
  ~SpeechStream();

  SpeechStream(const SpeechStream&) = delete;
  SpeechStream& operator=(const SpeechStream&) = delete;

  // The probabilities of the frames that these samples complete. Throws AudioError if one is not
  // finite, before any is taken.
  std::vector<float> push(PcmView samples);

  // Begin another recording.
  void reset();

 private:
  std::shared_ptr<const spans::Silero> network_;
  std::unique_ptr<spans::SileroState> state_;
  std::vector<float> waiting_;  // less than a frame
};

}  // namespace earwitness
