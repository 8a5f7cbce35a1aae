#include "speech/cpu_weights.h"

#include <fstream>
#include <span>
#include <string>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

// What Whisper's weights are published in. Quantised weights are read into it too: it is finer than
// they are.
constexpr auto kPrecision = kernels::PackedMatrix::Precision::kHalf;

std::size_t elements(const TensorEntry& entry) {
  return static_cast<std::size_t>(entry.ne[0] * entry.ne[1] * entry.ne[2]);
}

// Reads tensors of any type as float32.
class TensorReader {
 public:
  explicit TensorReader(const ModelFile& file) : file_(file), in_(file.path, std::ios::binary) {}

  std::vector<float> read(const std::string& name) {
    std::vector<float> values(elements(file_.tensors.at(name)));
    read_into(name, values);
    return values;
  }

  void read_into(const std::string& name, std::span<float> values) {
    const TensorEntry& entry = file_.tensors.at(name);
    raw_.resize(entry.size);
    in_.seekg(static_cast<std::streamoff>(entry.offset));
    in_.read(raw_.data(), static_cast<std::streamsize>(entry.size));
    if (!in_) {
      throw ModelError("cannot load model " + file_.path.string() +
                       ": it changed or vanished while it was read");
    }
    if (entry.type == GGML_TYPE_F32) {
      std::copy_n(reinterpret_cast<const float*>(raw_.data()), values.size(), values.begin());
    } else {
      ggml_get_type_traits(entry.type)
          ->to_float(raw_.data(), values.data(), static_cast<std::int64_t>(values.size()));
    }
  }

  CpuNorm norm(const std::string& name) { return {read(name + ".weight"), read(name + ".bias")}; }

  // Several linear layers over the same inputs, as one. A layer without a bias has zeros.
  kernels::PackedMatrix linear(std::initializer_list<std::string> names) {
    const auto shape = file_.tensors.at(*names.begin() + ".weight").ne;
    const auto inputs = static_cast<std::size_t>(shape[0]);
    const auto outputs = static_cast<std::size_t>(shape[1]);
    std::vector<float> weights(names.size() * outputs * inputs);
    std::vector<float> bias(names.size() * outputs, 0.0F);
    std::size_t i = 0;
    for (const std::string& name : names) {
      read_into(name + ".weight",
                std::span(weights).subspan(i * outputs * inputs, outputs * inputs));
      if (file_.tensors.contains(name + ".bias")) {
        read_into(name + ".bias", std::span(bias).subspan(i * outputs, outputs));
      }
      ++i;
    }
    return {weights.data(), static_cast<int>(bias.size()), static_cast<int>(inputs), bias.data(),
            kPrecision};
  }

  // [out][channel][tap] in the file, [out][tap][channel] for activations whose channels lie
  // together.
  kernels::PackedMatrix convolution(const std::string& name) {
    const auto shape = file_.tensors.at(name + ".weight").ne;
    const auto taps = static_cast<std::size_t>(shape[0]);
    const auto channels = static_cast<std::size_t>(shape[1]);
    const auto outputs = static_cast<std::size_t>(shape[2]);
    const std::vector<float> source = read(name + ".weight");
    const std::vector<float> bias = read(name + ".bias");
    std::vector<float> weights(source.size());
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t t = 0; t < taps; ++t) {
          weights[(o * taps + t) * channels + c] = source[(o * channels + c) * taps + t];
        }
      }
    }
    return {weights.data(), static_cast<int>(outputs), static_cast<int>(taps * channels),
            bias.data(), kPrecision};
  }

  CpuSelfAttention self_attention(const std::string& block) {
    const std::string path = block + ".attn";
    return {norm(path + "_ln"), linear({path + ".query", path + ".key", path + ".value"}),
            linear({path + ".out"})};
  }

  CpuCrossAttention cross_attention(const std::string& block) {
    const std::string path = block + ".cross_attn";
    return {norm(path + "_ln"), linear({path + ".query"}), linear({path + ".key", path + ".value"}),
            linear({path + ".out"})};
  }

  CpuMlp mlp(const std::string& block) {
    return {norm(block + ".mlp_ln"), linear({block + ".mlp.0"}), linear({block + ".mlp.2"})};
  }

  kernels::PackedMatrix embedding(const std::string& name) {
    const TensorEntry& entry = file_.tensors.at(name);
    const std::vector<float> weights = read(name);
    return {weights.data(), static_cast<int>(entry.ne[1]), static_cast<int>(entry.ne[0]), nullptr,
            kPrecision};
  }

 private:
  const ModelFile& file_;
  std::ifstream in_;
  std::vector<char> raw_;
};

}  // namespace

CpuWeights::CpuWeights(const ModelFile& file) : hparams(file.hparams) {
  TensorReader in(file);
  conv1 = in.convolution("encoder.conv1");
  conv2 = in.convolution("encoder.conv2");
  audio_positions = in.read("encoder.positional_embedding");
  for (int i = 0; i < hparams.n_audio_layer; ++i) {
    const std::string block = "encoder.blocks." + std::to_string(i);
    encoder.push_back({in.self_attention(block), in.mlp(block)});
  }
  encoder_norm = in.norm("encoder.ln_post");
  token_embedding = in.embedding("decoder.token_embedding.weight");
  text_positions = in.read("decoder.positional_embedding");
  for (int i = 0; i < hparams.n_text_layer; ++i) {
    const std::string block = "decoder.blocks." + std::to_string(i);
    decoder.push_back({in.self_attention(block), in.cross_attention(block), in.mlp(block)});
  }
  decoder_norm = in.norm("decoder.ln");
}

}  // namespace earwitness::speech
