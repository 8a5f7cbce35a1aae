// What a Python caller gives to follow and stop a call, as a Control.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "earwitness/control.h"

namespace earwitness::bindings {

using Callback = std::optional<pybind11::function>;

// Signals (Ctrl-C) are looked for between operations; callbacks take the GIL that the compute runs
// without. To be made and destroyed with the GIL held.
inline Control make_control(const std::optional<CancelToken>& cancel, const Callback& on_progress,
                            const Callback& on_segment = std::nullopt) {
  namespace py = pybind11;
  Control control;
  if (cancel) control.cancel = *cancel;
  control.poll = [] {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  };
  if (on_progress) {
    control.on_progress = [callback = *on_progress](double share) {
      const py::gil_scoped_acquire gil;
      callback(share);
    };
  }
  if (on_segment) {
    control.on_segment = [callback = *on_segment](const Segment& segment) {
      const py::gil_scoped_acquire gil;
      callback(segment);
    };
  }
  return control;
}

}  // namespace earwitness::bindings
