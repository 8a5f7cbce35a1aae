// Compile this file with AVX2, FMA and F16C (-mavx2 -mfma -mf16c, /arch:AVX2).
#define EARWITNESS_NAME "avx2"
#define EARWITNESS_TABLE kAvx2Kernels
#if defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER)) && !defined(__AVX512F__)
#define EARWITNESS_HAS_SET
#endif
#include "kernels/avx2_impl.h"
