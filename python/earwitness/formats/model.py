"""What the writers need of a transcript, so that they serve any object of that shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol


class TokenLike(Protocol):
    """See `earwitness.Token`."""

    @property
    def id(self) -> int: ...


class WordLike(Protocol):
    """See `earwitness.Word`."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
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


# Everything that some reader takes for the end of a line (Unicode's C0 and C1 controls and its two
# separators). Other white space, such as the no-break space of French, is part of the text.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPACES: Final = re.compile(r" {2,}")


def one_line(text: str) -> str:
    """`text` on one line: control characters and runs of spaces become one space, ends stripped."""
    return _SPACES.sub(" ", _CONTROLS.sub(" ", text)).strip()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never negative."""
    return max(0, round(seconds * 1000))
