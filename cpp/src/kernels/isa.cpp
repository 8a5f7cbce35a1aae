#include "kernels/isa.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "earwitness/error.h"

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

#if defined(_MSC_VER) && defined(_M_X64)

// Intel SDM volume 2, CPUID leaf 7 and XGETBV: the bits below, and that the system saves the
// registers.
bool cpu_has(const char* isa) {
  int r[4];
  __cpuid(r, 1);
  const bool fma = (r[2] & (1 << 12)) != 0;
  const bool osxsave = (r[2] & (1 << 27)) != 0;
  const bool f16c = (r[2] & (1 << 29)) != 0;
  if (!fma || !f16c || !osxsave) return false;
  const auto saved = _xgetbv(0);
  __cpuidex(r, 7, 0);
  const bool avx2 = (saved & 0x6) == 0x6 && (r[1] & (1 << 5)) != 0;
  if (std::strcmp(isa, "avx2") == 0) return avx2;
  constexpr unsigned kWide = 1U << 16 | 1U << 17 | 1U << 30 | 1U << 31;  // F, DQ, BW, VL
  const bool avx512 =
      avx2 && (saved & 0xe6) == 0xe6 && (static_cast<unsigned>(r[1]) & kWide) == kWide;
  if (std::strcmp(isa, "avx512") == 0) return avx512;
  return std::strcmp(isa, "avx512vnni") == 0 && avx512 && (r[2] & (1 << 11)) != 0;
}

#elif defined(__x86_64__)

// The tiles of AMX are for those processes that ask the system: Linux' documentation of XSTATE
// features. Asked for once, when the kernels are chosen, as it cannot be taken back.
bool tiles_allowed() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  // Leaf 7: AMX-BF16, AMX-TILE, AMX-INT8; below it, 1: AVX512-BF16.
  constexpr unsigned kTiles = 1U << 22 | 1U << 24 | 1U << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTiles) != kTiles) return false;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || (a & 1U << 5) == 0) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool avx_vnni() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1U << 4) != 0;
}

bool cpu_has(const char* isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("f16c") != 0;
  if (std::strcmp(isa, "avx2") == 0) return avx2;
  if (std::strcmp(isa, "avxvnni") == 0) return avx2 && avx_vnni();
  const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (std::strcmp(isa, "avx512") == 0) return avx512;
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni") != 0;
  if (std::strcmp(isa, "avx512vnni") == 0) return vnni;
  return vnni && tiles_allowed();
}

#elif defined(__aarch64__)

bool cpu_has(const char* isa) {
  if (std::strcmp(isa, "neondot") != 0) return false;
#if defined(__APPLE__)
  return true;  // every Apple processor that runs macOS
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}

#else

bool cpu_has(const char*) { return false; }

#endif

const Kernels& choose() {
  // Read once, before any thread of this library starts.
  const char* wanted = std::getenv("EARWITNESS_ISA");  // NOLINT(concurrency-mt-unsafe)
  if (wanted != nullptr && *wanted != '\0') {
    const Kernels* found = find_kernels(wanted);
    if (found == nullptr) {
      throw InvalidOption(std::string("EARWITNESS_ISA is \"") + wanted +
                          "\", which this machine or build does not have; unset it, or set it to "
                          "scalar, avx2, avxvnni, avx512, avx512vnni, amx, neon or neondot");
    }
    return *found;
  }
  for (const char* name : {"amx", "avx512vnni", "avxvnni", "avx512", "avx2", "neondot", "neon"}) {
    const Kernels* found = find_kernels(name);
    if (found != nullptr) return *found;
  }
  return *kScalarKernels;
}

}  // namespace

const Kernels* find_kernels(const char* name) {
  if (std::strcmp(name, "scalar") == 0) return kScalarKernels;
  if (std::strcmp(name, "neon") == 0) return kNeonKernels;  // part of every AArch64
  if (std::strcmp(name, "neondot") == 0) return cpu_has(name) ? kNeonDotKernels : nullptr;
  if (std::strcmp(name, "avx2") == 0) return cpu_has(name) ? kAvx2Kernels : nullptr;
  if (std::strcmp(name, "avxvnni") == 0) return cpu_has(name) ? kAvxVnniKernels : nullptr;
  if (std::strcmp(name, "avx512") == 0) return cpu_has(name) ? kAvx512Kernels : nullptr;
  if (std::strcmp(name, "amx") == 0) return cpu_has(name) ? kAmxKernels : nullptr;
  if (std::strcmp(name, "avx512vnni") == 0) return cpu_has(name) ? kAvx512VnniKernels : nullptr;
  return nullptr;
}

const Kernels& active_kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace earwitness::kernels
