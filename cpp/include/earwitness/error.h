// Everything that can go wrong, as C++ exceptions. Each message says what to do about it.
#pragma once

#include <stdexcept>

namespace earwitness {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The audio cannot be used: damaged, not finite, impossible rate or channel count.
class AudioError : public Error {
 public:
  using Error::Error;
};

// The container or codec is not one that the core decodes.
class UnsupportedFormat : public AudioError {
 public:
  using AudioError::AudioError;
};

// A model file is missing, damaged or of another kind.
class ModelError : public Error {
 public:
  using Error::Error;
};

// An option is out of range, or two options contradict each other.
class InvalidOption : public Error {
 public:
  using Error::Error;
};

// The call was stopped through its CancelToken.
class Cancelled : public Error {
 public:
  Cancelled() : Error("cancelled") {}
};

// The engine was used after close().
class EngineClosed : public Error {
 public:
  EngineClosed() : Error("the engine is closed; create another one") {}
};

}  // namespace earwitness
