// CpuNetwork: mel → encoder output → the decoder's cross keys and values.
#include <algorithm>

#include "speech/cpu_network.h"

namespace earwitness::speech {
namespace {

using kernels::active_kernels;
using kernels::gemm_rows;

// Rows of one task: what the layers between two attentions do to so many rows stays in the cache.
constexpr int kRows = kernels::kAttentionRows;

std::size_t at(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

int blocks_of(int rows) { return (rows + kRows - 1) / kRows; }

}  // namespace

CpuNetwork::CpuNetwork(std::shared_ptr<const CpuWeights> weights) : weights_(std::move(weights)) {
  const Hyperparameters& h = hparams();
  for (int i = 0; i < h.n_text_layer; ++i) {
    cross_.emplace_back(h.n_text_head, h.n_text_state / h.n_text_head, h.n_audio_ctx);
  }
  encoder_kv_ = {h.n_audio_head, h.n_audio_state / h.n_audio_head, h.n_audio_ctx};
  set_threads(1);
}

void CpuNetwork::set_threads(int threads) {
  if (pool_ && pool_->size() == threads) return;
  pool_ = std::make_unique<kernels::ThreadPool>(threads);
  const Hyperparameters& h = hparams();
  // The widest that a task holds for its rows: the MLP's hidden layer, or a head's scores.
  const int widest = std::max(4 * h.n_audio_state, h.n_audio_ctx);
  scratch_.assign(at(threads), {});
  for (auto& buffer : scratch_) buffer.resize(at(kRows) * at(widest + 4 * h.n_audio_state));
}

// Worker 0 is the calling thread, the only one that may ask the caller whether to go on.
void CpuNetwork::run(int tasks, Watch& watch, const kernels::ThreadPool::Task& task) {
  watch.check();
  pool_->run(tasks, [&](int index, int worker) {
    if (worker == 0) {
      watch.check();
    } else {
      watch.control().cancel.throw_if_cancelled();
    }
    task(index, worker);
  });
}

void CpuNetwork::encode(std::span<const float> mel, int n_ctx, int threads, Watch& watch) {
  n_ctx_ = n_ctx;
  set_threads(threads);
  const auto n = at(hparams().n_audio_state);
  x_.resize(at(n_ctx) * n);
  qkv_.resize(at(n_ctx) * 3 * n);
  mixed_.resize(at(n_ctx) * n);
  convolve(mel, watch);
  for (std::size_t i = 0; i < weights_->encoder.size(); ++i) encode_block(i, watch);
  project_cross(watch);
}

void CpuNetwork::convolve(std::span<const float> mel, Watch& watch) {
  const CpuWeights& w = *weights_;
  const int n_mels = w.hparams.n_mels;
  const int n_state = w.hparams.n_audio_state;
  const int frames = 2 * n_ctx_;
  mel_rows_.assign(at(frames + 2) * at(n_mels), 0.0F);
  conv_.assign(at(frames + 2) * at(n_state), 0.0F);
  for (int t = 0; t < frames; ++t) {
    float* row = mel_rows_.data() + at(t + 1) * at(n_mels);
    for (int m = 0; m < n_mels; ++m) row[m] = mel[at(m) * at(frames) + at(t)];
  }
  // A row of a convolution's input is three rows of activations, which lie one after another.
  run(blocks_of(frames), watch, [&](int task, int) {
    const int first = task * kRows;
    const int rows = std::min(kRows, frames - first);
    float* out = conv_.data() + n_state;
    gemm_rows({.data = mel_rows_.data(), .rows = {.stride = n_mels}}, first, rows, w.conv1,
              {.data = out, .rows = {.stride = n_state}}, {});
    active_kernels().gelu(out + at(first) * at(n_state), static_cast<long long>(rows) * n_state);
  });
  run(blocks_of(n_ctx_), watch, [&](int task, int) {
    const int first = task * kRows;
    const int rows = std::min(kRows, n_ctx_ - first);
    gemm_rows({.data = conv_.data(), .rows = {.stride = 2 * n_state}}, first, rows, w.conv2,
              {.data = x_.data(), .rows = {.stride = n_state}}, {});
    const std::size_t from = at(first) * at(n_state);
    const std::size_t count = at(rows) * at(n_state);
    active_kernels().gelu(x_.data() + from, static_cast<long long>(count));
    for (std::size_t i = from; i < from + count; ++i) x_[i] += w.audio_positions[i];
  });
}

void CpuNetwork::encode_block(std::size_t index, Watch& watch) {
  const CpuEncoderBlock& block = weights_->encoder[index];
  const int n_state = hparams().n_audio_state;
  const int n_head = hparams().n_audio_head;
  const int d = n_state / n_head;
  const int blocks = blocks_of(n_ctx_);
  run(blocks, watch, [&](int task, int worker) {
    const int first = task * kRows;
    const int rows = std::min(kRows, n_ctx_ - first);
    float* normed = scratch_[at(worker)].data();
    for (int r = 0; r < rows; ++r) {
      active_kernels().layer_norm(x_.data() + at(first + r) * at(n_state),
                                  block.attention.norm.weight.data(),
                                  block.attention.norm.bias.data(), normed + r * n_state, n_state);
    }
    gemm_rows(
        {.data = normed, .rows = {.stride = n_state}}, 0, rows, block.attention.query_key_value,
        {.data = qkv_.data() + at(first) * at(3 * n_state), .rows = {.stride = 3 * n_state}}, {});
  });
  run(n_head, watch, [&](int head, int) {
    encoder_kv_.store(head, 0, n_ctx_, qkv_.data() + n_state + head * d,
                      qkv_.data() + 2 * n_state + head * d, 3 * n_state);
  });
  run(n_head * blocks, watch, [&](int task, int worker) {
    const int head = task / blocks;
    const int first = task % blocks * kRows;
    const std::size_t row = at(first);
    kernels::attend(qkv_.data() + row * at(3 * n_state) + at(head * d), 3 * n_state,
                    std::min(kRows, n_ctx_ - first), encoder_kv_, head, n_ctx_,
                    scratch_[at(worker)].data(), mixed_.data() + row * at(n_state) + at(head * d),
                    n_state);
  });
  run(blocks, watch, [&](int task, int worker) {
    const int first = task * kRows;
    finish_rows(block, first, std::min(kRows, n_ctx_ - first), worker);
  });
}

// What follows the attention, row by row: its output layer and the MLP, each with its residual.
void CpuNetwork::finish_rows(const CpuEncoderBlock& block, int first, int rows, int worker) {
  const int n_state = hparams().n_audio_state;
  float* x = x_.data() + at(first) * at(n_state);
  const kernels::RowLayout by_state{.stride = n_state};
  const kernels::RowLayout by_hidden{.stride = 4 * n_state};
  float* normed = scratch_[at(worker)].data();
  float* hidden = normed + kRows * n_state;
  gemm_rows({.data = mixed_.data() + at(first) * at(n_state), .rows = by_state}, 0, rows,
            block.attention.out, {.data = x, .rows = by_state},
            {.residual = x, .residual_rows = by_state});
  for (int r = 0; r < rows; ++r) {
    active_kernels().layer_norm(x + r * n_state, block.mlp.norm.weight.data(),
                                block.mlp.norm.bias.data(), normed + r * n_state, n_state);
  }
  gemm_rows({.data = normed, .rows = by_state}, 0, rows, block.mlp.up,
            {.data = hidden, .rows = by_hidden}, {});
  active_kernels().gelu(hidden, static_cast<long long>(rows) * 4 * n_state);
  gemm_rows({.data = hidden, .rows = by_hidden}, 0, rows, block.mlp.down,
            {.data = x, .rows = by_state}, {.residual = x, .residual_rows = by_state});
}

void CpuNetwork::project_cross(Watch& watch) {
  const CpuWeights& w = *weights_;
  const int n_state = hparams().n_audio_state;
  const int n_head = hparams().n_text_head;
  const int d = n_state / n_head;
  for (std::size_t layer = 0; layer < w.decoder.size(); ++layer) {
    run(blocks_of(n_ctx_), watch, [&](int task, int worker) {
      const int first = task * kRows;
      const int rows = std::min(kRows, n_ctx_ - first);
      if (layer == 0) {
        for (int r = 0; r < rows; ++r) {
          float* x = x_.data() + at(first + r) * at(n_state);
          active_kernels().layer_norm(x, w.encoder_norm.weight.data(), w.encoder_norm.bias.data(),
                                      x, n_state);
        }
      }
      float* kv = scratch_[at(worker)].data();
      gemm_rows({.data = x_.data() + at(first) * at(n_state), .rows = {.stride = n_state}}, 0, rows,
                w.decoder[layer].cross.key_value, {.data = kv, .rows = {.stride = 2 * n_state}},
                {});
      for (int head = 0; head < n_head; ++head) {
        cross_[layer].store(head, first, rows, kv + head * d, kv + n_state + head * d, 2 * n_state);
      }
    });
  }
}

}  // namespace earwitness::speech
