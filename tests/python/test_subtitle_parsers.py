"""Subtitles read back by independent packages: `srt` and `webvtt-py`."""

from __future__ import annotations

import dataclasses
import html
import io
import re
from datetime import timedelta

import earwitness
import pytest
import srt
import webvtt
from earwitness.formats import to_srt, to_vtt
from earwitness.formats.layout import DEFAULT_LAYOUT, cues
from earwitness.spoken import SpokenTranscript, SpokenWord, Turn, as_spoken
from hypothesis import given
from spoken_samples import conversation as interruption
from spoken_samples import conversations, segment

VOICE = re.compile(r"\A<v ([^>]+)>")


def read_srt(text: str) -> list[tuple[int, int, str]]:
    """Start and end in milliseconds, and the text, of each cue; whatever is irregular raises."""
    found = list(srt.parse(text, ignore_errors=False))
    assert [cue.index for cue in found] == list(range(1, len(found) + 1))
    return [(thousandths(cue.start), thousandths(cue.end), cue.content) for cue in found]


def thousandths(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)


def read_vtt(text: str) -> list[tuple[int, int, str | None, str]]:
    """Start and end in milliseconds, the voice, and the text of each cue."""
    found = []
    for caption in webvtt.from_buffer(io.StringIO(text)):
        raw = "\n".join(caption.lines)
        voice = VOICE.match(raw)
        found.append(
            (
                milliseconds(caption.start),
                milliseconds(caption.end),
                html.unescape(voice[1]) if voice else None,
                html.unescape(VOICE.sub("", raw)),
            )
        )
    return found


def milliseconds(stamp: str) -> int:
    hours, minutes, seconds = stamp.split(":")
    whole, thousandths = seconds.split(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1000 + int(thousandths)


def check(transcript: SpokenTranscript) -> None:
    wanted = list(cues(transcript, DEFAULT_LAYOUT))
    assert read_srt(to_srt(transcript)) == [
        (cue.start, cue.end, "\n".join(cue.labelled or cue.lines)) for cue in wanted
    ]
    assert read_vtt(to_vtt(transcript)) == [
        (cue.start, cue.end, cue.speaker, "\n".join(cue.lines)) for cue in wanted
    ]


def test_a_conversation_with_marks_and_an_interruption() -> None:
    check(interruption())


@given(conversations())
def test_any_conversation(transcript: SpokenTranscript) -> None:
    check(transcript)


@given(conversations())
def test_any_transcript_without_speakers(transcript: SpokenTranscript) -> None:
    check(dataclasses.replace(transcript, turns=None))


@pytest.mark.parametrize("speaker", ["Ada & Bob <Ltd>", "Zoë", "猫", "O'Neill: chair"])
def test_names_of_speakers(speaker: str) -> None:
    word = SpokenWord(" Hello & <good> day; 5 > 4, 1\u00a0000 €, “yes”.", 1.0, 2.5, 0.5, speaker)
    transcript = SpokenTranscript(
        "transcribe", "en", 4.0, (segment(0, (word,)),), (Turn(1.0, 2.5, speaker),)
    )
    check(transcript)


def test_what_one_says_over_another() -> None:
    words = (
        SpokenWord(" I think that", 1.0, 3.0, 0.9, "SPEAKER_00"),
        SpokenWord(" No!", 2.0, 2.6, 0.9, "SPEAKER_01"),
        SpokenWord(" we should.", 2.7, 4.0, 0.9, "SPEAKER_00"),
    )
    turns = (Turn(1.0, 4.0, "SPEAKER_00"), Turn(2.0, 2.6, "SPEAKER_01"))
    check(SpokenTranscript("transcribe", "en", 5.0, (segment(0, words),), turns))


def test_no_speech() -> None:
    nothing = SpokenTranscript("transcribe", "en", 5.0, (), ())
    assert read_srt(to_srt(nothing)) == []
    assert read_vtt(to_vtt(nothing)) == []


def test_what_the_engine_hears(engine: earwitness.Engine, conversation: object) -> None:
    check(as_spoken(engine.transcribe(conversation, diarize=True)))  # type: ignore[arg-type]
