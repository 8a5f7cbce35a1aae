// Rows and products in Layout::kBytes, where the including file has defined Bytes, a form of
// products (whole_numbers_impl.h), and UnsignedBytes, which writes numbers plus their zero.

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
