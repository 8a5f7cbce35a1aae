// Which of the recording's speakers each local speaker of a window is, frame by frame: the
// segmentation network at times takes two people who follow each other for one.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "speakers/clustering.h"
#include "speakers/evidence.h"

namespace earwitness::speakers {

struct WindowTracks {
  // -1 where the local speaker is silent.
  std::array<std::array<int, kWindowFrames>, kLocalSpeakers> speaker;
  // Share of the evidence that speaks for that one.
  std::array<std::array<float, kWindowFrames>, kLocalSpeakers> confidence;
};

class TrackLabeller {
 public:
  TrackLabeller(const Evidence& evidence, const std::vector<VoiceVector>& centroids);

  // Windows must be asked for in order.
  void label(std::size_t index, WindowTracks& out);

  // How likely a voice is each speaker's, judged by its cosines with them.
  static std::vector<float> posterior(const float* cosines, std::size_t speakers);

 private:
  void find_glimpses(const Window& window);
  void label_track(const Window& window, std::size_t local, int whole, WindowTracks& out);

  const Evidence& evidence_;
  const std::vector<VoiceVector>& centroids_;
  std::vector<float> scores_;  // [glimpses][speakers]: cosines
  std::size_t next_local_ = 0;
  std::size_t next_glimpse_ = 0;
  std::array<int, kWindowFrames> glimpse_{};  // nearest to each frame of the window; -1 = none near
  std::vector<float> emission_;               // [active frames][speakers]
  std::vector<int> active_;
  std::vector<int> from_;
};

}  // namespace earwitness::speakers
