"""Who said each word: what a diarizer must give, and how its turns meet the words and the names.

Speakers are called SPEAKER_00, SPEAKER_01 … in the order in which they are first heard, or by the
name that the caller gives to their voice.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from earwitness.spoken import SpokenTranscript, SpokenWord, Turn

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from earwitness._core import CancelToken


class TurnLike(Protocol):
    """A stretch in which one speaker is heard, in seconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def speaker(self) -> int:
        """Index of the speaker among those of the diarization."""

    @property
    def confidence(self) -> float: ...


class SpeakerLike(Protocol):
    """One of the speakers of a recording."""

    @property
    def label(self) -> str:
        """SPEAKER_00, SPEAKER_01 … in order of first speech."""

    @property
    def voice(self) -> Sequence[float]:
        """The voice's vector, of unit length."""


class DiarizationLike(Protocol):
    """Who spoke when."""

    @property
    def speakers(self) -> Sequence[SpeakerLike]: ...
    @property
    def turns(self) -> Sequence[TurnLike]:
        """In order of their starts; those of different speakers may overlap."""

    @property
    def exclusive(self) -> Sequence[TurnLike]:
        """One speaker at a time, in order: the one that words belong to."""


class DiarizerLike(Protocol):
    """Finds the speakers of 16 kHz mono samples; may be called from several threads at once."""

    def diarize(
        self,
        pcm: Buffer,
        /,
        *,
        min_speakers: int | None = ...,
        max_speakers: int | None = ...,
        threads: int = ...,
        cancel: CancelToken | None = ...,
    ) -> DiarizationLike: ...

    def embed(self, pcm: Buffer, /, *, cancel: CancelToken | None = ...) -> Sequence[float]:
        """The vector, of unit length, of the one voice in the samples."""


JoinWords: TypeAlias = "Callable[[Sequence[SpokenWord], DiarizationLike], Sequence[int]]"
"""Gives each word, in order, the index of its speaker."""


def join_words(words: Sequence[SpokenWord], diarization: DiarizationLike) -> list[int]:
    """Give each word the speaker whose turns cover most of it, else the nearest one.

    Each word for itself: no word follows its neighbours.
    """
    turns = diarization.exclusive
    speakers: list[int] = []
    upcoming = 0  # the first turn that begins after the words so far
    near: list[TurnLike] = []  # those begun that a word may still lie in, and the one ended last
    for word in words:
        start, end = word.start, word.end
        while upcoming < len(turns) and turns[upcoming].start < end:
            near.append(turns[upcoming])
            upcoming += 1
        latest = max(near, key=lambda turn: turn.end, default=None)
        near = [turn for turn in near if turn.end > start or turn is latest]
        speakers.append(_speaker_of(start, end, [*near, *turns[upcoming : upcoming + 1]]))
    return speakers


def _speaker_of(start: float, end: float, turns: Sequence[TurnLike]) -> int:
    covered: dict[int, float] = {}
    for turn in turns:
        overlap = min(end, turn.end) - max(start, turn.start)
        if overlap > 0.0:
            covered[turn.speaker] = covered.get(turn.speaker, 0.0) + overlap
    if covered:
        return max(covered, key=lambda speaker: (covered[speaker], -speaker))
    nearest = min(turns, key=lambda turn: max(turn.start - end, start - turn.end), default=None)
    return 0 if nearest is None else nearest.speaker


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A voice that the caller knows."""

    name: str
    voice: Sequence[float]


# As the core's store of voices has them (`cpp/include/earwitness/voices.h`): clean samples of one
# person have a cosine of about 0.6 to 0.9, those of two people -0.1 to 0.4.
SAME_VOICE: Final = 0.5
LEAD: Final = 0.05


def names(speakers: Sequence[SpeakerLike], known: Sequence[NamedVoice]) -> list[str]:
    """What to call each speaker: the known voice that is clearly its own, else its label."""
    return [_name(speaker, known) for speaker in speakers]


def _name(speaker: SpeakerLike, known: Sequence[NamedVoice]) -> str:
    scores = sorted(
        ((cosine(speaker.voice, voice.voice), voice.name) for voice in known), reverse=True
    )
    if not scores or scores[0][0] < SAME_VOICE:
        return speaker.label
    if len(scores) > 1 and scores[0][0] - scores[1][0] < LEAD:
        return speaker.label
    return scores[0][1]


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Cosine of the angle between two vectors; 0 where one of them is zero."""
    length = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / length if length else 0.0


def attribute(
    transcript: SpokenTranscript,
    diarization: DiarizationLike,
    *,
    known: Sequence[NamedVoice] = (),
    join: JoinWords = join_words,
) -> SpokenTranscript:
    """The transcript with a speaker for every word, and the turns.

    Args:
        known: voices with a name, which replaces the label of the speaker whose voice it is.
        join: which speaker each word belongs to.
    """
    # Words where the diarizer hears nobody are still somebody's.
    labels = names(diarization.speakers, known) or ["SPEAKER_00"]
    owners = iter([labels[speaker] for speaker in join(transcript.words, diarization)])
    segments = tuple(
        dataclasses.replace(
            segment,
            words=tuple(dataclasses.replace(word, speaker=next(owners)) for word in segment.words),
        )
        for segment in transcript.segments
    )
    turns = tuple(Turn(turn.start, turn.end, labels[turn.speaker]) for turn in diarization.turns)
    return dataclasses.replace(transcript, segments=segments, turns=turns)
