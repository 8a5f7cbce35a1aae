#include "speakers/segmentation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "check.h"
#include "diarizer_reference.h"
#include "earwitness/error.h"

namespace earwitness::speakers {
namespace {

constexpr std::size_t kFrames = Segmentation::kFrames;
constexpr std::size_t kClasses = Segmentation::kClasses;
constexpr std::size_t kOutputs = kFrames * kClasses;

std::vector<float> run(const std::vector<const float*>& windows, int threads) {
  Segmentation net(shipped_weights());
  kernels::ThreadPool pool(threads);
  std::vector<float> out(windows.size() * kOutputs);
  net.run(windows.data(), static_cast<int>(windows.size()), out.data(), pool, {});
  return out;
}

std::ptrdiff_t best(const float* frame) {
  return std::max_element(frame, frame + kClasses) - frame;
}

TEST(agrees_with_the_reference) {
  const std::vector<float>& want = reference().log_probs;
  const std::vector<float> got = run({reference().pcm.data()}, 1);
  // float16 holds the reference's values to 2^-11 of their size; they reach -20.
  for (std::size_t i = 0; i < kOutputs; ++i) {
    CHECK_NEAR(got[i], want[i], 1e-2 + std::abs(want[i]) / 2048.0F);
  }
  std::size_t equal = 0;
  std::vector<bool> seen(kClasses);
  for (std::size_t t = 0; t < kFrames; ++t) {
    const std::ptrdiff_t c = best(&want[t * kClasses]);
    seen[static_cast<std::size_t>(c)] = true;
    equal += best(&got[t * kClasses]) == c ? 1U : 0U;
  }
  CHECK(1000 * equal >= 999 * kFrames);
  CHECK(std::count(seen.begin(), seen.end(), true) == 4);  // silence, two voices, both
}

TEST(each_frame_is_a_distribution) {
  const std::vector<float> got = run({reference().pcm.data()}, 1);
  for (std::size_t t = 0; t < kFrames; ++t) {
    double sum = 0.0;
    for (std::size_t c = 0; c < kClasses; ++c) sum += std::exp(got[t * kClasses + c]);
    CHECK_NEAR(sum, 1.0, 1e-5);
  }
}

TEST(results_do_not_depend_on_batch_or_threads) {
  const float* speech = reference().pcm.data();
  const std::vector<float> silence(Segmentation::kWindow);
  const std::vector<float> alone = run({speech}, 1);
  const std::vector<float> quiet = run({silence.data()}, 1);
  // 13 windows are more than one group of twelve.
  std::vector<const float*> windows(13, silence.data());
  for (const std::size_t i : {0U, 5U, 12U}) windows[i] = speech;
  for (const int threads : {1, 2, 5}) {
    const std::vector<float> got = run(windows, threads);
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const std::vector<float>& want = windows[i] == speech ? alone : quiet;
      CHECK(std::equal(want.begin(), want.end(), got.data() + i * kOutputs));
    }
  }
}

TEST(silence_is_finite_and_nobody_speaks) {
  const std::vector<float> silence(Segmentation::kWindow);
  const std::vector<float> got = run({silence.data()}, 1);
  for (const float x : got) CHECK(std::isfinite(x));
  std::size_t silent = 0;
  for (std::size_t t = 0; t < kFrames; ++t) silent += best(&got[t * kClasses]) == 0 ? 1U : 0U;
  CHECK(10 * silent >= 9 * kFrames);
}

TEST(no_windows_are_no_work) { CHECK(run({}, 2).empty()); }

TEST(a_cancelled_run_throws_and_the_next_one_is_right) {
  Segmentation net(shipped_weights());
  kernels::ThreadPool pool(2);
  const float* window = reference().pcm.data();
  std::vector<float> out(kOutputs);
  CancelToken cancelled;
  cancelled.cancel();
  CHECK_THROWS(Cancelled, net.run(&window, 1, out.data(), pool, cancelled));
  net.run(&window, 1, out.data(), pool, {});
  CHECK(out == run({window}, 1));
}

TEST(another_thread_can_cancel) {
  Segmentation net(shipped_weights());
  kernels::ThreadPool pool(2);
  const std::vector<const float*> windows(600, reference().pcm.data());
  std::vector<float> out(windows.size() * kOutputs);
  const CancelToken token;
  CancelToken other = token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    other.cancel();
  });
  CHECK_THROWS(Cancelled, net.run(windows.data(), 600, out.data(), pool, token));
  canceller.join();
}

TEST(class_table_is_the_powerset_of_three_with_at_most_two) {
  for (std::size_t c = 0; c < kClasses; ++c) {
    const int speakers = Segmentation::kClassSpeakers[c];
    const int count = (speakers & 1) + (speakers >> 1 & 1) + (speakers >> 2 & 1);
    CHECK(count == (c == 0 ? 0 : c <= 3 ? 1 : 2));
  }
}

}  // namespace
}  // namespace earwitness::speakers

CHECK_MAIN()
