// One call: PCM → segments, window by window.
#pragma once

#include <string>
#include <vector>

#include "earwitness/options.h"
#include "earwitness/types.h"
#include "speech/mel.h"
#include "speech/network.h"
#include "speech/segments.h"
#include "speech/vocabulary.h"
#include "speech/window_decoder.h"

namespace earwitness::speech {

class Transcriber {
 public:
  Transcriber(Network& network, const Vocabulary& vocabulary, const Mel& mel, PcmView pcm,
              const TranscribeOptions& options, Watch& watch);

  Transcript run();

 private:
  void transcribe_span(std::size_t begin, std::size_t end);
  // Encodes and decodes what starts at `begin`; returns the samples that are done with.
  std::size_t transcribe_window(std::size_t begin, std::size_t n_samples);
  void cut_loops(WindowSegments& cut, const DecodedWindow& window) const;
  int sound_positions(std::size_t n_samples) const;
  void detect_language();
  // n_done: the samples that are not left for the next window; no word is timed beyond them.
  void emit(const WindowSegments& cut, const DecodedWindow& window, std::size_t begin,
            std::size_t n_done);
  void add_words(const WindowSegments& cut, const DecodedWindow& window, std::size_t begin,
                 std::size_t n_done, std::vector<Segment>& segments);
  void report_progress(std::size_t done);
  std::vector<TokenId> start_tokens() const;

  Network& network_;
  const Vocabulary& vocabulary_;
  const Mel& mel_;
  PcmView pcm_;
  const TranscribeOptions& options_;
  Watch& watch_;
  int threads_;
  WindowDecoder decoder_;

  std::vector<TokenId> prompt_;   // the caller's
  std::vector<TokenId> history_;  // what was said, where windows are conditioned on it
  int language_ = -1;             // index; -1 until known
  std::size_t to_do_ = 0;         // samples in all spans
  std::size_t done_ = 0;          // samples of the spans before the current one
  std::vector<float> mel_buffer_;
  Transcript transcript_;
};

}  // namespace earwitness::speech
