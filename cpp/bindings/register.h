// One function per bound type; module.cpp lists them.
#pragma once

#include <pybind11/pybind11.h>

namespace earwitness::bindings {

void register_errors();
void register_cancel(pybind11::module_& m);
void register_results(pybind11::module_& m);
void register_options(pybind11::module_& m);
void register_audio(pybind11::module_& m);
void register_diarizer(pybind11::module_& m);
void register_engine(pybind11::module_& m);
void register_spans(pybind11::module_& m);
void register_voices(pybind11::module_& m);

}  // namespace earwitness::bindings
