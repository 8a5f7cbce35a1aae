#include <pybind11/operators.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "buffer.h"
#include "callbacks.h"
#include "earwitness/diarize.h"
#include "register.h"
#include "speakers/join.h"
#include "state.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

using Bound = std::optional<int>;

DiarizeOptions make_options(Bound min_speakers, Bound max_speakers, Bound num_speakers, double hop,
                            int threads) {
  // 0 stands for "not bound" in the core, and for nothing sensible here.
  const auto bound = [](const char* name, Bound value) {
    if (value && *value < 1) {
      throw InvalidOption(std::string(name) + " is " + std::to_string(*value) +
                          "; it must be at least 1, or none");
    }
    return value.value_or(0);
  };
  DiarizeOptions options;
  options.min_speakers = bound("min_speakers", min_speakers);
  options.max_speakers = bound("max_speakers", max_speakers);
  options.num_speakers = bound("num_speakers", num_speakers);
  options.hop = hop;
  options.threads = threads;
  options.validate();
  return options;
}

Diarization diarize(const Diarizer& diarizer, const py::buffer& pcm, Bound min_speakers,
                    Bound max_speakers, Bound num_speakers, double hop, int threads,
                    const std::optional<CancelToken>& cancel, const Callback& on_progress) {
  const DiarizeOptions options =
      make_options(min_speakers, max_speakers, num_speakers, hop, threads);
  const Control control = make_control(cancel, on_progress);
  BufferPcm samples(pcm, control.cancel, control.poll);
  const py::gil_scoped_release no_gil;
  return diarizer.diarize(samples.view(), options, control);
}

Diarization diarize_file(const Diarizer& diarizer, const std::filesystem::path& path,
                         Bound min_speakers, Bound max_speakers, Bound num_speakers, double hop,
                         int threads, const std::optional<CancelToken>& cancel,
                         const Callback& on_progress) {
  const DiarizeOptions options =
      make_options(min_speakers, max_speakers, num_speakers, hop, threads);
  const Control control = make_control(cancel, on_progress);
  const py::gil_scoped_release no_gil;
  return diarizer.diarize_file(path, options, control);
}

using WordTuples = std::vector<std::tuple<double, double, std::string>>;

std::vector<std::pair<int, float>> attribute_words(const WordTuples& words,
                                                   const Diarization& diarization) {
  std::vector<speakers::SpokenWord> spoken;
  for (const auto& [start, end, text] : words) spoken.push_back({start, end, text});
  std::vector<std::pair<int, float>> out;
  for (const auto& owner :
       speakers::attribute_words(spoken, diarization.exclusive, diarization.turns)) {
    out.emplace_back(owner.speaker, owner.confidence);
  }
  return out;
}

VoiceVector embed(const Diarizer& diarizer, const py::buffer& pcm,
                  const std::optional<CancelToken>& cancel) {
  const Control control = make_control(cancel, std::nullopt);
  BufferPcm samples(pcm, control.cancel, control.poll);
  const py::gil_scoped_release no_gil;
  return diarizer.embed(samples.view(), control);
}

}  // namespace

void register_diarizer(py::module_& m) {
  py::class_<Turn>(m, "Turn", py::is_final())
      .def_readonly("start", &Turn::start)
      .def_readonly("end", &Turn::end)
      .def_readonly("speaker", &Turn::speaker)
      .def_readonly("confidence", &Turn::confidence)
      .def(py::self == py::self)
      .def(pickle(&Turn::start, &Turn::end, &Turn::speaker, &Turn::confidence));

  py::class_<Speaker>(m, "Speaker", py::is_final())
      .def_readonly("label", &Speaker::label)
      .def_readonly("voice", &Speaker::voice)
      .def_readonly("seconds", &Speaker::seconds)
      .def_readonly("confidence", &Speaker::confidence)
      .def(py::self == py::self)
      .def(pickle(&Speaker::label, &Speaker::voice, &Speaker::seconds, &Speaker::confidence));

  py::class_<Diarization>(m, "Diarization", py::is_final())
      .def_readonly("duration", &Diarization::duration)
      .def_readonly("speakers", &Diarization::speakers)
      .def_readonly("turns", &Diarization::turns)
      .def_readonly("exclusive", &Diarization::exclusive)
      .def(py::self == py::self)
      .def(pickle(&Diarization::duration, &Diarization::speakers, &Diarization::turns,
                  &Diarization::exclusive));

  py::class_<Diarizer> diarizer(m, "Diarizer", py::is_final());
  const auto def_diarize = [&](const char* name, auto function, const char* audio) {
    diarizer.def(name, function, py::arg(audio), py::kw_only(),
                 py::arg("min_speakers") = py::none(), py::arg("max_speakers") = py::none(),
                 py::arg("num_speakers") = py::none(), py::arg("hop") = 0.0, py::arg("threads") = 0,
                 py::arg("cancel") = py::none(), py::arg("on_progress") = py::none());
  };
  def_diarize("diarize", &diarize, "pcm");
  def_diarize("diarize_file", &diarize_file, "path");
  diarizer
      .def(py::init<const std::filesystem::path&>(), py::arg("path"),
           py::call_guard<py::gil_scoped_release>())
      .def("embed", &embed, py::arg("pcm"), py::kw_only(), py::arg("cancel") = py::none());

  m.def("attribute", &attribute, py::arg("transcript"), py::arg("diarization"),
        py::call_guard<py::gil_scoped_release>());
  m.def("attribute_words", &attribute_words, py::arg("words"), py::arg("diarization"));
  m.def(
      "check_speakers",
      [](Bound min_speakers, Bound max_speakers, Bound num_speakers) {
        make_options(min_speakers, max_speakers, num_speakers, 0.0, 0);
      },
      py::kw_only(), py::arg("min_speakers") = py::none(), py::arg("max_speakers") = py::none(),
      py::arg("num_speakers") = py::none());
}

void register_voices(py::module_& m) {
  py::class_<VoiceMatch>(m, "VoiceMatch", py::is_final())
      .def_readonly("name", &VoiceMatch::name)
      .def_readonly("score", &VoiceMatch::score)
      .def_readonly("margin", &VoiceMatch::margin)
      .def(py::self == py::self)
      .def(pickle(&VoiceMatch::name, &VoiceMatch::score, &VoiceMatch::margin));

  py::class_<Voices>(m, "Voices", py::is_final())
      .def(py::init<>())
      .def("add", &Voices::add, py::arg("name"), py::arg("sample"))
      .def("remove", &Voices::remove, py::arg("name"))
      .def("match", &Voices::match, py::arg("sample"), py::kw_only(),
           py::arg("threshold") = Voices::kThreshold, py::arg("margin") = Voices::kMargin)
      .def_property_readonly("names", &Voices::names)
      .def("__len__", &Voices::size)
      .def("samples", &Voices::samples, py::arg("name"))
      .def("voice", &Voices::voice, py::arg("name"))
      .def("save", &Voices::save, py::arg("path"))
      .def_static("load", &Voices::load, py::arg("path"));
}

}  // namespace earwitness::bindings
