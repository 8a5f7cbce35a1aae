// Hears a recording as it comes, window by window: the two networks, each over every part of it
// once. Some half a minute of samples is kept at a time, two minutes where the hop depends on the
// length.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "earwitness/diarize.h"
#include "earwitness/types.h"
#include "kernels/thread_pool.h"
#include "runtime/watch.h"
#include "speakers/embedding.h"
#include "speakers/evidence.h"
#include "speakers/fbank.h"
#include "speakers/segmentation.h"
#include "speakers/voice_sampler.h"
#include "speakers/weights.h"

namespace earwitness::speakers {

class Listener {
 public:
  // options.hop: about so many seconds from one window to the next; such that a whole number of
  // hops covers a window. Reports progress from 0 to `progress_share`.
  Listener(const std::shared_ptr<const DiarizerWeights>& weights, const DiarizeOptions& options,
           kernels::ThreadPool& pool, Watch& watch, double progress_share);

  // The samples that come next, with which `share` of the recording has been given.
  void add(PcmView samples, double share);

  // After the last samples.
  Evidence finish();

 private:
  // What CAM++ hears at a time.
  struct Piece {
    std::vector<std::int64_t> frames;  // of the filterbank
    std::vector<float> bands;          // [frames][kBands]
    std::vector<float> features;
  };

  void choose_step();
  std::int64_t last_start() const;
  std::int64_t full_windows() const;
  void hear_windows(std::int64_t count, std::int64_t total);
  std::int64_t start(std::int64_t window, std::int64_t total) const;
  const float* samples_from(std::int64_t sample) const;
  void forget_before(std::int64_t sample);
  void report(double share);
  void segment(const std::vector<std::int64_t>& starts);
  void cut_pieces(const Window& window, bool last);
  void add_piece(const std::vector<int>& frames, std::int64_t first_frame);
  void hear_pieces();
  void place_features(const Piece& piece);

  const DiarizeOptions options_;
  kernels::ThreadPool& pool_;
  Watch& watch_;
  const double progress_share_;
  Segmentation segmentation_;
  std::vector<Embedder> embedders_;  // one for each thread
  Fbank fbank_;
  VoiceSampler sampler_;
  std::vector<float> kept_;     // samples that are still needed,
  std::int64_t kept_from_ = 0;  // from this one on
  std::int64_t received_ = 0;   // samples
  double share_ = 0.0;          // of the recording
  double reported_ = 0.0;
  const std::int64_t batch_;     // windows that are segmented at a time
  std::int64_t step_ = 0;        // frames from one window to the next; 0 = not chosen yet
  std::int64_t hear_every_ = 1;  // windows
  std::int64_t windows_ = 0;     // done
  std::int64_t heard_ = 0;       // filterbank frames before are done
  std::vector<std::vector<float>> padded_;
  std::vector<float> log_probabilities_;
  std::vector<float> bands_;  // [frames][kBands] of the window that is heard
  std::vector<Piece> pieces_;
};

}  // namespace earwitness::speakers
