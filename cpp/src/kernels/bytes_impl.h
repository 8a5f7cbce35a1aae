// Rows and products in Layout::kBytes. The including file has defined Bytes, a form of products
// (whole_numbers_impl.h); store_bytes(V, p) and store_bytes(V[kTogether], p): whole numbers of 0 to
// 255; store_fours(V[4], p): kLanes fours of signed ones.

// Numbers from 0 to 255, one after another.
struct UnsignedBytes {
  std::uint8_t* data;

  void put(const V (&x)[kTogether], int i) const { store_bytes(x, data + i); }
  void put(V x, int i) const { store_bytes(x, data + i); }
  void put(std::int16_t x, int i) const { data[i] = static_cast<std::uint8_t>(x); }
};

// The same of numbers plus their zero.
struct FromZero {
  UnsignedBytes bytes;
  float zero;

  void put(const V (&x)[kTogether], int i) const {
    const V middle = V::broadcast(&zero);
    bytes.put({x[0] + middle, x[1] + middle, x[2] + middle, x[3] + middle}, i);
  }
  void put(V x, int i) const { bytes.put(x + V::broadcast(&zero), i); }
  void put(std::int16_t x, int i) const {
    bytes.put(static_cast<std::int16_t>(x + static_cast<int>(zero)), i);
  }
};

float quantize_unsigned(const float* x, int n, const IntegerRow& out, std::int32_t* zero) {
  return to_bytes(x, n, out.padded, [&](float middle) {
    *zero = static_cast<std::int32_t>(middle);
    return FromZero{{reinterpret_cast<std::uint8_t*>(out.data)}, middle};
  });
}

float exponential_unsigned(const float* x, int n, const IntegerRow& out) {
  return to_weights<Carried>(x, n, kMostByteWeight, out.padded,
                             UnsignedBytes{reinterpret_cast<std::uint8_t*>(out.data)});
}

void pack_fours(const float* x, std::ptrdiff_t stride, int rows, const float* factors,
                std::int8_t* out) {
  for (int j = 0; j < kPanel; j += kLanes) {
    const V factor = V::load(factors + j);
    V numbers[4];
    for (int i = 0; i < 4; ++i) {
      numbers[i] = i < rows ? V::load(x + i * stride + j) * factor : V::zero();
    }
    store_fours(numbers, out + 4 * j);
  }
}

constexpr Kernels with_bytes(Kernels kernels) {
  kernels.byte_layout = Layout::kBytes;
  kernels.byte_panels = integer_panels<Bytes>;
  kernels.quantize_bytes = quantize_unsigned;
  kernels.exponential_bytes = exponential_unsigned;
  kernels.pack_byte_group = pack_fours;
  return kernels;
}
