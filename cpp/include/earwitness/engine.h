// A loaded speech model. Weights are read once; any number of threads may transcribe at a time.
//
//   earwitness::Engine engine("ggml-tiny.en.bin");
//   earwitness::Transcript t = engine.transcribe({pcm.data(), pcm.size()}, {});
//   for (const auto& s : t.segments) std::printf("%.2f %s\n", s.start, s.text.c_str());
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "earwitness/control.h"
#include "earwitness/options.h"
#include "earwitness/types.h"

namespace earwitness {

// What a model file says of itself.
struct ModelInfo {
  std::string type;     // tiny, base, small, medium, large, turbo or custom
  std::string weights;  // f32, f16, q8_0, q5_0, q5_1, q4_0 or q4_1
  bool multilingual = false;
  std::vector<std::string> languages;  // codes
  int n_mels = 0;
  int n_audio_ctx = 0;
  int n_vocab = 0;
};

class Engine {
 public:
  // device: "auto" (a GPU where this build and machine have one, else the CPU), "cpu" or "gpu".
  // precision, on the CPU: "int8" (weights rounded to 8 bits: fast and small) or "float" (weights
  // in half precision, everything else in single). A GPU takes the weights as they are in the file.
  // Throws ModelError if the file is not a whole, sound whisper.cpp model, InvalidOption if the
  // device or precision does not exist.
  explicit Engine(const std::filesystem::path& path, const std::string& device = "auto",
                  const std::string& precision = "int8");
  ~Engine();

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws AudioError if a sample is not finite or there are less than 0.1 s, InvalidOption,
  // Cancelled, EngineClosed, and whatever the functions of `control` throw. Silence gives no
  // segments.
  Transcript transcribe(PcmView pcm, const TranscribeOptions& options,
                        const Control& control = {}) const;

  // Frees the weights when the last running call ends; later calls throw EngineClosed.
  void close();
  bool closed() const;

  const ModelInfo& model() const;
  const std::string& device() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace earwitness
