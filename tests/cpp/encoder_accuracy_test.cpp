// The encoder on our own kernels against the same network in float32 by ggml, on real models and
// real speech. It runs once for each instruction set, and is skipped where the machine lacks it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/audio.h"
#include "earwitness/runtime.h"
#include "kernels/isa.h"
#include "runtime/compute.h"
#include "speech/cpu_network.h"
#include "speech/ggml_layers.h"
#include "speech/ggml_network.h"
#include "speech/mel.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using kernels::PackedMatrix;

constexpr int kThreads = 2;

using Frames = std::vector<float>;  // [n_audio_ctx][n_state]

// A model whose encoder's weights are in float32: ggml rounds what it multiplies to the type of the
// weights. Only the tensors are in the file.
class WideModel {
 public:
  explicit WideModel(const ModelFile& file) : file_(file), temp_("") {
    std::ifstream in(file.path, std::ios::binary);
    std::string bytes;
    for (auto& [name, entry] : file_.tensors) {
      std::string data(entry.size, '\0');
      in.seekg(static_cast<std::streamoff>(entry.offset));
      CHECK(in.read(data.data(), static_cast<std::streamsize>(data.size())).good());
      if (entry.type == GGML_TYPE_F16 && name.starts_with("encoder.")) {
        std::vector<ggml_fp16_t> from(data.size() / sizeof(ggml_fp16_t));
        std::vector<float> to(from.size());
        std::memcpy(from.data(), data.data(), data.size());
        ggml_fp16_to_fp32_row(from.data(), to.data(), static_cast<std::int64_t>(to.size()));
        data.assign(reinterpret_cast<const char*>(to.data()), to.size() * sizeof(float));
        entry.type = GGML_TYPE_F32;
      }
      entry.offset = bytes.size();
      entry.size = data.size();
      bytes += data;
    }
    temp_.write(bytes);
    file_.path = temp_.path();
  }

  const ModelFile& file() const { return file_; }

 private:
  ModelFile file_;
  synthetic::TempFile temp_;
};

Frames encode_by_ggml(const ModelFile& file, const std::vector<float>& mel, Watch& watch) {
  const Hyperparameters& h = file.hparams;
  ggml_backend_dev_t cpu = find_device("cpu");
  const WideModel wide(file);
  const GgmlWeights weights(wide.file(), cpu);
  Graph graph(kMaxNodesPerLayer * static_cast<std::size_t>(h.n_audio_layer + 1));
  ggml_tensor* input = graph.input(GGML_TYPE_F32, 2 * h.n_audio_ctx, h.n_mels);
  ggml_tensor* output = graph.output(build_encoder(graph.context(), weights, input));
  Compute compute(cpu);
  compute.run(graph, kThreads, watch,
              [&] { ggml_backend_tensor_set(input, mel.data(), 0, mel.size() * sizeof(float)); });
  Frames out(static_cast<std::size_t>(ggml_nelements(output)));
  ggml_backend_tensor_get(output, out.data(), 0, out.size() * sizeof(float));
  return out;
}

Frames encode_by_us(const ModelFile& file, const std::vector<float>& mel,
                    PackedMatrix::Precision precision, Watch& watch) {
  CpuNetwork network(std::make_shared<const CpuWeights>(file, precision));
  WindowMel window;
  window.sound = mel;
  window.positions = file.hparams.n_audio_ctx;
  network.encode(window, 0, kThreads, watch);
  return network.encoded();
}

struct Agreement {
  double cosine = 0.0;  // mean over the frames
  double rms = 0.0;     // of all differences, over that of the reference
};

Agreement agreement(const Frames& got, const Frames& want, int n_state) {
  CHECK(got.size() == want.size());
  const auto n = static_cast<std::size_t>(n_state);
  Agreement out;
  double error = 0.0;
  double size = 0.0;
  for (std::size_t frame = 0; frame < std::min(got.size(), want.size()); frame += n) {
    double product = 0.0;
    double ours = 0.0;
    double theirs = 0.0;
    for (std::size_t i = frame; i < frame + n; ++i) {
      const double a = got[i];
      const double b = want[i];
      product += a * b;
      ours += a * a;
      theirs += b * b;
      error += (a - b) * (a - b);
    }
    size += theirs;
    out.cosine += product / std::sqrt(ours * theirs);
  }
  out.cosine /= static_cast<double>(want.size() / n);
  out.rms = std::sqrt(error / size);
  return out;
}

// `bound` is what weights of 8 bits may cost: what they cost faster-whisper 1.2.1, its int8 against
// its float32 on the same recording.
void check_encoder(const std::string& model, const std::filesystem::path& recording,
                   const Agreement& bound) {
  load_backends();
  const ModelFile file = ModelFile::parse(EARWITNESS_MODELS "/ggml-" + model + ".bin");
  const int n_state = file.hparams.n_audio_state;
  const Control control;
  Watch watch(control);
  std::vector<float> mel;
  const Pcm pcm = decode_audio_file(recording);
  Mel(file.mel_filters, file.n_filter_mels, file.n_filter_bins)
      .compute(pcm.view(), 0, 2 * file.hparams.n_audio_ctx, mel);
  const Frames want = encode_by_ggml(file, mel, watch);
  const auto measure = [&](PackedMatrix::Precision precision, const char* name) {
    const Agreement got = agreement(encode_by_us(file, mel, precision, watch), want, n_state);
    std::fprintf(stderr, "%s, %s, %s, %s: cosine %.6f, rms %.5f\n", kernels::active_kernels().name,
                 model.c_str(), recording.stem().string().c_str(), name, got.cosine, got.rms);
    return got;
  };
  CHECK(measure(PackedMatrix::Precision::kHalf, "float").cosine >= 0.9999);
  const Agreement integer = measure(PackedMatrix::Precision::kInteger, "int8");
  CHECK(integer.cosine >= bound.cosine);
  CHECK(integer.rms <= bound.rms);
}

constexpr const char* kJfk = EARWITNESS_TEST_DATA "/jfk.flac";  // 11 s, then silence

TEST(tiny_en_on_a_speech) { check_encoder("tiny.en", kJfk, {.cosine = 0.99927, .rms = 0.038}); }
TEST(base_on_a_speech) { check_encoder("base", kJfk, {.cosine = 0.9910, .rms = 0.096}); }

// 30 s of two voices.
TEST(tiny_en_on_a_conversation) {
  check_encoder("tiny.en", EARWITNESS_CONVERSATION, {.cosine = 0.9972, .rms = 0.060});
}
TEST(base_on_a_conversation) {
  check_encoder("base", EARWITNESS_CONVERSATION, {.cosine = 0.9962, .rms = 0.063});
}

}  // namespace
}  // namespace earwitness::speech

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;  // SKIP_RETURN_CODE in CMakeLists.txt
  const char* isa = std::getenv("EARWITNESS_ISA");
  if (isa != nullptr && earwitness::kernels::find_kernels(isa) == nullptr) {
    std::fprintf(stderr, "this machine or build has no %s\n", isa);
    return kSkipped;
  }
  return earwitness::check::run_all(argc, argv);
}
