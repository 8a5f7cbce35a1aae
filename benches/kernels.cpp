// What the kernels reach at the shapes of Whisper's encoder and decoder, on one thread, as a share
// of what this machine's multipliers do at most, measured here as well.
//
//   cmake -S . -B build/bench -DEARWITNESS_PYTHON=OFF -DEARWITNESS_BENCHES=ON
//   cmake --build build/bench && build/bench/benches/kernels
//
// EARWITNESS_ISA chooses a lesser instruction set. A product of whole numbers is one of 16 by 8
// bits (int8), or of 8 by 8 (bytes); one multiply-add counts as one operation.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define EARWITNESS_PEAKS
#endif

namespace {

using namespace earwitness::kernels;

// Seconds of one call: the median of 9 rounds of about 20 ms each.
double seconds_of(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int calls) {
    const auto begin = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  call();
  const int calls = std::clamp(static_cast<int>(0.02 / std::max(time(1), 1e-9)), 1, 1'000'000);
  std::vector<double> rounds;
  for (int i = 0; i < 9; ++i) rounds.push_back(time(calls) / calls);
  std::nth_element(rounds.begin(), rounds.begin() + 4, rounds.end());
  return rounds[4];
}

// Multiply-adds a second of registers alone.
struct Peak {
  double floats = 0.0;
  double integers = 0.0;  // of 16 by 8 bits; 0 where it is not known
  double bytes = 0.0;     // where there are products of bytes; else they are done as those above
};

#if defined(EARWITNESS_PEAKS)

constexpr int kChains = 12;
constexpr int kSteps = 100'000;

// x is taken to change at every step, lest a product of it be computed once for all.
#define EARWITNESS_CHAINS(name, isa, type, zero, op)   \
  __attribute__((target(isa))) void name() {           \
    type x = zero;                                     \
    __asm__ volatile("" : "+v"(x));                    \
    type a[kChains];                                   \
    _Pragma("GCC unroll 12") for (type & y : a) y = x; \
    for (int step = 0; step < kSteps; ++step) {        \
      _Pragma("GCC unroll 12") for (type & y : a) {    \
        y = op;                                        \
        __asm__ volatile("" : "+v"(x), "+v"(y));       \
      }                                                \
    }                                                  \
  }

EARWITNESS_CHAINS(floats_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(x, x, y))
EARWITNESS_CHAINS(integers_avx2, "avx2", __m256i, _mm256_setzero_si256(),
                  _mm256_add_epi32(y, _mm256_madd_epi16(x, x)))
EARWITNESS_CHAINS(floats_avx512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(x, x, y))
EARWITNESS_CHAINS(integers_avx512, "avx512f,avx512bw", __m512i, _mm512_setzero_si512(),
                  _mm512_add_epi32(y, _mm512_madd_epi16(x, x)))
EARWITNESS_CHAINS(integers_vnni, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_setzero_si512(),
                  _mm512_dpwssd_epi32(y, x, x))
EARWITNESS_CHAINS(bytes_vnni, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_setzero_si512(),
                  _mm512_dpbusd_epi32(y, x, x))
EARWITNESS_CHAINS(bytes_avxvnni, "avx2,avxvnni", __m256i, _mm256_setzero_si256(),
                  _mm256_dpbusd_avx_epi32(y, x, x))
#undef EARWITNESS_CHAINS

constexpr int kTileProducts = 4;

// Four products of tiles at a time, each of 16 x 64 by 64 x 16 bytes.
__attribute__((target("amx-tile,amx-int8"))) void tiles_amx() {
  struct alignas(64) Configuration {
    std::uint8_t palette = 1;
    std::uint8_t unused[15] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
  const Configuration tiles;
  __asm__ volatile("ldtilecfg %0" : : "m"(tiles));
  for (int step = 0; step < kSteps; ++step) {
    _tile_dpbusd(0, 4, 5);
    _tile_dpbusd(1, 4, 5);
    _tile_dpbusd(2, 4, 5);
    _tile_dpbusd(3, 4, 5);
  }
  _tile_release();
}

Peak measure_peak(const std::string& isa) {
  constexpr double kOps = double{kChains} * kSteps;
  if (isa == "avx2") {
    return {kOps * 8 / seconds_of(floats_avx2), kOps * 16 / seconds_of(integers_avx2)};
  }
  if (isa == "avx512") {
    return {kOps * 16 / seconds_of(floats_avx512), kOps * 32 / seconds_of(integers_avx512)};
  }
  if (isa == "avx512vnni") {
    return {kOps * 16 / seconds_of(floats_avx512), kOps * 32 / seconds_of(integers_vnni),
            kOps * 64 / seconds_of(bytes_vnni)};
  }
  if (isa == "avxvnni") {
    return {kOps * 8 / seconds_of(floats_avx2), kOps * 16 / seconds_of(integers_avx2),
            kOps * 32 / seconds_of(bytes_avxvnni)};
  }
  if (isa == "amx") {
    constexpr double kTileOps = double{kTileProducts} * kSteps * 16 * 16 * 64;
    const double bytes = kTileOps / seconds_of(tiles_amx);
    // Two bytes of a number are two products.
    return {kOps * 16 / seconds_of(floats_avx512), bytes / 2, bytes};
  }
  return {};
}

#else

Peak measure_peak(const std::string&) { return {}; }

#endif

void print(const std::string& what, double count, double seconds, double peak) {
  std::printf("%-44s %9.1f us %8.1f G/s", what.c_str(), seconds * 1e6, count / seconds / 1e9);
  if (peak > 0.0) std::printf(" %5.0f %%", 100.0 * count / seconds / peak);
  std::printf("\n");
}

std::vector<float> noise(std::size_t n) {
  std::vector<float> out(n);
  unsigned seed = 1;
  for (float& x : out) {
    seed = seed * 1664525U + 1013904223U;
    x = static_cast<float>(seed >> 8) / 8388608.0F - 1.0F;
  }
  return out;
}

void product(const char* what, int rows, int inputs, int outputs, const Peak& peak) {
  const auto x = noise(static_cast<std::size_t>(rows) * static_cast<std::size_t>(inputs));
  const auto w = noise(static_cast<std::size_t>(outputs) * static_cast<std::size_t>(inputs));
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(outputs));
  struct Way {
    PackedMatrix::Precision precision;
    const char* name;
    double peak;
  };
  using enum PackedMatrix::Precision;
  for (const Way& way : {Way{kInteger, "int8", peak.integers},
                         Way{kBytes, "bytes", peak.bytes > 0.0 ? peak.bytes : peak.integers},
                         Way{kHalf, "f16", peak.floats}}) {
    const PackedMatrix packed(w.data(), outputs, inputs, nullptr, way.precision);
    const double seconds = seconds_of(
        [&] { gemm_rows({x.data(), {inputs}}, 0, rows, packed, {y.data(), {outputs}}, {}); });
    print(std::string(what) + ' ' + std::to_string(rows) + " x " + std::to_string(inputs) + " x " +
              std::to_string(outputs) + ' ' + way.name,
          double(rows) * inputs * outputs, seconds, way.peak);
  }
}

constexpr int kPositions = 1500;
constexpr int kSize = 64;

template <typename Cache>
void attention(const char* what, int rows, Cache cache, double peak) {
  const auto kv = noise(std::size_t{2} * kPositions * kSize);
  const auto query = noise(static_cast<std::size_t>(rows) * kSize);
  cache.store(0, kPositions, kv.data(), kv.data() + kPositions * kSize, kSize);
  std::vector<float> scratch(attention_scratch(kPositions, kSize));
  std::vector<float> out(query.size());
  const double seconds = seconds_of([&] {
    attend(query.data(), kSize, rows, cache, 0, {kPositions}, scratch.data(), out.data(), kSize);
  });
  print(std::string("attention, ") + std::to_string(rows) + " rows " + what,
        2.0 * rows * kPositions * kSize, seconds, peak);
}

void elements(const char* what, int n, const std::function<void()>& call) {
  print(what, n, seconds_of(call), 0.0);
}

}  // namespace

int main() {
  const Kernels& isa = active_kernels();
  const Peak peak = measure_peak(isa.name);
  std::printf("%s: at most %.1f G multiply-adds a second of floats, %.1f of whole numbers",
              isa.name, peak.floats / 1e9, peak.integers / 1e9);
  if (peak.bytes > 0.0) std::printf(", %.1f of bytes", peak.bytes / 1e9);
  std::printf("\n");
  for (const int n : {384, 512}) {  // tiny, base
    std::printf("\n%s, 1500 positions\n", n == 384 ? "tiny" : "base");
    product("query, key, value", 1500, n, 3 * n, peak);
    product("attention's output", 1500, n, n, peak);
    product("MLP, up", 1500, n, 4 * n, peak);
    product("MLP, down", 1500, 4 * n, n, peak);
    product("convolution 1", 3000, 240, n, peak);
    product("convolution 2", 1500, 3 * n, n, peak);
    product("decoder's MLP, up", 1, n, 4 * n, peak);
    product("logits", 1, n, 51864, peak);
    product("logits", 8, n, 51864, peak);
  }
  std::printf("\none head of 64, 1500 positions\n");
  const auto with_queries = [](Queries queries) {
    return IntegerKeyValues(1, kSize, kPositions, queries);
  };
  if (isa.bf16 != nullptr) {
    attention("bf16", 48, Bf16KeyValues(1, kSize, kPositions), peak.integers);  // two bytes too
  }
  attention("bytes", 48, with_queries(Queries::kBytes),
            peak.bytes > 0.0 ? peak.bytes : peak.integers);
  for (const int rows : {48, 1}) {
    attention("int8", rows, with_queries(Queries::kWords), peak.integers);
    attention("f32", rows, KeyValues(1, kSize, kPositions), peak.floats);
  }
  std::printf("\nelements\n");
  constexpr int kLength = 1536;
  auto x = noise(kLength);
  std::vector<float> y(kLength);
  std::vector<std::int16_t> whole(2 * kLength);
  const int padded = padded_inputs(isa.layout, kLength);
  const IntegerRow row{whole.data(), padded, row_stride(isa.layout, padded)};
  elements("quantize", kLength, [&] { isa.quantize_row(x.data(), kLength, 32767.0F, row); });
  elements("exponentials", kLength, [&] { isa.exponential_row(x.data(), kLength, 8191.0F, row); });
  elements("layer norm", kLength,
           [&] { isa.layer_norm(x.data(), x.data(), x.data(), y.data(), kLength); });
  elements("GELU", kLength, [&] {
    std::copy(x.begin(), x.end(), y.begin());
    isa.gelu(y.data(), kLength);
  });
  return 0;
}
