// The inner loops of transformer layers, under the terms of kernels_impl.h, which see.

inline float sum_of(V x) {
  float lanes[kLanes];
  x.store(lanes);
  float sum = 0.0F;
  for (float lane : lanes) sum += lane;
  return sum;
}

inline float largest_of(V x) {
  float lanes[kLanes];
  x.store(lanes);
  float top = lanes[0];
  for (float lane : lanes) top = lane > top ? lane : top;
  return top;
}

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
  V sums = V::zero();
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) sums = sums + V::load(x + i);
  float sum = sum_of(sums);
  for (; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  const V means = V::broadcast(&mean);
  V squares = V::zero();
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const V d = V::load(x + i) - means;
    squares = V::fma(d, d, squares);
  }
  float square = sum_of(squares);
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
  const V t = one / V::fma(V::broadcast(&kP), y, one);
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
    V tops = V::load(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) tops = V::max(tops, V::load(x + i));
    top = largest_of(tops);
  }
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
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
  float sum = sum_of(sums);
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
  float sum = sum_of(sums);
  for (; i < n; ++i) {
    float rest[kLanes] = {};
    rest[0] = x[i] - top;
    bounded_exponential(V::load(rest), 1.0F).store(rest);
    sum += rest[0];
  }
  return top + __builtin_logf(sum);
}
