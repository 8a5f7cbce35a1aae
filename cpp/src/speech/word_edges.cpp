#include "speech/word_edges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace earwitness::speech {
namespace {

constexpr std::size_t kHop = kSampleRate / 200;
constexpr double kStep = 0.005;           // seconds of a hop
constexpr std::size_t kFrame = 4 * kHop;  // 20 ms: two periods of the deepest voice
constexpr float kLeastPower = 1e-9F;

// Speech is what lies above this share of the way from the quiet tenth of the frames to the loud
// one, and only where these differ as a voice and its pauses do. Benches/word_times.py: 0.1 to 0.3
// differ by less than 10 ms in the median.
constexpr float kQuietShare = 0.15F;
constexpr float kLeastRange = 10.0F;  // decibels

// The closure of a long stop lasts 0.15 s; what is longer is a pause.
constexpr std::ptrdiff_t kPause = 30;

// A number, or parts joined by a hyphen.
bool may_pause(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const std::size_t hyphen = text.find('-', 1);
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
         (hyphen != std::string_view::npos && hyphen + 1 < text.size());
}

}  // namespace

Loudness::Loudness(PcmView pcm, std::size_t begin, std::size_t count)
    : begin_(static_cast<double>(begin) / kSampleRate) {
  const std::size_t end = std::min(begin + count, pcm.size);
  for (std::size_t centre = begin; centre < end; centre += kHop) {
    const std::size_t first = std::max(begin + kFrame / 2, centre) - kFrame / 2;
    const std::size_t last = std::min(centre + kFrame / 2, end);
    float power = 0.0F;
    for (std::size_t i = first; i < last; ++i) power += pcm.data[i] * pcm.data[i];
    power /= static_cast<float>(std::max(last - first, std::size_t{1}));
    decibels_.push_back(10.0F * std::log10(power + kLeastPower));
  }
  if (decibels_.empty()) return;
  std::vector<float> sorted = decibels_;
  std::sort(sorted.begin(), sorted.end());
  const float low = sorted[sorted.size() / 10];
  const float high = sorted[sorted.size() * 9 / 10];
  if (high - low >= kLeastRange) threshold_ = low + kQuietShare * (high - low);
}

bool Loudness::quiet(std::ptrdiff_t step) const {
  if (step < 0 || step >= std::ssize(decibels_)) return false;
  return decibels_[static_cast<std::size_t>(step)] < threshold_;
}

void Loudness::trim(Word& word) const {
  const auto step_of = [&](double seconds) { return std::lround((seconds - begin_) / kStep); };
  const std::ptrdiff_t last = step_of(word.end);
  const std::ptrdiff_t pause =
      may_pause(word.text) ? std::numeric_limits<std::ptrdiff_t>::max() : kPause;
  struct Sound {
    std::ptrdiff_t first = 0;
    std::ptrdiff_t last = 0;
    std::ptrdiff_t length() const { return last - first; }
  };
  Sound longest;
  std::optional<Sound> sound;
  for (std::ptrdiff_t i = step_of(word.start); i <= last; ++i) {
    if (quiet(i)) continue;
    if (!sound || i - sound->last > pause) sound = Sound{i, i};
    sound->last = i;
    if (sound->length() > longest.length()) longest = *sound;
  }
  constexpr std::ptrdiff_t kShortest = 4;    // 20 ms
  if (longest.length() < kShortest) return;  // quiet: the alignment knows better
  word.start = std::max(word.start, begin_ + static_cast<double>(longest.first) * kStep);
  word.end = std::min(word.end, begin_ + static_cast<double>(longest.last) * kStep);
}

void bound(Word& word, std::size_t n_tokens, Beside beside) {
  // openai-whisper, timing.py, bounds words beside pauses by twice the median, 0.7 s at most; a
  // number of many tokens is read out for longer.
  constexpr double kToken = 0.7;
  const double longest = kToken * static_cast<double>(std::max(n_tokens, std::size_t{2}));
  if (word.end - word.start <= longest) return;
  if (beside.alone_after) {
    word.end = word.start + longest;
  } else if (beside.alone_before) {
    word.start = word.end - longest;
  }
}

}  // namespace earwitness::speech
