// One call: PCM → segments, a window at a time or the windows of several spans at once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "earwitness/options.h"
#include "earwitness/types.h"
#include "kernels/thread_pool.h"
#include "speech/mel.h"
#include "speech/network.h"
#include "speech/pointing.h"
#include "speech/segments.h"
#include "speech/vocabulary.h"
#include "speech/window_decoder.h"

namespace earwitness::speech {

class Transcriber {
 public:
  // pointing_heads: word timestamps need one; without any, times that a model lets pass too slowly
  // are not noticed. They, and all other references, are to outlive it.
  Transcriber(Network& network, const Vocabulary& vocabulary, const Mel& mel, PcmView pcm,
              const TranscribeOptions& options, std::span<const PointingHead> pointing_heads,
              Watch& watch);

  Transcript run();

 private:
  // A span that is being transcribed, in samples, and what was heard in it.
  struct Stretch {
    std::size_t at = 0;
    std::size_t end = 0;
    std::vector<Segment> segments;
    // Up to where the window before said that there is no more speech; 0 where it did not.
    std::size_t passed_over = 0;
    std::string last_text;  // of its last segment
  };
  // What is heard at once.
  struct Window {
    Stretch* stretch = nullptr;
    int slot = 0;
    std::size_t begin = 0;
    std::size_t n_samples = 0;
  };
  // The text of all segments of a window.
  struct Text {
    std::vector<std::size_t> tokens;  // indices into the window's
    std::vector<float> attention;     // of the pointing heads over it; empty until asked for
  };

  void transcribe(std::span<Stretch> stretches);
  std::vector<Window> next_windows(std::span<Stretch> stretches, std::size_t most) const;
  void encode(const Window& window);
  std::vector<DecodedWindow> decode(std::span<const Window> windows);
  // Appends the window's segments to its stretch, which goes on after what is done with.
  void finish(const Window& window, const DecodedWindow& decoded);
  // Where the text goes on long after its timestamps end, takes its times from the pointing heads.
  void mend_drift(WindowSegments& cut, Text& text, const DecodedWindow& decoded,
                  const Window& window);
  int sound_positions(std::size_t n_samples) const;
  void detect_language(int slot);
  std::vector<Segment> segments_of(const WindowSegments& cut, const DecodedWindow& decoded,
                                   std::size_t begin) const;
  // n_done: the samples that are not left for the next window; no word is timed beyond them.
  void add_words(Text& text, const DecodedWindow& decoded, const Window& window, std::size_t n_done,
                 std::vector<Segment>& segments);
  void publish(std::vector<Segment>& segments);
  // When each token of the text starts, and the last one ends: seconds from the window's begin.
  std::vector<double> find_starts(Text& text, const DecodedWindow& decoded, int slot,
                                  std::size_t n_done);
  void report_progress(std::size_t done);
  std::vector<TokenId> start_tokens() const;

  Network& network_;
  const Vocabulary& vocabulary_;
  const Mel& mel_;
  PcmView pcm_;
  const TranscribeOptions& options_;
  std::span<const PointingHead> pointing_heads_;
  Watch& watch_;
  kernels::ThreadPool pool_;  // for what the network does not do
  WindowDecoder decoder_;

  std::vector<TokenId> prompt_;   // the caller's
  std::vector<TokenId> history_;  // what was said, where windows are conditioned on it
  int language_ = -1;             // index; -1 until known
  std::size_t to_do_ = 0;         // samples in all spans
  std::vector<float> mel_buffer_;
  Transcript transcript_;
};

}  // namespace earwitness::speech
