#include "speech/loops.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "check.h"

namespace earwitness::speech {
namespace {

using Ids = std::vector<int>;

std::vector<std::size_t> places(const Ids& tokens) {
  std::vector<std::string> texts;
  for (int id : tokens) texts.push_back("word" + std::to_string(id));
  return without_loops(texts);
}

Ids cut(const Ids& tokens) {
  Ids kept;
  for (std::size_t i : places(tokens)) kept.push_back(tokens[i]);
  return kept;
}

Ids repeated(const Ids& run, int times) {
  Ids tokens;
  for (int i = 0; i < times; ++i) tokens.insert(tokens.end(), run.begin(), run.end());
  return tokens;
}

Ids joined(Ids first, const Ids& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(text_without_loops_stays) {
  for (const Ids& tokens : {Ids{}, Ids{1}, Ids{1, 1}, Ids{1, 2, 3, 4, 5}, Ids{1, 2, 1, 2, 3, 3, 1},
                            Ids{1, 2, 3, 1, 2, 3}}) {
    CHECK(cut(tokens) == tokens);
  }
}

TEST(a_loop_of_any_length_stands_once) {
  for (int length = 1; length <= 40; ++length) {
    Ids run(static_cast<std::size_t>(length));
    std::iota(run.begin(), run.end(), 100);
    for (int times : {3, 5}) {
      CHECK(cut(repeated(run, times)) == run);
      CHECK(cut(joined({7, 8}, repeated(run, times))) == joined({7, 8}, run));
      CHECK(cut(joined(repeated(run, times), {7, 8})) == joined(run, {7, 8}));
    }
    CHECK(cut(repeated(run, 2)) == repeated(run, 2));
  }
}

TEST(a_loop_that_breaks_off_at_the_end_goes_whole) {
  CHECK(cut({9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2}) == (Ids{9, 1, 2, 3}));
  // In the middle what begins the next run is text.
  CHECK(cut({9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 8}) == (Ids{9, 1, 2, 3, 1, 2, 8}));
}

TEST(loops_one_after_another_and_within_each_other) {
  CHECK(cut(joined(repeated({1, 2}, 10), repeated({3}, 10))) == (Ids{1, 2, 3}));
  CHECK(cut(repeated({1, 1, 1, 1, 2}, 6)) == (Ids{1, 2}));
}

TEST(case_and_marks_make_no_difference) {
  const std::vector<std::string> thanks = {" Thank", " you",   ".",    " thank", " you",
                                           "!",      " Thank", " You", ","};
  CHECK(without_loops(thanks) == (std::vector<std::size_t>{0, 1, 2}));
  const std::vector<std::string> others = {" \xC3\xA9", " \xC3\xA8", " \xC3\xAA"};
  CHECK(without_loops(others).size() == 3);
}

TEST(what_stays_is_in_order_and_has_no_loop) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    Ids tokens(1 + random() % 60);
    for (int& id : tokens) id = static_cast<int>(random() % 3);
    const std::vector<std::size_t> kept = places(tokens);
    CHECK(!kept.empty() && kept.front() == 0);
    CHECK(std::is_sorted(kept.begin(), kept.end()));
    CHECK(std::adjacent_find(kept.begin(), kept.end()) == kept.end());
    const Ids rest = cut(tokens);
    CHECK(cut(rest) == rest);
  }
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
