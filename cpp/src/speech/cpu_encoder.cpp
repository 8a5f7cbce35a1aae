// CpuNetwork: mel → encoder output → the decoder's cross keys and values.
#include <algorithm>
#include <cmath>

#include "speech/cpu_network.h"

namespace earwitness::speech {
namespace {

using kernels::active_kernels;
using kernels::gemm_rows;

// Rows of one task: what the layers between two attentions do to so many rows stays in the cache.
constexpr int kRows = kernels::kAttentionRows;

// Positions of silence after the sound that are convolved, so that one of them hears nothing else.
constexpr int kSilentEnd = 3;

std::size_t at(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

int blocks_of(int rows) { return (rows + kRows - 1) / kRows; }

}  // namespace

CpuNetwork::CpuNetwork(std::shared_ptr<const CpuWeights> weights) : weights_(std::move(weights)) {
  const Hyperparameters& h = hparams();
  encoder_kv_ = encoder_key_values();
  set_threads(1);
  // Memory that is new is slow at first: the first call need not wait for it.
  window_of(0);
  reserve_sequences(1);
  reserve_positions(h.n_audio_ctx);
}

CpuNetwork::Window& CpuNetwork::window_of(int slot) {
  const Hyperparameters& h = hparams();
  while (windows_.size() <= at(slot)) {
    Window window;
    for (int i = 0; i < h.n_text_layer; ++i) {
      window.cross.push_back(window_key_values());
    }
    windows_.push_back(std::move(window));
  }
  return windows_[at(slot)];
}

CpuNetwork::WindowKeyValues CpuNetwork::window_key_values() const {
  const Hyperparameters& h = hparams();
  const int head_size = h.n_text_state / h.n_text_head;
  if (weights_->precision == kernels::PackedMatrix::Precision::kInteger) {
    return kernels::IntegerKeyValues(h.n_text_head, head_size, h.n_audio_ctx,
                                     kernels::Queries::kWords);
  }
  return kernels::KeyValues(h.n_text_head, head_size, h.n_audio_ctx);
}

CpuNetwork::EncoderKeyValues CpuNetwork::encoder_key_values() const {
  const Hyperparameters& h = hparams();
  const int head_size = h.n_audio_state / h.n_audio_head;
  if (weights_->precision != kernels::PackedMatrix::Precision::kInteger) {
    return kernels::KeyValues(h.n_audio_head, head_size, h.n_audio_ctx);
  }
  if (active_kernels().bf16 != nullptr) {
    return kernels::Bf16KeyValues(h.n_audio_head, head_size, h.n_audio_ctx);
  }
  const bool bytes = active_kernels().byte_layout == kernels::Layout::kBytes;
  return kernels::IntegerKeyValues(h.n_audio_head, head_size, h.n_audio_ctx,
                                   bytes ? kernels::Queries::kBytes : kernels::Queries::kWords);
}

void CpuNetwork::set_threads(int threads) {
  if (pool_ && pool_->size() == threads) return;
  pool_ = std::make_unique<kernels::ThreadPool>(threads);
  const Hyperparameters& h = hparams();
  // The most that a task holds for its rows: the MLP's hidden layer, or a head's scores.
  const std::size_t layers = at(kRows) * at(5 * h.n_audio_state);
  const std::size_t attention = kernels::attention_scratch(
      std::max(h.n_audio_ctx, h.n_text_ctx),
      std::max(h.n_audio_state / h.n_audio_head, h.n_text_state / h.n_text_head));
  scratch_.assign(at(threads), {});
  for (auto& buffer : scratch_) buffer.resize(std::max(layers, attention));
}

void CpuNetwork::run(int tasks, Watch& watch, const kernels::ThreadPool::Task& task) {
  watch.check();
  pool_->run(tasks, [&](int index, int worker) {
    check(worker, watch);
    task(index, worker);
  });
}

// Worker 0 is the calling thread, the only one that may ask the caller whether to go on.
void CpuNetwork::check(int worker, Watch& watch) {
  if (worker == 0) {
    watch.check();
  } else {
    watch.control().cancel.throw_if_cancelled();
  }
}

void CpuNetwork::reserve_positions(int n) {
  const std::ptrdiff_t floats = std::ptrdiff_t{n} * hparams().n_audio_state;
  kernels::grow(x_, floats);
  kernels::grow(qkv_, 3 * floats);
  kernels::grow(mixed_, floats);
}

void CpuNetwork::encode(const WindowMel& mel, int slot, int threads, Watch& watch) {
  set_threads(threads);
  lay_out(mel.positions);
  reserve_positions(std::max(n_positions_, n_sound_ + kSilentEnd));
  convolve(mel, watch);
  for (std::size_t i = 0; i < weights_->encoder.size(); ++i) encode_block(i, watch);
  Window& window = window_of(slot);
  window.n_sound = n_sound_;
  window.n_positions = n_positions_;
  window.silence_weights = silence_weights_;
  project_cross(window, watch);
}

std::vector<float> CpuNetwork::encoded() const {
  const auto state = at(hparams().n_audio_state);
  std::vector<float> out(x_.begin(), x_.begin() + n_positions_ * hparams().n_audio_state);
  const std::vector<float>& divided = weights_->encoder_divided;
  for (std::size_t i = 0; i < out.size() && !divided.empty(); ++i) out[i] *= divided[i % state];
  return out;
}

// Whisper always sees a whole window, and invents text where it is cut to the sound. But silence is
// the same everywhere save for its place: a few positions of it, each counted as often in every
// softmax as the places that it stands for, do for the rest of the window. They grow with the
// distance from the sound.
void CpuNetwork::lay_out(int sound) {
  constexpr double kGrowth = 1.05;
  constexpr double kMostPlaces = 4.0;  // more cost words: 32 made base lose 3 % of them
  const int n_ctx = hparams().n_audio_ctx;
  silence_.clear();
  silence_weights_.clear();
  n_sound_ = sound;
  double places = 1.0;
  for (int place = sound; place < n_ctx;) {
    const int count = std::min(static_cast<int>(places), n_ctx - place);
    silence_.push_back({place, count});
    silence_weights_.push_back(std::log(static_cast<float>(count)));
    place += count;
    places = std::min(places * kGrowth, kMostPlaces);
  }
  n_positions_ = sound + static_cast<int>(silence_.size());
}

void CpuNetwork::convolve(const WindowMel& mel, Watch& watch) {
  const CpuWeights& w = *weights_;
  const int n_mels = w.hparams.n_mels;
  const int n_state = w.hparams.n_audio_state;
  const bool silent_end = !silence_.empty();
  const int positions = n_sound_ + (silent_end ? kSilentEnd : 0);
  const int frames = 2 * positions;
  mel_rows_.assign(at(frames + 2) * at(n_mels), 0.0F);
  conv_.assign(at(frames + 2) * at(n_state), 0.0F);
  for (int t = 0; t < 2 * n_sound_; ++t) {
    float* row = mel_rows_.data() + at(t + 1) * at(n_mels);
    for (int m = 0; m < n_mels; ++m) row[m] = mel.sound[at(m) * at(2 * n_sound_) + at(t)];
  }
  std::fill(mel_rows_.begin() + (2 * n_sound_ + 1) * n_mels,
            mel_rows_.begin() + (frames + 1) * n_mels, mel.silence);
  // A row of a convolution's input is three rows of activations, which lie one after another.
  run(blocks_of(frames), watch, [&](int task, int) {
    const int first = task * kRows;
    const int rows = std::min(kRows, frames - first);
    float* out = conv_.data() + n_state;
    gemm_rows({.data = mel_rows_.data(), .rows = {.stride = n_mels}}, first, rows, w.conv1,
              {.data = out, .rows = {.stride = n_state}}, {});
    active_kernels().gelu(out + at(first) * at(n_state), static_cast<long long>(rows) * n_state);
  });
  run(blocks_of(positions), watch, [&](int task, int) {
    const int first = task * kRows;
    const int rows = std::min(kRows, positions - first);
    gemm_rows({.data = conv_.data(), .rows = {.stride = 2 * n_state}}, first, rows, w.conv2,
              {.data = x_.data(), .rows = {.stride = n_state}}, {});
    const std::size_t from = at(first) * at(n_state);
    active_kernels().gelu(x_.data() + from, static_cast<long long>(rows) * n_state);
  });
  // The last but one heard nothing but silence, and no end of it.
  const auto state = at(n_state);
  const float* last = x_.data() + at(n_sound_ + kSilentEnd - 2) * state;
  const std::vector<float> silence(last, last + (silent_end ? n_state : 0));
  for (std::size_t i = 0; i < at(n_sound_) * state; ++i) x_[i] += w.audio_positions[i];
  for (std::size_t i = 0; i < silence_.size(); ++i) {
    // The mean of its places: a single one's fast waves would not cancel as those of all do.
    float* x = x_.data() + (at(n_sound_) + i) * state;
    std::copy(silence.begin(), silence.end(), x);
    const float share = 1.0F / static_cast<float>(silence_[i].count);
    for (int place = silence_[i].first; place < silence_[i].first + silence_[i].count; ++place) {
      const float* wave = w.audio_positions.data() + at(place) * state;
      for (std::size_t j = 0; j < state; ++j) x[j] += wave[j] * share;
    }
  }
}

void CpuNetwork::encode_block(std::size_t index, Watch& watch) {
  const CpuEncoderBlock& block = weights_->encoder[index];
  const int n_state = hparams().n_audio_state;
  const int n_head = hparams().n_audio_head;
  const int d = n_state / n_head;
  const int blocks = blocks_of(n_positions_);
  run(blocks, watch, [&](int task, int worker) {
    const int first = task * kRows;
    const int rows = std::min(kRows, n_positions_ - first);
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
    const float* key = qkv_.data() + n_state + head * d;
    std::visit([&](auto& kv) { kv.store(head, n_positions_, key, key + n_state, 3 * n_state); },
               encoder_kv_);
  });
  run(n_head * blocks, watch, [&](int task, int worker) {
    const int head = task / blocks;
    const int first = task % blocks * kRows;
    const std::size_t row = at(first);
    std::visit(
        [&](const auto& kv) {
          kernels::attend(qkv_.data() + row * at(3 * n_state) + at(head * d), 3 * n_state,
                          std::min(kRows, n_positions_ - first), kv, head, positions(),
                          scratch_[at(worker)].data(),
                          mixed_.data() + row * at(n_state) + at(head * d), n_state);
        },
        encoder_kv_);
  });
  run(blocks, watch, [&](int task, int worker) {
    const int first = task * kRows;
    finish_rows(block, first, std::min(kRows, n_positions_ - first), worker);
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

void CpuNetwork::project_cross(Window& window, Watch& watch) {
  const CpuWeights& w = *weights_;
  const int n_state = hparams().n_audio_state;
  const int n_head = hparams().n_text_head;
  const int d = n_state / n_head;
  for (std::size_t layer = 0; layer < w.decoder.size(); ++layer) {
    run(blocks_of(n_positions_), watch, [&](int task, int) {
      const int first = task * kRows;
      const int rows = std::min(kRows, n_positions_ - first);
      if (layer == 0) {
        for (int r = 0; r < rows; ++r) {
          float* x = x_.data() + at(first + r) * at(n_state);
          active_kernels().layer_norm(x, w.encoder_norm.weight.data(), w.encoder_norm.bias.data(),
                                      x, n_state);
        }
      }
      gemm_rows({.data = x_.data(), .rows = {.stride = n_state}}, first, rows,
                w.decoder[layer].cross.key_value,
                {.data = qkv_.data(), .rows = {.stride = 2 * n_state}}, {});
    });
    run(n_head, watch, [&](int head, int) {
      const float* key = qkv_.data() + head * d;
      std::visit([&](auto& kv) { kv.store(head, n_positions_, key, key + n_state, 2 * n_state); },
                 window.cross[layer]);
    });
  }
}

}  // namespace earwitness::speech
