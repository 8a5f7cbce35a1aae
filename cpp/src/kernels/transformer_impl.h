// The inner loops of transformer layers, under the terms of kernels_impl.h, which see.

void widen(const std::uint16_t* x, float* out, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) V::load_half(x + i).store(out + i);
  if (i == n) return;
  std::uint16_t rest[kLanes] = {};
  float wide[kLanes];
  for (int j = i; j < n; ++j) rest[j - i] = x[j];
  V::load_half(rest).store(wide);
  for (int j = i; j < n; ++j) out[j] = wide[j - i];
}

void layer_norm(const float* x, const float* weight, const float* bias, float* out, int n) {
  constexpr float kEpsilon = 1e-5F;  // torch.nn.LayerNorm's default
  // Two chains of sums, as each addition waits for the one before.
  V sums[2] = {V::zero(), V::zero()};
  int i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sums[0] = sums[0] + V::load(x + i);
    sums[1] = sums[1] + V::load(x + i + kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) sums[0] = sums[0] + V::load(x + i);
  float sum = (sums[0] + sums[1]).sum();
  for (; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  const V means = V::broadcast(&mean);
  V squares[2] = {V::zero(), V::zero()};
  for (i = 0; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const V a = V::load(x + i) - means;
    const V b = V::load(x + i + kLanes) - means;
    squares[0] = V::fma(a, a, squares[0]);
    squares[1] = V::fma(b, b, squares[1]);
  }
  for (; i + kLanes <= n; i += kLanes) {
    const V d = V::load(x + i) - means;
    squares[0] = V::fma(d, d, squares[0]);
  }
  float square = (squares[0] + squares[1]).sum();
  for (; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
  const float scale = 1.0F / __builtin_sqrtf(square / static_cast<float>(n) + kEpsilon);
  const V scales = V::broadcast(&scale);
  for (i = 0; i + kLanes <= n; i += kLanes) {
    V::fma((V::load(x + i) - means) * scales, V::load(weight + i), V::load(bias + i))
        .store(out + i);
  }
  for (; i < n; ++i) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

// x times the normal distribution function: max(x, 0) - |x| Q(|x|), with the tail Q by Abramowitz
// and Stegun 7.1.26 (absolute error of erf below 1.5e-7).
inline V gelu_of(V x) {
  constexpr float kOne = 1.0F;
  constexpr float kP = 0.3275911F * 0.70710678118654752F;
  constexpr float kA[] = {0.5F * 1.061405429F, 0.5F * -1.453152027F, 0.5F * 1.421413741F,
                          0.5F * -0.284496736F, 0.5F * 0.254829592F};
  const V one = V::broadcast(&kOne);
  const V y = V::max(x, V::zero() - x);
  const V t = V::inverse(V::fma(V::broadcast(&kP), y, one));
  V p = V::broadcast(&kA[0]);
  for (int i = 1; i < 5; ++i) p = V::fma(p, t, V::broadcast(&kA[i]));
  const V tail = p * t * bounded_exponential(y * y, -0.5F);
  return V::max(x, V::zero()) - y * tail;
}

void gelu(float* x, long long n) {
  long long i = 0;
  for (; i + kLanes <= n; i += kLanes) gelu_of(V::load(x + i)).store(x + i);
  if (i == n) return;
  float rest[kLanes] = {};
  for (long long j = i; j < n; ++j) rest[j - i] = x[j];
  gelu_of(V::load(rest)).store(rest);
  for (long long j = i; j < n; ++j) x[j] = rest[j - i];
}

inline float largest(const float* x, int n) {
  float top = x[0];
  int i = 0;
  if (n >= kLanes) {
    // Several at a time: each is a chain of comparisons that wait for one another.
    constexpr int kChains = 4;
    V tops[kChains];
    for (V& chain : tops) chain = V::load(x);
    for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
      EARWITNESS_UNROLL
      for (int j = 0; j < kChains; ++j) tops[j] = V::max(tops[j], V::load(x + i + j * kLanes));
    }
    for (; i + kLanes <= n; i += kLanes) tops[0] = V::max(tops[0], V::load(x + i));
    top = V::max(V::max(tops[0], tops[1]), V::max(tops[2], tops[3])).largest();
  }
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

// The largest of a block is found in vectors, its place in the best block alone.
int argmax(const float* x, int n) {
  constexpr int kBlock = 1024;
  const auto end_of = [n](int first) { return n - first < kBlock ? n : first + kBlock; };
  int best = 0;
  float top = largest(x, end_of(0));
  for (int first = kBlock; first < n; first += kBlock) {
    const float candidate = largest(x + first, end_of(first) - first);
    if (candidate > top || top != top) {
      top = candidate;
      best = first;
    }
  }
  for (int i = best; i < end_of(best); ++i) {
    if (x[i] == top) return i;
  }
  return best;
}

void softmax(float* x, int n, float scale) {
  const float top = largest(x, n);
  const V tops = V::broadcast(&top);
  V sums = V::zero();
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V e = bounded_exponential(V::load(x + i) - tops, scale);
    e.store(x + i);
    sums = sums + e;
  }
  float sum = sums.sum();
  if (i < n) {
    float rest[kLanes] = {};
    for (int j = i; j < n; ++j) rest[j - i] = x[j] - top;
    bounded_exponential(V::load(rest), scale).store(rest);
    for (int j = i; j < n; ++j) {
      x[j] = rest[j - i];
      sum += x[j];
    }
  }
  const float inverse = 1.0F / sum;
  const V inverses = V::broadcast(&inverse);
  for (i = 0; i + kLanes <= n; i += kLanes) (V::load(x + i) * inverses).store(x + i);
  for (; i < n; ++i) x[i] *= inverse;
}

float log_sum_exp(const float* x, int n) {
  const float top = largest(x, n);
  if (top < -3.0e38F) return top;  // all are -infinite
  const V tops = V::broadcast(&top);
  V sums = V::zero();
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    sums = sums + bounded_exponential(V::load(x + i) - tops, 1.0F);
  }
  float sum = sums.sum();
  for (; i < n; ++i) {
    float rest[kLanes] = {};
    rest[0] = x[i] - top;
    bounded_exponential(V::load(rest), 1.0F).store(rest);
    sum += rest[0];
  }
  return top + __builtin_logf(sum);
}
