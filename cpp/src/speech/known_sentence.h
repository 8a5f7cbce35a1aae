// A recorded sentence whose words are known with their times.
#pragma once

#include <array>
#include <string_view>
#include <vector>

namespace earwitness::speech {

struct KnownWord {
  std::string_view text;  // with the space before it
  double start = 0.0;     // seconds
  double end = 0.0;
};

// From John F. Kennedy's inaugural address, samples/jfk.wav of whisper.cpp (public domain); the
// times are those of PocketSphinx 5.1.1, aligning this text
// (benches/align_speech.py).
inline constexpr std::array<KnownWord, 22> kKnownWords = {{
    {" And", 0.29, 0.63},       {" so,", 0.63, 0.97},        {" my", 0.97, 1.24},
    {" fellow", 1.24, 1.63},    {" Americans,", 1.63, 2.16}, {" ask", 3.25, 3.85},
    {" not", 3.99, 4.30},       {" what", 5.37, 5.61},       {" your", 5.61, 5.86},
    {" country", 5.86, 6.42},   {" can", 6.42, 6.66},        {" do", 6.66, 6.91},
    {" for", 6.91, 7.05},       {" you,", 7.05, 7.67},       {" ask", 8.15, 8.53},
    {" what", 8.53, 8.82},      {" you", 8.82, 9.17},        {" can", 9.20, 9.37},
    {" do", 9.37, 9.63},        {" for", 9.63, 9.78},        {" your", 9.78, 9.99},
    {" country.", 9.99, 10.46},
}};

// 16 kHz, mono.
std::vector<float> known_sentence();

}  // namespace earwitness::speech
