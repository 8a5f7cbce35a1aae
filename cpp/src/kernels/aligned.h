// Buffers that start on a cache line, as vector loads like it; large ones in huge pages.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace earwitness::kernels {

// Throws std::bad_alloc.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* p, std::size_t bytes);

template <typename T>
struct CacheLineAllocator {
  using value_type = T;

  CacheLineAllocator() = default;
  template <typename U>
  explicit(false) CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(allocate_aligned(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) { free_aligned(p, n * sizeof(T)); }

  bool operator==(const CacheLineAllocator&) const = default;
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;
using FloatBuffer = AlignedVector<float>;

// Makes room for n elements at least; new ones are 0.
template <typename T>
T* grow(AlignedVector<T>& buffer, std::ptrdiff_t n) {
  if (buffer.size() < static_cast<std::size_t>(n)) buffer.resize(static_cast<std::size_t>(n));
  return buffer.data();
}

}  // namespace earwitness::kernels
