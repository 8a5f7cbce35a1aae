// Rows and products in Layout::kBytes. The including file has defined Bytes, a form of products
// (whole_numbers_impl.h), and store_bytes(V, p) and store_bytes(V[kTogether], p): whole numbers of
// 0 to 255.

// Numbers plus their zero, one after another.
struct UnsignedBytes {
  std::uint8_t* data;
  float zero;

  void put(const V (&x)[kTogether], int i) const {
    const V middle = V::broadcast(&zero);
    store_bytes({x[0] + middle, x[1] + middle, x[2] + middle, x[3] + middle}, data + i);
  }
  void put(V x, int i) const { store_bytes(x + V::broadcast(&zero), data + i); }
  void put(std::int16_t x, int i) const {
    data[i] = static_cast<std::uint8_t>(x + static_cast<int>(zero));
  }
};

float quantize_unsigned(const float* x, int n, const IntegerRow& out, std::int32_t* zero) {
  return to_bytes(x, n, out.padded, [&](float middle) {
    *zero = static_cast<std::int32_t>(middle);
    return UnsignedBytes{reinterpret_cast<std::uint8_t*>(out.data), middle};
  });
}

constexpr Kernels with_bytes(Kernels kernels) {
  kernels.byte_layout = Layout::kBytes;
  kernels.byte_panels = integer_panels<Bytes>;
  kernels.quantize_bytes = quantize_unsigned;
  return kernels;
}
