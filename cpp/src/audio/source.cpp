#include "audio/source.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <system_error>

#include "earwitness/error.h"

namespace earwitness::audio {
namespace {

std::string utf8_name(const std::filesystem::path& path) {
  const std::u8string name = path.u8string();
  return {name.begin(), name.end()};
}

}  // namespace

std::vector<std::byte> Source::read_at(std::uint64_t position, std::size_t size) {
  std::vector<std::byte> bytes;
  if (position < size_ && seek(position)) {
    bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - position)));
    bytes.resize(read(bytes.data(), bytes.size()));
  }
  return bytes;
}

std::size_t MemorySource::read(void* out, std::size_t size) {
  const auto at = static_cast<std::size_t>(position_);
  const std::size_t count = std::min(size, data_.size() - at);
  if (count > 0) std::memcpy(out, data_.data() + at, count);
  position_ += count;
  return count;
}

bool MemorySource::seek(std::uint64_t position) {
  if (position > size_) return false;
  position_ = position;
  return true;
}

FileSource::FileSource(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw AudioError("'" + utf8_name(path) + "' is a directory, not an audio file");
  }
  if (file_.open(path, std::ios::in | std::ios::binary) == nullptr) {
    throw AudioError("cannot open '" + utf8_name(path) + "'");
  }
  const std::streamoff end = file_.pubseekoff(0, std::ios::end, std::ios::in);
  if (end < 0 || file_.pubseekpos(0, std::ios::in) != std::streampos(0)) {
    throw AudioError("'" + utf8_name(path) +
                     "' cannot be read from any position, as a pipe cannot; pass its bytes");
  }
  size_ = static_cast<std::uint64_t>(end);
}

std::size_t FileSource::read(void* out, std::size_t size) {
  const std::streamsize count =
      file_.sgetn(static_cast<char*>(out), static_cast<std::streamsize>(size));
  const auto read = static_cast<std::size_t>(std::max<std::streamsize>(count, 0));
  position_ += read;
  return read;
}

bool FileSource::seek(std::uint64_t position) {
  if (position > size_) return false;
  const auto target = static_cast<std::streamoff>(position);
  if (file_.pubseekpos(target, std::ios::in) != std::streampos(target)) return false;
  position_ = position;
  return true;
}

}  // namespace earwitness::audio
