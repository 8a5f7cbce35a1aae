#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include <sstream>

#include "earwitness/types.h"
#include "register.h"
#include "state.h"

namespace py = pybind11;

namespace earwitness::bindings {
namespace {

// Pickles a token's bytes as bytes, since they need not be UTF-8.
auto pickle_token() {
  return py::pickle(
      [](const Token& t) { return py::make_tuple(t.id, py::bytes(t.text), t.logprob); },
      [](const py::tuple& state) {
        if (state.size() != 3) throw py::value_error("the pickle is of another version");
        return Token{state[0].cast<std::int32_t>(), state[1].cast<std::string>(),
                     state[2].cast<float>()};
      });
}

std::string quoted(const std::string& text) {
  return py::cast<std::string>(py::repr(py::cast(text)));
}

}  // namespace

void register_results(py::module_& m) {
  py::class_<Token>(m, "Token", py::is_final())
      .def_readonly("id", &Token::id)
      .def_property_readonly("text", [](const Token& t) { return py::bytes(t.text); })
      .def_readonly("logprob", &Token::logprob)
      .def(py::self == py::self)
      .def("__repr__",
           [](const Token& t) {
             std::ostringstream out;
             out << "Token(id=" << t.id << ", logprob=" << t.logprob << ")";
             return out.str();
           })
      .def(pickle_token());

  py::class_<Word>(m, "Word", py::is_final())
      .def_readonly("text", &Word::text)
      .def_readonly("start", &Word::start)
      .def_readonly("end", &Word::end)
      .def_readonly("confidence", &Word::confidence)
      .def_readonly("speaker", &Word::speaker)
      .def_readonly("speaker_confidence", &Word::speaker_confidence)
      .def(py::self == py::self)
      .def("__repr__",
           [](const Word& w) {
             std::ostringstream out;
             out << "Word(text=" << quoted(w.text) << ", start=" << w.start << ", end=" << w.end
                 << ", confidence=" << w.confidence << ")";
             return out.str();
           })
      .def(pickle(&Word::text, &Word::start, &Word::end, &Word::confidence, &Word::speaker,
                  &Word::speaker_confidence));

  py::class_<Segment>(m, "Segment", py::is_final())
      .def_readonly("id", &Segment::id)
      .def_readonly("seek", &Segment::seek)
      .def_readonly("start", &Segment::start)
      .def_readonly("end", &Segment::end)
      .def_readonly("text", &Segment::text)
      .def_readonly("tokens", &Segment::tokens)
      .def_readonly("words", &Segment::words)
      .def_readonly("temperature", &Segment::temperature)
      .def_readonly("avg_logprob", &Segment::avg_logprob)
      .def_readonly("no_speech_prob", &Segment::no_speech_prob)
      .def(py::self == py::self)
      .def("__repr__",
           [](const Segment& s) {
             std::ostringstream out;
             out << "Segment(id=" << s.id << ", start=" << s.start << ", end=" << s.end
                 << ", text=" << quoted(s.text) << ")";
             return out.str();
           })
      .def(pickle(&Segment::id, &Segment::seek, &Segment::start, &Segment::end, &Segment::text,
                  &Segment::tokens, &Segment::words, &Segment::temperature, &Segment::avg_logprob,
                  &Segment::no_speech_prob));

  py::class_<SpeakerSegment>(m, "SpeakerSegment", py::is_final())
      .def_readonly("speaker", &SpeakerSegment::speaker)
      .def_readonly("start", &SpeakerSegment::start)
      .def_readonly("end", &SpeakerSegment::end)
      .def_readonly("text", &SpeakerSegment::text)
      .def_readonly("words", &SpeakerSegment::words)
      .def(py::self == py::self)
      .def("__repr__",
           [](const SpeakerSegment& s) {
             std::ostringstream out;
             out << "SpeakerSegment(speaker=" << quoted(s.speaker) << ", start=" << s.start
                 << ", end=" << s.end << ", text=" << quoted(s.text) << ")";
             return out.str();
           })
      .def(pickle(&SpeakerSegment::speaker, &SpeakerSegment::start, &SpeakerSegment::end,
                  &SpeakerSegment::text, &SpeakerSegment::words));

  py::class_<Timings>(m, "Timings", py::is_final())
      .def_readonly("mel", &Timings::mel)
      .def_readonly("encode", &Timings::encode)
      .def_readonly("decode", &Timings::decode)
      .def_readonly("align", &Timings::align)
      .def_readonly("total", &Timings::total)
      .def(py::self == py::self)
      .def("__repr__",
           [](const Timings& t) {
             std::ostringstream out;
             out << "Timings(mel=" << t.mel << ", encode=" << t.encode << ", decode=" << t.decode
                 << ", align=" << t.align << ", total=" << t.total << ")";
             return out.str();
           })
      .def(pickle(&Timings::mel, &Timings::encode, &Timings::decode, &Timings::align,
                  &Timings::total));

  py::class_<Transcript>(m, "Transcript", py::is_final())
      .def_property_readonly("text", &Transcript::text)
      .def_readonly("task", &Transcript::task)
      .def_readonly("language", &Transcript::language)
      .def_readonly("language_probability", &Transcript::language_probability)
      .def_readonly("duration", &Transcript::duration)
      .def_readonly("segments", &Transcript::segments)
      .def_readonly("speaker_segments", &Transcript::speaker_segments)
      .def_property_readonly("words", &Transcript::words)
      .def_readonly("timings", &Transcript::timings)
      .def(py::self == py::self)
      .def("__repr__",
           [](const Transcript& t) {
             std::ostringstream out;
             out << "Transcript(text=" << quoted(t.text()) << ", language=" << quoted(t.language)
                 << ", duration=" << t.duration << ", segments=" << t.segments.size() << ")";
             return out.str();
           })
      .def(pickle(&Transcript::task, &Transcript::language, &Transcript::language_probability,
                  &Transcript::duration, &Transcript::segments, &Transcript::speaker_segments,
                  &Transcript::timings));
}

}  // namespace earwitness::bindings
