// AMX beside AVX-512 with VNNI. Compile this file with -mamx-tile -mamx-int8 -mamx-bf16
// -mavx512bf16 and the flags of kernels_avx512vnni.cpp; without the former it holds no set.
#define EARWITNESS_NAME "amx"
#define EARWITNESS_TABLE kAmxKernels
#include "kernels/isa.h"
#if defined(__AMX_INT8__)
#include "kernels/avx512_impl.h"
#else
namespace earwitness::kernels {
const Kernels* const kAmxKernels = nullptr;
}  // namespace earwitness::kernels
#endif
