#include "speech/model_file.h"

#include <fstream>
#include <span>

#include "earwitness/error.h"

namespace earwitness::speech {
namespace {

constexpr std::uint32_t kMagic = 0x67676d6c;  // "ggml"
constexpr int kMaxTokenBytes = 1024;
constexpr int kMaxNameBytes = 128;
constexpr int kQuantisationVersionFactor = 1000;  // GGML_QNT_VERSION_FACTOR

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), in_(path, std::ios::binary) {
    std::error_code ec;
    if (!std::filesystem::exists(path, ec)) fail("there is no such file");
    if (!std::filesystem::is_regular_file(path, ec)) fail("it is not a file");
    size_ = std::filesystem::file_size(path, ec);
    if (ec || !in_) fail("it cannot be read");
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw ModelError("cannot load model " + path_.string() + ": " + why +
                     "; fetch it again with `earwitness pull`, or give a whisper.cpp (ggml) file");
  }

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return size_ - position_; }

  void read(void* to, std::uint64_t bytes, const char* what) {
    if (bytes > remaining()) fail(std::string("it ends inside its ") + what);
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    if (!in_) fail(std::string("reading its ") + what + " failed");
    position_ += bytes;
  }

  std::int32_t read_i32(const char* what) {
    std::int32_t value = 0;
    read(&value, sizeof value, what);
    return value;
  }

  std::string read_string(int limit, const char* what) {
    const std::int32_t n = read_i32(what);
    if (n < 0 || n > limit) {
      fail(std::string("a ") + what + " claims " + std::to_string(n) + " bytes");
    }
    std::string text(static_cast<std::size_t>(n), '\0');
    read(text.data(), static_cast<std::uint64_t>(n), what);
    return text;
  }

  void go_to(std::uint64_t position) {
    position_ = position;
    in_.seekg(static_cast<std::streamoff>(position_));
  }

  void skip(std::uint64_t bytes, const char* what) {
    if (bytes > remaining()) fail(std::string("it ends inside its ") + what);
    go_to(position_ + bytes);
  }

 private:
  std::filesystem::path path_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

int checked(const Reader& in, const char* name, std::int32_t value, int low, int high) {
  if (value < low || value > high) {
    in.fail(std::string(name) + " is " + std::to_string(value) + ", not within " +
            std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

Hyperparameters read_hyperparameters(Reader& in) {
  std::array<std::int32_t, 11> v{};
  in.read(v.data(), sizeof v, "header");
  Hyperparameters h;
  // The widest limits are several times those of large-v3, so that fine-tunes pass and an
  // allocation from a damaged header stays small; more layers would not fit kMaxGraphNodes.
  h.n_vocab = checked(in, "the vocabulary size", v[0], 1000, 200000);
  h.n_audio_ctx = checked(in, "the audio context", v[1], 16, 8192);
  h.n_audio_state = checked(in, "the audio width", v[2], 16, 8192);
  h.n_audio_head = checked(in, "the number of audio heads", v[3], 1, 128);
  h.n_audio_layer = checked(in, "the number of audio layers", v[4], 1, 48);
  h.n_text_ctx = checked(in, "the text context", v[5], 16, 4096);
  h.n_text_state = checked(in, "the text width", v[6], 16, 8192);
  h.n_text_head = checked(in, "the number of text heads", v[7], 1, 128);
  h.n_text_layer = checked(in, "the number of text layers", v[8], 1, 48);
  h.n_mels = checked(in, "the number of mel bands", v[9], 16, 512);
  h.ftype = checked(in, "the weight type", v[10], 0, 100 * kQuantisationVersionFactor) %
            kQuantisationVersionFactor;
  if (h.n_audio_state != h.n_text_state) in.fail("audio and text widths differ");
  if (h.n_audio_state % h.n_audio_head != 0 || h.n_text_state % h.n_text_head != 0) {
    in.fail("its width is not a multiple of its heads");
  }
  constexpr int kWidestHead = 256;  // Whisper's are 64 wide
  if (h.n_audio_state / h.n_audio_head > kWidestHead ||
      h.n_text_state / h.n_text_head > kWidestHead) {
    in.fail("its heads are wider than 256");
  }
  return h;
}

bool is_weight_type(std::int32_t type) {
  switch (type) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q5_1:
    case GGML_TYPE_Q8_0:
      return true;
    default:
      return false;
  }
}

void read_tensor(Reader& in, ModelFile& file) {
  const std::int32_t n_dims = in.read_i32("tensor header");
  const std::int32_t name_bytes = in.read_i32("tensor header");
  const std::int32_t type = in.read_i32("tensor header");
  if (n_dims < 1 || n_dims > 3) in.fail("a tensor has " + std::to_string(n_dims) + " dimensions");
  if (name_bytes < 1 || name_bytes > kMaxNameBytes) in.fail("a tensor's name has no sane length");
  if (!is_weight_type(type)) in.fail("a tensor has the unknown type " + std::to_string(type));
  TensorEntry entry;
  entry.type = static_cast<ggml_type>(type);
  entry.n_dims = n_dims;
  std::uint64_t rows = 1;
  for (int d = 0; d < n_dims; ++d) {
    const int n = checked(in, "a tensor's dimension", in.read_i32("tensor header"), 1, 1 << 20);
    entry.ne[static_cast<std::size_t>(d)] = n;
    if (d > 0) rows *= static_cast<std::uint64_t>(n);  // at most 2^40
  }
  std::string name(static_cast<std::size_t>(name_bytes), '\0');
  in.read(name.data(), name.size(), "tensor header");
  if (entry.ne[0] % ggml_blck_size(entry.type) != 0) {
    in.fail("tensor " + name + " is not a whole number of blocks wide");
  }
  const std::uint64_t row_bytes = ggml_row_size(entry.type, entry.ne[0]);
  if (rows > in.remaining() / row_bytes) in.fail("it ends inside tensor " + name);
  entry.size = rows * row_bytes;
  entry.offset = in.position();
  in.skip(entry.size, "tensors");
  if (!file.tensors.emplace(name, entry).second) in.fail("tensor " + name + " is there twice");
}

// The tensors that a model of these hyperparameters must have, and no others are used.
class Expectation {
 public:
  Expectation(const Reader& in, const ModelFile& file) : in_(in), file_(file) {}

  void vector(const std::string& name, std::int64_t n) const { find(name, {n, 1, 1}, Only::kF32); }

  void matrix(const std::string& name, std::int64_t n_in, std::int64_t n_out) const {
    find(name, {n_in, n_out, 1}, Only::kAny);
  }

  void plain_matrix(const std::string& name, std::int64_t n0, std::int64_t n1) const {
    find(name, {n0, n1, 1}, Only::kF32);
  }

  void convolution(const std::string& name, std::int64_t n_in, std::int64_t n_out) const {
    find(name, {3, n_in, n_out}, Only::kFloat);
  }

  void linear(const std::string& name, std::int64_t n_in, std::int64_t n_out,
              bool bias = true) const {
    matrix(name + ".weight", n_in, n_out);
    if (bias) vector(name + ".bias", n_out);
  }

  void norm(const std::string& name, std::int64_t n) const {
    vector(name + ".weight", n);
    vector(name + ".bias", n);
  }

  void attention(const std::string& name, std::int64_t n) const {
    linear(name + ".query", n, n);
    linear(name + ".key", n, n, false);
    linear(name + ".value", n, n);
    linear(name + ".out", n, n);
  }

 private:
  enum class Only { kAny, kFloat, kF32 };

  void find(const std::string& name, std::array<std::int64_t, 3> ne, Only only) const {
    const auto it = file_.tensors.find(name);
    if (it == file_.tensors.end()) in_.fail("tensor " + name + " is missing");
    const TensorEntry& entry = it->second;
    if (entry.ne[0] != ne[0] || entry.ne[1] != ne[1] || entry.ne[2] != ne[2]) {
      in_.fail("tensor " + name + " has the wrong shape");
    }
    const bool is_f32 = entry.type == GGML_TYPE_F32;
    const bool is_float = is_f32 || entry.type == GGML_TYPE_F16;
    if ((only == Only::kF32 && !is_f32) || (only == Only::kFloat && !is_float)) {
      in_.fail("tensor " + name + " has the wrong type");
    }
  }

  const Reader& in_;
  const ModelFile& file_;
};

void check_tensors(const Reader& in, const ModelFile& file) {
  const Hyperparameters& h = file.hparams;
  const Expectation expect(in, file);
  const std::int64_t n = h.n_audio_state;
  expect.plain_matrix("encoder.positional_embedding", n, h.n_audio_ctx);
  expect.convolution("encoder.conv1.weight", h.n_mels, n);
  expect.plain_matrix("encoder.conv1.bias", 1, n);
  expect.convolution("encoder.conv2.weight", n, n);
  expect.plain_matrix("encoder.conv2.bias", 1, n);
  expect.norm("encoder.ln_post", n);
  for (int i = 0; i < h.n_audio_layer; ++i) {
    const std::string block = "encoder.blocks." + std::to_string(i);
    expect.norm(block + ".attn_ln", n);
    expect.attention(block + ".attn", n);
    expect.norm(block + ".mlp_ln", n);
    expect.linear(block + ".mlp.0", n, 4 * n);
    expect.linear(block + ".mlp.2", 4 * n, n);
  }
  expect.plain_matrix("decoder.positional_embedding", n, h.n_text_ctx);
  expect.matrix("decoder.token_embedding.weight", n, h.n_vocab);
  expect.norm("decoder.ln", n);
  for (int i = 0; i < h.n_text_layer; ++i) {
    const std::string block = "decoder.blocks." + std::to_string(i);
    expect.norm(block + ".attn_ln", n);
    expect.attention(block + ".attn", n);
    expect.norm(block + ".cross_attn_ln", n);
    expect.attention(block + ".cross_attn", n);
    expect.norm(block + ".mlp_ln", n);
    expect.linear(block + ".mlp.0", n, 4 * n);
    expect.linear(block + ".mlp.2", 4 * n, n);
  }
}

// FNV-1a.
std::uint64_t hash(std::span<const unsigned char> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const unsigned char byte : bytes) sum = (sum ^ byte) * 0x100000001b3;
  return sum;
}

std::uint64_t hash_of(Reader& in, const TensorEntry& entry) {
  std::vector<unsigned char> bytes(entry.size);
  in.go_to(entry.offset);
  in.read(bytes.data(), bytes.size(), "tensors");
  return hash(bytes);
}

}  // namespace

ModelFile ModelFile::parse(const std::filesystem::path& path) {
  Reader in(path);
  ModelFile file;
  file.path = path;
  if (static_cast<std::uint32_t>(in.read_i32("header")) != kMagic) {
    in.fail("it is not a whisper.cpp (ggml) file");
  }
  file.hparams = read_hyperparameters(in);

  file.n_filter_mels = checked(in, "the mel filters' height", in.read_i32("mel filters"), 1, 512);
  file.n_filter_bins = checked(in, "the mel filters' width", in.read_i32("mel filters"), 1, 4096);
  file.mel_filters.resize(static_cast<std::size_t>(file.n_filter_mels) *
                          static_cast<std::size_t>(file.n_filter_bins));
  in.read(file.mel_filters.data(), file.mel_filters.size() * sizeof(float), "mel filters");
  if (file.n_filter_mels != file.hparams.n_mels) in.fail("its mel filters are of another size");

  const int n_tokens =
      checked(in, "the number of tokens", in.read_i32("vocabulary"), 1, file.hparams.n_vocab);
  file.tokens.reserve(static_cast<std::size_t>(n_tokens));
  for (int i = 0; i < n_tokens; ++i) {
    file.tokens.push_back(in.read_string(kMaxTokenBytes, "token"));
  }

  while (in.remaining() > 0) read_tensor(in, file);
  check_tensors(in, file);
  file.fingerprint = hash_of(in, file.tensors.at("decoder.ln.bias"));
  return file;
}

}  // namespace earwitness::speech
