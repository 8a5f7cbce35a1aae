#include "earwitness/options.h"

#include <pybind11/stl.h>

#include <utility>

#include "register.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

using SpanPairs = std::optional<std::vector<std::pair<double, double>>>;

SpanPairs to_pairs(const std::optional<std::vector<Span>>& spans) {
  if (!spans) return std::nullopt;
  SpanPairs pairs(std::in_place);
  for (const Span& span : *spans) pairs->emplace_back(span.start, span.end);
  return pairs;
}

std::optional<std::vector<Span>> from_pairs(const SpanPairs& pairs) {
  if (!pairs) return std::nullopt;
  std::vector<Span> spans;
  for (const auto& [start, end] : *pairs) spans.push_back({start, end});
  return spans;
}

}  // namespace

void register_options(py::module_& m) {
  using Options = TranscribeOptions;
  static const Options kDefaults;
  py::class_<Options>(m, "TranscribeOptions", py::is_final())
      .def(py::init([](std::optional<std::string> language, std::string task, std::string prompt,
                       double temperature, double temperature_increment, int best_of, int beam_size,
                       int fallback_beam_size, std::optional<double> search_threshold,
                       std::optional<double> logprob_threshold,
                       std::optional<double> entropy_threshold,
                       std::optional<double> compression_ratio_threshold,
                       std::optional<double> no_speech_threshold, bool condition_on_previous_text,
                       bool suppress_non_speech, double max_initial_timestamp, bool full_windows,
                       bool word_timestamps, const SpanPairs& spans, int threads) {
             Options o;
             o.language = std::move(language);
             o.task = std::move(task);
             o.prompt = std::move(prompt);
             o.temperature = temperature;
             o.temperature_increment = temperature_increment;
             o.best_of = best_of;
             o.beam_size = beam_size;
             o.fallback_beam_size = fallback_beam_size;
             o.search_threshold = search_threshold;
             o.logprob_threshold = logprob_threshold;
             o.entropy_threshold = entropy_threshold;
             o.compression_ratio_threshold = compression_ratio_threshold;
             o.no_speech_threshold = no_speech_threshold;
             o.condition_on_previous_text = condition_on_previous_text;
             o.suppress_non_speech = suppress_non_speech;
             o.max_initial_timestamp = max_initial_timestamp;
             o.full_windows = full_windows;
             o.word_timestamps = word_timestamps;
             o.spans = from_pairs(spans);
             o.threads = threads;
             o.validate();
             return o;
           }),
           py::kw_only(), py::arg("language") = kDefaults.language,
           py::arg("task") = kDefaults.task, py::arg("prompt") = kDefaults.prompt,
           py::arg("temperature") = kDefaults.temperature,
           py::arg("temperature_increment") = kDefaults.temperature_increment,
           py::arg("best_of") = kDefaults.best_of, py::arg("beam_size") = kDefaults.beam_size,
           py::arg("fallback_beam_size") = kDefaults.fallback_beam_size,
           py::arg("search_threshold") = kDefaults.search_threshold,
           py::arg("logprob_threshold") = kDefaults.logprob_threshold,
           py::arg("entropy_threshold") = kDefaults.entropy_threshold,
           py::arg("compression_ratio_threshold") = kDefaults.compression_ratio_threshold,
           py::arg("no_speech_threshold") = kDefaults.no_speech_threshold,
           py::arg("condition_on_previous_text") = kDefaults.condition_on_previous_text,
           py::arg("suppress_non_speech") = kDefaults.suppress_non_speech,
           py::arg("max_initial_timestamp") = kDefaults.max_initial_timestamp,
           py::arg("full_windows") = kDefaults.full_windows,
           py::arg("word_timestamps") = kDefaults.word_timestamps, py::arg("spans") = py::none(),
           py::arg("threads") = kDefaults.threads)
      .def_readonly("language", &Options::language)
      .def_readonly("task", &Options::task)
      .def_readonly("prompt", &Options::prompt)
      .def_readonly("temperature", &Options::temperature)
      .def_readonly("temperature_increment", &Options::temperature_increment)
      .def_readonly("best_of", &Options::best_of)
      .def_readonly("beam_size", &Options::beam_size)
      .def_readonly("fallback_beam_size", &Options::fallback_beam_size)
      .def_readonly("search_threshold", &Options::search_threshold)
      .def_readonly("logprob_threshold", &Options::logprob_threshold)
      .def_readonly("entropy_threshold", &Options::entropy_threshold)
      .def_readonly("compression_ratio_threshold", &Options::compression_ratio_threshold)
      .def_readonly("no_speech_threshold", &Options::no_speech_threshold)
      .def_readonly("condition_on_previous_text", &Options::condition_on_previous_text)
      .def_readonly("suppress_non_speech", &Options::suppress_non_speech)
      .def_readonly("max_initial_timestamp", &Options::max_initial_timestamp)
      .def_readonly("full_windows", &Options::full_windows)
      .def_readonly("word_timestamps", &Options::word_timestamps)
      .def_property_readonly("spans", [](const Options& o) { return to_pairs(o.spans); })
      .def_readonly("threads", &Options::threads);
}

}  // namespace earwitness::bindings
