// A GGUF file read into memory and checked in full before anything of it is used.
//
// ggml has a reader of its own; it aborts the process or divides by zero on some damaged headers
// (an empty key, a dimension of 0, an alignment of another type), which a library must not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace earwitness::speakers {

class GgufFile {
 public:
  // Throws ModelError if the file cannot be read, is longer than max_size, is not GGUF version 3,
  // is damaged (its CRC-32 of the tensor data included), or holds what this program never wrote.
  GgufFile(const std::filesystem::path& path, std::size_t max_size);

  // Throw ModelError if there is no such key of that type.
  const std::string& text(const std::string& key) const;
  std::uint32_t number(const std::string& key) const;

  // The tensor as float32, whatever it is stored in; whole numbers are multiplied by their row's
  // value of the tensor "NAME.scale". shape: slowest dimension first. Throws
  // ModelError if there is no such tensor of that shape.
  std::vector<float> tensor(const std::string& name, const std::vector<std::uint64_t>& shape) const;

 private:
  enum class Type : std::uint32_t { kF32 = 0, kF16 = 1, kQ8_0 = 8, kI16 = 25 };  // enum ggml_type

  struct Tensor {
    Type type = Type::kF32;
    std::vector<std::uint64_t> shape;
    std::size_t offset = 0;  // from the start of the file
    std::size_t count = 0;   // of values
  };

  class Cursor;

  void parse();
  void read_pair(Cursor& at);
  void read_tensor(Cursor& at);
  void check_data(std::size_t start);
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  std::vector<unsigned char> bytes_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, std::uint32_t> numbers_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace earwitness::speakers
