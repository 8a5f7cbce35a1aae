#include "earwitness/voices.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "earwitness/error.h"

namespace earwitness {
namespace {

constexpr char kMagic[8] = {'E', 'W', 'V', 'O', 'I', 'C', 'E', 'S'};
constexpr std::uint32_t kVersion = 1;

// A sum of unit vectors that is shorter says nothing: its samples contradict each other.
constexpr double kLeastNorm = 1e-6;

double norm(const VoiceVector& v) { return std::sqrt(std::max(0.0, cosine(v, v))); }

VoiceVector scaled(const VoiceVector& v, double factor) {
  VoiceVector out{};
  for (std::size_t i = 0; i < v.size(); ++i) {
    out[i] = static_cast<float>(static_cast<double>(v[i]) * factor);
  }
  return out;
}

VoiceVector unit(const VoiceVector& sample) {
  const double length = norm(sample);
  if (!std::isfinite(length) || length < kLeastNorm) {
    throw InvalidOption("the voice sample is zero or not finite; take it from embed()");
  }
  return scaled(sample, 1.0 / length);
}

// Well-formed by RFC 3629, and no control characters.
bool readable(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x20 || lead == 0x7F) return false;
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC2 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF5 ? 4
                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t j = 1; j < length; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return false;
    }
    if (length > 2) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
          (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
        return false;
      }
    }
    i += length;
  }
  return true;
}

const char* name_fault(const std::string& name) {
  if (name.empty()) return "empty";
  if (name.size() > Voices::kMaxNameBytes) return "longer than 200 bytes";
  if (!readable(name)) return "not UTF-8, or holds control characters";
  return nullptr;
}

void check_within(const char* field, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    throw InvalidOption(std::string(field) + " is " + std::to_string(value) +
                        "; it must be within " + std::to_string(low) + " to " +
                        std::to_string(high));
  }
}

std::uint32_t crc32(const std::string& bytes, std::size_t size) {  // ISO-HDLC, as zip has it
  std::uint32_t crc = 0xFFFFFFFFU;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= static_cast<unsigned char>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

void put(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xFFU);
}

class Reader {
 public:
  Reader(const std::string& bytes, std::size_t size) : bytes_(bytes), size_(size) {}

  std::string take(std::size_t count) {
    if (count > size_ - at_) throw ModelError("ends too early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::uint32_t number() {
    const std::string raw = take(4);
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
    return value;
  }
  bool done() const { return at_ == size_; }

 private:
  const std::string& bytes_;
  std::size_t size_;
  std::size_t at_ = 0;
};

}  // namespace

double cosine(const VoiceVector& a, const VoiceVector& b) {
  constexpr std::size_t kLanes = 32;  // sums of their own, for vector registers
  std::array<float, kLanes> lanes{};
  for (std::size_t i = 0; i < a.size(); i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  double sum = 0.0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

const Voices::Entry* Voices::find(const std::string& name) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& e) { return e.name == name; });
  return at == entries_.end() ? nullptr : &*at;
}

void Voices::add(const std::string& name, const VoiceVector& sample) {
  if (const char* fault = name_fault(name)) {
    throw InvalidOption("the name of the voice is " + std::string(fault));
  }
  const VoiceVector voice = unit(sample);
  const Entry* known = find(name);
  if (known == nullptr) {
    if (entries_.size() >= kMaxVoices) throw InvalidOption("the store is full: 100000 voices");
    entries_.push_back({name, 1, voice});
    return;
  }
  if (known->samples >= kMaxSamples) {
    throw InvalidOption("\"" + name + "\" has 100000 samples already; more add nothing");
  }
  Entry& entry = entries_[static_cast<std::size_t>(known - entries_.data())];
  VoiceVector sum = entry.sum;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += voice[i];
  if (norm(sum) < kLeastNorm) {
    throw InvalidOption("the sample is the opposite of \"" + name + "\"; it is not that voice");
  }
  entry.sum = sum;
  ++entry.samples;
}

bool Voices::remove(const std::string& name) {
  const Entry* known = find(name);
  if (known == nullptr) return false;
  entries_.erase(entries_.begin() + (known - entries_.data()));
  return true;
}

std::optional<VoiceMatch> Voices::match(const VoiceVector& sample, double threshold,
                                        double margin) const {
  check_within("threshold", threshold, -1.0, 1.0);
  check_within("margin", margin, 0.0, 2.0);
  const VoiceVector voice = unit(sample);
  const Entry* best = nullptr;
  double score = -1.0;
  double second = -1.0;
  for (const Entry& entry : entries_) {
    const double s = std::clamp(cosine(voice, entry.sum) / norm(entry.sum), -1.0, 1.0);
    if (best == nullptr || s > score) {
      if (best != nullptr) second = score;
      best = &entry;
      score = s;
    } else {
      second = std::max(second, s);
    }
  }
  if (best == nullptr || score < threshold || score - second < margin) return std::nullopt;
  return VoiceMatch{best->name, score, score - second};
}

std::vector<std::string> Voices::names() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.name);
  return out;
}

std::size_t Voices::samples(const std::string& name) const {
  const Entry* entry = find(name);
  return entry == nullptr ? 0 : entry->samples;
}

std::optional<VoiceVector> Voices::voice(const std::string& name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) return std::nullopt;
  return scaled(entry->sum, 1.0 / norm(entry->sum));
}

void Voices::save(const std::filesystem::path& path) const {
  std::string bytes(kMagic, sizeof kMagic);
  put(bytes, kVersion);
  put(bytes, kVoiceDimensions);
  put(bytes, static_cast<std::uint32_t>(entries_.size()));
  for (const Entry& entry : entries_) {
    put(bytes, static_cast<std::uint32_t>(entry.name.size()));
    bytes += entry.name;
    put(bytes, static_cast<std::uint32_t>(entry.samples));
    for (const float x : entry.sum) put(bytes, std::bit_cast<std::uint32_t>(x));
  }
  put(bytes, crc32(bytes, bytes.size()));

  std::filesystem::path beside = path;
  beside += ".part";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.flush();
    if (!out) throw ModelError("cannot write " + beside.string() + "; check the folder and disk");
  }
  std::error_code error;
  std::filesystem::rename(beside, path, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw ModelError("cannot write " + path.string() + ": " + error.message());
  }
}

Voices Voices::load(const std::filesystem::path& path) {
  constexpr std::size_t kLargestFile =
      64 + kMaxVoices * (8 + kMaxNameBytes + 4 * static_cast<std::size_t>(kVoiceDimensions));
  const auto fail = [&](const std::string& why) -> ModelError {
    return ModelError(path.string() + " is not a voice store of this version: " + why);
  };
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw ModelError("cannot read " + path.string() + "; there is no such file");
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw ModelError("cannot read " + path.string() + ": " + error.message());
  if (size < sizeof kMagic + 16 || size > kLargestFile) throw fail("its size is impossible");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) throw ModelError("cannot read " + path.string());

  Voices out;
  try {
    const std::size_t body = bytes.size() - 4;
    Reader reader(bytes, body);
    if (reader.take(sizeof kMagic) != std::string(kMagic, sizeof kMagic)) {
      throw ModelError("it starts otherwise");
    }
    if (reader.number() != kVersion) throw ModelError("it has another version");
    if (reader.number() != kVoiceDimensions) throw ModelError("its voices have another size");
    const std::string tail = bytes.substr(body);
    if (Reader(tail, 4).number() != crc32(bytes, body)) throw ModelError("its checksum is wrong");
    const std::uint32_t voices = reader.number();
    if (voices > kMaxVoices) throw ModelError("too many voices");
    std::unordered_set<std::string> names;
    for (std::uint32_t i = 0; i < voices; ++i) {
      Entry entry;
      const std::uint32_t length = reader.number();
      if (length > kMaxNameBytes) throw ModelError("a name is too long");
      entry.name = reader.take(length);
      if (const char* fault = name_fault(entry.name)) {
        throw ModelError("a name is " + std::string(fault));
      }
      if (!names.insert(entry.name).second) throw ModelError("a name is there twice");
      entry.samples = reader.number();
      if (entry.samples < 1 || entry.samples > kMaxSamples) throw ModelError("no samples");
      for (float& x : entry.sum) x = std::bit_cast<float>(reader.number());
      const double length_of_sum = norm(entry.sum);
      if (!std::isfinite(length_of_sum) || length_of_sum < kLeastNorm ||
          length_of_sum > 1.001 * static_cast<double>(entry.samples)) {
        throw ModelError("a voice is impossible");
      }
      out.entries_.push_back(std::move(entry));
    }
    if (!reader.done()) throw ModelError("there is more after its end");
  } catch (const ModelError& e) {
    throw fail(e.what());
  }
  return out;
}

}  // namespace earwitness
