// The layers that encoder and decoder share, as ggml graph nodes.
#pragma once

#include <cmath>

#include "runtime/compute.h"
#include "speech/ggml_weights.h"

namespace earwitness::speech {

inline constexpr std::size_t kMaxNodesPerLayer = 64;

inline ggml_tensor* layer_norm(ggml_context* g, const Norm& w, ggml_tensor* x) {
  constexpr float kEpsilon = 1e-5F;  // torch.nn.LayerNorm's default
  return ggml_add(g, ggml_mul(g, ggml_norm(g, x, kEpsilon), w.weight), w.bias);
}

inline ggml_tensor* linear(ggml_context* g, const Linear& w, ggml_tensor* x) {
  ggml_tensor* y = ggml_mul_mat(g, w.weight, x);
  return w.bias ? ggml_add(g, y, w.bias) : y;
}

inline ggml_tensor* mlp(ggml_context* g, const Mlp& w, ggml_tensor* x) {
  ggml_tensor* hidden = ggml_gelu(g, linear(g, w.up, layer_norm(g, w.norm, x)));
  return ggml_add(g, x, linear(g, w.down, hidden));
}

inline float attention_scale(int n_state, int n_head) {
  const int head_size = n_state / n_head;
  return 1.0F / std::sqrt(static_cast<float>(head_size));
}

}  // namespace earwitness::speech
