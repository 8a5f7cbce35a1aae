#include "runtime/compute.h"

#include "earwitness/runtime.h"

namespace earwitness {
namespace {

constexpr std::size_t kMaxGraphNodes = 8192;

ggml_backend_dev_t find_gpu() {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    const auto type = ggml_backend_dev_type(device);
    if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
      return device;
    }
  }
  return nullptr;
}

// What only some backends have is found by name.
template <typename Function>
Function find_function(ggml_backend_t backend, const char* name) {
  ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(ggml_backend_get_device(backend));
  return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(registry, name));
}

bool stop_requested(void* watch) { return static_cast<Watch*>(watch)->should_stop(); }

}  // namespace

ggml_backend_dev_t find_device(const std::string& name) {
  load_backends();
  if (name != "auto" && name != "cpu" && name != "gpu") {
    throw InvalidOption("device is \"" + name + "\"; it must be \"auto\", \"cpu\" or \"gpu\"");
  }
  if (name != "cpu") {
    if (ggml_backend_dev_t gpu = find_gpu()) return gpu;
    if (name == "gpu") {
      throw InvalidOption(
          "device is \"gpu\", and this build or machine has none; build with EARWITNESS_CUDA=ON or "
          "EARWITNESS_METAL=ON, or choose \"cpu\"");
    }
  }
  return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

Graph::Graph(std::size_t max_nodes) {
  const ggml_init_params params{
      .mem_size =
          ggml_tensor_overhead() * max_nodes * 2 + ggml_graph_overhead_custom(max_nodes, false),
      .mem_buffer = nullptr,
      .no_alloc = true,
  };
  context_.reset(ggml_init(params));
  if (!context_) throw Error("out of memory while describing a graph");
  cgraph_ = ggml_new_graph_custom(context_.get(), max_nodes, false);
}

ggml_tensor* Graph::input(ggml_type type, std::int64_t ne0, std::int64_t ne1, std::int64_t ne2) {
  ggml_tensor* tensor = ggml_new_tensor_3d(context_.get(), type, ne0, ne1, ne2);
  ggml_set_input(tensor);
  return tensor;
}

ggml_tensor* Graph::output(ggml_tensor* tensor) {
  ggml_set_output(tensor);
  ggml_build_forward_expand(cgraph_, tensor);
  return tensor;
}

void Graph::run_also(ggml_tensor* tensor) { ggml_build_forward_expand(cgraph_, tensor); }

// ggml's own pool of threads: made once per number of threads, since starting threads for every
// graph would cost more than a short graph itself.
struct Compute::ThreadPool {
  using New = ggml_threadpool_t (*)(ggml_threadpool_params*);
  using Free = void (*)(ggml_threadpool_t);
  using Attach = void (*)(ggml_backend_t, ggml_threadpool_t);

  ThreadPool(ggml_backend_t cpu_backend, int n)
      : cpu(cpu_backend),
        threads(n),
        free(find_function<Free>(cpu, "ggml_threadpool_free")),
        attach(find_function<Attach>(cpu, "ggml_backend_cpu_set_threadpool")) {
    ggml_threadpool_params params = ggml_threadpool_params_default(n);
    params.poll = 0;  // idle threads sleep: cores may be shared
    pool = find_function<New>(cpu, "ggml_threadpool_new")(&params);
    if (!pool) throw Error("cannot start " + std::to_string(n) + " threads");
    attach(cpu, pool);
  }
  ~ThreadPool() {
    attach(cpu, nullptr);
    free(pool);
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ggml_backend_t cpu;
  int threads;
  Free free;
  Attach attach;
  ggml_threadpool_t pool = nullptr;
};

Compute::Compute(ggml_backend_dev_t device) {
  std::vector<ggml_backend_dev_t> devices = {device};
  if (ggml_backend_dev_type(device) != GGML_BACKEND_DEVICE_TYPE_CPU) {
    devices.push_back(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
  }
  std::vector<ggml_backend_t> backends;
  for (ggml_backend_dev_t dev : devices) {
    backends_.emplace_back(ggml_backend_dev_init(dev, nullptr));
    if (!backends_.back()) {
      throw Error(std::string("cannot start the compute device ") + ggml_backend_dev_name(dev));
    }
    backends.push_back(backends_.back().get());
  }
  scheduler_.reset(ggml_backend_sched_new(
      backends.data(), nullptr, static_cast<int>(backends.size()), kMaxGraphNodes, false, true));
}

Compute::~Compute() = default;

ggml_backend_buffer_type_t Compute::buffer_type() const {
  return ggml_backend_get_default_buffer_type(backends_.front().get());
}

void Compute::set_threads(int threads) {
  ggml_backend_t cpu = backends_.back().get();
  if (threads < 2) {
    pool_.reset();
  } else if (!pool_ || pool_->threads != threads) {
    pool_.reset();
    pool_ = std::make_unique<ThreadPool>(cpu, threads);
  }
  find_function<ggml_backend_set_n_threads_t>(cpu, "ggml_backend_set_n_threads")(cpu, threads);
}

void Compute::run(const Graph& graph, int threads, Watch& watch,
                  const std::function<void()>& fill) {
  watch.check();
  set_threads(threads);
  for (const ggml_backend_ptr& backend : backends_) {
    if (auto set = find_function<ggml_backend_set_abort_callback_t>(
            backend.get(), "ggml_backend_set_abort_callback")) {
      set(backend.get(), stop_requested, &watch);
    }
  }
  ggml_backend_sched_reset(scheduler_.get());
  if (!ggml_backend_sched_alloc_graph(scheduler_.get(), graph.cgraph())) {
    throw Error("out of memory: the network does not fit; use a smaller model");
  }
  fill();
  const ggml_status status = ggml_backend_sched_graph_compute(scheduler_.get(), graph.cgraph());
  watch.check();
  if (status == GGML_STATUS_ALLOC_FAILED) throw Error("out of memory; use a smaller model");
  if (status != GGML_STATUS_SUCCESS) throw Error("the compute device failed");
}

}  // namespace earwitness
