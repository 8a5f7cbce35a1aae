// How bound structs are pickled.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace earwitness::bindings {

// Pickles a struct as the tuple of its members.
template <typename T, typename... Members>
auto pickle(Members T::*... members) {
  return pybind11::pickle(
      [members...](const T& value) { return pybind11::make_tuple(value.*members...); },
      [members...](const pybind11::tuple& state) {
        if (state.size() != sizeof...(Members)) {
          throw pybind11::value_error("the pickle is of another version");
        }
        T value;
        std::size_t i = 0;
        ((value.*members = state[i++].template cast<Members>()), ...);
        return value;
      });
}

}  // namespace earwitness::bindings
