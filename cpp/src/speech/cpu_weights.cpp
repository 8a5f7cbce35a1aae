#include "speech/cpu_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

using kernels::PackedMatrix;

std::size_t elements(const TensorEntry& entry) {
  return static_cast<std::size_t>(entry.ne[0] * entry.ne[1] * entry.ne[2]);
}

// Reads tensors of any type as float32.
class TensorReader {
 public:
  TensorReader(const ModelFile& file, PackedMatrix::Precision precision)
      : file_(file), precision_(precision), in_(file.path, std::ios::binary) {}

  std::vector<float> read(const std::string& name) {
    const TensorEntry& entry = file_.tensors.at(name);
    std::vector<float> values(elements(entry));
    read_rows(entry, values.size(), [&](std::size_t, const float* row) {
      std::copy_n(row, values.size(), values.begin());
    });
    return values;
  }

  CpuNorm norm(const std::string& name) { return {read(name + ".weight"), read(name + ".bias")}; }

  // Several linear layers over the same inputs, as one, for inputs that were divided by `divided`
  // where that is not empty. A layer without a bias has zeros. `last_divided`: what the last
  // layer's outputs are to be divided by.
  PackedMatrix linear(std::initializer_list<std::string> names, PackedMatrix::Precision precision,
                      const std::vector<float>& divided = {},
                      const std::vector<float>& last_divided = {}) {
    const auto shape = file_.tensors.at(*names.begin() + ".weight").ne;
    const auto outputs = static_cast<int>(shape[1]);
    PackedMatrix packed(static_cast<int>(names.size()) * outputs, static_cast<int>(shape[0]),
                        precision);
    const auto inputs = static_cast<std::size_t>(shape[0]);
    int first = 0;
    for (const std::string& name : names) {
      const bool last = first + outputs == packed.outputs() && !last_divided.empty();
      const auto factor = [&](std::size_t row) { return last ? 1.0F / last_divided[row] : 1.0F; };
      read_rows(file_.tensors.at(name + ".weight"), inputs, [&](std::size_t row, float* weights) {
        const float of_row = factor(row);
        for (std::size_t i = 0; i < divided.size(); ++i) weights[i] *= divided[i] * of_row;
        packed.set_row(first + static_cast<int>(row), weights);
      });
      if (file_.tensors.contains(name + ".bias")) {
        const std::vector<float> bias = read(name + ".bias");
        for (std::size_t o = 0; o < bias.size(); ++o) {
          packed.set_bias(first + static_cast<int>(o), bias[o] * factor(o));
        }
      }
      first += outputs;
    }
    return packed;
  }

  // [out][channel][tap] in the file, [out][tap][channel] for activations whose channels lie
  // together.
  PackedMatrix convolution(const std::string& name, PackedMatrix::Precision precision) {
    const auto shape = file_.tensors.at(name + ".weight").ne;
    const auto taps = static_cast<std::size_t>(shape[0]);
    const auto channels = static_cast<std::size_t>(shape[1]);
    PackedMatrix packed(static_cast<int>(shape[2]), static_cast<int>(taps * channels), precision);
    read_rows(file_.tensors.at(name + ".weight"), taps * channels,
              [&](std::size_t output, const float* source) {
                std::vector<float> weights(taps * channels);
                for (std::size_t c = 0; c < channels; ++c) {
                  for (std::size_t t = 0; t < taps; ++t) {
                    weights[t * channels + c] = source[c * taps + t];
                  }
                }
                packed.set_row(static_cast<int>(output), weights.data());
              });
    const std::vector<float> bias = read(name + ".bias");
    for (int o = 0; o < packed.outputs(); ++o) {
      packed.set_bias(o, bias[static_cast<std::size_t>(o)]);
    }
    return packed;
  }

  // `out`: the precision of what comes after the attention. Values are divided in the decoder too,
  // whose rows lose little: the weights over them are as coarse as elsewhere.
  CpuSelfAttention self_attention(const std::string& block, PackedMatrix::Precision precision,
                                  PackedMatrix::Precision out) {
    const std::string path = block + ".attn";
    CpuNorm norm = this->norm(path + "_ln");
    const std::vector<float> divided = divide_channels(norm);
    const std::vector<float> values_divided = divide_values(path + ".value", norm, divided);
    PackedMatrix sources = linear({path + ".query", path + ".key", path + ".value"}, precision,
                                  divided, values_divided);
    return {std::move(norm), std::move(sources), linear({path + ".out"}, out, values_divided)};
  }

  // `sound_divided`: what the encoder's output was divided by, whose rows are as `sound` says.
  CpuCrossAttention cross_attention(const std::string& block, PackedMatrix::Precision sound,
                                    const std::vector<float>& sound_divided) {
    const std::string path = block + ".cross_attn";
    CpuNorm norm = this->norm(path + "_ln");
    const std::vector<float> divided = divide_channels(norm);
    return {std::move(norm), linear({path + ".query"}, precision_, divided),
            linear({path + ".key", path + ".value"}, sound, sound_divided),
            linear({path + ".out"}, precision_)};
  }

  CpuMlp mlp(const std::string& block, PackedMatrix::Precision precision) {
    CpuNorm norm = this->norm(block + ".mlp_ln");
    const std::vector<float> divided = divide_channels(norm);
    return {std::move(norm), linear({block + ".mlp.0"}, precision, divided),
            linear({block + ".mlp.2"}, precision)};
  }

  PackedMatrix embedding(const std::string& name, PackedMatrix::Precision precision) {
    const TensorEntry& entry = file_.tensors.at(name);
    PackedMatrix packed(static_cast<int>(entry.ne[1]), static_cast<int>(entry.ne[0]), precision);
    read_rows(entry, static_cast<std::size_t>(entry.ne[0]),
              [&](std::size_t row, const float* weights) {
                packed.set_row(static_cast<int>(row), weights);
              });
    return packed;
  }

  // The square root of each channel's size, which the norm's output is divided by, to be made good
  // in the weights over it: few large channels would leave little of a row's rounded numbers to the
  // others (SmoothQuant, Xiao et al. 2023, with its exponent of 1/2; the size is taken from the
  // norm, whose inputs have unit variance). None where nothing is rounded.
  std::vector<float> divide_channels(CpuNorm& norm) const {
    if (precision_ != PackedMatrix::Precision::kInteger) return {};
    std::vector<float> divided;
    for (std::size_t i = 0; i < norm.weight.size(); ++i) {
      divided.push_back(divisor(std::hypot(norm.weight[i], norm.bias[i])));
      norm.weight[i] /= divided[i];
      norm.bias[i] /= divided[i];
    }
    return divided;
  }

 private:
  static float divisor(float size) { return size > 0.0F ? std::sqrt(size) : 1.0F; }

  // The same for a linear layer's outputs, which an attention mixes: the size is their standard
  // deviation, again by inputs of unit variance before the norm's weights.
  std::vector<float> divide_values(const std::string& name, const CpuNorm& norm,
                                   const std::vector<float>& divided) {
    if (divided.empty()) return {};
    const TensorEntry& entry = file_.tensors.at(name + ".weight");
    std::vector<float> sizes(static_cast<std::size_t>(entry.ne[1]));
    read_rows(entry, divided.size(), [&](std::size_t row, const float* weights) {
      float variance = 0.0F;
      for (std::size_t i = 0; i < divided.size(); ++i) {
        const float x = weights[i] * divided[i] * norm.weight[i];
        variance += x * x;
      }
      sizes[row] = divisor(std::sqrt(variance));
    });
    return sizes;
  }

  // Calls use(row, values) for each row of `width` values, from several threads. A block of the
  // file at a time is held: whole tensors as float32 would be most of the memory that loading
  // takes.
  void read_rows(const TensorEntry& entry, std::size_t width,
                 const std::function<void(std::size_t, float*)>& use) {
    constexpr std::size_t kBlockBytes = 4U << 20;
    constexpr std::size_t kTaskRows = kernels::kPanel;  // rows that share cache lines when packed
    const std::size_t rows = elements(entry) / width;
    const std::size_t row_bytes = entry.size / rows;
    const std::size_t block =
        std::max<std::size_t>(kBlockBytes / row_bytes / kTaskRows, 1) * kTaskRows;
    in_.seekg(static_cast<std::streamoff>(entry.offset));
    for (std::size_t first = 0; first < rows; first += block) {
      const std::size_t count = std::min(block, rows - first);
      raw_.resize(count * row_bytes);
      in_.read(raw_.data(), static_cast<std::streamsize>(raw_.size()));
      if (!in_) {
        throw ModelError("cannot load model " + file_.path.string() +
                         ": it changed or vanished while it was read");
      }
      const std::size_t tasks = (count + kTaskRows - 1) / kTaskRows;
      pool_.run(static_cast<int>(tasks), [&](int task, int) {
        std::vector<float> values(width);
        std::vector<std::uint16_t> halves(entry.type == GGML_TYPE_F16 ? width : 0);
        const std::size_t from = static_cast<std::size_t>(task) * kTaskRows;
        for (std::size_t row = from; row < std::min(from + kTaskRows, count); ++row) {
          const char* source = raw_.data() + row * row_bytes;
          if (entry.type == GGML_TYPE_F32) {
            std::memcpy(values.data(), source, row_bytes);
          } else if (entry.type == GGML_TYPE_F16) {
            std::memcpy(halves.data(), source, row_bytes);
            kernels::active_kernels().widen(halves.data(), values.data(), static_cast<int>(width));
          } else {
            ggml_get_type_traits(entry.type)
                ->to_float(source, values.data(), static_cast<std::int64_t>(width));
          }
          use(first + row, values.data());
        }
      });
    }
  }

  const ModelFile& file_;
  PackedMatrix::Precision precision_;
  std::ifstream in_;
  std::vector<char> raw_;
  kernels::ThreadPool pool_{kernels::resolve_threads(0)};
};

}  // namespace

CpuWeights::CpuWeights(const ModelFile& file, PackedMatrix::Precision wanted)
    : hparams(file.hparams), precision(wanted) {
  TensorReader in(file, precision);
  // Where a window's positions are multiplied and it costs no accuracy of note, their rows are
  // rounded to bytes too: the second convolution needs more.
  const auto rows =
      precision == PackedMatrix::Precision::kInteger ? PackedMatrix::Precision::kBytes : precision;
  conv1 = in.convolution("encoder.conv1", rows);
  conv2 = in.convolution("encoder.conv2", precision);
  audio_positions = in.read("encoder.positional_embedding");
  for (int i = 0; i < hparams.n_audio_layer; ++i) {
    const std::string block = "encoder.blocks." + std::to_string(i);
    encoder.push_back({in.self_attention(block, rows, rows), in.mlp(block, rows)});
  }
  encoder_norm = in.norm("encoder.ln_post");
  encoder_divided = in.divide_channels(encoder_norm);
  // Nowhere else do a few rows of bytes take less time than rows of words.
  const kernels::Kernels& isa = kernels::active_kernels();
  const bool bytes =
      isa.byte_layout == kernels::Layout::kBytes && isa.layout == kernels::Layout::kPairs;
  token_embedding = in.embedding("decoder.token_embedding.weight", bytes ? rows : precision);
  text_positions = in.read("decoder.positional_embedding");
  for (int i = 0; i < hparams.n_text_layer; ++i) {
    const std::string block = "decoder.blocks." + std::to_string(i);
    decoder.push_back({in.self_attention(block, precision, precision),
                       in.cross_attention(block, rows, encoder_divided), in.mlp(block, precision)});
  }
  decoder_norm = in.norm("decoder.ln");
}

}  // namespace earwitness::speech
