// GgmlNetwork: mel → encoder output → the decoder's cross keys and values.
#include "speech/ggml_layers.h"
#include "speech/ggml_network.h"

namespace earwitness::speech {
namespace {

// ggml_conv_1d() stops the process at f32 kernels, which files of f32 weights have.
ggml_tensor* convolution(ggml_context* g, ggml_tensor* kernel, ggml_tensor* x, int stride) {
  ggml_tensor* columns =
      ggml_im2col(g, kernel, x, stride, 0, 1, 0, 1, 0, /*is_2D=*/false, kernel->type);
  kernel = ggml_reshape_2d(g, kernel, kernel->ne[0] * kernel->ne[1], kernel->ne[2]);
  return ggml_mul_mat(g, columns, kernel);
}

ggml_tensor* convolutions(ggml_context* g, const GgmlWeights& w, ggml_tensor* mel) {
  ggml_tensor* x = convolution(g, w.conv1.weight, mel, 1);
  x = ggml_gelu(g, ggml_add(g, x, w.conv1.bias));
  x = convolution(g, w.conv2.weight, x, 2);
  return ggml_gelu(g, ggml_add(g, x, w.conv2.bias));
}

ggml_tensor* attention(ggml_context* g, const Attention& w, ggml_tensor* x, int n_head) {
  const std::int64_t n_state = x->ne[0];
  const std::int64_t n_ctx = x->ne[1];
  const std::int64_t d = n_state / n_head;
  const auto heads = [&](ggml_tensor* t) {
    return ggml_permute(g, ggml_reshape_3d(g, t, d, n_head, n_ctx), 0, 2, 1, 3);
  };
  ggml_tensor* normed = layer_norm(g, w.norm, x);
  ggml_tensor* query = heads(linear(g, w.query, normed));
  ggml_tensor* key = heads(linear(g, w.key, normed));
  ggml_tensor* value = linear(g, w.value, normed);
  value = ggml_cont(g, ggml_permute(g, ggml_reshape_3d(g, value, d, n_head, n_ctx), 1, 2, 0, 3));
  ggml_tensor* weights =
      ggml_soft_max_ext(g, ggml_mul_mat(g, ggml_cont(g, key), ggml_cont(g, query)), nullptr,
                        attention_scale(static_cast<int>(n_state), n_head), 0.0F);
  ggml_tensor* mixed = ggml_permute(g, ggml_mul_mat(g, value, weights), 0, 2, 1, 3);
  return ggml_add(g, x, linear(g, w.out, ggml_cont_2d(g, mixed, n_state, n_ctx)));
}

}  // namespace

ggml_tensor* build_encoder(ggml_context* g, const GgmlWeights& w, ggml_tensor* mel) {
  ggml_tensor* positions = ggml_view_2d(g, w.audio_positions, w.hparams.n_audio_state,
                                        w.hparams.n_audio_ctx, w.audio_positions->nb[1], 0);
  ggml_tensor* x = ggml_cont(g, ggml_transpose(g, convolutions(g, w, mel)));
  x = ggml_add(g, x, positions);
  for (const EncoderBlock& block : w.encoder) {
    x = attention(g, block.attention, x, w.hparams.n_audio_head);
    x = mlp(g, block.mlp, x);
  }
  return layer_norm(g, w.encoder_norm, x);
}

GgmlNetwork::GgmlNetwork(std::shared_ptr<const GgmlWeights> weights, ggml_backend_dev_t device)
    : weights_(std::move(weights)), compute_(device) {
  const Hyperparameters& h = hparams();
  const ggml_init_params params{
      .mem_size = ggml_tensor_overhead() * 2 * static_cast<std::size_t>(h.n_text_layer),
      .mem_buffer = nullptr,
      .no_alloc = true,
  };
  cross_context_.reset(ggml_init(params));
  if (!cross_context_) throw Error("out of memory");
  for (int i = 0; i < h.n_text_layer; ++i) {
    for (auto* tensors : {&cross_keys_, &cross_values_}) {
      tensors->push_back(
          ggml_new_tensor_2d(cross_context_.get(), GGML_TYPE_F16, h.n_text_state, h.n_audio_ctx));
    }
  }
  cross_buffer_.reset(
      ggml_backend_alloc_ctx_tensors_from_buft(cross_context_.get(), compute_.buffer_type()));
  if (!cross_buffer_) throw Error("out of memory; use a smaller model");
}

// The whole window, silence and all: a GPU has the power, and its attention takes no weights.
void GgmlNetwork::encode(const WindowMel& mel, int /*slot*/, int threads, Watch& watch) {
  const GgmlWeights& w = *weights_;
  const Hyperparameters& h = hparams();
  const int n_ctx = h.n_audio_ctx;
  n_sound_ = mel.positions;

  Graph graph(kMaxNodesPerLayer * static_cast<std::size_t>(h.n_audio_layer + h.n_text_layer + 2));
  ggml_context* g = graph.context();
  ggml_tensor* mel_input = graph.input(GGML_TYPE_F32, 2 * n_ctx, h.n_mels);
  ggml_tensor* x = build_encoder(g, w, mel_input);
  for (std::size_t i = 0; i < w.decoder.size(); ++i) {
    const Attention& cross = w.decoder[i].cross;
    ggml_tensor* key = linear(g, cross.key, x);
    ggml_tensor* value = ggml_transpose(g, linear(g, cross.value, x));
    graph.run_also(ggml_cpy(g, key, cross_keys_[i]));
    graph.run_also(ggml_cpy(g, value, cross_values_[i]));
  }
  std::vector<float> frames(static_cast<std::size_t>(2 * n_ctx * h.n_mels), mel.silence);
  for (int m = 0; m < h.n_mels; ++m) {
    std::copy_n(mel.sound.begin() + 2 * n_sound_ * m, 2 * n_sound_, frames.begin() + 2 * n_ctx * m);
  }
  compute_.run(graph, threads, watch, [&] {
    ggml_backend_tensor_set(mel_input, frames.data(), 0, frames.size() * sizeof(float));
  });
}

}  // namespace earwitness::speech
