// Containers, decoders and the resampler. EARWITNESS_TEST_DATA is the folder of the test files.
#include "earwitness/audio.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "audio/mpeg.h"
#include "audio/ogg.h"
#include "audio/source.h"
#include "audio/vorbis_setup.h"
#include "check.h"
#include "earwitness/error.h"

namespace {

using namespace earwitness;
using Bytes = std::vector<std::byte>;

Bytes bytes(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

std::filesystem::path data_path(const char* name) {
  return std::filesystem::path(EARWITNESS_TEST_DATA) / name;
}

Bytes read_data(const char* name) {
  std::ifstream file(data_path(name), std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), {});
  CHECK(!content.empty());
  return bytes(content);
}

void put(Bytes& out, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// A WAV file; `tag` is 1 for integers and 3 for floats.
Bytes wav(std::uint32_t tag, std::uint32_t rate, std::uint32_t channels, std::uint32_t bits,
          const Bytes& samples) {
  Bytes out = bytes("RIFF");
  put(out, static_cast<std::uint32_t>(samples.size()) + 36, 4);
  for (const std::byte b : bytes("WAVEfmt ")) out.push_back(b);
  put(out, 16, 4);
  put(out, tag, 2);
  put(out, channels, 2);
  put(out, rate, 4);
  put(out, rate * channels * bits / 8, 4);
  put(out, channels * bits / 8, 2);
  put(out, bits, 2);
  for (const std::byte b : bytes("data")) out.push_back(b);
  put(out, static_cast<std::uint32_t>(samples.size()), 4);
  out.insert(out.end(), samples.begin(), samples.end());
  return out;
}

Bytes as_bytes(const std::vector<float>& samples) {
  Bytes out(samples.size() * sizeof(float));
  std::memcpy(out.data(), samples.data(), out.size());
  return out;
}

std::vector<float> sine(double frequency, int rate, std::size_t count, double amplitude = 0.5) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / rate;
    samples[i] = static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * frequency * t));
  }
  return samples;
}

double rms(const float* samples, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(samples[i]) * samples[i];
  return std::sqrt(sum / static_cast<double>(count));
}

TEST(samples_that_are_not_finite_are_refused) {
  using Limits = std::numeric_limits<float>;
  for (const float bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), 1e9F}) {
    std::vector<float> damaged(1600, 0.1F);
    damaged[1234] = bad;
    CHECK_THROWS(AudioError, decode_audio(wav(3, 16000, 1, 32, as_bytes(damaged))));
  }
}

TEST(containers_are_told_by_content) {
  const auto kind = [](std::string_view head) { return sniff_audio(bytes(head)); };
  using namespace std::string_view_literals;
  CHECK(kind("RIFF\x24\x00\x00\x00WAVEfmt "sv) == AudioKind::wav);
  CHECK(kind("RF64\xFF\xFF\xFF\xFFWAVEds64"sv) == AudioKind::wav);
  CHECK(kind("FORM\x00\x00\x00\x24"
             "AIFFCOMM"sv) == AudioKind::aiff);
  CHECK(kind("\x00\x00\x00\x20"
             "ftypM4A "sv) == AudioKind::mp4);
  CHECK(kind("#!AMR\nxxxx"sv) == AudioKind::amr);
  CHECK(kind("ID3\x04\x00\x00\x00\x00\x00\x03xxxfLaC"sv) == AudioKind::flac);
  CHECK(kind("ID3\x04\x00\x00\x00\x00\x7F\x7F"
             "cover"sv) == AudioKind::mp3);
  CHECK(kind(""sv) == AudioKind::unknown);
  CHECK(kind("RIFF"sv) == AudioKind::unknown);
  CHECK(kind("ID3"sv) == AudioKind::unknown);
  CHECK(kind("<!DOCTYPE html><html></html>"sv) == AudioKind::unknown);
  CHECK(kind("Four score and seven years ago"sv) == AudioKind::unknown);
  CHECK(kind("\xFF\xFE"
             "a\0b\0c\0d\0"sv) == AudioKind::unknown);  // UTF-16
  CHECK(sniff_audio(Bytes(100000)) == AudioKind::unknown);
  CHECK(sniff_audio(read_data("jfk.mp3")) == AudioKind::mp3);
  CHECK(sniff_audio(read_data("jfk.flac")) == AudioKind::flac);
  CHECK(sniff_audio(read_data("jfk.ogg")) == AudioKind::ogg_vorbis);
  CHECK(sniff_audio(read_data("jfk3.opus")) == AudioKind::ogg_opus);
  CHECK(sniff_audio(read_data("jfk3.webm")) == AudioKind::webm);
  CHECK(sniff_audio(read_data("jfk3.m4a")) == AudioKind::mp4);
  CHECK(sniff_audio(read_data("jfk3.aac")) == AudioKind::aac);

  // An MP3 cut out of a stream starts within a frame.
  const Bytes mp3 = read_data("jfk.mp3");
  CHECK(sniff_audio(std::span(mp3).subspan(5001)) == AudioKind::mp3);
  CHECK(std::string(audio_kind_name(AudioKind::ogg_opus)) == "ogg/opus");
}

TEST(wav_samples_of_every_width) {
  const std::vector<float> expected = {0.0F, 0.5F, -0.5F, -1.0F};
  const auto check = [&](std::uint32_t tag, std::uint32_t bits, const Bytes& samples) {
    const Pcm out = decode_audio(wav(tag, 16000, 1, bits, samples));
    CHECK(out.size() == expected.size());
    for (std::size_t i = 0; i < out.size(); ++i) CHECK_NEAR(out.data()[i], expected[i], 0.01);
  };
  check(3, 32, as_bytes(expected));
  for (const int size : {2, 3, 4}) {
    Bytes samples;
    const double scale = std::ldexp(1.0, 8 * size - 1);
    for (const float value : expected) {
      put(samples, static_cast<std::uint32_t>(static_cast<std::int64_t>(value * scale)), size);
    }
    check(1, static_cast<std::uint32_t>(8 * size), samples);
  }
  check(1, 8, {std::byte{128}, std::byte{192}, std::byte{64}, std::byte{0}});
}

TEST(damaged_wav_headers) {
  const Bytes samples = as_bytes(sine(440, 16000, 4000));
  const Bytes whole = wav(3, 16000, 1, 32, samples);
  CHECK(decode_audio(whole).size() == 4000);

  // Truncated: what there is. A stated size of 0 or of everything, as recorders leave it: too.
  CHECK(decode_audio(std::span(whole).first(44 + 1001)).size() == 250);
  for (const int size : {0, 0xFF, 0x7F}) {
    Bytes lying = whole;
    std::fill_n(lying.begin() + 40, 4, static_cast<std::byte>(size));
    CHECK(decode_audio(lying).size() == 4000);
  }
  // An empty data part with a list after it is empty.
  Bytes hollow = wav(3, 16000, 1, 32, {});
  for (const std::byte b : bytes("LIST")) hollow.push_back(b);
  put(hollow, 400, 4);
  hollow.resize(hollow.size() + 400, std::byte{'x'});
  CHECK_THROWS(AudioError, decode_audio(hollow));

  CHECK_THROWS(AudioError, decode_audio(std::span(whole).first(44)));
  CHECK_THROWS(AudioError, decode_audio(std::span(whole).first(20)));
  CHECK_THROWS(AudioError, decode_audio(Bytes{}));
  for (const std::uint32_t rate : {0U, 1U, 0xFFFFFFFFU}) {
    CHECK_THROWS(AudioError, decode_audio(wav(3, rate, 1, 32, samples)));
  }
  for (const std::uint32_t channels : {0U, 9U, 0xFFFFU}) {
    CHECK_THROWS(AudioError, decode_audio(wav(3, 16000, channels, 32, samples)));
  }
  CHECK_THROWS(UnsupportedFormat, decode_audio(wav(0x55, 16000, 1, 0, samples)));
  CHECK_THROWS(UnsupportedFormat, decode_audio(bytes("Ask not what your country can do")));
}

// How alike two signals are, at the lag where they should be most.
double correlation(const Pcm& a, const Pcm& b) {
  double ab = 0.0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    ab += static_cast<double>(a.data()[i]) * b.data()[i];
  }
  return ab / (static_cast<double>(a.size()) * rms(a.data(), a.size()) * rms(b.data(), b.size()));
}

TEST(every_format_gives_the_same_speech) {
  const Pcm flac = decode_audio(read_data("jfk.flac"));
  CHECK(flac.size() == 176000);
  // Also without delay: a shift by one sample leaves 0.92 of the correlation, by three 0.47.
  for (const char* name : {"jfk.mp3", "jfk.ogg"}) {
    const Pcm other = decode_audio(read_data(name));
    CHECK(other.size() == flac.size());
    CHECK(correlation(flac, other) > 0.99);
    const Pcm from_file = decode_audio_file(data_path(name));
    CHECK(from_file.size() == other.size());
    CHECK(std::equal(other.data(), other.data() + other.size(), from_file.data()));
  }
}

TEST(truncated_files_give_what_they_have) {
  for (const char* name : {"jfk.flac", "jfk.mp3", "jfk.ogg"}) {
    const Bytes whole = read_data(name);
    const Pcm half = decode_audio(std::span(whole).first(whole.size() / 2));
    CHECK(half.size() > 60000 && half.size() < 120000);
    CHECK_THROWS(AudioError, decode_audio(std::span(whole).first(50)));
  }
}

TEST(joined_recordings_follow_one_another) {
  for (const char* name : {"jfk.mp3", "jfk.ogg"}) {
    Bytes twice = read_data(name);
    const std::size_t size = twice.size();
    twice.resize(2 * size);
    std::copy_n(twice.begin(), size, twice.begin() + static_cast<std::ptrdiff_t>(size));
    // The gapless length in an MP3 is that of the first one.
    const Pcm out = decode_audio(twice);
    CHECK(out.size() == (std::string(name) == "jfk.ogg" ? 352000U : 176000U));
  }
}

TEST(tags_around_mpeg_audio_are_not_audio) {
  const Bytes mp3 = read_data("jfk.mp3");
  const std::span<const std::byte> frames =
      std::span(mp3).subspan(sniff_audio(mp3) == AudioKind::mp3 ? 0 : mp3.size());
  Bytes tagged = bytes(std::string_view("ID3\x03\x00\x00\x00\x00\x04\x00", 10));
  tagged.resize(10 + 512, std::byte{0xFF});
  tagged.insert(tagged.end(), frames.begin(), frames.end());
  for (const std::byte b : bytes("TAG")) tagged.push_back(b);
  tagged.resize(tagged.size() + 125);
  const Pcm plain = decode_audio(mp3);
  const Pcm out = decode_audio(tagged);
  CHECK(out.size() == plain.size());
  CHECK(std::equal(plain.data(), plain.data() + plain.size(), out.data()));
}

TEST(damage_never_crashes) {
  std::uint32_t state = 1;
  const auto random = [&state](std::size_t limit) {
    state = state * 1664525U + 1013904223U;
    return static_cast<std::size_t>((static_cast<std::uint64_t>(state) * limit) >> 32);
  };
  for (const char* name : {"jfk.mp3", "jfk.ogg", "jfk.flac"}) {
    Bytes whole = read_data(name);
    whole.resize(std::min<std::size_t>(whole.size(), 30000));
    for (int round = 0; round < 30; ++round) {
      Bytes damaged = whole;
      const std::size_t reach = round % 2 == 0 ? 5000 : damaged.size();
      for (int i = 0; i < 4; ++i) damaged[random(reach)] ^= std::byte{1} << random(8);
      try {
        check_pcm(decode_audio(damaged).view());
      } catch (const AudioError&) {
      }
    }
  }
}

TEST(ogg_pages_survive_a_round_trip_and_damage) {
  audio::OggPacket packet;
  packet.serial = 7;
  packet.granule = 0x123456789ABCDEF0U;
  packet.first = packet.last = true;
  std::vector<std::uint8_t> stream;
  for (const std::size_t size : {0U, 1U, 254U, 255U, 256U, 65024U}) {
    packet.data.assign(size, static_cast<std::uint8_t>(size));
    std::vector<std::uint8_t> page;
    audio::write_ogg_page(packet, 0, page);
    stream.insert(stream.end(), page.begin(), page.end());
    stream.push_back('O');  // junk between pages
  }
  const auto read_all = [](const std::vector<std::uint8_t>& data) {
    audio::MemorySource source({reinterpret_cast<const std::byte*>(data.data()), data.size()});
    audio::OggReader reader(source, [] {});
    std::vector<std::size_t> sizes;
    while (const auto read = reader.next()) {
      CHECK(read->serial == 7 && read->granule == 0x123456789ABCDEF0U && read->first);
      sizes.push_back(read->data.size());
    }
    return sizes;
  };
  CHECK((read_all(stream) == std::vector<std::size_t>{0, 1, 254, 255, 256, 65024}));
  stream[29 + 28] ^= 1;  // within the second page
  CHECK((read_all(stream) == std::vector<std::size_t>{0, 254, 255, 256, 65024}));
}

// Packs values from the least significant bit up, as Vorbis headers are.
class BitWriter {
 public:
  BitWriter& put(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i, ++size_) {
      if (size_ % 8 == 0) data_.push_back(0);
      const auto bit = static_cast<unsigned>((value >> i) & 1U);
      data_.back() = static_cast<std::uint8_t>(data_.back() | (bit << (size_ % 8)));
    }
    return *this;
  }
  std::vector<std::uint8_t> packet() const {
    std::vector<std::uint8_t> out = {5, 'v', 'o', 'r', 'b', 'i', 's'};
    for (const std::uint8_t byte : data_) out.push_back(byte);
    return out;
  }

 private:
  std::vector<std::uint8_t> data_;
  std::size_t size_ = 0;
};

// The smallest setup header: one codebook, floor, residue and mapping; with one thing made odd.
std::vector<std::uint8_t> setup(std::uint32_t entries, std::uint32_t dimensions,
                                std::uint32_t submaps, std::uint32_t floor_type = 1) {
  BitWriter out;
  out.put(0, 8).put(0x564342, 24).put(dimensions, 16).put(entries, 24);
  out.put(0, 1).put(0, 1);
  for (std::uint32_t i = 0; i < std::min(entries, 1000U); ++i) out.put(7, 5);
  out.put(0, 4).put(0, 6).put(0, 16);                     // no lookup; one time domain transform
  out.put(0, 6).put(floor_type, 16).put(1, 5).put(0, 4);  // a floor of one partition
  out.put(0, 3).put(0, 2).put(1, 8).put(0, 2).put(7, 4).put(9, 7);
  out.put(0, 6).put(1, 16).put(0, 24).put(8, 24).put(0, 24).put(0, 6).put(0, 8).put(0, 4);
  out.put(0, 6).put(0, 16).put(1, 1).put(submaps - 1, 4).put(0, 1).put(0, 2);
  if (submaps > 1) out.put(0, 4);
  for (std::uint32_t i = 0; i < submaps; ++i) out.put(0, 24);
  return out.put(0, 64).packet();
}

TEST(odd_vorbis_headers_do_not_reach_the_decoder) {
  const audio::VorbisFormat mono{44100, 1};
  audio::check_vorbis_setup(setup(8, 2, 1), mono);
  audio::check_vorbis_setup(setup(8, 2, 15), mono);
  const auto check = [&](const std::vector<std::uint8_t>& packet) {
    audio::check_vorbis_setup(packet, mono);
    return 0;
  };
  CHECK_THROWS(AudioError, check(setup(8, 2, 16)));
  CHECK_THROWS(AudioError, check(setup(300, 2, 1)));  // floor values beyond the table
  CHECK_THROWS(AudioError, check(setup(8, 0, 1)));
  CHECK_THROWS(AudioError, check(setup(0, 2, 1)));
  CHECK_THROWS(AudioError, check(setup(0xFFFFFF, 0xFFFF, 1)));
  CHECK_THROWS(UnsupportedFormat, check(setup(8, 2, 1, 0)));
  CHECK_THROWS(AudioError, check({5, 'v', 'o', 'r', 'b', 'i', 's'}));
}

TEST(cancelling_and_polling_stop_the_decoder) {
  CancelToken cancel;
  cancel.cancel();
  for (const char* name : {"jfk.mp3", "jfk.ogg", "jfk.flac"}) {
    CHECK_THROWS(Cancelled, decode_audio(read_data(name), cancel));
    CHECK_THROWS(std::runtime_error, decode_audio_file(data_path(name), {}, [] {
                   throw std::runtime_error("a signal");
                 }));
  }
}

TEST(files_that_cannot_be_read) {
  CHECK_THROWS(AudioError, decode_audio_file(data_path("no such file.wav")));
  CHECK_THROWS(AudioError, decode_audio_file(data_path("")));
}

}  // namespace

CHECK_MAIN()
