#include "speakers/join.h"

#include "check.h"
#include "synthetic_voices.h"

using namespace earwitness;
using namespace earwitness::speakers;

namespace {

Turn turn(double start, double end, int speaker) { return {start, end, speaker, 0.9F}; }

// Words of 0.3 s in a row; "|" is a pause of half a second.
std::vector<SpokenWord> say(const std::vector<std::string>& texts) {
  std::vector<SpokenWord> words;
  double at = 0.0;
  for (const std::string& text : texts) {
    if (text == "|") {
      at += 0.5;
      continue;
    }
    words.push_back({at, at + 0.3, " " + text});
    at += 0.3;
  }
  return words;
}

std::vector<int> owners(const std::vector<SpokenWord>& words, const std::vector<Turn>& exclusive) {
  std::vector<int> out;
  for (const WordSpeaker& w : attribute_words(words, exclusive, exclusive))
    out.push_back(w.speaker);
  return out;
}

using Owners = std::vector<int>;

}  // namespace

TEST(most_overlap_wins) {
  const auto words = say({"How", "are", "you?", "Fine", "thanks."});
  CHECK(owners(words, {turn(0.0, 0.95, 0), turn(0.95, 2.0, 1)}) == (Owners{0, 0, 0, 1, 1}));
}

TEST(every_word_has_a_speaker) {
  const std::vector<SpokenWord> words{{0.0, 0.2, " a"}, {5.0, 5.2, " b"}, {30.0, 30.0, " c"}};
  const std::vector<Turn> turns{turn(1.0, 2.0, 0), turn(5.5, 6.0, 1)};
  const auto out = attribute_words(words, turns, turns);
  CHECK(out[0].speaker == 0 && out[1].speaker == 1 && out[2].speaker == 1);
  CHECK(out[1].confidence > out[0].confidence && out[0].confidence > out[2].confidence);
  CHECK(attribute_words(words, {}, {})[0].speaker == -1);
  CHECK(attribute_words(words, {}, turns)[0].speaker == 0);
  CHECK(attribute_words({}, turns, turns).empty());
}

TEST(the_nearest_turn_may_be_a_long_one_far_back) {
  std::vector<Turn> turns{turn(0.0, 99.0, 0)};
  for (int i = 0; i < 50; ++i) turns.push_back(turn(1.0 + i, 1.2 + i, 1));
  const auto out = attribute_words({{99.1, 99.3, " so"}}, {}, turns);
  CHECK(out[0].speaker == 0);
}

TEST(a_flip_within_a_sentence_is_undone) {
  const auto words = say({"we", "should", "go", "now", "then."});
  const std::vector<Turn> turns{turn(0.0, 0.6, 0), turn(0.6, 0.9, 1), turn(0.9, 2.0, 0)};
  CHECK(owners(words, turns) == (Owners{0, 0, 0, 0, 0}));
  CHECK(attribute_words(words, turns, turns)[2].confidence <= 0.5F);
}

TEST(a_pause_supports_a_single_word) {
  const auto words = say({"we", "go", "|", "yeah", "|", "right", "now"});
  const std::vector<Turn> turns{turn(0.0, 0.7, 0), turn(1.0, 1.5, 1), turn(1.8, 3.0, 0)};
  CHECK(owners(words, turns) == (Owners{0, 0, 1, 0, 0}));
}

TEST(a_long_clear_word_stays) {
  std::vector<SpokenWord> words = say({"we", "go"});
  words.push_back({0.6, 1.3, " absolutely"});
  words.push_back({1.3, 1.6, " right"});
  const std::vector<Turn> turns{turn(0.0, 0.6, 0), turn(0.6, 1.3, 1), turn(1.3, 2.0, 0)};
  CHECK(owners(words, turns) == (Owners{0, 0, 1, 0}));
}

TEST(changes_snap_to_the_pause_a_word_away) {
  // The diarizer changed one word late, and one word early.
  const auto words = say({"are", "you", "sure", "|", "yes", "of", "course"});
  CHECK(owners(words, {turn(0.0, 1.7, 0), turn(1.7, 3.0, 1)}) == (Owners{0, 0, 0, 1, 1, 1}));
  CHECK(owners(words, {turn(0.0, 0.6, 0), turn(0.6, 3.0, 1)}) == (Owners{0, 0, 0, 1, 1, 1}));
  const auto sentences = say({"are", "you", "sure?", "yes", "of", "course"});
  CHECK(owners(sentences, {turn(0.0, 1.2, 0), turn(1.2, 3.0, 1)}) == (Owners{0, 0, 0, 1, 1, 1}));
}

TEST(overlapped_words_are_the_exclusive_speakers_but_less_sure) {
  const auto words = say({"one", "two", "three", "four"});
  const std::vector<Turn> exclusive{turn(0.0, 2.0, 0)};
  const std::vector<Turn> turns{turn(0.0, 2.0, 0), turn(0.6, 2.0, 1)};
  const auto out = attribute_words(words, exclusive, turns);
  for (const WordSpeaker& w : out) CHECK(w.speaker == 0);
  CHECK(out[3].confidence < out[0].confidence);
}

TEST(segments_join_words) {
  const auto words = say({"How", "are", "you?", "Fine."});
  const auto out = attribute_words(words, {turn(0.0, 0.9, 0), turn(0.9, 2.0, 1)}, {});
  const auto segments = speaker_segments(words, out);
  CHECK(segments.size() == 2);
  CHECK(segments[0].text == "How are you?" && segments[1].text == "Fine.");
  CHECK(segments[0].speaker == 0 && segments[0].first_word == 0 && segments[0].end_word == 3);
  CHECK_NEAR(segments[0].end, 0.9, 1e-9);
  CHECK(speaker_segments({}, {}).empty());
}

TEST(hostile_times) {
  const std::vector<SpokenWord> words{{5.0, 4.0, " back"}, {-3.0, -2.0, " before"}, {2.0, 2.0, ""}};
  const std::vector<Turn> turns{turn(0.0, 3.0, 0)};
  for (const WordSpeaker& w : attribute_words(words, turns, turns)) {
    CHECK(w.speaker == 0 && w.confidence >= 0.0F && w.confidence <= 1.0F);
  }
}

TEST(many_words) {
  std::vector<SpokenWord> words;
  std::vector<Turn> turns;
  for (int i = 0; i < 60000; ++i) words.push_back({0.25 * i, 0.25 * i + 0.2, " w"});
  for (int i = 0; i < 5000; ++i) turns.push_back(turn(3.0 * i, 3.0 * i + 2.9, i % 4));
  const auto out = attribute_words(words, turns, turns);
  CHECK(out.size() == words.size() && out[13].speaker == 1);
}

CHECK_MAIN()
