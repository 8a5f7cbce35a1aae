// CpuNetwork: tokens → logits, over the encoded windows. The sequences are shared out among the
// threads, those of one window, which share their reading of it, by two at least; the logits by
// tokens of the vocabulary.
#include <algorithm>
#include <numeric>

#include "speech/cpu_network.h"

namespace earwitness::speech {
namespace {

using kernels::active_kernels;
using kernels::gemm_rows;

// That a sequence has room for at first: few texts of a window fill the 448 that it may have.
constexpr int kFirstPositions = 64;

std::size_t at(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

}  // namespace

// One run of the decoder: n_tokens new tokens in each of n_sequences, sequence after sequence.
struct CpuNetwork::Pass {
  std::span<const TokenId> tokens;
  std::span<const int> slots;  // of each sequence
  int position = 0;
  std::span<const int> rows = {};             // tokens whose logits are wanted
  std::span<const AttentionHead> heads = {};  // whose cross attention is wanted
  std::vector<float>* attention = nullptr;    // [heads][tokens][positions of sound]

  int n_sequences() const { return static_cast<int>(slots.size()); }
  int n_tokens() const { return static_cast<int>(tokens.size()) / n_sequences(); }
  int slot_of(int token) const { return slots[at(token / n_tokens())]; }
  bool of_one_window() const {
    return std::all_of(slots.begin(), slots.end(), [&](int slot) { return slot == slots[0]; });
  }
};

// The tokens first ... first + rows - 1 of a pass: those of some whole sequences.
struct CpuNetwork::Part {
  int first = 0;
  int rows = 0;
  float* scratch = nullptr;  // for attention
};

void CpuNetwork::reserve_sequences(int n) {
  const Hyperparameters& h = hparams();
  while (sequences_.size() < at(n)) {
    Sequence sequence;
    for (int i = 0; i < h.n_text_layer; ++i) {
      sequence.emplace_back(h.n_text_head, h.n_text_state / h.n_text_head, kFirstPositions);
    }
    sequences_.push_back(std::move(sequence));
  }
}

std::span<float> CpuNetwork::prompt(std::span<const TokenId> tokens, std::span<const int> rows,
                                    std::span<const int> slots, int /*n_sequences*/, Watch& watch) {
  reserve_sequences(static_cast<int>(slots.size()));
  slots_.assign(slots.begin(), slots.end());
  std::vector<TokenId> all;
  std::vector<int> wanted;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    for (const int row : rows) wanted.push_back(static_cast<int>(all.size()) + row);
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  const auto result = run_decoder({.tokens = all, .slots = slots_, .rows = wanted}, watch);
  position_ = static_cast<int>(tokens.size());
  return result;
}

std::span<float> CpuNetwork::step(std::span<const TokenId> tokens, Watch& watch) {
  std::vector<int> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto result =
      run_decoder({.tokens = tokens, .slots = slots_, .position = position_, .rows = rows}, watch);
  ++position_;
  return result;
}

void CpuNetwork::reorder(std::span<const int> sources, Watch& watch) {
  watch.check();
  reserve_sequences(static_cast<int>(sources.size()));
  // The first that continues a sequence takes it over, the others copy it into what nobody
  // continues.
  std::vector<Sequence> kept(sources.size());
  std::vector<int> slots;
  for (const int source : sources) slots.push_back(slots_[at(source)]);
  slots_ = std::move(slots);
  std::vector<int> owner(sequences_.size(), -1);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto source = at(sources[i]);
    if (owner[source] >= 0) continue;
    owner[source] = static_cast<int>(i);
    kept[i] = std::move(sequences_[source]);
  }
  std::vector<Sequence> spare;
  for (Sequence& sequence : sequences_) {
    if (!sequence.empty()) spare.push_back(std::move(sequence));
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!kept[i].empty()) continue;
    kept[i] = std::move(spare.back());
    spare.pop_back();
    const Sequence& source = kept[at(owner[at(sources[i])])];
    for (std::size_t layer = 0; layer < source.size(); ++layer) {
      kept[i][layer].copy_from(source[layer], position_);
    }
  }
  for (Sequence& sequence : spare) kept.push_back(std::move(sequence));
  sequences_ = std::move(kept);
}

std::vector<float> CpuNetwork::attend(std::span<const TokenId> tokens,
                                      std::span<const AttentionHead> heads, int slot,
                                      Watch& watch) {
  reserve_sequences(1);
  slots_.assign(1, slot);
  std::vector<float> attention(heads.size() * tokens.size() * at(windows_[at(slot)].n_sound));
  run_decoder({.tokens = tokens, .slots = slots_, .heads = heads, .attention = &attention}, watch);
  position_ = 0;
  return attention;
}

std::span<float> CpuNetwork::run_decoder(const Pass& pass, Watch& watch) {
  const int n_state = hparams().n_text_state;
  const auto floats = std::ssize(pass.tokens) * n_state;
  kernels::grow(y_, floats);
  kernels::grow(normed_, floats);
  kernels::grow(projected_, 3 * floats);
  kernels::grow(attended_, floats);
  kernels::grow(hidden_, 4 * floats);
  for (std::size_t i = 0; i < pass.slots.size(); ++i) {
    for (kernels::KeyValues& kv : sequences_[i]) kv.reserve(pass.position + pass.n_tokens());
  }
  const int n = pass.n_sequences();
  const int parts = std::clamp(pass.of_one_window() ? n / 2 : n, 1, pool_->size());
  const auto run_part = [&](int index, int worker) {
    const int first = index * n / parts;
    const int end = (index + 1) * n / parts;
    run_layers(
        pass,
        {first * pass.n_tokens(), (end - first) * pass.n_tokens(), scratch_[at(worker)].data()},
        worker, watch);
  };
  parts > 1 ? run(parts, watch, run_part) : run_part(0, 0);
  return logits(pass.rows, watch);
}

void CpuNetwork::run_layers(const Pass& pass, const Part& part, int worker, Watch& watch) {
  const CpuWeights& w = *weights_;
  const int n_state = hparams().n_text_state;
  for (int i = part.first; i < part.first + part.rows; ++i) {
    const int token = pass.tokens[at(i)];
    const float* position =
        w.text_positions.data() + at(pass.position + i % pass.n_tokens()) * at(n_state);
    float* y = y_.data() + at(i) * at(n_state);
    for (int j = 0; j < n_state; ++j) y[j] = w.token_embedding.weight(token, j) + position[j];
  }
  for (std::size_t layer = 0; layer < w.decoder.size(); ++layer) {
    check(worker, watch);
    self_attention(w.decoder[layer].attention, layer, pass, part);
    cross_attention(w.decoder[layer].cross, layer, pass, part);
    mlp(w.decoder[layer].mlp, part);
  }
}

namespace {

void norm_rows(const CpuNorm& norm, const float* x, int first, int rows, int n_state, float* out) {
  for (int r = first; r < first + rows; ++r) {
    active_kernels().layer_norm(x + at(r) * at(n_state), norm.weight.data(), norm.bias.data(),
                                out + at(r) * at(n_state), n_state);
  }
}

}  // namespace

void CpuNetwork::self_attention(const CpuSelfAttention& w, std::size_t layer, const Pass& pass,
                                const Part& part) {
  const int n_state = hparams().n_text_state;
  const int n_head = hparams().n_text_head;
  const int d = n_state / n_head;
  const auto [first, rows, scratch] = part;
  norm_rows(w.norm, y_.data(), first, rows, n_state, normed_.data());
  gemm_rows({.data = normed_.data(), .rows = {.stride = n_state}}, first, rows, w.query_key_value,
            {.data = projected_.data(), .rows = {.stride = 3 * n_state}}, {});
  for (int i = first; i < first + rows; ++i) {
    kernels::KeyValues& kv = sequences_[at(i / pass.n_tokens())][layer];
    const int position = pass.position + i % pass.n_tokens();
    const float* row = projected_.data() + at(i) * at(3 * n_state);
    for (int head = 0; head < n_head; ++head) {
      const float* query = row + head * d;
      kv.store(head, position, 1, query + n_state, query + 2 * n_state, 0);
      kernels::attend(query, 0, 1, kv, head, {position + 1}, scratch,
                      attended_.data() + at(i) * at(n_state) + at(head * d), 0);
    }
  }
  gemm_rows({.data = attended_.data(), .rows = {.stride = n_state}}, first, rows, w.out,
            {.data = y_.data(), .rows = {.stride = n_state}},
            {.residual = y_.data(), .residual_rows = {.stride = n_state}});
}

void CpuNetwork::cross_attention(const CpuCrossAttention& w, std::size_t layer, const Pass& pass,
                                 const Part& part) {
  const int n_state = hparams().n_text_state;
  const int n_head = hparams().n_text_head;
  const int d = n_state / n_head;
  const int query_stride = 3 * n_state;  // as before, so that no part writes where another reads
  const int end = part.first + part.rows;
  norm_rows(w.norm, y_.data(), part.first, part.rows, n_state, normed_.data());
  gemm_rows({.data = normed_.data(), .rows = {.stride = n_state}}, part.first, part.rows, w.query,
            {.data = projected_.data(), .rows = {.stride = query_stride}}, {});
  for (int first = part.first, rows = 1; first < end; first += rows, rows = 1) {
    const int slot = pass.slot_of(first);
    while (first + rows < end && rows < kernels::kAttentionRows &&
           pass.slot_of(first + rows) == slot) {
      ++rows;
    }
    const Window& window = windows_[at(slot)];
    for (int head = 0; head < n_head; ++head) {
      const float* query = projected_.data() + at(first) * at(query_stride) + at(head * d);
      float* out = attended_.data() + at(first) * at(n_state) + at(head * d);
      const bool wanted = std::any_of(
          pass.heads.begin(), pass.heads.end(),
          [&](const AttentionHead& h) { return at(h.layer) == layer && h.head == head; });
      if (wanted) kernels::grow(probabilities_, std::ptrdiff_t{rows} * window.n_positions);
      std::visit(
          [&](const auto& kv) {
            kernels::attend(query, query_stride, rows, kv, head, window.positions(), part.scratch,
                            out, n_state, wanted ? probabilities_.data() : nullptr);
          },
          window.cross[layer]);
      for (std::size_t i = 0; i < pass.heads.size(); ++i) {
        if (at(pass.heads[i].layer) != layer || pass.heads[i].head != head) continue;
        for (int r = 0; r < rows; ++r) {
          std::copy_n(probabilities_.data() + at(r) * at(window.n_positions), window.n_sound,
                      pass.attention->data() +
                          (i * pass.tokens.size() + at(first + r)) * at(window.n_sound));
        }
      }
    }
  }
  gemm_rows({.data = attended_.data(), .rows = {.stride = n_state}}, part.first, part.rows, w.out,
            {.data = y_.data(), .rows = {.stride = n_state}},
            {.residual = y_.data(), .residual_rows = {.stride = n_state}});
}

void CpuNetwork::mlp(const CpuMlp& w, const Part& part) {
  const int n_state = hparams().n_text_state;
  const kernels::RowLayout by_state{.stride = n_state};
  const kernels::RowLayout by_hidden{.stride = 4 * n_state};
  norm_rows(w.norm, y_.data(), part.first, part.rows, n_state, normed_.data());
  gemm_rows({.data = normed_.data(), .rows = by_state}, part.first, part.rows, w.up,
            {.data = hidden_.data(), .rows = by_hidden}, {});
  active_kernels().gelu(hidden_.data() + at(part.first) * at(4 * n_state),
                        static_cast<long long>(part.rows) * 4 * n_state);
  gemm_rows({.data = hidden_.data(), .rows = by_hidden}, part.first, part.rows, w.down,
            {.data = y_.data(), .rows = by_state},
            {.residual = y_.data(), .residual_rows = by_state});
}

std::span<float> CpuNetwork::logits(std::span<const int> rows, Watch& watch) {
  if (rows.empty()) return {};
  watch.check();
  const CpuWeights& w = *weights_;
  const int n_state = hparams().n_text_state;
  const int n_vocab = hparams().n_vocab;
  kernels::grow(normed_, std::ssize(rows) * n_state);  // a row may be wanted twice
  for (std::size_t i = 0; i < rows.size(); ++i) {
    active_kernels().layer_norm(y_.data() + at(rows[i]) * at(n_state), w.decoder_norm.weight.data(),
                                w.decoder_norm.bias.data(), normed_.data() + i * at(n_state),
                                n_state);
  }
  logits_.resize(rows.size() * at(n_vocab));
  kernels::gemm({.data = normed_.data(), .rows = {.stride = n_state}},
                static_cast<int>(rows.size()), w.token_embedding,
                {.data = logits_.data(), .rows = {.stride = n_vocab}}, {}, *pool_,
                watch.control().cancel);
  return logits_;
}

}  // namespace earwitness::speech
