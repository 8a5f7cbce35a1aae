// GgmlNetwork: tokens → logits, over the encoded window.
#include <limits>
#include <numeric>

#include "speech/ggml_layers.h"
#include "speech/ggml_network.h"

namespace earwitness::speech {
namespace {

// A step is a hundred short products between which ggml's threads wait by spinning: on cores that
// other programs use too, more than one thread makes it many times slower, and never much faster.
constexpr int kDecodeThreads = 1;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

}  // namespace

// One run of the decoder: n_tokens new tokens in each of n_sequences.
struct GgmlNetwork::Pass {
  std::span<const TokenId> tokens;  // sequence after sequence
  int n_tokens = 0;
  int n_sequences = 1;
  int position = 0;
  std::span<const int> rows = {};             // tokens whose logits are wanted
  std::span<const AttentionHead> heads = {};  // whose cross attention is wanted
  ggml_tensor* ids = nullptr;
  ggml_tensor* positions = nullptr;
  ggml_tensor* mask = nullptr;
  ggml_tensor* row_ids = nullptr;
  ggml_tensor* logits = nullptr;
  std::vector<ggml_tensor*> attention = {};  // by layer, where wanted
  std::vector<float> probabilities = {};     // [heads][n_tokens][positions of sound]

  int total() const { return n_tokens * n_sequences; }
  int n_kv() const { return position + n_tokens; }
};

void GgmlNetwork::reserve_sequences(int n) {
  if (n <= n_sequences_) return;
  const Hyperparameters& h = hparams();
  const ggml_init_params params{
      .mem_size = ggml_tensor_overhead() * 2 * static_cast<std::size_t>(h.n_text_layer),
      .mem_buffer = nullptr,
      .no_alloc = true,
  };
  self_buffer_.reset();
  self_context_.reset(ggml_init(params));
  if (!self_context_) throw Error("out of memory");
  self_keys_.clear();
  self_values_.clear();
  n_sequences_ = 0;
  for (int i = 0; i < h.n_text_layer; ++i) {
    ggml_context* g = self_context_.get();
    self_keys_.push_back(ggml_new_tensor_3d(g, GGML_TYPE_F16, h.n_text_state, h.n_text_ctx, n));
    self_values_.push_back(ggml_new_tensor_3d(g, GGML_TYPE_F16, h.n_text_ctx, h.n_text_state, n));
  }
  self_buffer_.reset(
      ggml_backend_alloc_ctx_tensors_from_buft(self_context_.get(), compute_.buffer_type()));
  if (!self_buffer_) throw Error("out of memory; use a smaller model, beam_size or best_of");
  ggml_backend_buffer_clear(self_buffer_.get(), 0);
  n_sequences_ = n;
}

ggml_tensor* GgmlNetwork::self_attention(Graph& graph, const Attention& w, ggml_tensor* x,
                                         std::size_t layer, const Pass& pass) const {
  ggml_context* g = graph.context();
  ggml_tensor* keys = self_keys_[layer];
  ggml_tensor* values = self_values_[layer];
  const std::int64_t n_state = x->ne[0];
  const std::int64_t n_head = hparams().n_text_head;
  const std::int64_t d = n_state / n_head;
  const std::int64_t n = pass.n_tokens;
  const std::int64_t batch = pass.n_sequences;
  const std::int64_t n_kv = pass.n_kv();

  ggml_tensor* normed = layer_norm(g, w.norm, x);
  ggml_tensor* query = linear(g, w.query, normed);
  ggml_tensor* key = ggml_reshape_3d(g, linear(g, w.key, normed), n_state, n, batch);
  ggml_tensor* value = ggml_reshape_3d(g, linear(g, w.value, normed), n_state, n, batch);
  graph.run_also(ggml_cpy(g, key,
                          ggml_view_3d(g, keys, n_state, n, batch, keys->nb[1], keys->nb[2],
                                       at(pass.position) * keys->nb[1])));
  graph.run_also(ggml_cpy(g, ggml_permute(g, value, 1, 0, 2, 3),
                          ggml_view_3d(g, values, n, n_state, batch, values->nb[1], values->nb[2],
                                       at(pass.position) * values->nb[0])));

  query = ggml_permute(g, ggml_reshape_4d(g, query, d, n_head, n, batch), 0, 2, 1, 3);
  ggml_tensor* past_keys =
      ggml_permute(g,
                   ggml_view_4d(g, keys, d, n_head, n_kv, batch, ggml_row_size(keys->type, d),
                                keys->nb[1], keys->nb[2], 0),
                   0, 2, 1, 3);
  ggml_tensor* past_values = ggml_view_4d(g, values, n_kv, d, n_head, batch, values->nb[1],
                                          at(d) * values->nb[1], values->nb[2], 0);
  ggml_tensor* weights =
      ggml_soft_max_ext(g, ggml_mul_mat(g, past_keys, query), pass.mask,
                        attention_scale(static_cast<int>(n_state), static_cast<int>(n_head)), 0.0F);
  ggml_tensor* mixed = ggml_permute(g, ggml_mul_mat(g, past_values, weights), 0, 2, 1, 3);
  return ggml_add(g, x, linear(g, w.out, ggml_cont_2d(g, mixed, n_state, n * batch)));
}

ggml_tensor* GgmlNetwork::cross_attention(Graph& graph, const Attention& w, ggml_tensor* x,
                                          std::size_t layer, Pass& pass) const {
  ggml_context* g = graph.context();
  const std::int64_t n_state = x->ne[0];
  const std::int64_t n_head = hparams().n_text_head;
  const std::int64_t d = n_state / n_head;
  const std::int64_t n = pass.total();
  const std::int64_t n_ctx = hparams().n_audio_ctx;

  ggml_tensor* query = linear(g, w.query, layer_norm(g, w.norm, x));
  query = ggml_permute(g, ggml_reshape_3d(g, query, d, n_head, n), 0, 2, 1, 3);
  ggml_tensor* keys = cross_keys_[layer];
  keys = ggml_permute(g,
                      ggml_view_3d(g, keys, d, n_head, n_ctx, ggml_row_size(keys->type, d),
                                   ggml_row_size(keys->type, n_state), 0),
                      0, 2, 1, 3);
  ggml_tensor* values = cross_values_[layer];
  const std::size_t row = ggml_row_size(values->type, n_ctx);
  values = ggml_view_3d(g, values, n_ctx, d, n_head, row, at(d) * row, 0);
  ggml_tensor* weights =
      ggml_soft_max_ext(g, ggml_mul_mat(g, keys, query), nullptr,
                        attention_scale(static_cast<int>(n_state), static_cast<int>(n_head)), 0.0F);
  for (const AttentionHead& head : pass.heads) {
    if (at(head.layer) == layer && !pass.attention[layer]) {
      pass.attention[layer] = graph.output(weights);
    }
  }
  ggml_tensor* mixed = ggml_permute(g, ggml_mul_mat(g, values, weights), 0, 2, 1, 3);
  return ggml_add(g, x, linear(g, w.out, ggml_cont_2d(g, mixed, n_state, n)));
}

ggml_tensor* GgmlNetwork::build_decoder(Graph& graph, Pass& pass) const {
  const GgmlWeights& w = *weights_;
  ggml_context* g = graph.context();
  pass.attention.assign(w.decoder.size(), nullptr);
  pass.ids = graph.input(GGML_TYPE_I32, pass.total());
  pass.positions = graph.input(GGML_TYPE_I32, pass.total());
  // One new token may see all that is there; several must not see what follows them.
  if (pass.n_tokens > 1) pass.mask = graph.input(GGML_TYPE_F32, pass.n_kv(), pass.n_tokens);

  ggml_tensor* x = ggml_add(g, ggml_get_rows(g, w.token_embedding, pass.ids),
                            ggml_get_rows(g, w.text_positions, pass.positions));
  for (std::size_t i = 0; i < w.decoder.size(); ++i) {
    x = self_attention(graph, w.decoder[i].attention, x, i, pass);
    x = cross_attention(graph, w.decoder[i].cross, x, i, pass);
    x = mlp(g, w.decoder[i].mlp, x);
  }
  if (pass.rows.empty()) return x;
  pass.row_ids = graph.input(GGML_TYPE_I32, static_cast<std::int64_t>(pass.rows.size()));
  x = layer_norm(g, w.decoder_norm, ggml_get_rows(g, x, pass.row_ids));
  return pass.logits = ggml_mul_mat(g, w.token_embedding, x);
}

void GgmlNetwork::run_decoder(Pass& pass, Watch& watch) {
  Graph graph(kMaxNodesPerLayer * (weights_->decoder.size() + 1));
  graph.output(build_decoder(graph, pass));

  std::vector<std::int32_t> positions(at(pass.total()));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    positions[i] = pass.position + static_cast<int>(i) % pass.n_tokens;
  }
  std::vector<float> mask;
  if (pass.mask) {
    mask.assign(at(pass.n_tokens) * at(pass.n_kv()), 0.0F);
    for (int i = 0; i < pass.n_tokens; ++i) {
      for (int j = pass.position + i + 1; j < pass.n_kv(); ++j) {
        mask[at(i) * at(pass.n_kv()) + at(j)] = -std::numeric_limits<float>::infinity();
      }
    }
  }
  compute_.run(graph, kDecodeThreads, watch, [&] {
    ggml_backend_tensor_set(pass.ids, pass.tokens.data(), 0, pass.tokens.size_bytes());
    ggml_backend_tensor_set(pass.positions, positions.data(), 0,
                            positions.size() * sizeof(std::int32_t));
    if (pass.mask) ggml_backend_tensor_set(pass.mask, mask.data(), 0, mask.size() * sizeof(float));
    if (pass.row_ids) {
      ggml_backend_tensor_set(pass.row_ids, pass.rows.data(), 0, pass.rows.size_bytes());
    }
  });
  if (pass.logits) {
    logits_.resize(pass.rows.size() * at(hparams().n_vocab));
    ggml_backend_tensor_get(pass.logits, logits_.data(), 0, logits_.size() * sizeof(float));
  }
  const std::size_t n_ctx = at(hparams().n_audio_ctx);
  const std::size_t rows = at(pass.n_tokens);
  std::vector<float> head(pass.heads.empty() ? 0 : rows * n_ctx);
  pass.probabilities.reserve(pass.heads.size() * rows * at(n_sound_));
  for (const AttentionHead& wanted : pass.heads) {
    ggml_backend_tensor_get(pass.attention[at(wanted.layer)], head.data(),
                            at(wanted.head) * head.size() * sizeof(float),
                            head.size() * sizeof(float));
    for (std::size_t row = 0; row < rows; ++row) {
      const auto from = head.begin() + static_cast<std::ptrdiff_t>(row * n_ctx);
      pass.probabilities.insert(pass.probabilities.end(), from, from + n_sound_);
    }
  }
}

std::span<float> GgmlNetwork::prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                                     std::span<const int> /*slots*/, int n_sequences,
                                     Watch& watch) {
  reserve_sequences(n_sequences);
  Pass pass{.tokens = tokens, .n_tokens = static_cast<int>(tokens.size()), .rows = rows};
  run_decoder(pass, watch);
  position_ = pass.n_kv();
  return logits_;
}

std::span<float> GgmlNetwork::step(std::span<const TokenId> tokens, Watch& watch) {
  std::vector<int> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  Pass pass{.tokens = tokens,
            .n_tokens = 1,
            .n_sequences = static_cast<int>(tokens.size()),
            .position = position_,
            .rows = rows};
  run_decoder(pass, watch);
  position_ = pass.n_kv();
  return logits_;
}

void GgmlNetwork::reorder(std::span<const int> sources, Watch& watch) {
  const std::size_t n_layers = self_keys_.size();
  Graph graph(8 * n_layers * sources.size() + 8);
  ggml_context* g = graph.context();
  // All copies are taken before the first is written, as a source may itself be overwritten.
  struct Move {
    ggml_tensor* copy;
    ggml_tensor* target;
  };
  std::vector<Move> moves;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] == static_cast<int>(i)) continue;
    for (std::size_t layer = 0; layer < n_layers; ++layer) {
      ggml_tensor* keys = self_keys_[layer];
      ggml_tensor* values = self_values_[layer];
      const auto key_cells = [&](std::size_t s) {
        return ggml_view_2d(g, keys, keys->ne[0], position_, keys->nb[1], s * keys->nb[2]);
      };
      const auto value_cells = [&](std::size_t s) {
        return ggml_view_2d(g, values, position_, values->ne[1], values->nb[1], s * values->nb[2]);
      };
      const std::size_t source = at(sources[i]);
      moves.push_back({ggml_cont(g, key_cells(source)), key_cells(i)});
      moves.push_back({ggml_cont(g, value_cells(source)), value_cells(i)});
    }
  }
  if (moves.empty()) return;
  for (const Move& move : moves) graph.output(move.copy);
  for (const Move& move : moves) graph.run_also(ggml_cpy(g, move.copy, move.target));
  compute_.run(graph, kDecodeThreads, watch, [] {});
}

std::vector<float> GgmlNetwork::attend(std::span<const TokenId> tokens,
                                       std::span<const AttentionHead> heads, int /*slot*/,
                                       Watch& watch) {
  reserve_sequences(1);
  Pass pass{.tokens = tokens, .n_tokens = static_cast<int>(tokens.size()), .heads = heads};
  run_decoder(pass, watch);
  position_ = 0;
  return std::move(pass.probabilities);
}

}  // namespace earwitness::speech
