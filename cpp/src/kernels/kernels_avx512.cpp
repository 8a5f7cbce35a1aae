// Compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma, /arch:AVX512.
#define EARWITNESS_NAME "avx512"
#define EARWITNESS_TABLE kAvx512Kernels
#include "kernels/avx512_impl.h"
