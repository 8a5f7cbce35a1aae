// Repetition loops: a few tokens written again and again, where a decoder has lost the speech.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace earwitness::speech {

// The indices of the tokens that stay when each loop is cut to its first run. A loop is a run of
// tokens, of any length, that stands at least three times in a row, case and marks aside.
// tokens: of text, each as the bytes that it stands for.
std::vector<std::size_t> without_loops(std::span<const std::string> tokens);

}  // namespace earwitness::speech
