// Our network against whisper.cpp's own reading of the same weights.
//
// whisper.cpp gives the network a frame mirrored on both sides; Silero's own code, which ours
// follows, puts the end of the frame before in front of it. The comparison mirrors, too.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "check.h"
#include "earwitness/audio.h"
#include "earwitness/runtime.h"
#include "spans/silero.h"
#include "whisper.h"

namespace earwitness::spans {
namespace {

struct FreeDetector {
  void operator()(whisper_vad_context* context) const { whisper_vad_free(context); }
};

TEST(probabilities_are_those_of_whisper_cpp) {
  const Pcm pcm = decode_audio_file(EARWITNESS_TEST_DATA "/jfk.flac");
  const int frames = static_cast<int>(pcm.size()) / kSpeechFrame;
  CHECK(frames > 300);

  load_backends();
  whisper_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  whisper_vad_context_params params = whisper_vad_default_context_params();
  params.n_threads = 1;
  const std::unique_ptr<whisper_vad_context, FreeDetector> oracle(
      whisper_vad_init_from_file_with_params(EARWITNESS_SILERO, params));
  CHECK(oracle != nullptr);
  CHECK(whisper_vad_detect_speech(oracle.get(), pcm.data(), frames * kSpeechFrame));
  CHECK(whisper_vad_n_probs(oracle.get()) == frames);
  const float* expected = whisper_vad_probs(oracle.get());

  const Silero ours(EARWITNESS_SILERO);
  SileroState state;
  SileroScratch scratch;
  std::vector<float> input(kInput);
  std::vector<float> gates(kGates);
  double worst = 0.0;
  int speech = 0;
  for (int frame = 0; frame < frames; ++frame) {
    const float* own = pcm.data() + frame * kSpeechFrame;
    std::copy_n(own, kSpeechFrame, input.begin() + kContext);
    for (int i = 0; i < kContext; ++i) {
      input[static_cast<std::size_t>(i)] = own[kContext - i];
      input[static_cast<std::size_t>(kContext + kSpeechFrame + i)] = own[kSpeechFrame - 2 - i];
    }
    float p = 0.0F;
    ours.hear_padded(input.data(), 1, scratch, gates.data());
    ours.follow(gates.data(), 1, state, &p);
    worst = std::max(worst, std::abs(static_cast<double>(p - expected[frame])));
    speech += p > 0.5F ? 1 : 0;
  }
  CHECK(speech > frames / 2 && speech < frames);
  // whisper.cpp rounds the convolutions' inputs to half precision, of 11 bits.
  CHECK_NEAR(worst, 0.0, 5e-3);
}

}  // namespace
}  // namespace earwitness::spans

CHECK_MAIN()
