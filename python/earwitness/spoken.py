"""A transcript as it is put together from the engine's: readable segments, and who said each word.

The writers of `earwitness.formats` take it like the engine's own transcript; the records of
`earwitness.results` are made from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from earwitness._core import Transcript, Word


class TokenLike(Protocol):
    """See `earwitness.Token`."""

    @property
    def id(self) -> int: ...
    @property
    def text(self) -> bytes: ...
    @property
    def logprob(self) -> float: ...


class TimedWord(Protocol):
    """A word with its time in the recording, in seconds."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


class WordLike(TimedWord, Protocol):
    """See `earwitness.Word`."""

    @property
    def confidence(self) -> float: ...


class SegmentLike(Protocol):
    """See `earwitness.Segment`."""

    @property
    def id(self) -> int: ...
    @property
    def seek(self) -> int: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> Sequence[TokenLike]: ...
    @property
    def words(self) -> Sequence[WordLike]: ...
    @property
    def temperature(self) -> float: ...
    @property
    def avg_logprob(self) -> float: ...
    @property
    def no_speech_prob(self) -> float: ...


class TranscriptLike(Protocol):
    """See `earwitness.Transcript`."""

    @property
    def text(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def duration(self) -> float: ...
    @property
    def segments(self) -> Sequence[SegmentLike]: ...
    @property
    def words(self) -> Sequence[WordLike]: ...


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word with its time in seconds; `text` keeps the space that precedes it."""

    text: str
    start: float
    end: float
    confidence: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A sentence or clause; fields as those of `earwitness.Segment`."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[TokenLike, ...]
    words: tuple[SpokenWord, ...]
    temperature: float
    avg_logprob: float
    no_speech_prob: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which a voice is heard; turns of several speakers may overlap."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class SpeakerSegment:
    """Consecutive words of one speaker: at least one."""

    speaker: str
    words: tuple[SpokenWord, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return max(word.end for word in self.words)

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class SpokenTranscript:
    """What was said in a recording of `duration` seconds, and, where asked for, by whom."""

    task: str
    language: str
    duration: float
    segments: tuple[SpokenSegment, ...]

    turns: tuple[Turn, ...] | None = None
    """When each voice is heard, in order of their starts; None = nobody asked who spoke."""

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)

    @property
    def words(self) -> list[SpokenWord]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def speaker_segments(self) -> tuple[SpeakerSegment, ...]:
        """The words by speaker; empty when nobody asked who spoke."""
        return speaker_segments(self.words) if self.turns is not None else ()


LONGEST_PAUSE: Final = 2.0
"""Seconds of silence after which a speaker's words are a new speaker segment.

Shorter ones are breaths and thought within what one says: conversation analysis puts the pauses
within a turn below one second, and long narratives have some of twice that.
"""


def speaker_segments(words: Sequence[SpokenWord]) -> tuple[SpeakerSegment, ...]:
    """Runs of words of one speaker without a long pause; words without a speaker are in none."""
    runs: list[list[SpokenWord]] = []
    for word in words:
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.speaker == word.speaker
            and word.start - last.end <= LONGEST_PAUSE
        ):
            runs[-1].append(word)
        else:
            runs.append([word])
    return tuple(
        SpeakerSegment(run[0].speaker, tuple(run)) for run in runs if run[0].speaker is not None
    )


def as_spoken(transcript: TranscriptLike) -> SpokenTranscript:
    """The engine's transcript as it is, or the one given if it is of this kind already.

    Where the engine was asked who spoke, the turns are those of its speakers' words.
    """
    if isinstance(transcript, SpokenTranscript):
        return transcript
    segments = tuple(_as_spoken(segment) for segment in transcript.segments)
    turns: tuple[Turn, ...] | None = None
    if isinstance(transcript, Transcript) and transcript.speaker_segments:
        words = [word for segment in segments for word in segment.words]
        turns = tuple(Turn(run.start, run.end, run.speaker) for run in speaker_segments(words))
    return SpokenTranscript(
        task=transcript.task,
        language=transcript.language,
        duration=transcript.duration,
        segments=segments,
        turns=turns,
    )


def _as_spoken(segment: SegmentLike) -> SpokenSegment:
    return SpokenSegment(
        id=segment.id,
        seek=segment.seek,
        start=segment.start,
        end=segment.end,
        text=segment.text,
        tokens=tuple(segment.tokens),
        words=tuple(
            SpokenWord(word.text, word.start, word.end, word.confidence, _speaker(word))
            for word in segment.words
        ),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
    )


def _speaker(word: WordLike) -> str | None:
    return (word.speaker or None) if isinstance(word, Word) else None
