// Voices that last: named samples of voices, and who of them a new sample is.
//
//   earwitness::Voices voices;
//   voices.add("Ada", diarization.speakers[0].voice);
//   if (auto match = voices.match(diarizer.embed(pcm))) std::puts(match->name.c_str());
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace earwitness {

inline constexpr int kVoiceDimensions = 192;

// A voice as CAM++ hears it, of unit length: the cosine of two is their dot product.
using VoiceVector = std::array<float, kVoiceDimensions>;

double cosine(const VoiceVector& a, const VoiceVector& b);

struct VoiceMatch {
  std::string name;
  double score = 0.0;   // cosine with the named voice
  double margin = 0.0;  // score less the runner-up's, or less -1 where there is none

  bool operator==(const VoiceMatch&) const = default;
};

class Voices {
 public:
  // Clean samples of some seconds of one person have a cosine of about 0.6 to 0.9, of two people
  // -0.1 to 0.4; the channel moves both.
  static constexpr double kThreshold = 0.5;
  static constexpr double kMargin = 0.05;

  static constexpr std::size_t kMaxNameBytes = 200;
  static constexpr std::size_t kMaxVoices = 100'000;
  static constexpr std::size_t kMaxSamples = 100'000;  // of one voice

  // One more sample of a voice, scaled to unit length here. Throws InvalidOption if the name is
  // empty, too long, not UTF-8 or holds control characters, or if the sample is not finite or zero.
  void add(const std::string& name, const VoiceVector& sample);

  // False if there is no such voice.
  bool remove(const std::string& name);

  // The nearest voice if its score reaches `threshold` and leads the next by `margin`. Throws
  // InvalidOption if a number is not within -1 to 1 (margin: 0 to 2) or the sample is not finite or
  // zero.
  std::optional<VoiceMatch> match(const VoiceVector& sample, double threshold = kThreshold,
                                  double margin = kMargin) const;

  // In the order in which they were first added.
  std::vector<std::string> names() const;
  std::size_t size() const { return entries_.size(); }

  // Samples of a voice, and the unit mean that it is matched by; 0 and none if there is no such
  // voice.
  std::size_t samples(const std::string& name) const;
  std::optional<VoiceVector> voice(const std::string& name) const;

  // One file, written beside the old one and moved over it. Format, little-endian: "EWVOICES", u32
  // version = 1, u32 dimensions = 192, u32 voices; for each: u32 bytes of the name, the name, u32
  // samples, 192 float32 (the sum of the unit samples); last, u32 CRC-32 of all before it. Throws
  // ModelError if the file cannot be written or read, or is not exactly that.
  void save(const std::filesystem::path& path) const;
  static Voices load(const std::filesystem::path& path);

 private:
  struct Entry {
    std::string name;
    std::size_t samples = 0;
    VoiceVector sum{};  // of unit samples
  };

  const Entry* find(const std::string& name) const;

  std::vector<Entry> entries_;
};

}  // namespace earwitness
