// Both our networks against whisper.cpp's own, on the same file, window and tokens.
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "earwitness/runtime.h"
#include "network_fixture.h"
#include "synthetic_model.h"
#include "whisper.h"

namespace earwitness::speech {
namespace {

constexpr Kind kExact[] = {Kind::kGgml, Kind::kFloat};

struct FreeWhisper {
  void operator()(whisper_context* context) const { whisper_free(context); }
};

class Oracle {
 public:
  explicit Oracle(const std::filesystem::path& path) {
    load_backends();
    whisper_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    whisper_context_params params = whisper_context_default_params();
    params.use_gpu = false;
    params.flash_attn = false;
    context_.reset(whisper_init_from_file_with_params(path.string().c_str(), params));
    if (!context_) throw std::runtime_error("whisper.cpp cannot load the synthetic model");
  }

  void encode(const std::vector<float>& mel, int n_mels) {
    const int n_frames = static_cast<int>(mel.size()) / n_mels;
    CHECK(whisper_set_mel(context_.get(), mel.data(), n_frames, n_mels) == 0);
    CHECK(whisper_encode(context_.get(), 0, 1) == 0);
  }

  // The logits after the last token.
  Logits decode(const Ids& tokens, int n_past) {
    const int n = static_cast<int>(tokens.size());
    CHECK(whisper_decode(context_.get(), tokens.data(), n, n_past, 1) == 0);
    const int n_vocab = whisper_n_vocab(context_.get());
    const float* last = whisper_get_logits(context_.get()) + (n - 1) * n_vocab;
    return {last, last + n_vocab};
  }

 private:
  std::unique_ptr<whisper_context, FreeWhisper> context_;
};

void compare(const synthetic::Image& for_us, const synthetic::Image& for_whisper, double tolerance,
             std::span<const Kind> kinds = kExact) {
  const synthetic::TempFile file(for_us.bytes());
  const synthetic::TempFile oracle_file(for_whisper.bytes());
  Oracle oracle(oracle_file.path());
  for (const Kind kind : kinds) {
    Ours ours(file.path(), kind);
    oracle.encode(ours.mel(), ours.n_mels());
    ours.encode();

    const Ids prompt = {50257, 400, 31, 7, 50362, 901};
    CHECK_NEAR(distance(ours.prompt(prompt), oracle.decode(prompt, 0)), 0.0, tolerance);
    int n_past = static_cast<int>(prompt.size());
    for (const TokenId id : {12, 50000, 256, 256, 3}) {
      CHECK(ours.position() == n_past);
      CHECK_NEAR(distance(ours.step({id}), oracle.decode({id}, n_past)), 0.0, tolerance);
      ++n_past;
    }
    // A new prompt forgets all of it.
    const Ids other = {50257, 8};
    CHECK_NEAR(distance(ours.prompt(other), oracle.decode(other, 0)), 0.0, tolerance);
  }
}

void compare(const synthetic::Spec& spec, double tolerance) {
  const synthetic::Image image = synthetic::make_image(spec);
  compare(image, image, tolerance);
}

TEST(f16_logits_are_those_of_whisper_cpp) { compare({}, kRounding); }

// whisper.cpp itself stops the process at a file of f32 weights: it gets the same values as f16.
TEST(f32_logits_are_those_of_whisper_cpp) {
  const synthetic::Image half = synthetic::make_image({});
  synthetic::Image single = half;
  single.hparams[10] = GGML_FTYPE_ALL_F32;
  for (synthetic::Tensor& t : single.tensors) {
    if (t.type != GGML_TYPE_F16) continue;
    std::vector<ggml_fp16_t> from(t.data.size() / sizeof(ggml_fp16_t));
    std::memcpy(from.data(), t.data.data(), t.data.size());
    std::vector<float> to(from.size());
    ggml_fp16_to_fp32_row(from.data(), to.data(), static_cast<std::int64_t>(from.size()));
    t.type = GGML_TYPE_F32;
    t.data = synthetic::encode_weights(to, GGML_TYPE_F32, t.ne.front());
  }
  compare(single, half, kRounding);
}

TEST(quantised_logits_are_those_of_whisper_cpp) {
  for (const ggml_type type : {GGML_TYPE_Q8_0, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_Q4_1}) {
    synthetic::Spec spec;
    spec.type = type;
    spec.n_state = 64;
    compare(spec, 10 * kRounding);  // ggml rounds the activations to 8 bits too
  }
}

// Weights of 8 bits are off by 0.4 % of a row's largest at most, which for the noise that the
// synthetic weights are is about 1 % of a product.
TEST(logits_of_rounded_weights_are_near) {
  const synthetic::Image image = synthetic::make_image({});
  const Kind kinds[] = {Kind::kInteger};
  compare(image, image, 0.03, kinds);
}

TEST(other_shapes_and_vocabularies) {
  synthetic::Spec spec;
  spec.n_vocab = synthetic::kLargeV3Vocabulary;
  spec.n_mels = 128;
  spec.n_state = 96;
  spec.n_head = 6;
  spec.n_audio_layer = 3;
  spec.n_text_layer = 1;
  spec.n_audio_ctx = 50;
  spec.n_text_ctx = 40;
  spec.seed = 9;
  compare(spec, kRounding);
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
