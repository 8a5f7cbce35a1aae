#include "speakers/gguf_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <utility>

#include "earwitness/error.h"

namespace earwitness::speakers {
namespace {

// Format constants: ggml's gguf.h and ggml-common.h.
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kUint32 = 4;
constexpr std::uint32_t kString = 8;
constexpr std::size_t kAlignment = 32;
constexpr std::size_t kMaxDimensions = 4;
constexpr std::size_t kQ8Values = 32;  // in a block, after a float16 scale
constexpr std::size_t kQ8Bytes = 34;
constexpr const char* kChecksumKey = "earwitness.data_crc32";

std::size_t padded(std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

// CRC-32 as in zlib and IEEE 802.3 (reflected, polynomial 0x04C11DB7), four bytes at a time.
std::uint32_t crc32(const unsigned char* data, std::size_t size) {
  static const auto kTable = [] {
    std::array<std::array<std::uint32_t, 256>, 4> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
      t[0][i] = c;
    }
    for (std::size_t j = 1; j < 4; ++j) {
      for (std::size_t i = 0; i < 256; ++i) {
        t[j][i] = (t[j - 1][i] >> 8) ^ t[0][t[j - 1][i] & 0xFFU];
      }
    }
    return t;
  }();
  std::uint32_t crc = 0xFFFFFFFFU;
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    crc ^= static_cast<std::uint32_t>(data[i]) | static_cast<std::uint32_t>(data[i + 1]) << 8 |
           static_cast<std::uint32_t>(data[i + 2]) << 16 |
           static_cast<std::uint32_t>(data[i + 3]) << 24;
    crc = kTable[3][crc & 0xFFU] ^ kTable[2][(crc >> 8) & 0xFFU] ^ kTable[1][(crc >> 16) & 0xFFU] ^
          kTable[0][crc >> 24];
  }
  for (; i < size; ++i) crc = (crc >> 8) ^ kTable[0][(crc ^ data[i]) & 0xFFU];
  return ~crc;
}

float half_to_float(const unsigned char* p) {
  const auto h = static_cast<std::uint32_t>(p[0] | p[1] << 8);
  const std::uint32_t sign = (h & 0x8000U) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1FU;
  const std::uint32_t mantissa = h & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

}  // namespace

// Reads the header's little-endian fields and never past the end.
class GgufFile::Cursor {
 public:
  explicit Cursor(const GgufFile& file) : file_(file) {}

  std::size_t position() const { return position_; }

  std::uint64_t unsigned_number(std::size_t bytes) {
    need(bytes);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint64_t>(file_.bytes_[position_ + i]) << (8 * i);
    }
    position_ += bytes;
    return value;
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(unsigned_number(4)); }
  std::uint64_t u64() { return unsigned_number(8); }

  std::string string() {
    const std::uint64_t length = u64();
    need(length);
    const auto* first = file_.bytes_.data() + position_;
    position_ += static_cast<std::size_t>(length);
    return {first, first + length};
  }

 private:
  void need(std::uint64_t bytes) const {
    if (bytes > file_.bytes_.size() - position_) file_.fail("it ends inside its header");
  }

  const GgufFile& file_;
  std::size_t position_ = 0;
};

GgufFile::GgufFile(const std::filesystem::path& path, std::size_t max_size)
    : name_(reinterpret_cast<const char*>(path.u8string().c_str())) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff end = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (end < 0) throw ModelError("cannot open the model file " + name_);
  if (static_cast<std::uint64_t>(end) > max_size) fail("it is too long");
  bytes_.resize(static_cast<std::size_t>(end));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes_.data()), end);
  if (!in) throw ModelError("cannot read the model file " + name_);
  parse();
}

void GgufFile::fail(const std::string& what) const {
  throw ModelError(name_ + " is not a sound model file: " + what + "; install or convert it again");
}

void GgufFile::parse() {
  Cursor at(*this);
  if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) fail("it is not GGUF");
  at.u32();
  if (at.u32() != kVersion) fail("it is not GGUF version 3");
  // Neither count can exceed the bytes that follow: the first entry beyond them ends the loop.
  const std::uint64_t tensors = at.u64();
  const std::uint64_t pairs = at.u64();
  for (std::uint64_t i = 0; i < pairs; ++i) read_pair(at);
  for (std::uint64_t i = 0; i < tensors; ++i) read_tensor(at);
  check_data(padded(at.position()));
}

void GgufFile::read_pair(Cursor& at) {
  const std::string key = at.string();
  const std::uint32_t type = at.u32();
  bool fresh = false;
  if (type == kUint32) {
    fresh = numbers_.emplace(key, at.u32()).second;
  } else if (type == kString) {
    fresh = texts_.emplace(key, at.string()).second;
  } else {
    fail("its key \"" + key + "\" is of an unknown type");
  }
  if (!fresh) fail("its key \"" + key + "\" occurs twice");
}

void GgufFile::read_tensor(Cursor& at) {
  const std::string name = at.string();
  Tensor tensor;
  const std::uint32_t dimensions = at.u32();
  if (dimensions == 0 || dimensions > kMaxDimensions) fail("a tensor has no valid shape");
  std::uint64_t count = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const std::uint64_t n = at.u64();
    // No value takes less than a byte, so this bounds the product as well.
    if (n == 0 || n > bytes_.size() || count > bytes_.size() / n) {
      fail("the tensor " + name + " is larger than the file");
    }
    count *= n;
    tensor.shape.insert(tensor.shape.begin(), n);
  }
  tensor.count = static_cast<std::size_t>(count);
  tensor.type = Type{at.u32()};
  const std::uint64_t offset = at.u64();
  if (offset % kAlignment != 0 || offset > bytes_.size()) {
    fail("the tensor " + name + " does not start where one can");
  }
  tensor.offset = static_cast<std::size_t>(offset);
  if (!tensors_.emplace(name, std::move(tensor)).second) fail("the tensor " + name + " is twofold");
}

void GgufFile::check_data(std::size_t start) {
  if (start > bytes_.size()) fail("it ends before its data");
  for (auto& [name, tensor] : tensors_) {
    std::size_t size = 0;
    switch (tensor.type) {
      case Type::kF32:
        size = tensor.count * 4;
        break;
      case Type::kF16:
      case Type::kI16:
        size = tensor.count * 2;
        break;
      case Type::kQ8_0:
        if (tensor.shape.back() % kQ8Values != 0) fail("the rows of " + name + " are no blocks");
        size = tensor.count / kQ8Values * kQ8Bytes;
        break;
      default:
        fail("the tensor " + name + " is of an unknown type");
    }
    const std::size_t available = bytes_.size() - start;
    if (tensor.offset > available || size > available - tensor.offset) {
      fail("the tensor " + name + " reaches past its end");
    }
    tensor.offset += start;
  }
  if (crc32(bytes_.data() + start, bytes_.size() - start) != number(kChecksumKey)) {
    fail("its checksum is wrong");
  }
}

const std::string& GgufFile::text(const std::string& key) const {
  const auto found = texts_.find(key);
  if (found == texts_.end()) fail("it lacks the key \"" + key + "\"");
  return found->second;
}

std::uint32_t GgufFile::number(const std::string& key) const {
  const auto found = numbers_.find(key);
  if (found == numbers_.end()) fail("it lacks the key \"" + key + "\"");
  return found->second;
}

std::vector<float> GgufFile::tensor(const std::string& name,
                                    const std::vector<std::uint64_t>& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("it lacks the tensor " + name);
  const Tensor& tensor = found->second;
  if (tensor.shape != shape) fail("the tensor " + name + " has another shape than it should");
  const unsigned char* p = bytes_.data() + tensor.offset;
  std::vector<float> out(tensor.count);
  std::vector<float> scale;
  if (tensor.type == Type::kI16) scale = this->tensor(name + ".scale", {shape.front()});
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (tensor.type == Type::kF16) {
      out[i] = half_to_float(p + 2 * i);
    } else if (tensor.type == Type::kI16) {
      const auto code = static_cast<std::int16_t>(p[2 * i] | p[2 * i + 1] << 8);
      out[i] = static_cast<float>(code) * scale[i / (out.size() / scale.size())];
    } else if (tensor.type == Type::kQ8_0) {
      const unsigned char* block = p + i / kQ8Values * kQ8Bytes;
      const auto code = static_cast<signed char>(block[2 + i % kQ8Values]);
      out[i] = half_to_float(block) * static_cast<float>(code);
    } else {
      const auto bits = static_cast<std::uint32_t>(p[4 * i]) |
                        static_cast<std::uint32_t>(p[4 * i + 1]) << 8 |
                        static_cast<std::uint32_t>(p[4 * i + 2]) << 16 |
                        static_cast<std::uint32_t>(p[4 * i + 3]) << 24;
      out[i] = std::bit_cast<float>(bits);
    }
  }
  return out;
}

}  // namespace earwitness::speakers
