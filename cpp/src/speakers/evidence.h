// What the networks saw and heard of a recording: all that the clustering stages know of it.
//
// Frames are those of the segmentation network, counted from the start of the recording.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "earwitness/voices.h"

namespace earwitness::speakers {

inline constexpr double kFrameSeconds = 270.0 / 16000.0;
inline constexpr int kWindowFrames = 589;
inline constexpr int kLocalSpeakers = 3;

// Start of frame 0 in seconds: the middle of its receptive field of 991 samples, less half a frame.
inline constexpr double kFrameOffset = 991.0 / 2.0 / 16000.0 - kFrameSeconds / 2.0;

inline double frame_time(std::int64_t frame) {
  return static_cast<double>(frame) * kFrameSeconds + kFrameOffset;
}

using LocalProbabilities = std::array<std::uint8_t, kLocalSpeakers>;

// One window of the segmentation network. "Local speakers" are its own: number 1 of a window need
// not be number 1 of the next.
struct Window {
  std::int64_t first_frame = 0;
  std::array<std::uint8_t, kWindowFrames> active{};             // bit s: local speaker s speaks
  std::array<LocalProbabilities, kWindowFrames> probability{};  // of that, in 1/255
};

// The voice of one local speaker.
struct LocalVoice {
  int window = 0;
  int speaker = 0;
  VoiceVector voice{};
};

// The voice heard in a short stretch of time, whoever it is.
struct Glimpse {
  std::int64_t first_frame = 0;
  std::int64_t end_frame = 0;
  float seconds = 0.0F;  // of speech of one speaker in it
  float purity = 1.0F;   // cosine between its halves
  bool unit = false;     // one of those that speakers are found from
  VoiceVector voice{};
};

// Over the windows that cover a frame.
struct FrameActivity {
  float speakers = 0.0F;  // mean number of active speakers
  float solo = 0.0F;      // mean probability that there is exactly one
};

struct Evidence {
  double duration = 0.0;
  std::vector<Window> windows;     // by first_frame
  std::vector<LocalVoice> locals;  // by window, then speaker; none for one too short to be heard
  std::vector<Glimpse> glimpses;   // by first_frame
  std::vector<FrameActivity> frames;
};

}  // namespace earwitness::speakers
