// Following, stopping and closing an engine that runs.
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "engine_fixture.h"

namespace earwitness {
namespace {

using synthetic::check_sound;
using synthetic::english;
using synthetic::Model;
using synthetic::plain;
using synthetic::sound;

TEST(progress_rises_to_one_and_segments_come_as_they_are) {
  const std::vector<float> pcm = sound(4.0);
  std::vector<double> progress;
  std::vector<Segment> segments;
  Control control;
  control.on_progress = [&](double p) { progress.push_back(p); };
  control.on_segment = [&](const Segment& s) { segments.push_back(s); };
  const Transcript t = english()(pcm, plain(), control);
  CHECK(segments == t.segments);
  CHECK(progress.size() >= 3);
  CHECK(std::is_sorted(progress.begin(), progress.end()));
  CHECK(progress.front() == 0.0 && progress.back() == 1.0);
}

TEST(callbacks_may_throw) {
  const std::vector<float> pcm = sound(1.5);
  const std::vector<Segment> want = english()(pcm, plain()).segments;
  struct Surprise {};
  Control control;
  control.on_segment = [](const Segment&) { throw std::out_of_range("segment"); };
  CHECK_THROWS(std::out_of_range, english()(pcm, plain(), control));
  control = {};
  control.on_progress = [](double) { throw std::domain_error("progress"); };
  CHECK_THROWS(std::domain_error, english()(pcm, plain(), control));
  control = {};
  control.poll = [] { throw Surprise(); };  // not even a std::exception
  bool surprised = false;
  try {
    english()(pcm, plain(), control);
  } catch (const Surprise&) {
    surprised = true;
  }
  CHECK(surprised);
  CHECK(english()(pcm, plain()).segments == want);
}

TEST(polls_come_on_the_calling_thread) {
  const std::thread::id caller = std::this_thread::get_id();
  int polls = 0;
  Control control;
  control.poll = [&] {
    ++polls;
    CHECK(std::this_thread::get_id() == caller);
  };
  TranscribeOptions options = plain();
  options.threads = 3;
  english()(sound(3.0), options, control);
  CHECK(polls >= 1);
}

TEST(a_cancelled_call_ends_and_the_engine_goes_on) {
  const std::vector<float> pcm = sound(2.0);
  const std::vector<Segment> want = english()(pcm, plain()).segments;
  Control before;
  before.cancel.cancel();
  CHECK_THROWS(Cancelled, english()(pcm, plain(), before));

  // From another thread, in the middle of long audio.
  const std::vector<float> endless = sound(900.0);
  Control control;
  std::atomic<bool> running = false;
  control.on_progress = [&](double p) { running = running || p > 0.0; };
  CancelToken token = control.cancel;
  std::thread other([&] {
    while (!running) std::this_thread::yield();
    token.cancel();
  });
  CHECK_THROWS(Cancelled, english()(endless, plain(), control));
  other.join();

  // From within a callback.
  Control inner;
  CancelToken mine = inner.cancel;
  int seen = 0;
  inner.on_segment = [&](const Segment&) {
    ++seen;
    mine.cancel();
  };
  CHECK_THROWS(Cancelled, english()(endless, plain(), inner));
  CHECK(seen >= 1);
  CHECK(english()(pcm, plain()).segments == want);
}

TEST(one_token_cancels_every_call_that_holds_it) {
  const std::vector<float> endless = sound(900.0);
  Control control;
  std::atomic<int> running = 0;
  std::atomic<int> cancelled = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      Control mine = control;
      bool counted = false;
      mine.on_progress = [&](double) {
        if (!counted) ++running;
        counted = true;
      };
      try {
        english()(endless, plain(), mine);
      } catch (const Cancelled&) {
        ++cancelled;
      }
    });
  }
  while (running < 3) std::this_thread::yield();
  control.cancel.cancel();
  for (std::thread& t : threads) t.join();
  CHECK(cancelled == 3);
}

TEST(a_closed_engine_says_so) {
  Model model;
  CHECK(!model.engine.closed());
  model.engine.close();
  CHECK(model.engine.closed());
  CHECK_THROWS(EngineClosed, model(sound(0.5), plain()));
  CHECK(model.engine.model().n_vocab == 51864);
  model.engine.close();
}

TEST(closing_lets_running_calls_finish) {
  Model model;
  const std::vector<float> pcm = sound(4.0);
  const std::vector<Segment> want = model(pcm, plain()).segments;
  std::vector<Segment> got;
  std::atomic<bool> running = false;
  std::thread caller([&] {
    Control control;
    control.on_progress = [&](double) { running = true; };
    got = model(pcm, plain(), control).segments;
  });
  while (!running) std::this_thread::yield();
  model.engine.close();
  caller.join();
  CHECK(got == want);
  CHECK_THROWS(EngineClosed, model(pcm, plain()));
}

TEST(an_engine_may_close_itself_from_a_callback) {
  Model model;
  Control control;
  control.on_segment = [&](const Segment&) { model.engine.close(); };
  CHECK(!model(sound(2.0), plain(), control).segments.empty());
  CHECK(model.engine.closed());
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
