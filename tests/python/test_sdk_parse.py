"""The JSON of our results, read by the hosted services' own client packages."""

from __future__ import annotations

from typing import Any

import pytest
from earwitness import answers
from earwitness.results import Record
from earwitness.spoken import SpokenTranscript, as_spoken
from spoken_samples import conversation
from standins import Transcript, segment_of_words

PLAIN = as_spoken(Transcript([segment_of_words(" No speakers here.", 0.0, 0.5)]))
SILENCE = SpokenTranscript("transcribe", "", 5.0, ())
TRANSCRIPTS = {"conversation": conversation(), "plain": PLAIN, "silence": SILENCE}


def lines(record: Record) -> Any:
    """The record as a client gets it: through JSON."""
    import json

    return json.loads(record.model_dump_json())


@pytest.fixture(scope="module")
def together_models() -> Any:
    return pytest.importorskip("together.types.audio.transcription_create_response")


@pytest.fixture(scope="module")
def openai_audio() -> Any:
    return pytest.importorskip("openai.types.audio")


def together_parse(value: Any, kind: Any) -> Any:
    """As the client does it: the class is chosen from the shape."""
    from together._models import construct_type

    return construct_type(type_=kind, value=value)


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.parametrize("words", [False, True])
def test_together_reads_the_full_class(name: str, words: bool, together_models: Any) -> None:
    record = answers.verbose(TRANSCRIPTS[name], words=words)
    read = together_parse(lines(record), together_models.TranscriptionCreateResponse)
    assert type(read) is together_models.AudioTranscriptionVerboseJsonResponse
    assert [s.text for s in read.segments] == [s.text for s in record.segments]
    assert all(type(s).__name__.endswith("ResponseSegment") for s in read.segments)
    assert [w.word for w in read.words or []] == [w.word for w in record.words or []]
    assert [w.speaker_id for w in read.words or []] == [w.speaker_id for w in record.words or []]
    assert [w.id for w in read.words or []] == [w.id for w in record.words or []]
    for theirs, ours in zip(
        read.speaker_segments or [], record.speaker_segments or [], strict=True
    ):
        assert (theirs.speaker_id, theirs.text) == (ours.speaker_id, ours.text)
        assert [w.word for w in theirs.words] == [w.word for w in ours.words]


@pytest.mark.parametrize("logprobs", [False, True])
def test_together_tells_json_from_verbose_json(logprobs: bool, together_models: Any) -> None:
    record = answers.plain(conversation(), logprobs=logprobs)
    read = together_parse(lines(record), together_models.TranscriptionCreateResponse)
    assert type(read) is together_models.AudioTranscriptionJsonResponse
    assert read.text == record.text


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_openai_reads_verbose_json_strictly(name: str, openai_audio: Any) -> None:
    record = answers.verbose(TRANSCRIPTS[name], words=True)
    read = openai_audio.TranscriptionVerbose.model_validate(lines(record), strict=True)
    assert read.usage.seconds == record.duration
    for theirs, ours in zip(read.segments, record.segments, strict=True):
        assert {key: getattr(theirs, key) for key in ours} == ours.model_dump()
    assert [(w.word, w.start, w.end) for w in read.words] == [
        (w.word, w.start, w.end) for w in record.words or ()
    ]


def test_openai_reads_diarized_json_strictly(openai_audio: Any) -> None:
    record = answers.diarized(conversation())
    read = openai_audio.TranscriptionDiarized.model_validate(lines(record), strict=True)
    assert [(s.id, s.speaker, s.text) for s in read.segments] == [
        (s.id, s.speaker, s.text) for s in record.segments
    ]


def test_openai_reads_json_with_logprobs(openai_audio: Any) -> None:
    record = answers.plain(conversation(), logprobs=True)
    read = openai_audio.Transcription.model_validate(lines(record))
    assert b"".join(bytes(map(int, t.bytes)) for t in read.logprobs).decode().strip() == read.text


def test_openai_reads_the_events(openai_audio: Any) -> None:
    from earwitness.client.parameters import parse
    from earwitness.client.streaming import EventWriter

    request = parse(
        {"stream": True, "diarize": True}, task="transcribe", model="tiny.en", timeout=None
    )
    writer = EventWriter(request)
    transcript = conversation()
    events = [event for part in transcript.segments for event in writer.segment(part)]
    events += list(writer.done(transcript))
    kinds = {
        "transcript.text.delta": openai_audio.TranscriptionTextDeltaEvent,
        "transcript.text.segment": openai_audio.TranscriptionTextSegmentEvent,
        "transcript.text.done": openai_audio.TranscriptionTextDoneEvent,
    }
    read = [kinds[event["type"]].model_validate(lines(event), strict=True) for event in events]
    assert "".join(e.delta for e in read if e.type.endswith("delta")) == read[-1].text
    assert [e.speaker for e in read if e.type.endswith("segment")] == ["Ada", "SPEAKER_01", "Ada"]
