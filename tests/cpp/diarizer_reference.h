// What the published networks answer to ten seconds of speech: tests/data/diarizer_reference.bin.
//
// The audio is two overlapping voices made from a public-domain recording (J. F. Kennedy, 1961; the
// second is the same, faster), one byte a sample: code c stands for c |c| / 16384. The answers come
// from the networks in PyTorch, float32, with the original weights; the last two voices from CAM++
// in PyTorch, float32, with the weights that ship, as they are after rounding (made anew where the
// shipped file changes).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include "speakers/weights.h"

namespace earwitness::speakers {

struct Reference {
  static constexpr std::size_t kSamples = 160000;
  static constexpr std::size_t kFbankStep = 20;  // every so many frames are kept
  static constexpr std::size_t kFbankRows = 50;
  static constexpr int kShortFirst = 200;  // frames of the shorter embedding
  static constexpr int kShortFrames = 150;

  std::vector<float> pcm;
  std::vector<float> fbank;        // [kFbankRows][80]
  std::vector<float> log_probs;    // [589][7]
  std::vector<float> voice;        // of all ten seconds, unit length
  std::vector<float> short_voice;  // of 1.5 s
  std::vector<float> shipped_voice;
  std::vector<float> shipped_short_voice;
};

inline float half_to_float(std::uint16_t h) {
  const int exponent = (h >> 10) & 0x1F;
  const int mantissa = h & 0x3FF;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(mantissa), -24)
                              : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  return (h & 0x8000) != 0 ? -magnitude : magnitude;
}

inline Reference read_reference() {
  std::ifstream in(std::filesystem::path(EARWITNESS_TEST_DATA) / "diarizer_reference.bin",
                   std::ios::binary);
  const auto read = [&](auto& values) {
    in.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(values[0])));
    if (!in) throw std::runtime_error("diarizer_reference.bin is missing or short");
  };
  Reference out;
  std::vector<std::int8_t> codes(Reference::kSamples);
  read(codes);
  for (const int c : codes) {
    out.pcm.push_back(static_cast<float>(c * (c < 0 ? -c : c)) / 16384.0F);
  }
  out.fbank.resize(Reference::kFbankRows * 80);
  read(out.fbank);
  std::vector<std::uint16_t> halves(std::size_t{589} * 7);
  read(halves);
  for (const std::uint16_t h : halves) out.log_probs.push_back(half_to_float(h));
  for (auto* voice : {&out.voice, &out.short_voice, &out.shipped_voice, &out.shipped_short_voice}) {
    voice->resize(192);
    read(*voice);
  }
  return out;
}

inline const Reference& reference() {
  static const Reference read = read_reference();
  return read;
}

// The weights that ship with the package.
inline std::shared_ptr<const DiarizerWeights> shipped_weights() {
  static const auto loaded = DiarizerWeights::load(EARWITNESS_DIARIZER);
  return loaded;
}

}  // namespace earwitness::speakers
