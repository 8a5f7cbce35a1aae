// The tokens of a window → segments, and where the next window begins.
#pragma once

#include <span>
#include <vector>

#include "speech/vocabulary.h"

namespace earwitness::speech {

// One segment of a window: times in seconds from the window's start, and its text tokens as indices
// into the window's tokens.
struct TokenSegment {
  double start = 0.0;
  double end = 0.0;
  std::vector<std::size_t> text;
};

struct WindowSegments {
  std::vector<TokenSegment> segments;
  double next = 0.0;  // seconds from the window's start to the next window
  // Where its last segment ends: below `next` if the rest of the window is passed over on the
  // model's word, or in a segment too long for its text, which is shortened.
  double heard = 0.0;
};

// Cuts at the timestamp pairs, as openai-whisper's transcribe.py does: text after the last complete
// pair is left for the next window, unless the window ends with a single timestamp or has none.
// window_length: seconds of audio in the window.
WindowSegments cut_segments(std::span<const TokenId> tokens, const Vocabulary& vocabulary,
                            double window_length);

}  // namespace earwitness::speech
