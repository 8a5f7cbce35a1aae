// The whole engine on synthetic models: what it says is noise, how it behaves is not.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
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

TEST(the_model_describes_itself) {
  const ModelInfo& info = english().engine.model();
  CHECK(info.type == "custom");
  CHECK(info.weights == "f16");
  CHECK(!info.multilingual);
  CHECK(info.languages == std::vector<std::string>{"en"});
  CHECK(info.n_mels == 80 && info.n_audio_ctx == 64 && info.n_vocab == 51864);
  CHECK(!english().engine.device().empty());

  synthetic::Spec spec;
  spec.n_vocab = synthetic::kLargeV3Vocabulary;
  spec.type = GGML_TYPE_Q8_0;
  const Model large(spec);
  CHECK(large.engine.model().multilingual);
  CHECK(large.engine.model().languages.size() == 100);
  CHECK(large.engine.model().languages.back() == "yue");
  CHECK(large.engine.model().weights == "q8_0");
}

TEST(devices_that_are_not_there_are_refused) {
  CHECK_THROWS(InvalidOption, Engine(english().file.path(), "quantum"));
  CHECK_THROWS(InvalidOption, Engine(english().file.path(), ""));
}

TEST(it_transcribes_something_and_the_same_every_time) {
  const std::vector<float> pcm = sound(3.0);
  const Transcript first = english()(pcm, plain());
  CHECK(!first.segments.empty());
  CHECK(!first.text().empty());
  CHECK_NEAR(first.duration, 3.0, 1e-9);
  CHECK(first.language == "en" && first.task == "transcribe");
  CHECK(first.timings.total > 0.0);
  check_sound(first);
  CHECK(english()(pcm, plain()).segments == first.segments);
  const Engine again(english().file.path());
  CHECK(again.transcribe({pcm.data(), pcm.size()}, plain()).segments == first.segments);
}

TEST(threads_change_nothing) {
  TranscribeOptions options = plain();
  options.word_timestamps = true;
  const std::vector<float> pcm = sound(2.5);
  const Transcript one = english()(pcm, options);
  for (const int threads : {2, 3, 0}) {
    options.threads = threads;
    CHECK(english()(pcm, options).segments == one.segments);
  }
}

TEST(eight_calls_at_once_are_as_if_alone) {
  std::vector<std::vector<float>> inputs;
  std::vector<Transcript> want;
  for (unsigned i = 0; i < 8; ++i) {
    inputs.push_back(sound(1.0 + 0.2 * i, i));
    want.push_back(english()(inputs.back(), plain()));
  }
  std::vector<Transcript> got(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 2; ++repeat) got[i] = english()(inputs[i], plain());
    });
  }
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < 8; ++i) CHECK(got[i].segments == want[i].segments);
}

TEST(silence_gives_nothing) {
  for (const float level : {0.0F, 1e-4F, -1e-4F}) {
    std::vector<double> progress;
    Control control;
    control.on_progress = [&](double p) { progress.push_back(p); };
    const Transcript t = english()(std::vector<float>(48000, level), plain(), control);
    CHECK(t.segments.empty() && t.text().empty() && t.words().empty());
    CHECK_NEAR(t.duration, 3.0, 1e-9);
    CHECK(!progress.empty() && progress.back() == 1.0);
  }
}

TEST(scraps_are_refused) {
  CHECK_THROWS(AudioError, english().engine.transcribe({}, plain()));
  const std::vector<float> pcm = sound(0.2);
  for (const std::size_t n : {1U, 800U, 1599U}) {
    CHECK_THROWS(AudioError, english().engine.transcribe({pcm.data(), n}, plain()));
  }
}

TEST(any_short_length_is_safe) {
  const std::vector<float> pcm = sound(0.2);
  for (const std::size_t n : {1600U, 1601U, 1759U, 1760U, 1761U, 3199U, 3200U}) {
    check_sound(english().engine.transcribe({pcm.data(), n}, plain()));
  }
}

TEST(samples_that_are_no_numbers_are_refused) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{7000}, std::size_t{15999}}) {
      std::vector<float> pcm = sound(1.0);
      pcm[at] = bad;
      CHECK_THROWS(AudioError, english()(pcm, plain()));
    }
  }
}

TEST(samples_in_other_units_are_refused) {
  std::vector<float> pcm = sound(1.0);
  for (float& s : pcm) s *= 32768.0F;
  CHECK_THROWS(AudioError, english()(pcm, plain()));
}

TEST(options_that_make_no_sense_are_refused) {
  const auto refused = [](auto change) {
    TranscribeOptions options = plain();
    change(options);
    CHECK_THROWS(InvalidOption, english()(sound(0.5), options));
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  refused([](auto& o) { o.language = "klingon"; });
  refused([](auto& o) { o.language = ""; });
  refused([](auto& o) { o.language = "de"; });  // an English model
  refused([](auto& o) { o.task = "summarise"; });
  refused([](auto& o) { o.task = "translate"; });  // an English model
  refused([](auto& o) { o.prompt = std::string(100'001, 'a'); });
  refused([](auto& o) { o.temperature = -0.1; });
  refused([](auto& o) { o.temperature = 1.1; });
  refused([&](auto& o) { o.temperature = nan; });
  refused([](auto& o) { o.temperature_increment = 1e-9; });
  refused([&](auto& o) { o.temperature_increment = nan; });
  refused([](auto& o) { o.best_of = 0; });
  refused([](auto& o) { o.best_of = 1 << 30; });
  refused([](auto& o) { o.beam_size = 0; });
  refused([](auto& o) { o.beam_size = 17; });
  refused([](auto& o) { o.fallback_beam_size = 0; });
  refused([](auto& o) { o.fallback_beam_size = 17; });
  refused([&](auto& o) { o.search_threshold = nan; });
  refused([&](auto& o) { o.logprob_threshold = nan; });
  refused([&](auto& o) { o.entropy_threshold = infinity; });
  refused([&](auto& o) { o.compression_ratio_threshold = infinity; });
  refused([&](auto& o) { o.no_speech_threshold = nan; });
  refused([](auto& o) { o.max_initial_timestamp = -1.0; });
  refused([&](auto& o) { o.max_initial_timestamp = infinity; });
  refused([](auto& o) { o.threads = -1; });
  refused([](auto& o) { o.threads = 100'000; });
  refused([](auto& o) { o.spans = {{1.0, 1.0}}; });
  refused([](auto& o) { o.spans = {{2.0, 1.0}}; });
  refused([](auto& o) { o.spans = {{-1.0, 1.0}}; });
  refused([](auto& o) { o.spans = {{0.0, 0.4}, {0.3, 0.5}}; });
  refused([&](auto& o) { o.spans = {{0.0, nan}}; });
  refused([&](auto& o) { o.spans = {{0.0, infinity}}; });
}

TEST(languages) {
  synthetic::Spec spec;
  spec.n_vocab = synthetic::kMultilingualVocabulary;
  const Model model(spec);
  const std::vector<float> pcm = sound(1.5);
  TranscribeOptions options = plain();
  const Transcript detected = model(pcm, options);
  CHECK(detected.language_probability > 0.0F && detected.language_probability <= 1.0F);
  options.language = detected.language;
  const Transcript given = model(pcm, options);
  CHECK(given.segments == detected.segments);
  CHECK(given.language_probability == 1.0F);
  options.language = "Japanese";
  options.word_timestamps = true;
  const Transcript japanese = model(pcm, options);
  CHECK(japanese.language == "ja");
  CHECK(japanese.segments != detected.segments);
  options.task = "translate";
  const Transcript translated = model(pcm, options);
  CHECK(translated.task == "translate");
  CHECK(translated.text() != japanese.text());
  options.language = "yue";  // only large-v3 knows it
  CHECK_THROWS(InvalidOption, model(pcm, options));
  CHECK(model(std::vector<float>(16000), plain()).language.empty());  // nothing to tell it from
}

TEST(the_file_may_vanish_once_it_is_loaded) {
  auto file = std::make_unique<synthetic::TempFile>(synthetic::make_image({}).bytes());
  const Engine engine(file->path());
  file.reset();
  const std::vector<float> pcm = sound(1.0);
  CHECK(!engine.transcribe({pcm.data(), pcm.size()}, plain()).segments.empty());
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
