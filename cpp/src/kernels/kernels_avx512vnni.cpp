// Compile this file as kernels_avx512.cpp and with -mavx512vnni, which the products of whole
// numbers take half the instructions with.
#define EARWITNESS_NAME "avx512vnni"
#define EARWITNESS_TABLE kAvx512VnniKernels
#include "kernels/avx512_impl.h"
