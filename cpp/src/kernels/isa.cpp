#include "kernels/isa.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "earwitness/error.h"
#include "kernels/available_kernels.h"

#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace earwitness::kernels {
namespace {

struct Set {
  const Kernels* kernels;  // null where this build lacks it
  bool (*runs)();          // on this machine
};

bool always() { return true; }

// Those that the architecture may have, the best first.
std::vector<Set> sets();

#if defined(_MSC_VER) && defined(_M_X64)

// Intel SDM volume 2, CPUID leaf 7 and XGETBV: the bits below, and that the system saves the
// registers.
bool has_avx2() {
  int r[4];
  __cpuid(r, 1);
  constexpr int kNeeded = 1 << 12 | 1 << 27 | 1 << 29;  // FMA, OSXSAVE, F16C
  if ((r[2] & kNeeded) != kNeeded || (_xgetbv(0) & 0x6) != 0x6) return false;
  __cpuidex(r, 7, 0);
  return (r[1] & (1 << 5)) != 0;
}

bool has_avx512() {
  if (!has_avx2() || (_xgetbv(0) & 0xe6) != 0xe6) return false;
  int r[4];
  __cpuidex(r, 7, 0);
  constexpr unsigned kWide = 1U << 16 | 1U << 17 | 1U << 30 | 1U << 31;  // F, DQ, BW, VL
  return (static_cast<unsigned>(r[1]) & kWide) == kWide;
}

bool has_avx512vnni() {
  if (!has_avx512()) return false;
  int r[4];
  __cpuidex(r, 7, 0);
  return (r[2] & (1 << 11)) != 0;
}

std::vector<Set> sets() {
  return {{kAvx512VnniKernels, has_avx512vnni},
          {kAvx512Kernels, has_avx512},
          {kAvx2Kernels, has_avx2},
          {kScalarKernels, always}};
}

#elif defined(__x86_64__)

bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         __builtin_cpu_supports("f16c") != 0;
}

// Intel SDM volume 2, CPUID leaf 7, and 1 below it.
struct Features {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;

  explicit Features(unsigned below) { __get_cpuid_count(7, below, &a, &b, &c, &d); }
};

bool has_avxvnni() { return has_avx2() && (Features(1).a & 1U << 4) != 0; }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

bool has_avx512vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni") != 0; }

// The tiles of AMX are for those processes that ask the system: Linux' documentation of XSTATE
// features. It cannot be taken back, so not asked for where another set is named.
bool has_amx() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;
  constexpr unsigned kTiles = 1U << 22 | 1U << 24 | 1U << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
  constexpr unsigned kBf16 = 1U << 5;                          // AVX512-BF16
  return has_avx512vnni() && (Features(0).d & kTiles) == kTiles && (Features(1).a & kBf16) != 0 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

std::vector<Set> sets() {
  return {{kAmxKernels, has_amx},         {kAvx512VnniKernels, has_avx512vnni},
          {kAvxVnniKernels, has_avxvnni}, {kAvx512Kernels, has_avx512},
          {kAvx2Kernels, has_avx2},       {kScalarKernels, always}};
}

#elif defined(__aarch64__)

bool has_neondot() {
#if defined(__APPLE__)
  return true;  // every Apple processor that runs macOS
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}

std::vector<Set> sets() {
  return {{kNeonDotKernels, has_neondot},
          {kNeonKernels, always},  // part of every AArch64
          {kScalarKernels, always}};
}

#else

std::vector<Set> sets() { return {{kScalarKernels, always}}; }

#endif

const Kernels& choose() {
  // Read once, before any thread of this library starts.
  const char* wanted = std::getenv("EARWITNESS_ISA");  // NOLINT(concurrency-mt-unsafe)
  if (wanted != nullptr && *wanted != '\0') {
    if (const Kernels* found = find_kernels(wanted)) return *found;
    std::string names;
    for (const Kernels* kernels : available_kernels()) {
      names += (names.empty() ? "" : ", ") + std::string(kernels->name);
    }
    throw InvalidOption(std::string("EARWITNESS_ISA is \"") + wanted +
                        "\", which this machine or build does not have; unset it, or set it to one "
                        "of those that it has: " +
                        names);
  }
  return *available_kernels().front();
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> out;
  for (const Set& set : sets()) {
    if (set.kernels != nullptr && set.runs()) out.push_back(set.kernels);
  }
  return out;
}

const Kernels* find_kernels(const char* name) {
  const std::string_view wanted(name);
  for (const Set& set : sets()) {
    if (set.kernels != nullptr && wanted == set.kernels->name && set.runs()) return set.kernels;
  }
  return nullptr;
}

const Kernels& active_kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace earwitness::kernels
