// NEON, which every AArch64 has: no flags needed.
#define EARWITNESS_NAME "neon"
#define EARWITNESS_TABLE kNeonKernels
#if defined(__aarch64__) || defined(_M_ARM64)
#define EARWITNESS_HAS_SET
#endif
#include "kernels/neon_impl.h"
