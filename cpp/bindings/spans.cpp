#include "earwitness/spans.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <utility>

#include "buffer.h"
#include "callbacks.h"
#include "register.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

std::vector<float> probabilities(const SpeechFinder& finder, const py::buffer& pcm, int threads,
                                 const std::optional<CancelToken>& cancel) {
  const Control control = make_control(cancel, std::nullopt);
  BufferPcm samples(pcm, control.cancel, control.poll);
  const py::gil_scoped_release no_gil;
  return finder.probabilities(samples.view(), control, threads);
}

std::vector<std::pair<double, double>> find(const SpeechFinder& finder, const py::buffer& pcm,
                                            double threshold, double padding, double min_silence,
                                            double min_speech, int threads,
                                            const std::optional<CancelToken>& cancel) {
  const SpeechRules rules{threshold, padding, min_silence, min_speech};
  rules.validate();
  const Control control = make_control(cancel, std::nullopt);
  BufferPcm samples(pcm, control.cancel, control.poll);
  const py::gil_scoped_release no_gil;
  std::vector<std::pair<double, double>> pairs;
  for (const Span& span : finder.find(samples.view(), rules, control, threads)) {
    pairs.emplace_back(span.start, span.end);
  }
  return pairs;
}

std::vector<float> push(SpeechStream& stream, const py::buffer& pcm) {
  BufferPcm samples(pcm);
  return stream.push(samples.view());
}

}  // namespace

void register_spans(py::module_& m) {
  static const SpeechRules kDefaults;
  py::class_<SpeechFinder>(m, "SpeechFinder", py::is_final())
      .def(py::init<const std::filesystem::path&>(), py::arg("path"),
           py::call_guard<py::gil_scoped_release>())
      .def("probabilities", &probabilities, py::arg("pcm"), py::kw_only(), py::arg("threads") = 0,
           py::arg("cancel") = py::none())
      .def("find", &find, py::arg("pcm"), py::kw_only(), py::arg("threshold") = kDefaults.threshold,
           py::arg("padding") = kDefaults.padding, py::arg("min_silence") = kDefaults.min_silence,
           py::arg("min_speech") = kDefaults.min_speech, py::arg("threads") = 0,
           py::arg("cancel") = py::none());

  py::class_<SpeechStream>(m, "SpeechStream", py::is_final())
      .def(py::init<const SpeechFinder&>(), py::arg("finder"))
      .def("push", &push, py::arg("pcm"))
      .def("reset", &SpeechStream::reset);
}

}  // namespace earwitness::bindings
