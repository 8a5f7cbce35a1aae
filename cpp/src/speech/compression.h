// How much a text repeats itself: the measure that Whisper's compression threshold is of.
#pragma once

#include <cstddef>
#include <string_view>

namespace earwitness::speech {

// Bytes that zlib's compress() makes of the text at its default level, the code's tables included,
// to within a few bytes. Only the length is worked out: nothing is written.
std::size_t deflated_size(std::string_view text);

// Bytes of the text, without outer spaces, over deflated_size(): openai-whisper's
// compression_ratio() (utils.py), for which its threshold of 2.4 is made.
double compression_ratio(std::string_view text);

}  // namespace earwitness::speech
