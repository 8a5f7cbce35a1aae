"""Transcripts with speakers, made by hand or drawn."""

from __future__ import annotations

from earwitness.spoken import SpokenSegment, SpokenTranscript, SpokenWord, Turn
from hypothesis import strategies as st
from standins import Token

ADA, BOB = "Ada", "SPEAKER_01"


def conversation() -> SpokenTranscript:
    """Two people, one of whom interrupts the other."""
    first = (
        SpokenWord(" Hello", 0.5, 0.9, 0.9, ADA),
        SpokenWord(" <there>,", 0.9, 1.25, 0.8, ADA),
        SpokenWord(" Bob.", 1.3, 1.7, 0.7, ADA),
    )
    second = (
        SpokenWord(" R&D,", 2.0, 2.4, 0.9, BOB),
        SpokenWord(" is", 2.4, 2.5, 0.9, BOB),
        SpokenWord(" it?", 2.5, 2.75, 0.9, BOB),
        SpokenWord(" Yes.", 2.9, 3.2, 0.6, ADA),
    )
    return SpokenTranscript(
        task="transcribe",
        language="en",
        duration=6.0,
        segments=(segment(0, first), segment(1, second)),
        turns=(Turn(0.4, 1.8, ADA), Turn(1.95, 2.9, BOB), Turn(2.8, 3.3, ADA)),
    )


def segment(number: int, words: tuple[SpokenWord, ...]) -> SpokenSegment:
    """A segment of these words, each of one token."""
    return SpokenSegment(
        id=number,
        seek=0,
        start=words[0].start,
        end=words[-1].end,
        text="".join(word.text for word in words),
        tokens=tuple(
            Token(index, word.text.encode("utf-8"), -0.5) for index, word in enumerate(words)
        ),
        words=words,
        temperature=0.0,
        avg_logprob=-0.25,
        no_speech_prob=0.125,
    )


@st.composite
def conversations(draw: st.DrawFn) -> SpokenTranscript:
    """Words that follow each other, of up to three speakers, in segments of any length."""
    texts = draw(st.lists(st.from_regex(r"\A ?[a-zé猫&<]{1,8}[.,?]?\Z"), max_size=40))
    at = 0.0
    words = []
    for text in texts:
        start = at + draw(st.floats(0, 4))
        at = start + draw(st.floats(0.02, 2))
        speaker = f"SPEAKER_{draw(st.integers(0, 2)):02}"
        words.append(SpokenWord(text, start, at, draw(st.floats(0, 1)), speaker))
    segments: list[SpokenSegment] = []
    while words:
        size = draw(st.integers(1, 12))
        segments.append(segment(len(segments), tuple(words[:size])))
        words = words[size:]
    turns = tuple(
        Turn(word.start, word.end, word.speaker or "") for part in segments for word in part.words
    )
    return SpokenTranscript("transcribe", "en", at + 1.0, tuple(segments), turns)
