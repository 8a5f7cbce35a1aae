// A weights file is either sound or refused with a ModelError: nothing in it may crash the process.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "check.h"
#include "diarizer_reference.h"
#include "earwitness/error.h"
#include "speakers/gguf_file.h"
#include "speakers/weights.h"

namespace earwitness::speakers {
namespace {

// Removed at the end of its scope.
class TempFile {
 public:
  explicit TempFile(const std::string& bytes) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("earwitness-diarizer-" + std::to_string(reinterpret_cast<std::uintptr_t>(&count)) +
             "-" + std::to_string(count++) + ".gguf");
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TempFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const std::string& shipped() {
  static const std::string bytes = [] {
    std::ifstream in(EARWITNESS_DIARIZER, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  return bytes;
}

void check_refused(const std::string& bytes, const std::string& what) {
  const TempFile file(bytes);
  try {
    DiarizerWeights::load(file.path());
    check::fail(__FILE__, __LINE__, "accepted:", what.c_str());
  } catch (const ModelError&) {
  } catch (const std::exception& e) {
    check::fail(__FILE__, __LINE__, what.c_str(), e.what());
  }
}

// Little-endian numbers and strings, as a GGUF header holds them.
std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
std::string text(const std::string& s) { return number(s.size(), 8) + s; }
std::string header(std::uint64_t tensors, std::uint64_t pairs) {
  return "GGUF" + number(3, 4) + number(tensors, 8) + number(pairs, 8);
}
std::string tensor(const std::string& name, const std::vector<std::uint64_t>& shape,
                   std::uint32_t type, std::uint64_t offset) {
  std::string out = text(name) + number(shape.size(), 4);
  for (const std::uint64_t n : shape) out += number(n, 8);
  return out + number(type, 4) + number(offset, 8);
}
// The pair that every file needs, for a data section of no bytes.
std::string empty_checksum() { return text("earwitness.data_crc32") + number(4, 4) + number(0, 4); }
std::string padded(std::string s) {
  s.resize((s.size() + 31) / 32 * 32);
  return s;
}

TEST(the_shipped_file_loads) {
  CHECK(shipped().size() <= 12'000'000);
  const auto weights = shipped_weights();
  CHECK(weights->segmentation().classifier.outputs() == SegmentationWeights::kClasses);
  CHECK(weights->embedding().blocks[1].layers.size() == 24);
}

TEST(a_missing_file_is_named) {
  try {
    DiarizerWeights::load("no-such-file.gguf");
    CHECK(false);
  } catch (const ModelError& e) {
    CHECK(std::string(e.what()).find("no-such-file.gguf") != std::string::npos);
  }
}

TEST(a_folder_is_refused) {
  CHECK_THROWS(ModelError, DiarizerWeights::load(std::filesystem::temp_directory_path()));
}

TEST(files_cut_short_are_refused) {
  for (const std::size_t size : {0U, 3U, 4U, 20U, 24U, 30U, 200U, 5000U, 40000U, 4000000U}) {
    check_refused(shipped().substr(0, size), "cut to " + std::to_string(size));
  }
  check_refused(shipped().substr(0, shipped().size() - 1), "without its last byte");
}

TEST(any_changed_byte_of_the_header_is_refused_or_harmless) {
  // Metadata that nothing depends on may change; the process must survive everything.
  for (std::size_t i = 0; i < 3000; i += 41) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      std::string bytes = shipped();
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      const TempFile file(bytes);
      try {
        const GgufFile parsed(file.path(), bytes.size());
      } catch (const ModelError&) {
      }
    }
  }
}

TEST(changed_data_is_refused) {
  for (const std::size_t i : {shipped().size() / 2, shipped().size() - 40}) {
    std::string bytes = shipped();
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    check_refused(bytes, "changed byte " + std::to_string(i));
  }
}

TEST(impossible_headers_are_refused) {
  const std::uint64_t huge = ~std::uint64_t{0};
  check_refused("GGUF" + number(2, 4) + number(0, 8) + number(0, 8), "another version");
  check_refused(header(huge, 0), "countless tensors");
  check_refused(header(0, huge), "countless keys");
  check_refused(header(0, 1) + number(huge, 8), "an endless key");
  check_refused(header(0, 1) + text("k") + number(9, 4), "an array");
  check_refused(header(0, 2) + empty_checksum() + empty_checksum(), "a key twice");
  check_refused(header(0, 0), "no checksum");
  check_refused(padded(header(0, 1) + empty_checksum()), "no tensors");
  const auto with = [](const std::string& info) {
    return padded(header(1, 1) + empty_checksum() + info);
  };
  check_refused(with(tensor("t", {}, 0, 0)), "no dimensions");
  check_refused(with(tensor("t", {1, 1, 1, 1, 1}, 0, 0)), "five dimensions");
  check_refused(with(tensor("t", {0}, 0, 0)), "no values");
  check_refused(with(tensor("t", {huge, huge}, 0, 0)), "a product that overflows");
  check_refused(with(tensor("t", {4}, 0, 0)), "data past the end");
  check_refused(with(tensor("t", {4}, 0, huge - 31)), "an offset past the end");
  check_refused(with(tensor("t", {4}, 0, 3)), "an offset between blocks");
  check_refused(with(tensor("t", {1}, 12345, 0)), "an unknown type");
  check_refused(with(tensor("t", {33}, 8, 0)), "a row that is no block");
}

TEST(a_file_of_another_kind_is_refused) {
  check_refused(std::string(1000, 'x'), "no GGUF");
  std::string bytes = shipped();
  const std::size_t at = bytes.find("earwitness-diarizer");
  bytes[at] = 'E';
  check_refused(bytes, "another architecture");
}

TEST(a_tensor_of_another_shape_is_refused) {
  std::string bytes = shipped();
  const std::size_t at = bytes.find("seg.classifier.bias");
  bytes[at] = 'x';
  check_refused(bytes, "a renamed tensor");
  bytes = shipped();
  bytes[at + std::string("seg.classifier.bias").size() + 4] = 6;
  check_refused(bytes, "a shorter tensor");
}

TEST(a_longer_file_than_asked_for_is_refused) {
  const TempFile file(shipped());
  CHECK_THROWS(ModelError, GgufFile(file.path(), 1000));
}

}  // namespace
}  // namespace earwitness::speakers

CHECK_MAIN()
