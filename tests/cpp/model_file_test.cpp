// A model file is either sound or refused with a ModelError: nothing in it may crash the process.
#include "speech/model_file.h"

#include <algorithm>
#include <climits>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

using synthetic::Image;
using synthetic::make_image;
using synthetic::put_i32;
using synthetic::Spec;
using synthetic::TempFile;

// No real vocabulary: parse() does not need one, and the file stays small.
Spec small_spec() {
  Spec spec;
  spec.n_vocab = 1000;
  spec.n_state = 16;
  spec.n_audio_ctx = 32;
  spec.n_text_ctx = 32;
  spec.n_mels = 16;
  return spec;
}

ModelFile parse(const std::string& bytes) {
  const TempFile file(bytes);
  return ModelFile::parse(file.path());
}

void check_refused(const std::string& bytes, const std::string& what) {
  const TempFile file(bytes);
  try {
    ModelFile::parse(file.path());
    check::fail(__FILE__, __LINE__, "a damaged file was accepted:", what.c_str());
  } catch (const ModelError&) {
  } catch (const std::exception& e) {
    check::fail(__FILE__, __LINE__, what.c_str(), e.what());
  }
}

std::string message_for(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const ModelError& e) {
    return e.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(a_whole_file_is_read_as_it_was_written) {
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q5_0,
                               GGML_TYPE_Q5_1, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1}) {
    Spec spec = small_spec();
    spec.n_state = 32;
    spec.type = type;
    const Image image = make_image(spec);
    const std::string bytes = image.bytes();
    const ModelFile file = parse(bytes);
    CHECK(file.hparams.n_vocab == 1000);
    CHECK(file.hparams.n_audio_ctx == 32);
    CHECK(file.hparams.n_audio_state == 32);
    CHECK(file.hparams.n_audio_head == 2);
    CHECK(file.hparams.n_audio_layer == 2);
    CHECK(file.hparams.n_text_ctx == 32);
    CHECK(file.hparams.n_text_state == 32);
    CHECK(file.hparams.n_text_head == 2);
    CHECK(file.hparams.n_text_layer == 2);
    CHECK(file.hparams.n_mels == 16);
    CHECK(file.n_filter_bins == 201);
    CHECK(file.mel_filters == image.filters);
    CHECK(file.tokens == image.tokens);
    CHECK(file.tensors.size() == image.tensors.size());
    for (const synthetic::Tensor& t : image.tensors) {
      const TensorEntry& entry = file.tensors.at(t.name);
      CHECK(entry.type == t.type);
      CHECK(entry.n_dims == static_cast<int>(t.ne.size()));
      CHECK(bytes.compare(entry.offset, entry.size, t.data) == 0);
    }
  }
}

TEST(the_quantisation_version_is_no_part_of_the_weight_type) {
  Image image = make_image(small_spec());
  image.hparams[10] = 2 * 1000 + GGML_FTYPE_MOSTLY_Q5_0;
  CHECK(parse(image.bytes()).hparams.ftype == GGML_FTYPE_MOSTLY_Q5_0);
}

TEST(a_fingerprint_is_of_one_training_however_it_is_stored) {
  Spec spec = small_spec();
  spec.n_state = 32;
  const std::uint64_t fingerprint = parse(make_image(spec).bytes()).fingerprint;
  spec.type = GGML_TYPE_Q8_0;
  Image image = make_image(spec);
  CHECK(parse(image.bytes()).fingerprint == fingerprint);
  image.tensor("decoder.ln.bias").data[0] ^= 1;
  CHECK(parse(image.bytes()).fingerprint != fingerprint);
}

TEST(tensors_of_other_names_are_no_harm) {
  Image image = make_image(small_spec());
  image.tensors.push_back({"a.newer.tensor", {4}, GGML_TYPE_F32, std::string(16, '\0')});
  CHECK(parse(image.bytes()).tensors.count("a.newer.tensor") == 1);
}

TEST(no_file_no_model) {
  const TempFile file("");
  const std::filesystem::path missing = file.path().string() + ".missing";
  CHECK_THROWS(ModelError, ModelFile::parse(missing));
  CHECK_THROWS(ModelError, ModelFile::parse(file.path().parent_path()));
  CHECK_THROWS(ModelError, ModelFile::parse({}));
}

TEST(the_message_names_the_file_and_the_remedy) {
  const TempFile file("RIFF and so on, for a while");
  try {
    ModelFile::parse(file.path());
    check::fail(__FILE__, __LINE__, "accepted", "");
  } catch (const ModelError& e) {
    CHECK(contains(e.what(), file.path().string()));
    CHECK(contains(e.what(), "not a whisper.cpp"));
    CHECK(contains(e.what(), "earwitness pull"));
  }
}

TEST(other_magic_is_refused) {
  check_refused("", "empty");
  for (const std::int32_t magic : {0, -1, 0x46554747 /* GGUF */, 0x67676d66, 0x6c6d6767}) {
    Image image = make_image(small_spec());
    image.magic = magic;
    check_refused(image.bytes(), "magic " + std::to_string(magic));
  }
}

TEST(a_file_cut_anywhere_is_refused) {
  std::vector<std::size_t> boundaries;
  const std::string bytes = make_image(small_spec()).bytes(&boundaries);
  CHECK(boundaries.back() == bytes.size());
  for (const std::size_t at : boundaries) {
    for (const std::size_t cut : {at - 1, at, at + 1}) {
      if (cut < bytes.size()) check_refused(bytes.substr(0, cut), "cut at " + std::to_string(cut));
    }
  }
  for (std::size_t cut = 0; cut < 64; ++cut) {
    check_refused(bytes.substr(0, cut), "cut at " + std::to_string(cut));
  }
}

TEST(bytes_after_the_last_tensor_are_refused) {
  const std::string bytes = make_image(small_spec()).bytes();
  for (const std::size_t n : {1U, 4U, 12U, 64U, 4096U}) {
    check_refused(bytes + std::string(n, '\0'), std::to_string(n) + " zeros at the end");
    check_refused(bytes + std::string(n, '\xff'), std::to_string(n) + " ones at the end");
  }
}

TEST(impossible_hyperparameters_are_refused) {
  for (std::size_t i = 0; i < 11; ++i) {
    for (const std::int32_t value : {-1, 0, 1, 7, 1'000'000, 2'000'000'000, INT_MAX, INT_MIN}) {
      if (i == 10 && value >= 0 && value <= 7) continue;                   // these are weight types
      if ((i == 3 || i == 4 || i == 7 || i == 8) && value == 1) continue;  // heads and layers
      Image image = make_image(small_spec());
      image.hparams[i] = value;
      check_refused(image.bytes(), "field " + std::to_string(i) + " = " + std::to_string(value));
    }
  }
  Image image = make_image(small_spec());
  image.hparams[3] = 5;
  CHECK(contains(message_for(image.bytes()), "multiple of its heads"));
  image = make_image(small_spec());
  image.hparams[6] = 32;
  CHECK(contains(message_for(image.bytes()), "widths differ"));
}

TEST(impossible_mel_filters_are_refused) {
  for (const std::int32_t value : {-1, 0, 15, 17, 513, INT_MAX, INT_MIN}) {
    Image image = make_image(small_spec());
    image.filter_mels = value;
    check_refused(image.bytes(), "filter height " + std::to_string(value));
  }
  for (const std::int32_t value : {-201, 0, 5000, INT_MAX, INT_MIN}) {
    Image image = make_image(small_spec());
    image.filter_bins = value;
    check_refused(image.bytes(), "filter width " + std::to_string(value));
  }
}

TEST(impossible_vocabularies_are_refused) {
  std::vector<std::size_t> boundaries;
  const std::string bytes = make_image(small_spec()).bytes(&boundaries);
  const std::size_t count_at = boundaries[3];  // after the filters
  const std::size_t first_length_at = boundaries[4];
  for (const std::int32_t value : {-5, -1, 1025, 2'000'000'000, INT_MAX, INT_MIN}) {
    std::string raw;
    put_i32(raw, value);
    std::string damaged = bytes;
    check_refused(damaged.replace(first_length_at, 4, raw),
                  "token of " + std::to_string(value) + " bytes");
    damaged = bytes;
    check_refused(damaged.replace(count_at, 4, raw), std::to_string(value) + " tokens");
  }
}

TEST(impossible_tensor_headers_are_refused) {
  std::vector<std::size_t> boundaries;
  const std::string bytes = make_image(small_spec()).bytes(&boundaries);
  const std::size_t header_at = boundaries[5];  // after the vocabulary
  struct Damage {
    std::size_t field;
    std::int32_t value;
  };
  const std::vector<Damage> damages = {
      {0, -1},      {0, 0},       {0, 4},   {0, 64},      {0, INT_MAX}, {0, INT_MIN},
      {1, -1},      {1, 0},       {1, 129}, {1, INT_MAX}, {1, INT_MIN}, {2, -1},
      {2, 4},       {2, 5},       {2, 9},   {2, 12},      {2, 30},      {2, 99},
      {2, INT_MAX}, {2, INT_MIN}, {3, 0},   {3, -32},     {3, 1 << 20}, {3, INT_MAX},
      {3, INT_MIN}, {4, 0},       {4, -1},  {4, 1 << 20}, {4, INT_MAX}, {4, INT_MIN},
  };
  for (const Damage& damage : damages) {
    std::string raw;
    put_i32(raw, damage.value);
    std::string damaged = bytes;
    check_refused(
        damaged.replace(header_at + 4 * damage.field, 4, raw),
        "tensor field " + std::to_string(damage.field) + " = " + std::to_string(damage.value));
  }
}

TEST(a_tensor_twice_is_refused) {
  Image image = make_image(small_spec());
  image.tensors.push_back(image.tensors.front());
  CHECK(contains(message_for(image.bytes()), "is there twice"));
}

TEST(every_tensor_is_needed_in_its_shape) {
  const Image whole = make_image(small_spec());
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    const std::string& name = whole.tensors[i].name;
    Image image = whole;
    image.tensors.erase(image.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(contains(message_for(image.bytes()), "tensor " + name + " is missing"));

    image = whole;
    std::vector<std::int32_t>& ne = image.tensors[i].ne;
    if (ne.size() == 1) {
      ne = {1, ne[0]};  // the same data, another shape
    } else {
      std::rotate(ne.begin(), ne.begin() + 1, ne.end());
    }
    if (ne != whole.tensors[i].ne) {  // a square matrix stays what it was
      CHECK(contains(message_for(image.bytes()), "tensor " + name + " has the wrong shape"));
    }
  }
}

TEST(vectors_and_positions_must_be_f32_and_convolutions_not_quantised) {
  for (const char* name :
       {"encoder.positional_embedding", "decoder.positional_embedding", "encoder.conv1.bias",
        "encoder.ln_post.weight", "decoder.ln.bias", "decoder.blocks.1.cross_attn.query.bias"}) {
    Image image = make_image(small_spec());
    synthetic::Tensor& t = image.tensor(name);
    t.type = GGML_TYPE_F16;
    t.data.resize(t.data.size() / 2);
    CHECK(contains(message_for(image.bytes()), std::string(name) + " has the wrong type"));
  }
  Image image = make_image(small_spec());
  synthetic::Tensor& t = image.tensor("encoder.conv1.weight");
  t.type = GGML_TYPE_Q8_0;
  CHECK(contains(message_for(image.bytes()), "encoder.conv1.weight is not a whole number"));
}

TEST(a_width_that_is_no_whole_number_of_blocks_is_refused) {
  Spec spec = small_spec();
  spec.n_state = 48;  // not a multiple of 32
  Image image = make_image(spec);
  for (synthetic::Tensor& t : image.tensors) {
    if (t.type == GGML_TYPE_F16 && t.ne.size() == 2) t.type = GGML_TYPE_Q8_0;
  }
  CHECK(contains(message_for(image.bytes()), "not a whole number of blocks wide"));
}

TEST(thousands_of_damaged_files_are_refused_or_read) {
  std::vector<std::size_t> boundaries;
  const std::string bytes = make_image(small_spec()).bytes(&boundaries);
  std::mt19937 random(20240229);
  const std::size_t filters = boundaries[2];
  const std::size_t vocabulary = boundaries[3];
  int refused = 0;
  int read = 0;
  const TempFile file(bytes);
  for (int i = 0; i < 4000; ++i) {
    std::string damaged = bytes;
    const int flips = 1 + static_cast<int>(random() % 4);
    for (int k = 0; k < flips; ++k) {
      // The header, the vocabulary and the start of the tensors, whose headers lie among the data.
      const std::size_t at = random() % 2 == 0
                                 ? random() % filters
                                 : vocabulary + random() % (bytes.size() - vocabulary);
      damaged[at] = random() % 3 == 0 ? static_cast<char>(random())
                                      : static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
    }
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    file.write(damaged);
    try {
      ModelFile::parse(file.path());
      ++read;
    } catch (const ModelError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 100);  // flips within the weights
  CHECK(refused + read == 4000);
}

// Damage aimed at the tensor headers, which random flips seldom meet.
TEST(thousands_of_damaged_tensor_headers_are_refused_or_read) {
  std::vector<std::size_t> boundaries;
  const std::string bytes = make_image(small_spec()).bytes(&boundaries);
  std::mt19937 random(7);
  const TempFile file(bytes);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t tensor = random() % ((boundaries.size() - 5) / 2);
    const std::size_t header = boundaries[5 + 2 * tensor];
    const std::size_t header_end = boundaries[6 + 2 * tensor];
    std::string damaged = bytes;
    const std::size_t at = header + random() % (header_end - header);
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
    file.write(damaged);
    try {
      ModelFile::parse(file.path());
    } catch (const ModelError&) {
      ++refused;
    }
  }
  CHECK(refused > 2900);  // nearly every bit of a header matters
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
