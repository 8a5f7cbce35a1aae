// Our networks as the tests drive them: each on a window of made-up sound.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "check.h"
#include "earwitness/control.h"
#include "runtime/compute.h"
#include "speech/cpu_network.h"
#include "speech/ggml_network.h"
#include "speech/mel.h"
#include "synthetic_model.h"

namespace earwitness::speech {

using Ids = std::vector<TokenId>;
using Logits = std::vector<float>;

enum class Kind { kGgml, kFloat, kInteger };
inline constexpr Kind kAll[] = {Kind::kGgml, Kind::kFloat, Kind::kInteger};

inline std::unique_ptr<Network> make_network(const ModelFile& file, Kind kind) {
  using kernels::PackedMatrix;
  if (kind != Kind::kGgml) {
    const auto precision =
        kind == Kind::kFloat ? PackedMatrix::Precision::kHalf : PackedMatrix::Precision::kInteger;
    return std::make_unique<CpuNetwork>(std::make_shared<const CpuWeights>(file, precision));
  }
  ggml_backend_dev_t cpu = find_device("cpu");
  return std::make_unique<GgmlNetwork>(std::make_shared<const GgmlWeights>(file, cpu), cpu);
}

// One of our networks and a window for it.
class Ours {
 public:
  Ours(const std::filesystem::path& path, Kind kind)
      : file_(ModelFile::parse(path)), network_(make_network(file_, kind)) {
    const std::vector<float> pcm = synthetic::sound(1.0);
    Mel(file_.mel_filters, file_.n_filter_mels, file_.n_filter_bins)
        .compute({pcm.data(), pcm.size()}, 0, 2 * file_.hparams.n_audio_ctx, mel_);
  }

  const std::vector<float>& mel() const { return mel_; }
  int n_mels() const { return file_.hparams.n_mels; }

  void encode(int threads = 1) { encode(mel_, file_.hparams.n_audio_ctx, 0.0F, threads); }
  void encode(const std::vector<float>& sound, int positions, float silence, int threads = 1,
              int slot = 0) {
    WindowMel window;
    window.sound = sound;
    window.positions = positions;
    window.silence = silence;
    network_->encode(window, slot, threads, watch_);
  }
  Logits prompt(const Ids& tokens, const std::vector<int>& rows, int n_sequences = 1,
                const std::vector<int>& slots = {0}) {
    const auto logits = network_->prompt(tokens, rows, slots, n_sequences, watch_);
    return {logits.begin(), logits.end()};
  }
  Logits prompt(const Ids& tokens) { return prompt(tokens, {static_cast<int>(tokens.size()) - 1}); }
  Logits step(const Ids& tokens) {
    const auto logits = network_->step(tokens, watch_);
    return {logits.begin(), logits.end()};
  }
  void reorder(const std::vector<int>& sources) { network_->reorder(sources, watch_); }
  std::vector<float> attend(const Ids& tokens, const std::vector<AttentionHead>& heads,
                            int slot = 0) {
    return network_->attend(tokens, heads, slot, watch_);
  }
  int position() const { return network_->position(); }

  // The logits after `tokens`, decoded one at a time as the only sequence.
  Logits alone(const Ids& tokens) {
    Logits logits = prompt({tokens.front()}, {0});
    for (std::size_t i = 1; i < tokens.size(); ++i) logits = step({tokens[i]});
    return logits;
  }

 private:
  ModelFile file_;
  Control control_;
  Watch watch_{control_};
  std::unique_ptr<Network> network_;
  std::vector<float> mel_;
};

// Root mean square of the difference over that of the reference.
inline double distance(const Logits& got, const Logits& want) {
  CHECK(got.size() == want.size());
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / size);
}

inline Logits row(const Logits& logits, std::size_t i, std::size_t n_rows) {
  const std::size_t n = logits.size() / n_rows;
  const auto from = logits.begin() + static_cast<std::ptrdiff_t>(i * n);
  return {from, from + static_cast<std::ptrdiff_t>(n)};
}

// Where values are rounded to f16 (weights of convolutions times activations, keys, values), and
// how GELU is approximated, differs between the three.
inline constexpr double kRounding = 2e-3;

}  // namespace earwitness::speech
