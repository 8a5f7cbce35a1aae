// What the tests of the whole engine share.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/engine.h"
#include "synthetic_model.h"

namespace earwitness::synthetic {

// A model file and an engine that has loaded it.
struct Model {
  explicit Model(const Spec& spec = {}) : Model(make_image(spec)) {}
  explicit Model(const Image& image) : file(image.bytes()), engine(file.path(), "cpu") {}
  Transcript operator()(const std::vector<float>& pcm, const TranscribeOptions& options,
                        const Control& control = {}) const {
    return engine.transcribe({pcm.data(), pcm.size()}, options, control);
  }
  TempFile file;
  Engine engine;
};

// An English model whose windows of 1.28 s hold several segments; one for a whole test program.
inline const Model& english() {
  static const Model model([] {
    Spec spec;
    spec.timestamp_logit = 4.0F;
    return spec;
  }());
  return model;
}

// One attempt per window, whatever it gives: what a synthetic model says is never likely.
inline TranscribeOptions plain() {
  TranscribeOptions options;
  options.temperature_increment = 0.0;
  options.no_speech_threshold.reset();
  options.threads = 1;
  return options;
}

// What holds for every transcript.
inline void check_sound(const Transcript& t) {
  double previous = 0.0;
  int id = 0;
  for (const Segment& s : t.segments) {
    CHECK(s.id == id++);
    CHECK(s.start >= previous && s.end >= s.start && s.end <= t.duration + 1e-9);
    CHECK(!s.tokens.empty());
    CHECK(std::isfinite(s.avg_logprob) && s.avg_logprob <= 0.0F);
    CHECK(s.no_speech_prob >= 0.0F && s.no_speech_prob <= 1.0F);
    for (const Token& token : s.tokens) CHECK(token.logprob <= 1e-4F && token.id < 50257);
    previous = s.end;
    if (s.words.empty()) continue;
    std::string text;
    double word_end = s.start;
    for (const Word& w : s.words) {
      CHECK(w.start >= word_end && w.end >= w.start && w.end <= s.end);
      CHECK(w.confidence >= 0.0F && w.confidence <= 1.0F + 1e-5F);
      text += w.text;
      word_end = w.end;
    }
    CHECK(text == s.text);
  }
}

}  // namespace earwitness::synthetic
