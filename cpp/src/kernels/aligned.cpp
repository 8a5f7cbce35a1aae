#include "kernels/aligned.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace earwitness::kernels {
namespace {

constexpr std::size_t kCacheLine = 64;

// Each token reads all weights of the decoder, in more small pages than a processor remembers the
// places of: with huge ones it takes a tenth less time.
constexpr std::size_t kHugePage = 2U << 20;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < 2 * kHugePage ? kCacheLine : kHugePage};
}

}  // namespace

void* allocate_aligned(std::size_t bytes) {
  void* p = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
  // Advice: where the system does not follow it, nothing is lost.
  if (bytes >= 2 * kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return p;
}

void free_aligned(void* p, std::size_t bytes) { ::operator delete(p, alignment_of(bytes)); }

}  // namespace earwitness::kernels
