// Small whisper.cpp model files with seeded random weights: whole ones, and ones damaged on
// purpose.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "earwitness/types.h"
#include "ggml.h"

namespace earwitness::synthetic {

inline constexpr int kEnglishVocabulary = 51864;
inline constexpr int kMultilingualVocabulary = 51865;
inline constexpr int kLargeV3Vocabulary = 51866;

struct Spec {
  int n_vocab = kEnglishVocabulary;
  int n_audio_ctx = 64;  // positions of 0.02 s: windows of 1.28 s
  int n_state = 32;
  int n_head = 2;
  int n_audio_layer = 2;
  int n_text_layer = 2;
  int n_text_ctx = 64;
  int n_mels = 80;
  ggml_type type = GGML_TYPE_F16;  // of the matrices
  unsigned seed = 1;
  // Added to the logits of all timestamps, so that windows hold several segments; 0 = nothing is.
  float timestamp_logit = 0.0F;
};

struct Tensor {
  std::string name;
  std::vector<std::int32_t> ne;  // fastest dimension first
  std::int32_t type = GGML_TYPE_F32;
  std::string data;
};

inline void put_i32(std::string& out, std::int32_t value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

// The parts of a file, each open to damage before bytes() writes them out.
struct Image {
  std::int32_t magic = 0x67676d6c;
  std::array<std::int32_t, 11> hparams{};  // in the file's order: n_vocab ... n_mels, ftype
  std::int32_t filter_mels = 0;
  std::int32_t filter_bins = 0;
  std::vector<float> filters;
  std::vector<std::string> tokens;
  std::vector<Tensor> tensors;

  Tensor& tensor(const std::string& name) {
    for (Tensor& t : tensors) {
      if (t.name == name) return t;
    }
    throw std::out_of_range("no tensor " + name);
  }

  // boundaries, if given: where each section, token and tensor header ends.
  std::string bytes(std::vector<std::size_t>* boundaries = nullptr) const {
    std::string out;
    const auto mark = [&] {
      if (boundaries) boundaries->push_back(out.size());
    };
    put_i32(out, magic);
    mark();
    for (std::int32_t value : hparams) put_i32(out, value);
    mark();
    put_i32(out, filter_mels);
    put_i32(out, filter_bins);
    mark();
    out.append(reinterpret_cast<const char*>(filters.data()), filters.size() * sizeof(float));
    mark();
    put_i32(out, static_cast<std::int32_t>(tokens.size()));
    mark();
    for (const std::string& token : tokens) {
      put_i32(out, static_cast<std::int32_t>(token.size()));
      out += token;
    }
    mark();
    for (const Tensor& t : tensors) {
      put_i32(out, static_cast<std::int32_t>(t.ne.size()));
      put_i32(out, static_cast<std::int32_t>(t.name.size()));
      put_i32(out, t.type);
      for (std::int32_t n : t.ne) put_i32(out, n);
      out += t.name;
      mark();
      out += t.data;
      mark();
    }
    return out;
  }
};

// Uniform in [-1, 1), the same in every standard library.
class Noise {
 public:
  explicit Noise(unsigned seed) : engine_(seed) {}
  float operator()() { return static_cast<float>(engine_() >> 8) / 8388608.0F - 1.0F; }

 private:
  std::mt19937 engine_;
};

inline std::string encode_weights(const std::vector<float>& values, ggml_type type,
                                  std::int64_t row_length) {
  const auto n = static_cast<std::int64_t>(values.size());
  const std::int64_t rows = n / row_length;
  std::string out(ggml_row_size(type, row_length) * static_cast<std::size_t>(rows), '\0');
  if (type == GGML_TYPE_F32) {
    std::memcpy(out.data(), values.data(), out.size());
  } else if (type == GGML_TYPE_F16) {
    std::vector<ggml_fp16_t> half(values.size());
    ggml_fp32_to_fp16_row(values.data(), half.data(), n);
    std::memcpy(out.data(), half.data(), out.size());
  } else {
    ggml_quantize_chunk(type, values.data(), out.data(), 0, rows, row_length, nullptr);
  }
  return out;
}

// Adds tensors under whisper.cpp's names and in its shapes.
class Writer {
 public:
  Writer(Image& image, const Spec& spec) : image_(image), spec_(spec), noise_(spec.seed) {}

  void write() {
    const int n = spec_.n_state;
    add("encoder.positional_embedding", {n, spec_.n_audio_ctx}, GGML_TYPE_F32, 0.0F, 0.5F);
    add("decoder.positional_embedding", {n, spec_.n_text_ctx}, GGML_TYPE_F32, 0.0F, 0.5F);
    token_embedding();
    convolution("encoder.conv1", spec_.n_mels);
    convolution("encoder.conv2", n);
    for (int i = 0; i < spec_.n_audio_layer; ++i) {
      const std::string block = "encoder.blocks." + std::to_string(i);
      attention(block + ".attn");
      mlp(block);
    }
    norm("encoder.ln_post");
    for (int i = 0; i < spec_.n_text_layer; ++i) {
      const std::string block = "decoder.blocks." + std::to_string(i);
      attention(block + ".attn");
      attention(block + ".cross_attn");
      mlp(block);
    }
    norm("decoder.ln");
    if (spec_.timestamp_logit != 0.0F) {  // the first feature becomes a constant of that size
      set_first("decoder.ln.weight", 0.0F);
      set_first("decoder.ln.bias", spec_.timestamp_logit);
    }
  }

 private:
  std::vector<float> random_values(std::size_t n, float mean, float spread) {
    std::vector<float> values(n);
    for (float& value : values) value = mean + spread * noise_();
    return values;
  }

  void add(const std::string& name, const std::vector<std::int32_t>& ne, ggml_type type, float mean,
           float spread) {
    std::size_t n = 1;
    for (std::int32_t d : ne) n *= static_cast<std::size_t>(d);
    image_.tensors.push_back(
        {name, ne, type, encode_weights(random_values(n, mean, spread), type, ne.front())});
  }

  void token_embedding() {
    const auto width = static_cast<std::size_t>(spec_.n_state);
    const auto n = static_cast<std::size_t>(spec_.n_vocab);
    std::vector<float> values = random_values(n * width, 0.0F, 1.0F);
    if (spec_.timestamp_logit != 0.0F) {
      for (std::size_t id = 0; id < n; ++id) values[id * width] = id + 1501 >= n ? 1.0F : 0.0F;
    }
    image_.tensors.push_back({"decoder.token_embedding.weight",
                              {spec_.n_state, spec_.n_vocab},
                              spec_.type,
                              encode_weights(values, spec_.type, spec_.n_state)});
  }

  void set_first(const std::string& name, float value) {
    std::memcpy(image_.tensor(name).data.data(), &value, sizeof value);
  }

  void linear(const std::string& name, int n_in, int n_out, bool bias = true) {
    add(name + ".weight", {n_in, n_out}, spec_.type, 0.0F, unit_gain(n_in));
    if (bias) add(name + ".bias", {n_out}, GGML_TYPE_F32, 0.0F, 0.1F);
  }

  void convolution(const std::string& name, int n_in) {
    const ggml_type type = spec_.type == GGML_TYPE_F32 ? GGML_TYPE_F32 : GGML_TYPE_F16;
    add(name + ".weight", {3, n_in, spec_.n_state}, type, 0.0F, unit_gain(3 * n_in));
    add(name + ".bias", {1, spec_.n_state}, GGML_TYPE_F32, 0.0F, 0.1F);
  }

  void norm(const std::string& name) {
    add(name + ".weight", {spec_.n_state}, GGML_TYPE_F32, 1.0F, 0.1F);
    add(name + ".bias", {spec_.n_state}, GGML_TYPE_F32, 0.0F, 0.1F);
  }

  void attention(const std::string& name) {
    norm(name + "_ln");
    linear(name + ".query", spec_.n_state, spec_.n_state);
    linear(name + ".key", spec_.n_state, spec_.n_state, false);
    linear(name + ".value", spec_.n_state, spec_.n_state);
    linear(name + ".out", spec_.n_state, spec_.n_state);
  }

  void mlp(const std::string& block) {
    norm(block + ".mlp_ln");
    linear(block + ".mlp.0", spec_.n_state, 4 * spec_.n_state);
    linear(block + ".mlp.2", 4 * spec_.n_state, spec_.n_state);
  }

  // Keeps the variance of what passes through.
  static float unit_gain(int n_in) { return std::sqrt(3.0F / static_cast<float>(n_in)); }

  Image& image_;
  const Spec& spec_;
  Noise noise_;
};

// 256 single bytes, then made-up words of letters, every other one with a space before it.
inline std::vector<std::string> text_tokens(int n) {
  std::vector<std::string> tokens;
  for (int i = 0; i < n; ++i) {
    if (i < 256) {
      tokens.emplace_back(1, static_cast<char>(i));
      continue;
    }
    std::string word = i % 2 == 0 ? " " : "";
    for (int rest = i; rest > 0; rest /= 26) word += static_cast<char>('a' + rest % 26);
    tokens.push_back(word + "q");  // never a single byte again
  }
  return tokens;
}

inline Image make_image(const Spec& spec) {
  Image image;
  // ggml_ftype: 0 f32, 1 f16, else the quantised type of the matrices.
  const std::int32_t ftype = spec.type == GGML_TYPE_F32    ? GGML_FTYPE_ALL_F32
                             : spec.type == GGML_TYPE_F16  ? GGML_FTYPE_MOSTLY_F16
                             : spec.type == GGML_TYPE_Q4_0 ? GGML_FTYPE_MOSTLY_Q4_0
                             : spec.type == GGML_TYPE_Q4_1 ? GGML_FTYPE_MOSTLY_Q4_1
                             : spec.type == GGML_TYPE_Q5_0 ? GGML_FTYPE_MOSTLY_Q5_0
                             : spec.type == GGML_TYPE_Q5_1 ? GGML_FTYPE_MOSTLY_Q5_1
                                                           : GGML_FTYPE_MOSTLY_Q8_0;
  image.hparams = {spec.n_vocab,       spec.n_audio_ctx, spec.n_state, spec.n_head,
                   spec.n_audio_layer, spec.n_text_ctx,  spec.n_state, spec.n_head,
                   spec.n_text_layer,  spec.n_mels,      ftype};
  image.filter_mels = spec.n_mels;
  image.filter_bins = 201;
  image.filters.assign(static_cast<std::size_t>(spec.n_mels) * 201, 0.0F);
  for (int m = 0; m < spec.n_mels; ++m) {  // triangles, evenly spread
    const int centre = 3 + m * 194 / spec.n_mels;
    for (int k = -2; k <= 2; ++k) {
      image.filters[static_cast<std::size_t>(m * 201 + centre + k)] =
          0.01F * static_cast<float>(3 - std::abs(k));
    }
  }
  const int end_of_text = spec.n_vocab >= kMultilingualVocabulary ? 50257 : 50256;
  image.tokens = text_tokens(spec.n_vocab >= kEnglishVocabulary ? end_of_text : spec.n_vocab);
  Writer(image, spec).write();
  return image;
}

// A file that is gone at the end of the test.
class TempFile {
 public:
  explicit TempFile(const std::string& bytes) {
    std::random_device random;
    path_ = std::filesystem::temp_directory_path() /
            ("earwitness-test-" + std::to_string(random()) + std::to_string(random()) + ".bin");
    std::ofstream(path_, std::ios::binary).flush();
    write(bytes);
  }
  ~TempFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  // In place: some file systems wait for the disk when a file is emptied and written again.
  void write(const std::string& bytes) const {
    std::ofstream out(path_, std::ios::binary | std::ios::in);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path_.string());
    std::filesystem::resize_file(path_, bytes.size());
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Something with onsets and pitch, loud enough to count as sound.
inline std::vector<float> sound(double seconds, unsigned seed = 7) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * kSampleRate));
  Noise noise(seed);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / kSampleRate;
    const double envelope = 0.5 + 0.5 * std::sin(2.0 * 3.14159265 * 3.0 * t);
    samples[i] = static_cast<float>(0.3 * envelope *
                                    std::sin(2.0 * 3.14159265 * (180.0 * t + 90.0 * t * t))) +
                 0.05F * noise();
  }
  return samples;
}

}  // namespace earwitness::synthetic
