// Bytes that decoders read: from memory or from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

namespace earwitness::audio {

class Source {
 public:
  virtual ~Source() = default;
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Reads up to `size` bytes and says how many; fewer only at the end.
  virtual std::size_t read(void* out, std::size_t size) = 0;
  // False, with nothing changed, when the position is beyond the end.
  virtual bool seek(std::uint64_t position) = 0;

  std::uint64_t size() const { return size_; }
  std::uint64_t position() const { return position_; }

  // Up to `size` bytes from `position`.
  std::vector<std::byte> read_at(std::uint64_t position, std::size_t size);

 protected:
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

class MemorySource final : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> data) : data_(data) { size_ = data.size(); }
  std::size_t read(void* out, std::size_t size) override;
  bool seek(std::uint64_t position) override;

 private:
  std::span<const std::byte> data_;
};

class FileSource final : public Source {
 public:
  // Throws AudioError when the file cannot be read.
  explicit FileSource(const std::filesystem::path& path);
  std::size_t read(void* out, std::size_t size) override;
  bool seek(std::uint64_t position) override;

 private:
  std::filebuf file_;
};

}  // namespace earwitness::audio
