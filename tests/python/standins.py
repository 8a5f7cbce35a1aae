"""Results made by hand, for tests of the layers above the native module."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class Token:
    id: int
    text: bytes = b""
    logprob: float = -0.5


@dataclass
class Word:
    text: str
    start: float
    end: float
    confidence: float = 0.5


@dataclass
class Segment:
    id: int
    start: float
    end: float
    text: str
    tokens: list[Token] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    seek: int = 0
    temperature: float = 0.0
    avg_logprob: float = -0.25
    no_speech_prob: float = 0.125


@dataclass
class Transcript:
    segments: list[Segment]
    duration: float = 11.0
    language: str = "en"
    task: str = "transcribe"

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]


def segment_of_words(text: str, start: float, step: float, segment_id: int = 0) -> Segment:
    """A segment whose words follow each other, each taking `step` seconds."""
    pieces = re.findall(r" *[^ ]+", text)
    words = [
        Word(piece, start + step * i, start + step * (i + 1)) for i, piece in enumerate(pieces)
    ]
    return Segment(segment_id, start, start + step * len(words), text, words=words)


def word_errors(reference: str, hypothesis: str) -> int:
    """Words substituted, left out or put in, case and punctuation aside."""
    wanted, heard = bare_words(reference), bare_words(hypothesis)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(wanted, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            best = min(diagonal + (word != other), row[j] + 1, row[j - 1] + 1)
            diagonal, row[j] = row[j], best
    return row[-1]


def bare_words(text: str) -> list[str]:
    return re.sub(r"[^\w\s']", " ", text.lower()).split()
