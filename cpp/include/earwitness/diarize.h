// Who spoke when.
//
//   earwitness::Diarizer diarizer("diarizer.gguf");
//   earwitness::Diarization d = diarizer.diarize({pcm.data(), pcm.size()}, {.max_speakers = 4});
//   for (const auto& t : d.turns) std::printf("%.2f %.2f %d\n", t.start, t.end, t.speaker);
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "earwitness/control.h"
#include "earwitness/types.h"
#include "earwitness/voices.h"

namespace earwitness {

struct DiarizeOptions {
  static constexpr int kMostSpeakers = 100;

  // Bounds of the number of speakers, 1 to kMostSpeakers; 0 = not bound. Every result keeps them.
  // Without bounds, a recording without speech has no speakers.
  int min_speakers = 0;
  int max_speakers = 0;

  // The number of speakers where it is known; 0 = found, within the bounds.
  int num_speakers = 0;

  // Seconds from one 10-s window of the segmentation network to the next, 0.5 to 5; 0 = 1 s for
  // recordings under two minutes, where each second is seen by few windows, and 2 s for others.
  // Cost is in proportion to 1 / hop.
  double hop = 0.0;

  // Threads for this call; 0 = as many as the machine has cores, 4 at most.
  int threads = 0;

  // Throws InvalidOption that names the field, the value and what is allowed.
  void validate() const;

  int resolved_threads() const;
  double resolved_hop(double duration) const;
  // Whether that holds for longer recordings too.
  bool hop_is_known(double duration) const;
};

struct Turn {
  double start = 0.0;
  double end = 0.0;
  int speaker = 0;          // index into Diarization::speakers
  float confidence = 0.0F;  // 0 to 1: how far this voice leads the recording's others

  bool operator==(const Turn&) const = default;
};

struct Speaker {
  std::string label;        // SPEAKER_00, SPEAKER_01, ... in order of first speech
  VoiceVector voice{};      // unit length
  double seconds = 0.0;     // of speech, overlapped speech included
  float confidence = 0.0F;  // 0 to 1: how well this voice is told from the recording's others

  bool operator==(const Speaker&) const = default;
};

struct Diarization {
  double duration = 0.0;
  std::vector<Speaker> speakers;
  std::vector<Turn> turns;      // by start; turns of different speakers may overlap
  std::vector<Turn> exclusive;  // one speaker at a time: the one that words belong to

  bool operator==(const Diarization&) const = default;
};

// The two networks' weights, read once; any number of threads may diarize at a time.
class Diarizer {
 public:
  // Throws ModelError if the file is not a whole, sound diarizer model.
  explicit Diarizer(const std::filesystem::path& path);
  ~Diarizer();

  Diarizer(const Diarizer&) = delete;
  Diarizer& operator=(const Diarizer&) = delete;

  // Memory beside the samples is some 50 to 70 MB and 30 MB for each hour.
  // Throws AudioError if a sample is not finite; InvalidOption, also when the audio cannot hold the
  // least number of speakers asked for; Cancelled, and whatever the functions of `control` throw.
  Diarization diarize(PcmView pcm, const DiarizeOptions& options,
                      const Control& control = {}) const;

  // The same of a file, whose samples are heard as they are decoded and then forgotten. Throws what
  // decode_audio_file() throws, too.
  Diarization diarize_file(const std::filesystem::path& path, const DiarizeOptions& options,
                           const Control& control = {}) const;

  // The voice of a recording of one speaker, best 2 to 10 s of it, of unit length. Throws
  // AudioError if it is shorter than 25 ms or a sample is not finite, Cancelled.
  VoiceVector embed(PcmView pcm, const Control& control = {}) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Gives every word of a transcript its speaker, and the transcript its speaker segments. The
// transcript must have words (TranscribeOptions::word_timestamps). Words are heard where the
// diarization heard nobody only if both are wrong: they are the first speaker's.
Transcript attribute(Transcript transcript, const Diarization& diarization);

}  // namespace earwitness
