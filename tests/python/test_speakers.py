"""Turns and words together: who said each word, and what the speakers are called."""

from __future__ import annotations

import math

import pytest
from diarizers import FakeDiarization, FakeSpeaker, FakeTurn
from earwitness.speakers import NamedVoice, attribute, cosine, join_words, names
from earwitness.spoken import SpokenTranscript, SpokenWord, Turn, speaker_segments
from hypothesis import given
from hypothesis import strategies as st
from spoken_samples import conversations, segment

ANA = FakeSpeaker("SPEAKER_00", (1.0, 0.0))
BEN = FakeSpeaker("SPEAKER_01", (0.0, 1.0))


def word(start: float, end: float, speaker: str | None = None) -> SpokenWord:
    return SpokenWord(" x", start, end, 0.5, speaker)


def test_a_word_is_of_the_speaker_who_covers_most_of_it() -> None:
    turns = [FakeTurn(0.0, 1.0, 0), FakeTurn(1.0, 2.0, 1), FakeTurn(5.0, 6.0, 0)]
    words = [word(0.2, 0.8), word(0.8, 1.1), word(0.9, 1.4), word(2.1, 3.0), word(4.0, 4.9)]
    assert join_words(words, FakeDiarization([ANA, BEN], turns)) == [0, 0, 1, 1, 0]


times = st.floats(0, 50)


@given(
    st.lists(st.tuples(times, st.floats(0.01, 9), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.tuples(times, st.floats(0.01, 2)), max_size=20),
)
def test_the_sweep_finds_what_a_search_of_all_turns_finds(
    drawn: list[tuple[float, float, int]], spans: list[tuple[float, float]]
) -> None:
    turns = sorted(
        (FakeTurn(start, start + length, speaker) for start, length, speaker in drawn),
        key=lambda turn: turn.start,
    )
    words = [word(start, start + length) for start, length in sorted(spans)]
    found = join_words(words, FakeDiarization([], turns))
    for heard, speaker in zip(words, found, strict=True):
        covered = {
            s: math.fsum(
                max(0.0, min(heard.end, t.end) - max(heard.start, t.start))
                for t in turns
                if t.speaker == s
            )
            for s in {t.speaker for t in turns}
        }
        if max(covered.values()) > 1e-9:
            assert covered[speaker] == pytest.approx(max(covered.values()))
        else:
            gaps = [(max(t.start - heard.end, heard.start - t.end), t.speaker) for t in turns]
            nearest = min(gaps)[0]
            assert any(s == speaker and gap == pytest.approx(nearest) for gap, s in gaps)


@given(conversations())
def test_every_word_gets_a_speaker_and_nothing_else_changes(transcript: SpokenTranscript) -> None:
    diarization = FakeDiarization([ANA, BEN], [FakeTurn(0, 3, 0), FakeTurn(3, 6, 1)])
    found = attribute(transcript, diarization)
    assert found.text == transcript.text
    assert [(w.text, w.start, w.end) for w in found.words] == [
        (w.text, w.start, w.end) for w in transcript.words
    ]
    assert all(w.speaker in ("SPEAKER_00", "SPEAKER_01") for w in found.words)
    assert found.turns == (Turn(0, 3, "SPEAKER_00"), Turn(3, 6, "SPEAKER_01"))
    assert [w for part in found.speaker_segments for w in part.words] == found.words


def test_known_voices_name_the_speakers_that_are_clearly_theirs() -> None:
    near = NamedVoice("Ana", (0.9, math.sqrt(1 - 0.81)))
    assert names([ANA, BEN], [near]) == ["Ana", "SPEAKER_01"]
    assert names([ANA, BEN], []) == ["SPEAKER_00", "SPEAKER_01"]
    twin = NamedVoice("Twin", (0.88, math.sqrt(1 - 0.88**2)))
    assert names([ANA], [near, twin]) == ["SPEAKER_00"]  # neither leads the other
    far = NamedVoice("Far", (0.3, math.sqrt(1 - 0.09)))
    assert names([ANA], [far]) == ["SPEAKER_00"]


def test_one_person_heard_as_two_has_one_name() -> None:
    again = FakeSpeaker("SPEAKER_02", (0.98, math.sqrt(1 - 0.98**2)))
    transcript = SpokenTranscript(
        "transcribe", "en", 9.0, (segment(0, (word(0.0, 1.0), word(1.2, 2.0))),)
    )
    diarization = FakeDiarization([ANA, BEN, again], [FakeTurn(0.0, 1.1, 0), FakeTurn(1.1, 2.0, 2)])
    found = attribute(transcript, diarization, known=[NamedVoice("Ana", (1.0, 0.0))])
    (only,) = found.speaker_segments
    assert (only.speaker, only.start, only.end) == ("Ana", 0.0, 2.0)


def test_a_long_pause_parts_what_one_speaker_says() -> None:
    words = [word(0.0, 1.0, "A"), word(3.0, 4.0, "A"), word(6.1, 7.0, "A"), word(7.0, 8.0, None)]
    assert [(s.start, s.end) for s in speaker_segments(words)] == [(0.0, 4.0), (6.1, 7.0)]


def test_the_cosine_of_nothing_is_nothing() -> None:
    assert cosine((0.0, 0.0), (1.0, 0.0)) == 0.0
    assert cosine((3.0, 4.0), (6.0, 8.0)) == pytest.approx(1.0)
