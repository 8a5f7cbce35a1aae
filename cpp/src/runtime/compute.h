// Runs ggml graphs on one device, stoppable between any two operations.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"
#include "runtime/watch.h"

namespace earwitness {

// Picks the device for "auto", "cpu" or "gpu"; throws InvalidOption if there is none of the kind.
ggml_backend_dev_t find_device(const std::string& name);

// The arena in which one graph's tensors are described; the data lies in the scheduler's buffers.
class Graph {
 public:
  explicit Graph(std::size_t max_nodes);

  ggml_context* context() const { return context_.get(); }
  ggml_cgraph* cgraph() const { return cgraph_; }

  ggml_tensor* input(ggml_type type, std::int64_t ne0, std::int64_t ne1 = 1, std::int64_t ne2 = 1);
  ggml_tensor* output(ggml_tensor* tensor);  // kept after the run
  void run_also(ggml_tensor* tensor);        // computed though nothing reads it

 private:
  ggml_context_ptr context_;
  ggml_cgraph* cgraph_;
};

// A device's compute resources; serves one call at a time.
class Compute {
 public:
  explicit Compute(ggml_backend_dev_t device);
  ~Compute();

  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;

  // Allocates the graph, lets `fill` set its inputs, and computes it. Throws what `watch` throws
  // when it stops the run, and Error if memory runs out.
  void run(const Graph& graph, int threads, Watch& watch, const std::function<void()>& fill);

  // Where tensors that outlive a graph are kept.
  ggml_backend_buffer_type_t buffer_type() const;

 private:
  struct ThreadPool;

  void set_threads(int threads);

  std::vector<ggml_backend_ptr> backends_;  // the device, then the CPU if that is another
  ggml_backend_sched_ptr scheduler_;
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace earwitness
