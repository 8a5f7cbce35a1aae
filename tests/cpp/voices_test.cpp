#include "earwitness/voices.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "check.h"
#include "earwitness/error.h"
#include "synthetic_voices.h"

using namespace earwitness;
using check::VoiceMaker;

namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("earwitness_" + std::to_string(std::random_device{}()) + name)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string read() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST(matches_by_threshold_and_margin) {
  VoiceMaker maker(1);
  const auto ada = maker.person();
  const auto bob = maker.person();
  Voices voices;
  CHECK(!voices.match(ada));
  for (int i = 0; i < 4; ++i) voices.add("Ada", maker.sample(ada, 0.7));
  voices.add("Bob", maker.sample(bob, 0.7));
  CHECK(voices.size() == 2 && voices.samples("Ada") == 4 && voices.samples("Eve") == 0);
  CHECK(voices.names() == (std::vector<std::string>{"Ada", "Bob"}));
  CHECK(cosine(*voices.voice("Ada"), ada) > 0.9);
  CHECK_NEAR(cosine(*voices.voice("Ada"), *voices.voice("Ada")), 1.0, 1e-5);

  const auto match = voices.match(maker.sample(ada, 0.7));
  CHECK(match && match->name == "Ada" && match->score > 0.6 && match->margin > 0.3);
  CHECK(!voices.match(maker.person()));
  CHECK(!voices.match(maker.sample(ada, 0.7), 0.99));
  CHECK(!voices.match(maker.sample(ada, 0.7), 0.5, 1.5));
  // Halfway between both: no answer is better than a guess.
  VoiceVector both{};
  for (std::size_t d = 0; d < both.size(); ++d) {
    both[d] = (*voices.voice("Ada"))[d] + (*voices.voice("Bob"))[d];
  }
  CHECK(!voices.match(both, 0.4, 0.05));
  CHECK(voices.match(both, 0.4, 0.0));
  CHECK(voices.remove("Ada") && !voices.remove("Ada") && voices.size() == 1);
}

TEST(refuses_nonsense) {
  VoiceMaker maker(2);
  Voices voices;
  CHECK_THROWS(InvalidOption, voices.add("", maker.person()));
  CHECK_THROWS(InvalidOption, voices.add("a\nb", maker.person()));
  CHECK_THROWS(InvalidOption, voices.add("\xC0\x80", maker.person()));
  CHECK_THROWS(InvalidOption, voices.add("\xED\xA0\x80", maker.person()));
  CHECK_THROWS(InvalidOption, voices.add(std::string(201, 'a'), maker.person()));
  CHECK_THROWS(InvalidOption, voices.add("zero", VoiceVector{}));
  auto bad = maker.person();
  bad[5] = std::nanf("");
  CHECK_THROWS(InvalidOption, voices.add("nan", bad));
  CHECK_THROWS(InvalidOption, voices.match(bad));
  CHECK_THROWS(InvalidOption, voices.match(maker.person(), 1.5));
  CHECK_THROWS(InvalidOption, voices.match(maker.person(), 0.5, -0.1));
  CHECK(voices.size() == 0);
  voices.add("J\u00FCrgen \u5C71", maker.person());
  CHECK(voices.size() == 1);
}

TEST(saves_and_loads) {
  VoiceMaker maker(3);
  Voices voices;
  const auto ada = maker.person();
  for (int i = 0; i < 3; ++i) voices.add("Ada", maker.sample(ada, 0.7));
  voices.add("J\u00FCrgen", maker.person());
  const TemporaryFile file("voices");
  voices.save(file.path());
  voices.save(file.path());  // over an old one
  const Voices again = Voices::load(file.path());
  CHECK(again.names() == voices.names() && again.samples("Ada") == 3);
  CHECK(again.voice("Ada") == voices.voice("Ada"));
  Voices().save(file.path());
  CHECK(Voices::load(file.path()).size() == 0);
  CHECK_THROWS(ModelError, voices.save(file.path() / "below" / "a" / "file"));
  CHECK_THROWS(ModelError, Voices::load(file.path().parent_path() / "earwitness_no_such_file"));
  CHECK_THROWS(ModelError, Voices::load(file.path().parent_path()));
}

TEST(refuses_damaged_files) {
  VoiceMaker maker(4);
  Voices voices;
  voices.add("Ada", maker.person());
  voices.add("Bob", maker.person());
  const TemporaryFile file("damaged");
  voices.save(file.path());
  const std::string whole = file.read();
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    file.write(whole.substr(0, size));
    CHECK_THROWS(ModelError, Voices::load(file.path()));
  }
  file.write(whole + "x");
  CHECK_THROWS(ModelError, Voices::load(file.path()));
  for (std::size_t at = 0; at < whole.size(); at += 11) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    file.write(changed);
    CHECK_THROWS(ModelError, Voices::load(file.path()));
  }
}

CHECK_MAIN()
