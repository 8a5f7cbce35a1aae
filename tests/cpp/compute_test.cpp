// Running graphs, and stopping them.
#include "runtime/compute.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "earwitness/error.h"
#include "earwitness/runtime.h"
#include "runtime/watch.h"
#include "synthetic_model.h"

namespace earwitness {
namespace {

// x multiplied by one matrix again and again: hours of work if nothing stops it.
struct Chain {
  Chain(int n_products, int width) : graph(static_cast<std::size_t>(2 * n_products + 8)), n(width) {
    matrix = graph.input(GGML_TYPE_F32, n, n);
    ggml_tensor* x = graph.input(GGML_TYPE_F32, n, n);
    start = x;
    for (int i = 0; i < n_products; ++i) x = ggml_mul_mat(graph.context(), matrix, x);
    result = graph.output(x);
  }
  void fill() const {
    std::vector<float> values(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
    synthetic::Noise noise(1);
    for (float& v : values) v = 0.1F * noise();
    for (ggml_tensor* t : {matrix, start}) {
      ggml_backend_tensor_set(t, values.data(), 0, values.size() * sizeof(float));
    }
  }
  std::vector<float> values() const {
    std::vector<float> out(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
    ggml_backend_tensor_get(result, out.data(), 0, out.size() * sizeof(float));
    return out;
  }
  Graph graph;
  int n;
  ggml_tensor* matrix = nullptr;
  ggml_tensor* start = nullptr;
  ggml_tensor* result = nullptr;
};

constexpr int kEndless = 3900;  // products of 1024 x 1024: minutes, on any machine of today

std::vector<float> run_short(Compute& compute, int threads) {
  const Control control;
  Watch watch(control);
  const Chain chain(3, 48);
  compute.run(chain.graph, threads, watch, [&] { chain.fill(); });
  return chain.values();
}

TEST(a_watch_without_wishes_never_stops) {
  const Control control;
  Watch watch(control);
  CHECK(!watch.should_stop());
  watch.check();
}

TEST(a_watch_sees_the_token_and_stays_stopped) {
  Control control;
  Watch watch(control);
  const CancelToken copy = control.cancel;
  CHECK(!watch.should_stop());
  CancelToken(copy).cancel();
  CHECK(copy.cancelled());
  CHECK(watch.should_stop());
  CHECK_THROWS(Cancelled, watch.check());
  CHECK_THROWS(Cancelled, copy.throw_if_cancelled());
}

TEST(a_watch_keeps_what_the_poll_threw) {
  int polls = 0;
  Control control;
  control.poll = [&] {
    ++polls;
    throw std::domain_error("interrupted");
  };
  Watch watch(control);
  CHECK(watch.should_stop());
  CHECK(watch.should_stop());
  CHECK(polls == 1);  // once is enough
  CHECK_THROWS(std::domain_error, watch.check());
  CHECK_THROWS(std::domain_error, watch.check());
}

TEST(polls_are_few_however_often_it_is_asked) {
  int polls = 0;
  Control control;
  control.poll = [&] { ++polls; };
  Watch watch(control);
  for (int i = 0; i < 100; ++i) watch.check();
  CHECK(polls >= 1 && polls < 100);
}

TEST(there_is_a_cpu_and_no_other_name_than_the_three) {
  CHECK(find_device("cpu") != nullptr);
  CHECK(find_device("auto") != nullptr);
  for (const char* name : {"", "CPU", "cuda", "tpu:0"}) {
    CHECK_THROWS(InvalidOption, find_device(name));
  }
  CHECK(!devices().empty());
  CHECK(!system_info().empty());
}

TEST(a_graph_gives_the_same_for_any_number_of_threads) {
  Compute compute(find_device("cpu"));
  const std::vector<float> one = run_short(compute, 1);
  for (const int threads : {2, 3, 8, 1, 2}) CHECK(run_short(compute, threads) == one);
  Compute fresh(find_device("cpu"));
  CHECK(run_short(fresh, 2) == one);
}

TEST(another_thread_stops_a_running_graph) {
  for (const int threads : {1, 2}) {
    Compute compute(find_device("cpu"));
    const std::vector<float> before = run_short(compute, threads);
    const Chain chain(kEndless, 1024);
    Control control;
    std::atomic<bool> running = false;
    CancelToken token = control.cancel;
    std::thread other([&] {
      while (!running) std::this_thread::yield();
      token.cancel();
    });
    Watch watch(control);
    CHECK_THROWS(Cancelled, compute.run(chain.graph, threads, watch, [&] {
      chain.fill();
      running = true;
    }));
    other.join();
    CHECK(run_short(compute, threads) == before);  // still of use
  }
}

TEST(a_poll_that_throws_stops_a_running_graph) {
  for (const int threads : {1, 2}) {
    Compute compute(find_device("cpu"));
    const Chain chain(kEndless, 1024);
    const std::thread::id caller = std::this_thread::get_id();
    int polls = 0;
    Control control;
    control.poll = [&] {
      CHECK(std::this_thread::get_id() == caller);
      if (++polls == 3) throw std::domain_error("interrupted");
    };
    Watch watch(control);
    CHECK_THROWS(std::domain_error,
                 compute.run(chain.graph, threads, watch, [&] { chain.fill(); }));
    CHECK(polls == 3);
  }
}

TEST(a_stopped_watch_starts_nothing) {
  Compute compute(find_device("cpu"));
  const Chain chain(2, 16);
  Control control;
  control.cancel.cancel();
  Watch watch(control);
  bool filled = false;
  CHECK_THROWS(Cancelled, compute.run(chain.graph, 1, watch, [&] { filled = true; }));
  CHECK(!filled);
}

}  // namespace
}  // namespace earwitness

CHECK_MAIN()
