// C++ exceptions → the classes of earwitness.errors.
#include "earwitness/error.h"
#include "register.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

void raise(const char* name, const char* message) {
  const py::object type = py::module_::import("earwitness.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
}

}  // namespace

void register_errors() {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const UnsupportedFormat& e) {
      raise("UnsupportedFormatError", e.what());
    } catch (const AudioError& e) {
      raise("AudioError", e.what());
    } catch (const ModelError& e) {
      raise("ModelError", e.what());
    } catch (const InvalidOption& e) {
      raise("InvalidOptionError", e.what());
    } catch (const Cancelled& e) {
      raise("Cancelled", e.what());
    } catch (const EngineClosed& e) {
      raise("EngineClosedError", e.what());
    } catch (const Error& e) {
      raise("EarwitnessError", e.what());
    }
  });
}

}  // namespace earwitness::bindings
