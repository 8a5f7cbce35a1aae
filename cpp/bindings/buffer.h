// Python buffers as samples.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "earwitness/audio.h"
#include "earwitness/error.h"

namespace earwitness::bindings {

// A view of a Python object's memory. Make and destroy it with the GIL held.
class Buffer {
 public:
  // Throws py::error_already_set when the object cannot give such a view.
  Buffer(pybind11::handle object, int flags) {
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw pybind11::error_already_set();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view_); }

  const Py_buffer& view() const { return view_; }

 private:
  Py_buffer view_{};
};

// Raw samples in a Python buffer as 16 kHz mono float32: without a copy where that is what the
// buffer holds, contiguous in memory, else converted.
//
// Accepted are float32 in [-1, 1] and int16, one-dimensional and interleaved or shaped
// (frames, channels), at any sample rate (Hz) within the bounds of audio.h. Make and destroy it
// with the GIL held; conversion and checks run without it, and view() needs none. The buffer must
// not change meanwhile.
class BufferPcm {
 public:
  // Throws AudioError for other types and shapes and for samples that are missing or not finite,
  // InvalidOption when rate and channels are out of bounds or do not fit the samples, Cancelled and
  // what `poll` throws while converting.
  explicit BufferPcm(pybind11::handle object, const CancelToken& cancel = {}, const Poll& poll = {},
                     int sample_rate = kSampleRate, int channels = 1)
      : buffer_(object, PyBUF_STRIDED_RO | PyBUF_FORMAT) {
    check_pcm_format(sample_rate, channels);
    const std::string type = sample_type();
    if (type == "f") {
      convert<float>(sample_rate, shape_channels(channels), cancel, poll);
    } else if (type == "h") {
      convert<std::int16_t>(sample_rate, shape_channels(channels), cancel, poll);
    } else {
      throw AudioError("samples must be float32 or int16, not " + type_name(type) +
                       "; convert them first, as with numpy's .astype(numpy.float32)");
    }
  }

  PcmView view() const { return view_; }

  // The samples as an object of their own; none where they are only viewed.
  std::optional<Pcm> converted() && { return std::move(converted_); }

 private:
  // The struct-module code of an item, without the sign of this machine's own byte order.
  std::string sample_type() const {
    const char* format = buffer_.view().format;
    if (format == nullptr) return "B";
    constexpr std::uint16_t kProbe = 1;
    unsigned char first_byte = 0;
    std::memcpy(&first_byte, &kProbe, 1);
    const char native = first_byte == 1 ? '<' : '>';
    const bool prefixed = *format == '@' || *format == '=' || *format == native;
    return prefixed ? format + 1 : format;
  }

  static std::string type_name(const std::string& type) {
    constexpr std::pair<const char*, const char*> kNames[] = {
        {"d", "float64"}, {"e", "float16"}, {"g", "longdouble"}, {"b", "int8"},
        {"B", "uint8"},   {"c", "bytes"},   {"H", "uint16"},     {"i", "int32"},
        {"I", "uint32"},  {"l", "int64"},   {"L", "uint64"},     {"q", "int64"},
        {"Q", "uint64"},  {"?", "bool"},    {"Zf", "complex64"}, {"Zd", "complex128"},
        {"O", "objects"}};
    for (const auto& [code, name] : kNames) {
      if (type == code) return name;
    }
    return "'" + type + "'";
  }

  int shape_channels(int channels) const {
    const Py_buffer& view = buffer_.view();
    if (view.ndim == 1) return channels;
    if (view.ndim != 2) {
      throw AudioError("samples must have one dimension, or two (frames, channels), not " +
                       std::to_string(view.ndim));
    }
    const Py_ssize_t columns = view.shape[1];
    if (columns < 1 || columns > kMaxChannels) {
      throw InvalidOption("samples of shape (" + std::to_string(view.shape[0]) + ", " +
                          std::to_string(columns) + ") have " + std::to_string(columns) +
                          " channels, and 1 to 8 are possible; is it a transposed array?");
    }
    if (channels != 1 && channels != columns) {
      throw InvalidOption("channels is " + std::to_string(channels) + ", but the samples have " +
                          std::to_string(columns) + " columns; leave `channels` out");
    }
    return static_cast<int>(columns);
  }

  template <class Sample>
  void convert(int sample_rate, int channels, const CancelToken& cancel, const Poll& poll) {
    const Py_buffer& view = buffer_.view();
    const bool contiguous = PyBuffer_IsContiguous(&view, 'C') != 0;
    const pybind11::gil_scoped_release no_gil;
    std::span<const Sample> samples(static_cast<const Sample*>(view.buf),
                                    static_cast<std::size_t>(view.len) / sizeof(Sample));
    std::vector<Sample> gathered;
    if (!contiguous || reinterpret_cast<std::uintptr_t>(view.buf) % alignof(Sample) != 0) {
      gathered = gather<Sample>();
      samples = gathered;
    }
    if constexpr (std::is_same_v<Sample, float>) {
      if (sample_rate == kSampleRate && channels == 1 && gathered.empty()) {
        view_ = {samples.data(), samples.size()};
        return check_pcm(view_);
      }
    }
    converted_ = to_mono_16k(samples, sample_rate, channels, cancel, poll);
    view_ = converted_->view();
  }

  template <class Sample>
  std::vector<Sample> gather() const {
    const Py_buffer& view = buffer_.view();
    const Py_ssize_t columns = view.ndim == 2 ? view.shape[1] : 1;
    const Py_ssize_t column_stride = view.ndim == 2 ? view.strides[1] : 0;
    std::vector<Sample> samples(static_cast<std::size_t>(view.len) / sizeof(Sample));
    std::size_t next = 0;
    for (Py_ssize_t row = 0; row < view.shape[0]; ++row) {
      const char* at = static_cast<const char*>(view.buf) + row * view.strides[0];
      for (Py_ssize_t column = 0; column < columns; ++column) {
        std::memcpy(&samples[next++], at + column * column_stride, sizeof(Sample));
      }
    }
    return samples;
  }

  Buffer buffer_;
  std::optional<Pcm> converted_;
  PcmView view_;
};

}  // namespace earwitness::bindings
