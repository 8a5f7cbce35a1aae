// Compile this file as kernels_avx2.cpp and with -mavxvnni, whose products of bytes take a quarter
// of the instructions.
#define EARWITNESS_NAME "avxvnni"
#define EARWITNESS_TABLE kAvxVnniKernels
#if defined(__AVXVNNI__) && !defined(__AVX512F__)
#define EARWITNESS_HAS_SET
#endif
#include "kernels/avx2_impl.h"
