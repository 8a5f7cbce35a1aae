#include "speech/ggml_weights.h"

#include <fstream>
#include <string>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

// Describes the tensors that the network uses, under the names that the file gives them.
class Describer {
 public:
  Describer(const ModelFile& file, ggml_context* context) : file_(file), context_(context) {}

  ggml_tensor* tensor(const std::string& name) const {
    const TensorEntry& entry = file_.tensors.at(name);
    ggml_tensor* t = ggml_new_tensor(context_, entry.type, entry.n_dims, entry.ne.data());
    ggml_set_name(t, name.c_str());
    return t;
  }

  Norm norm(const std::string& name) const {
    return {tensor(name + ".weight"), tensor(name + ".bias")};
  }

  Linear linear(const std::string& name, bool bias = true) const {
    return {tensor(name + ".weight"), bias ? tensor(name + ".bias") : nullptr};
  }

  Attention attention(const std::string& block, const std::string& name) const {
    const std::string path = block + "." + name;
    return {norm(path + "_ln"), linear(path + ".query"), linear(path + ".key", false),
            linear(path + ".value"), linear(path + ".out")};
  }

  Mlp mlp(const std::string& block) const {
    return {norm(block + ".mlp_ln"), linear(block + ".mlp.0"), linear(block + ".mlp.2")};
  }

 private:
  const ModelFile& file_;
  ggml_context* context_;
};

}  // namespace

GgmlWeights::GgmlWeights(const ModelFile& file, ggml_backend_dev_t device) : hparams(file.hparams) {
  const ggml_init_params params{
      .mem_size = ggml_tensor_overhead() * (file.tensors.size() + 8),
      .mem_buffer = nullptr,
      .no_alloc = true,
  };
  context_.reset(ggml_init(params));
  if (!context_) throw Error("out of memory while loading the model");

  const Describer describe(file, context_.get());
  conv1 = describe.linear("encoder.conv1");
  conv2 = describe.linear("encoder.conv2");
  audio_positions = describe.tensor("encoder.positional_embedding");
  for (int i = 0; i < hparams.n_audio_layer; ++i) {
    const std::string block = "encoder.blocks." + std::to_string(i);
    encoder.push_back({describe.attention(block, "attn"), describe.mlp(block)});
  }
  encoder_norm = describe.norm("encoder.ln_post");
  token_embedding = describe.tensor("decoder.token_embedding.weight");
  text_positions = describe.tensor("decoder.positional_embedding");
  for (int i = 0; i < hparams.n_text_layer; ++i) {
    const std::string block = "decoder.blocks." + std::to_string(i);
    decoder.push_back({describe.attention(block, "attn"), describe.attention(block, "cross_attn"),
                       describe.mlp(block)});
  }
  decoder_norm = describe.norm("decoder.ln");

  buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(),
                                                         ggml_backend_dev_buffer_type(device)));
  if (!buffer_) throw Error("out of memory: the model does not fit; use a smaller one");
  ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);

  std::ifstream in(file.path, std::ios::binary);
  std::vector<char> staging;
  for (ggml_tensor* t = ggml_get_first_tensor(context_.get()); t;
       t = ggml_get_next_tensor(context_.get(), t)) {
    const TensorEntry& entry = file.tensors.at(ggml_get_name(t));
    in.seekg(static_cast<std::streamoff>(entry.offset));
    const bool direct = ggml_backend_buffer_is_host(buffer_.get());
    if (!direct) staging.resize(entry.size);
    in.read(direct ? static_cast<char*>(t->data) : staging.data(),
            static_cast<std::streamsize>(entry.size));
    if (!in) {
      throw ModelError("cannot load model " + file.path.string() +
                       ": it changed or vanished while it was read");
    }
    if (!direct) ggml_backend_tensor_set(t, staging.data(), 0, entry.size);
  }
}

}  // namespace earwitness::speech
