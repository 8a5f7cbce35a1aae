#include "earwitness/runtime.h"

#include <mutex>
#include <sstream>

#include "earwitness/error.h"
#include "ggml-backend.h"
#include "ggml.h"

namespace earwitness {

void load_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)) {
      throw Error("no CPU backend was found; install earwitness again");
    }
  });
}

std::vector<std::string> devices() {
  load_backends();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    names.push_back(std::string(ggml_backend_dev_name(device)) + ": " +
                    ggml_backend_dev_description(device));
  }
  return names;
}

std::string system_info() {
  load_backends();
  ggml_backend_reg_t registry =
      ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
  std::ostringstream info;
  info << ggml_backend_reg_name(registry);
  auto features = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(registry, "ggml_backend_get_features"));
  if (features) {
    for (auto* feature = features(registry); feature->name; ++feature) {
      info << ' ' << feature->name << '=' << feature->value;
    }
  }
  return info.str();
}

}  // namespace earwitness
