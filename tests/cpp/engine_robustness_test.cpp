// Unusual, damaged and hostile models: they run or are refused.
#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "engine_fixture.h"

namespace earwitness {
namespace {

using synthetic::check_sound;
using synthetic::english;
using synthetic::Model;
using synthetic::plain;
using synthetic::sound;

TEST(every_weight_type_runs) {
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q5_0,
                               GGML_TYPE_Q5_1, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1}) {
    synthetic::Spec spec;
    spec.type = type;
    const Model model(spec);
    TranscribeOptions options = plain();
    options.word_timestamps = true;
    const Transcript t = model(sound(1.2), options);
    check_sound(t);
    CHECK(!t.segments.empty());
    CHECK(model.engine.model().weights == ggml_type_name(type));
  }
}

TEST(odd_shapes_run) {
  struct Shape {
    int n_state, n_head, n_audio_ctx, n_text_ctx, n_mels;
  };
  for (const Shape& s : {Shape{17, 1, 17, 16, 16}, Shape{16, 16, 33, 17, 31},
                         Shape{20, 5, 16, 19, 80}, Shape{48, 3, 100, 448, 128}}) {
    synthetic::Spec spec;
    spec.n_state = s.n_state;
    spec.n_head = s.n_head;
    spec.n_audio_ctx = s.n_audio_ctx;
    spec.n_text_ctx = s.n_text_ctx;
    spec.n_mels = s.n_mels;
    const Model model(spec);
    for (const int beams : {1, 3}) {
      TranscribeOptions options = plain();
      options.word_timestamps = true;
      options.beam_size = beams;
      options.temperature_increment = 1.0;
      options.prompt = "some words to begin with, more than a short context can hold";
      check_sound(model(sound(0.5), options));
    }
  }
}

TEST(the_deepest_model_that_is_accepted_runs) {
  synthetic::Spec spec;
  spec.n_state = 16;
  spec.n_audio_layer = 48;
  spec.n_text_layer = 48;
  spec.n_audio_ctx = 16;
  spec.n_text_ctx = 16;
  const Model model(spec);
  TranscribeOptions options = plain();
  options.word_timestamps = true;
  check_sound(model(sound(0.3), options));
  options.beam_size = 16;
  check_sound(model(sound(0.3), options));
  options.temperature = 1.0;
  options.best_of = 16;
  check_sound(model(sound(0.3), options));
}

TEST(files_that_are_whole_but_no_whisper_models_are_refused) {
  synthetic::Spec spec;
  spec.n_vocab = 40'000;
  CHECK_THROWS(ModelError, Model(spec));
  spec.n_vocab = 51'867;
  CHECK_THROWS(ModelError, Model(spec));
  synthetic::Image image = synthetic::make_image({});
  image.tokens.resize(1000);
  CHECK_THROWS(ModelError, Model(image));
  image = synthetic::make_image({});
  std::fill(image.tokens.begin(), image.tokens.end(), "");
  CHECK_THROWS(ModelError, Model(image));
  image = synthetic::make_image({});
  image.filter_bins = 200;
  image.filters.resize(static_cast<std::size_t>(image.filter_mels) * 200);
  CHECK_THROWS(ModelError, Model(image));
}

TEST(weights_that_are_no_numbers_are_found_out) {
  for (const char* name :
       {"encoder.conv1.bias", "encoder.ln_post.weight", "decoder.positional_embedding",
        "decoder.ln.bias", "decoder.blocks.0.cross_attn.value.bias"}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      synthetic::Image image = synthetic::make_image({});
      std::string& data = image.tensor(name).data;
      for (std::size_t i = 0; i + sizeof bad <= data.size(); i += sizeof bad) {
        std::memcpy(data.data() + i, &bad, sizeof bad);
      }
      const Model model(image);
      for (const int beams : {1, 3}) {
        TranscribeOptions options = plain();
        options.beam_size = beams;
        options.temperature_increment = 1.0;
        CHECK_THROWS(ModelError, model(sound(1.0), options));
      }
    }
  }
}

TEST(mel_filters_that_are_no_numbers_are_found_out) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38F}) {
    synthetic::Image image = synthetic::make_image({});
    std::fill(image.filters.begin(), image.filters.end(), bad);
    const Model model(image);
    CHECK_THROWS(ModelError, model(sound(1.0), plain()));
  }
}

// Flips among the weights pass every structural check; the engine transcribes or says ModelError.
TEST(damaged_weights_never_crash) {
  std::vector<std::size_t> boundaries;
  synthetic::Spec spec;
  spec.n_text_ctx = 16;
  const std::string whole = synthetic::make_image(spec).bytes(&boundaries);
  std::mt19937 random(99);
  const std::vector<float> pcm = sound(0.4);
  const synthetic::TempFile file(whole);
  for (int run = 0; run < 15; ++run) {
    std::string damaged = whole;
    for (int i = 0; i < 2000; ++i) {
      const std::size_t tensor = random() % ((boundaries.size() - 5) / 2);
      const std::size_t data = boundaries[6 + 2 * tensor];
      const std::size_t end = boundaries[7 + 2 * tensor];
      char& byte = damaged[data + random() % (end - data)];
      byte = static_cast<char>(byte ^ (1 << (random() % 8)));
    }
    file.write(damaged);
    const Engine engine(file.path(), "cpu");
    TranscribeOptions options = plain();
    options.word_timestamps = true;
    options.beam_size = 1 + run % 3;
    options.temperature_increment = 1.0;
    try {
      check_sound(engine.transcribe({pcm.data(), pcm.size()}, options));
    } catch (const ModelError&) {
    }
  }
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
