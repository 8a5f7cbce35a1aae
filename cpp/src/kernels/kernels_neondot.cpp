// Compile this file with -march=armv8.2-a+dotprod, whose products of bytes take a quarter of the
// instructions.
#define EARWITNESS_NAME "neondot"
#define EARWITNESS_TABLE kNeonDotKernels
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define EARWITNESS_HAS_SET
#endif
#include "kernels/neon_impl.h"
