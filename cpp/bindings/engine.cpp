#include "earwitness/engine.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "buffer.h"
#include "callbacks.h"
#include "register.h"
#include "speech/published_heads.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

Transcript transcribe(const Engine& engine, const py::buffer& pcm, const TranscribeOptions& options,
                      const std::optional<CancelToken>& cancel, const Callback& on_progress,
                      const Callback& on_segment) {
  const Control control = make_control(cancel, on_progress, on_segment);
  BufferPcm samples(pcm, control.cancel, control.poll);
  const py::gil_scoped_release no_gil;
  return engine.transcribe(samples.view(), options, control);
}

std::map<std::string, std::vector<std::pair<int, int>>> published_heads() {
  std::map<std::string, std::vector<std::pair<int, int>>> models;
  for (const speech::PublishedHeads& model : speech::published_heads()) {
    auto& heads = models[std::string(model.model)];
    for (const speech::AttentionHead& head : model.heads) heads.emplace_back(head.layer, head.head);
  }
  return models;
}

}  // namespace

void register_engine(py::module_& m) {
  py::class_<ModelInfo>(m, "ModelInfo", py::is_final())
      .def_readonly("type", &ModelInfo::type)
      .def_readonly("weights", &ModelInfo::weights)
      .def_readonly("multilingual", &ModelInfo::multilingual)
      .def_readonly("languages", &ModelInfo::languages)
      .def_readonly("n_mels", &ModelInfo::n_mels)
      .def_readonly("n_audio_ctx", &ModelInfo::n_audio_ctx)
      .def_readonly("n_vocab", &ModelInfo::n_vocab);

  py::class_<Engine>(m, "Engine", py::is_final())
      .def(py::init<const std::filesystem::path&, const std::string&, const std::string&>(),
           py::arg("path"), py::kw_only(), py::arg("device") = "auto",
           py::arg("precision") = "int8", py::call_guard<py::gil_scoped_release>())
      .def("transcribe", &transcribe, py::arg("pcm"), py::arg("options"), py::kw_only(),
           py::arg("cancel") = py::none(), py::arg("on_progress") = py::none(),
           py::arg("on_segment") = py::none())
      .def("close", &Engine::close, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("closed", &Engine::closed)
      .def_property_readonly("model", &Engine::model)
      .def_property_readonly("device", &Engine::device);

  m.def("published_heads", &published_heads);
}

}  // namespace earwitness::bindings
