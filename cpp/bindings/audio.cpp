#include "earwitness/audio.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "buffer.h"
#include "register.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

void poll_signals() {
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

std::span<const std::byte> bytes_of(const Buffer& buffer) {
  return {static_cast<const std::byte*>(buffer.view().buf),
          static_cast<std::size_t>(buffer.view().len)};
}

Pcm decode(const py::buffer& data, const std::optional<CancelToken>& cancel) {
  const Buffer buffer(data, PyBUF_SIMPLE);
  const py::gil_scoped_release no_gil;
  return decode_audio(bytes_of(buffer), cancel.value_or(CancelToken()), poll_signals);
}

Pcm decode_file(const std::filesystem::path& path, const std::optional<CancelToken>& cancel) {
  const py::gil_scoped_release no_gil;
  return decode_audio_file(path, cancel.value_or(CancelToken()), poll_signals);
}

const char* sniff(const py::buffer& head) {
  const Buffer buffer(head, PyBUF_SIMPLE);
  return audio_kind_name(sniff_audio(bytes_of(buffer)));
}

// The very object where it holds what is wanted.
py::object as_pcm(const py::buffer& samples, int sample_rate, int channels,
                  const std::optional<CancelToken>& cancel) {
  BufferPcm pcm(samples, cancel.value_or(CancelToken()), poll_signals, sample_rate, channels);
  std::optional<Pcm> converted = std::move(pcm).converted();
  return converted ? py::cast(std::move(*converted)) : py::object(samples);
}

}  // namespace

void register_audio(py::module_& m) {
  py::class_<Pcm>(m, "Pcm", py::buffer_protocol(), py::is_final())
      .def_buffer([](Pcm& pcm) {
        return py::buffer_info(pcm.data(), static_cast<py::ssize_t>(pcm.size()));
      })
      .def("__len__", &Pcm::size)
      .def_property_readonly("duration", &Pcm::duration);

  m.def("decode_audio", &decode, py::arg("data"), py::kw_only(), py::arg("cancel") = py::none());
  m.def("decode_audio_file", &decode_file, py::arg("path"), py::kw_only(),
        py::arg("cancel") = py::none());
  m.def("sniff_audio", &sniff, py::arg("head"));
  m.def("as_pcm", &as_pcm, py::arg("samples"), py::kw_only(), py::arg("sample_rate") = kSampleRate,
        py::arg("channels") = 1, py::arg("cancel") = py::none());
}

}  // namespace earwitness::bindings
