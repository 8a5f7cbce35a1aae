#include <pybind11/stl.h>

#include "earwitness/cancel.h"
#include "earwitness/runtime.h"
#include "register.h"

namespace py = pybind11;

namespace earwitness::bindings {

void register_cancel(py::module_& m) {
  py::class_<CancelToken>(m, "CancelToken", py::is_final())
      .def(py::init<>())
      .def("cancel", &CancelToken::cancel)
      .def("child", &CancelToken::child)
      .def_property_readonly("cancelled", &CancelToken::cancelled);
}

}  // namespace earwitness::bindings

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  using namespace earwitness;
  m.attr("__version__") = EARWITNESS_VERSION;
  bindings::register_errors();
  bindings::register_cancel(m);
  bindings::register_results(m);
  bindings::register_options(m);
  bindings::register_audio(m);
  bindings::register_engine(m);
  bindings::register_diarizer(m);
  bindings::register_spans(m);
  bindings::register_voices(m);

  m.def("devices", &devices);
  m.def("system_info", &system_info);
  load_backends();
}
