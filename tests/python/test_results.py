"""The records that the client returns, and what they are made from."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from earwitness import answers
from earwitness.results import (
    AudioSpeakerSegment,
    AudioTranscription,
    AudioTranscriptionVerbose,
    AudioTranscriptionWord,
    Record,
)
from earwitness.spoken import SpokenTranscript, as_spoken
from hypothesis import given
from spoken_samples import conversation, conversations
from standins import Transcript, segment_of_words

# The example of the hosted service's documents, read as Python.
DOCUMENTED = AudioSpeakerSegment(
    id=1,
    speaker_id="SPEAKER_01",
    start=6.268,
    end=30.776,
    text=("Hello. Oh, hey, Justin. How are you doing? ..."),
    words=[
        AudioTranscriptionWord(
            word="Hello.", start=6.268, end=11.314, id=0, speaker_id="SPEAKER_01"
        ),
        AudioTranscriptionWord(word="Oh,", start=11.834, end=11.894, id=1, speaker_id="SPEAKER_01"),
    ],
)


def test_the_repr_is_that_of_the_documents() -> None:
    assert repr(DOCUMENTED) == (
        "AudioSpeakerSegment(id=1, speaker_id='SPEAKER_01', start=6.268, end=30.776, "
        "text='Hello. Oh, hey, Justin. How are you doing? ...', "
        "words=[AudioTranscriptionWord(word='Hello.', start=6.268, end=11.314, id=0, "
        "speaker_id='SPEAKER_01'), AudioTranscriptionWord(word='Oh,', start=11.834, end=11.894, "
        "id=1, speaker_id='SPEAKER_01')])"
    )
    assert eval(repr(DOCUMENTED)) == DOCUMENTED


def test_fields_are_attributes_and_keys() -> None:
    word = DOCUMENTED.words[0]
    assert word.word == word["word"] == "Hello."
    assert isinstance(word, Mapping)
    assert "start" in word
    assert word.get("nothing", 7) == 7
    assert list(word) == ["word", "start", "end", "id", "speaker_id"]
    assert dict(word) == {**word} == word.model_dump() == word.to_dict()
    with pytest.raises(KeyError):
        word["nothing"]
    with pytest.raises(AttributeError):
        _ = word.nothing  # type: ignore[attr-defined]


def test_a_field_that_is_none_is_absent() -> None:
    word = AudioTranscriptionWord(word="a", start=0.0, end=1.0, id=0)
    assert word.speaker_id is None
    assert "speaker_id" not in word
    assert word.get("speaker_id") is None
    assert "speaker_id" not in word.model_dump()
    assert word.model_dump(exclude_none=False)["speaker_id"] is None
    with pytest.raises(KeyError):
        word["speaker_id"]


def test_records_are_frozen_light_and_hashable() -> None:
    word = DOCUMENTED.words[0]
    with pytest.raises(AttributeError):
        word.word = "other"  # type: ignore[misc]
    assert not hasattr(word, "__dict__")
    assert isinstance(DOCUMENTED.words, tuple)
    assert hash(DOCUMENTED) == hash(copy.deepcopy(DOCUMENTED))
    assert len({DOCUMENTED, copy.copy(DOCUMENTED)}) == 1


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_records_are_pickled_and_compared(protocol: int) -> None:
    record = answers.verbose(conversation(), words=True, logprobs=True)
    again = pickle.loads(pickle.dumps(record, protocol))
    assert again == record
    assert repr(again) == repr(record)
    assert again != answers.verbose(conversation(), words=True)
    assert record != record.model_dump()


def test_dumps_are_plain_and_the_json_says_the_same() -> None:
    record = answers.verbose(conversation(), words=True, logprobs=True)
    shape = record.model_dump()
    assert json.loads(record.model_dump_json()) == shape == record.model_dump(mode="json")
    assert json.loads(record.to_json()) == shape
    assert "\n" in record.model_dump_json(indent=1)
    assert only_plain(shape)
    with pytest.raises(ValueError, match="mode"):
        record.model_dump(mode="xml")  # type: ignore[arg-type]


def only_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and only_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(only_plain, value))
    return type(value) in (str, int, float)


def test_json_is_the_text_alone() -> None:
    record = answers.plain(conversation())
    assert isinstance(record, AudioTranscription)
    assert record.model_dump() == {"text": "Hello <there>, Bob. R&D, is it? Yes."}


def test_words_are_listed_only_when_asked_for_or_diarizing() -> None:
    undiarized = as_spoken(Transcript([segment_of_words(" Some words.", 0.0, 0.5)]))
    assert "words" not in answers.verbose(undiarized)
    assert "speaker_segments" not in answers.verbose(undiarized, words=True)
    assert [w.word for w in answers.verbose(undiarized, words=True).words or ()] == [
        "Some",
        "words.",
    ]
    diarized = answers.verbose(conversation())
    assert {word.speaker_id for word in diarized.words or ()} == {"Ada", "SPEAKER_01"}


def test_silence_has_empty_lists_where_they_were_asked_for() -> None:
    silence = SpokenTranscript("transcribe", "", 5.0, ())
    assert answers.verbose(silence, words=True).model_dump() == {
        "task": "transcribe",
        "language": "",
        "duration": 5.0,
        "text": "",
        "segments": [],
        "words": [],
        "usage": {"type": "duration", "seconds": 5.0},
    }
    nobody = SpokenTranscript("transcribe", "en", 5.0, (), turns=())
    assert answers.verbose(nobody).speaker_segments == ()
    assert answers.diarized(nobody).segments == ()


def test_speaker_segments_are_what_each_says_in_turn() -> None:
    segments = answers.verbose(conversation()).speaker_segments or ()
    assert [(s.id, s.speaker_id, s.text, s.start, s.end) for s in segments] == [
        (0, "Ada", "Hello <there>, Bob.", 0.5, 1.7),
        (1, "SPEAKER_01", "R&D, is it?", 2.0, 2.75),
        (2, "Ada", "Yes.", 2.9, 3.2),
    ]


@given(conversations())
def test_words_segments_and_speaker_segments_agree(transcript: SpokenTranscript) -> None:
    agree(answers.verbose(transcript, words=True))
    shape = answers.diarized(transcript)
    assert [part.speaker for part in shape.segments] == [
        part.speaker_id for part in answers.verbose(transcript).speaker_segments or ()
    ]


def agree(record: AudioTranscriptionVerbose) -> None:
    """What must hold for every verbose result that lists words; used by other tests, too."""
    words = list(record.words or ())
    assert squeeze(word.word for word in words) == squeeze([record.text])
    assert "".join(segment.text for segment in record.segments).strip() == record.text
    assert [word.id for word in words] == list(range(len(words)))
    assert [segment.id for segment in record.segments] == list(range(len(record.segments)))
    for word in words:
        assert word.word == word.word.strip() != ""
        assert 0 <= word.start <= word.end <= record.duration
        assert 0 <= (word.confidence or 0.0) <= 1
    for before, after in itertools.pairwise(words):
        assert before.end <= after.start
    rest = iter(words)
    for segment in record.segments:
        wanted = squeeze([segment.text])
        own: list[AudioTranscriptionWord] = []
        while squeeze(word.word for word in own) != wanted:
            own.append(next(rest))
        if own:
            assert (segment.start, segment.end) == (own[0].start, own[-1].end)
    assert next(rest, None) is None
    if record.speaker_segments is not None:
        assert [word for part in record.speaker_segments for word in part.words] == words
        for part in record.speaker_segments:
            assert {word.speaker_id for word in part.words} == {part.speaker_id}
            assert (part.start, part.end) == (part.words[0].start, part.words[-1].end)
            assert squeeze(word.word for word in part.words) == squeeze([part.text])
            assert part.text == part.text.strip()


def squeeze(texts: Any) -> str:
    return "".join("".join(texts).split())


def test_every_record_says_what_its_fields_are() -> None:
    for kind in Record.__subclasses__():
        assert kind.__doc__
