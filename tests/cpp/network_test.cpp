// Both our networks, by themselves: sequences, windows, silence and attention, whatever ran before.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "check.h"
#include "network_fixture.h"
#include "synthetic_model.h"

namespace earwitness::speech {
namespace {

// Runs a test on each network, over the same model.
template <typename Test>
void on_all(const Test& test) {
  const synthetic::TempFile file(synthetic::make_image({}).bytes());
  for (const Kind kind : kAll) {
    Ours ours(file.path(), kind);
    test(ours);
  }
}

TEST(threads_change_nothing) {
  on_all([](Ours& ours) {
    const Ids prompt = {50257, 400};
    ours.encode(1);
    const Logits one = ours.prompt(prompt);
    for (const int threads : {2, 3, 1}) {
      ours.encode(threads);
      CHECK(ours.prompt(prompt) == one);
    }
  });
}

TEST(any_row_of_a_prompt_is_what_a_shorter_one_gives) {
  on_all([](Ours& ours) {
    ours.encode();
    // More rows than tokens, as for an English prompt of one token.
    const Logits twice = ours.prompt({50257}, {0, 0});
    CHECK(row(twice, 0, 2) == row(twice, 1, 2));
    const Ids prompt = {50257, 400, 31, 7};
    const Logits rows = ours.prompt(prompt, {0, 3, 1});
    CHECK_NEAR(distance(row(rows, 0, 3), ours.prompt({50257})), 0.0, kRounding);
    CHECK_NEAR(distance(row(rows, 1, 3), ours.prompt(prompt)), 0.0, 1e-6);
    CHECK_NEAR(distance(row(rows, 2, 3), ours.prompt({50257, 400})), 0.0, kRounding);
  });
}

TEST(sequences_side_by_side_are_as_if_alone) {
  on_all([](Ours& ours) {
    ours.encode();
    ours.prompt({50257}, {0}, 4);
    ours.reorder({0, 0, 0, 0});
    const Logits first = ours.step({10, 20, 30, 40});
    const Logits second = ours.step({11, 21, 31, 41});
    for (int i = 0; i < 4; ++i) {
      const TokenId tens = 10 * (i + 1);
      const auto at = static_cast<std::size_t>(i);
      CHECK_NEAR(distance(row(first, at, 4), ours.alone({50257, tens})), 0.0, kRounding);
      CHECK_NEAR(distance(row(second, at, 4), ours.alone({50257, tens, tens + 1})), 0.0, kRounding);
      CHECK(distance(row(second, at, 4), ours.alone({50257, 99, tens + 1})) > 10 * kRounding);
    }
  });
}

TEST(a_reordered_sequence_goes_on_from_its_source) {
  on_all([](Ours& ours) {
    ours.encode();
    for (const std::vector<int>& sources :
         {std::vector<int>{2, 0, 1}, {1, 0, 2}, {1, 1, 0}, {2, 2, 2}, {0, 1, 2}, {2, 1}, {1}}) {
      ours.prompt({50257}, {0}, 3);
      ours.reorder({0, 0, 0});
      ours.step({10, 20, 30});
      ours.step({11, 21, 31});
      ours.reorder(sources);
      Ids next;
      for (std::size_t i = 0; i < sources.size(); ++i) {
        next.push_back(static_cast<TokenId>(500 + i));
      }
      const Logits logits = ours.step(next);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const TokenId tens = 10 * (sources[i] + 1);
        const Logits want = ours.alone({50257, tens, tens + 1, next[i]});
        CHECK_NEAR(distance(row(logits, i, sources.size()), want), 0.0, kRounding);
      }
    }
  });
}

// Windows of different lengths, each sequence as if its window were the only one.
TEST(windows_side_by_side_are_as_if_alone) {
  const synthetic::TempFile file(synthetic::make_image({}).bytes());
  const Ids prompt = {50257, 400};
  const std::vector<AttentionHead> heads = {{1, 1}, {0, 0}};
  for (const Kind kind : {Kind::kFloat, Kind::kInteger}) {
    Ours ours(file.path(), kind);
    const std::vector<float> half(ours.mel().size() / 2, 0.25F);
    std::vector<Logits> alone;
    std::vector<std::vector<float>> attention;
    for (const bool whole : {true, false}) {
      if (whole) {
        ours.encode();
      } else {
        ours.encode(half, 32, 0.25F);
      }
      ours.prompt(prompt);
      alone.push_back(ours.step({7}));
      alone.push_back(ours.step({8}));
      attention.push_back(ours.attend(prompt, heads));
    }
    ours.encode(half, 32, 0.25F, 1, 2);
    ours.encode();
    const Logits starts = ours.prompt(prompt, {0, 1}, 1, {0, 2, 0});
    CHECK(row(starts, 0, 6) == row(starts, 4, 6));
    CHECK(row(starts, 1, 6) != row(starts, 3, 6));
    const Logits first = ours.step({7, 7, 9});
    CHECK(row(first, 0, 3) == alone[0]);
    CHECK(row(first, 1, 3) == alone[2]);
    ours.reorder({1, 0});
    const Logits second = ours.step({8, 8});
    CHECK(row(second, 0, 2) == alone[3]);
    CHECK(row(second, 1, 2) == alone[1]);
    CHECK(ours.attend(prompt, heads, 0) == attention[0]);
    CHECK(ours.attend(prompt, heads, 2) == attention[1]);
  }
}

// Whose sequences are shared out.
TEST(sequences_are_the_same_on_any_number_of_threads) {
  const synthetic::TempFile file(synthetic::make_image({}).bytes());
  for (const Kind kind : {Kind::kFloat, Kind::kInteger}) {
    std::vector<Logits> heard[2];
    for (const int threads : {1, 2}) {
      Ours ours(file.path(), kind);
      const std::vector<float> half(ours.mel().size() / 2, 0.25F);
      ours.encode(half, 32, 0.25F, threads, 1);
      ours.encode(threads);
      std::vector<int> slots;
      Ids tokens;
      for (int i = 0; i < 24; ++i) {
        slots.push_back(i % 2);
        tokens.push_back(7 + i);
      }
      std::vector<Logits>& logits = heard[threads - 1];
      logits.push_back(ours.prompt({50257, 400, 9, 10, 11, 12}, {5}, 1, slots));
      for (int i = 0; i < 30; ++i) {
        logits.push_back(ours.step(tokens));
        for (TokenId& token : tokens) ++token;
      }
      ours.reorder({0, 0, 2, 4, 6});  // all of one window
      for (int i = 0; i < 25; ++i) logits.push_back(ours.step({7 + i, 8, 9, 10 + i, 11}));
    }
    CHECK(heard[0] == heard[1]);
  }
}

TEST(nothing_of_a_longer_window_is_left) {
  const synthetic::TempFile file(synthetic::make_image({}).bytes());
  const Ids prompt = {50257, 400};
  for (const Kind kind : kAll) {
    Ours used(file.path(), kind);
    const std::vector<float> half(used.mel().size() / 2, 0.25F);
    used.encode();
    const Logits whole = used.prompt(prompt);
    used.encode(half, 32, 0.25F);
    const Logits after = used.prompt(prompt);
    Ours fresh(file.path(), kind);
    fresh.encode(half, 32, 0.25F);
    CHECK(after == fresh.prompt(prompt));
    CHECK(after != whole);
    used.encode();
    CHECK(used.prompt(prompt) == whole);
  }
}

// A few positions of silence, each counted for all that it stands for, instead of all of them.
TEST(silence_after_the_sound_is_as_if_encoded_in_full) {
  // Real models know places as slow waves, not as noise.
  synthetic::Image image = synthetic::make_image({});
  synthetic::Tensor& places = image.tensor("encoder.positional_embedding");
  std::vector<float> waves;
  for (int place = 0; place < places.ne[1]; ++place) {
    for (int i = 0; i < places.ne[0]; ++i) {
      waves.push_back(0.5F * std::cos(0.02F * static_cast<float>(place * (1 + i % 5) + i)));
    }
  }
  std::memcpy(places.data.data(), waves.data(), places.data.size());
  const synthetic::TempFile file(image.bytes());
  const Ids prompt = {50257, 400};
  constexpr float kSilence = -0.5F;
  for (const Kind kind : kAll) {
    Ours ours(file.path(), kind);
    const std::size_t frames = ours.mel().size() / static_cast<std::size_t>(ours.n_mels());
    const std::size_t sound = frames / 4;
    std::vector<float> padded(ours.mel().size(), kSilence);
    std::vector<float> cut;
    for (std::size_t m = 0; m < ours.mel().size(); m += frames) {
      const auto from = ours.mel().begin() + static_cast<std::ptrdiff_t>(m);
      std::copy_n(from, sound, padded.begin() + static_cast<std::ptrdiff_t>(m));
      cut.insert(cut.end(), from, from + static_cast<std::ptrdiff_t>(sound));
    }
    ours.encode(padded, static_cast<int>(frames / 2), 0.0F);
    const Logits whole = ours.prompt(prompt);
    ours.encode(cut, static_cast<int>(sound / 2), kSilence);
    CHECK_NEAR(distance(ours.prompt(prompt), whole), 0.0, 0.03);
    // It is the silence that is meant, not just any.
    ours.encode(cut, static_cast<int>(sound / 2), 1.0F);
    CHECK(distance(ours.prompt(prompt), whole) > 0.06);
  }
}

TEST(attention_is_a_distribution_and_leaves_decoding_as_it_was) {
  std::vector<std::vector<float>> both;
  on_all([&](Ours& ours) {
    ours.encode();
    const Ids prompt = {50257, 400, 31};
    const Logits before = ours.prompt(prompt);
    const std::vector<AttentionHead> heads = {{1, 1}, {0, 0}, {1, 0}};
    const std::vector<float> attention = ours.attend(prompt, heads);
    const std::size_t n_ctx = 64;
    CHECK(attention.size() == heads.size() * prompt.size() * n_ctx);
    for (std::size_t r = 0; r < heads.size() * prompt.size(); ++r) {
      const auto from = attention.begin() + static_cast<std::ptrdiff_t>(r * n_ctx);
      CHECK_NEAR(std::accumulate(from, from + static_cast<std::ptrdiff_t>(n_ctx), 0.0), 1.0, 1e-4);
      CHECK(*std::min_element(from, from + static_cast<std::ptrdiff_t>(n_ctx)) >= 0.0F);
    }
    // Each head in the order asked for.
    const std::vector<float> second = ours.attend(prompt, {{0, 0}});
    CHECK(std::equal(second.begin(), second.end(),
                     attention.begin() + static_cast<std::ptrdiff_t>(prompt.size() * n_ctx)));
    CHECK(ours.prompt(prompt) == before);
    both.push_back(attention);
  });
  CHECK_NEAR(distance(both[1], both[0]), 0.0, kRounding);
}

// The deepest model that is accepted, as wide as it can branch: ggml stops the process at a graph
// with more nodes than were announced.
TEST(forty_eight_layers_and_sixteen_sequences) {
  synthetic::Spec spec;
  spec.n_state = 16;
  spec.n_audio_layer = 48;
  spec.n_text_layer = 48;
  const synthetic::TempFile file(synthetic::make_image(spec).bytes());
  for (const Kind kind : kAll) {
    Ours ours(file.path(), kind);
    ours.encode();
    ours.prompt({50257, 400}, {0, 1}, 16);
    ours.reorder(std::vector<int>(16, 0));
    Ids next(16);
    std::iota(next.begin(), next.end(), 300);
    const Logits first = ours.step(next);
    std::vector<int> reversed(16);
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    ours.reorder(reversed);
    const Logits second = ours.step(next);
    CHECK(first.size() == second.size());
    CHECK_NEAR(distance(row(second, 3, 16), ours.alone({50257, 400, 312, 303})), 0.0, kRounding);
    CHECK(ours.attend({50257, 400}, {{47, 1}, {0, 0}}).size() == 2UL * 2 * 64);
  }
}

TEST(text_can_be_aligned_before_any_is_decoded) {
  on_all([](Ours& ours) {
    ours.encode();
    CHECK(ours.attend({50257, 400}, {{1, 0}}).size() == 2 * 64);
  });
}

}  // namespace
}  // namespace earwitness::speech

CHECK_MAIN()
