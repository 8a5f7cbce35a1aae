// Repetition loops: a few tokens written again and again, where a decoder has lost the speech.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "speech/segments.h"

namespace earwitness::speech {

// The indices of the tokens that stay when each loop is cut to its first run. A loop is a run of
// tokens, of any length, that stands at least three times in a row, case and marks aside.
// tokens: of text, each as the bytes that it stands for.
std::vector<std::size_t> without_loops(std::span<const std::string> tokens);

// Leaves the loops of a window's text out, and all of it where what is left still deflates to far
// less than text does: beyond twice `compression_ratio_threshold`, if there is one. The audio is
// done with all the same. tokens: the window's.
void cut_loops(WindowSegments& cut, std::span<const TokenId> tokens, const Vocabulary& vocabulary,
               std::optional<double> compression_ratio_threshold);

}  // namespace earwitness::speech
