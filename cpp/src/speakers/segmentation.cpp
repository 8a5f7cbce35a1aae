#include "speakers/segmentation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "kernels/gemm.h"
#include "speakers/lstm.h"
#include "speakers/sincnet.h"

namespace earwitness::speakers {
namespace {

using W = SegmentationWeights;

constexpr int kClasses = Segmentation::kClasses;
constexpr int kLstmOutput = 2 * W::kHidden;
constexpr float kNegativeSlope = 0.01F;  // of torch's leaky ReLU

// Sequences in one recurrence: two register tiles of rows share each pass over its weights, and the
// states of 12 windows take 14 MB.
constexpr int kGroup = 12;

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// Windows that go through the LSTM together. Activations: [frame][window][channel].
struct Group {
  int first = 0;
  int count = 0;
  kernels::FloatBuffer input;
  kernels::FloatBuffer output;
  LstmScratch scratch[2];
};

void log_softmax(const float* x, float* out) {
  const float largest = *std::max_element(x, x + kClasses);
  float sum = 0.0F;
  for (int c = 0; c < kClasses; ++c) sum += std::exp(x[c] - largest);
  const float log_sum = largest + std::log(sum);
  for (int c = 0; c < kClasses; ++c) out[c] = x[c] - log_sum;
}

}  // namespace

struct Segmentation::Impl {
  std::shared_ptr<const DiarizerWeights> weights;
  std::vector<SincNetScratch> scratch;  // one for each thread
  std::vector<Group> groups;

  const W& net() const { return weights->segmentation(); }

  void divide(int count, int threads);
  void front_end(const float* const* windows, kernels::ThreadPool& pool, const CancelToken& cancel);
  void recurrent_layers(kernels::ThreadPool& pool, const CancelToken& cancel);
  void classify(Group& group, float* out, kernels::ThreadPool& pool,
                const CancelToken& cancel) const;
  void run(const float* const* windows, int count, float* out, kernels::ThreadPool& pool,
           const CancelToken& cancel);
};

// Each group is two tasks, forward and backward, so half as many groups as threads keep all busy.
void Segmentation::Impl::divide(int count, int threads) {
  const int wanted = std::clamp(threads / 2, (count + kGroup - 1) / kGroup, count);
  groups.resize(size(wanted));
  int first = 0;
  for (int i = 0; i < wanted; ++i) {
    Group& group = groups[size(i)];
    group.first = first;
    group.count = count * (i + 1) / wanted - first;
    first += group.count;
    group.input.resize(size(kFrames * group.count * kLstmOutput));
    group.output.resize(size(kFrames * group.count * kLstmOutput));
  }
}

void Segmentation::Impl::front_end(const float* const* windows, kernels::ThreadPool& pool,
                                   const CancelToken& cancel) {
  std::vector<std::pair<Group*, int>> tasks;
  for (Group& group : groups) {
    for (int i = 0; i < group.count; ++i) tasks.emplace_back(&group, i);
  }
  scratch.resize(size(pool.size()));
  pool.run(static_cast<int>(tasks.size()), [&](int task, int worker) {
    const auto& [group, i] = tasks[size(task)];
    sincnet(net(), windows[group->first + i], group->input.data() + i * W::kConvChannels,
            std::ptrdiff_t{group->count} * W::kConvChannels, scratch[size(worker)], cancel);
  });
}

void Segmentation::Impl::recurrent_layers(kernels::ThreadPool& pool, const CancelToken& cancel) {
  int width = W::kConvChannels;
  for (const auto& layer : net().lstm) {
    pool.run(2 * static_cast<int>(groups.size()), [&](int task, int) {
      Group& group = groups[size(task / 2)];
      const bool backward = task % 2 != 0;
      const LstmInput in{group.input.data(), width, kFrames, group.count};
      lstm_direction(in, layer[backward ? 1 : 0], backward, group.output.data(),
                     group.scratch[backward ? 1 : 0], cancel);
    });
    for (Group& group : groups) std::swap(group.input, group.output);
    width = kLstmOutput;
  }
}

void Segmentation::Impl::classify(Group& group, float* out, kernels::ThreadPool& pool,
                                  const CancelToken& cancel) const {
  const int rows = kFrames * group.count;
  const kernels::Epilogue leaky{.negative_slope = kNegativeSlope};
  float* a = group.input.data();
  float* b = group.output.data();
  kernels::gemm({a, {kLstmOutput}}, rows, net().linear[0], {b, {W::kHidden}}, leaky, pool, cancel);
  kernels::gemm({b, {W::kHidden}}, rows, net().linear[1], {a, {W::kHidden}}, leaky, pool, cancel);
  kernels::gemm({a, {W::kHidden}}, rows, net().classifier, {b, {kClasses}}, {}, pool, cancel);
  for (int t = 0; t < kFrames; ++t) {
    for (int i = 0; i < group.count; ++i) {
      const std::ptrdiff_t to = std::ptrdiff_t{group.first + i} * kFrames + t;
      log_softmax(b + (t * group.count + i) * kClasses, out + to * kClasses);
    }
  }
}

void Segmentation::Impl::run(const float* const* windows, int count, float* out,
                             kernels::ThreadPool& pool, const CancelToken& cancel) {
  const int most = kGroup * std::max(1, pool.size() / 2);
  for (int first = 0; first < count; first += most) {
    divide(std::min(most, count - first), pool.size());
    front_end(windows + first, pool, cancel);
    recurrent_layers(pool, cancel);
    for (Group& group : groups) {
      classify(group, out + std::ptrdiff_t{first} * kFrames * kClasses, pool, cancel);
    }
  }
}

Segmentation::Segmentation(std::shared_ptr<const DiarizerWeights> weights)
    : impl_(std::make_unique<Impl>()) {
  impl_->weights = std::move(weights);
}

Segmentation::~Segmentation() = default;
Segmentation::Segmentation(Segmentation&&) noexcept = default;
Segmentation& Segmentation::operator=(Segmentation&&) noexcept = default;

void Segmentation::run(const float* const* windows, int count, float* out,
                       kernels::ThreadPool& pool, const CancelToken& cancel) {
  impl_->run(windows, count, out, pool, cancel);
}

}  // namespace earwitness::speakers
