"""How the text of a transcript is laid out as subtitle cues."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from earwitness.formats.model import (
    SegmentLike,
    TranscriptLike,
    WordLike,
    milliseconds,
    one_line,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The limits that cues keep to."""

    line_width: int = 42
    """Columns of a line, of which East Asian wide characters take two; a longer word stays whole.

    42 is the usual limit of broadcasters' style guides, as is two lines.
    """

    lines: int = 2
    """Lines of a cue whose words have times; without times, a long segment takes more."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: milliseconds, `end` after `start`; at least one line, none of them empty."""

    start: int
    end: int
    lines: tuple[str, ...]


DEFAULT_LAYOUT: Final = Layout()

# Unicode categories of characters that must not begin a line (closing punctuation, marks, the
# Japanese length mark) or end one (opening punctuation).
_NEVER_FIRST: Final = frozenset({"Pe", "Pf", "Po", "Lm", "Mn", "Mc"})
_NEVER_LAST: Final = frozenset({"Ps", "Pi"})


def cues(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> Iterator[Cue]:
    """The cues of a transcript, in its order.

    Each segment is one cue, or as many as its text needs where its words have times. Segments
    without text have none.
    """
    for segment in transcript.segments:
        if segment.words:
            for words in _groups(segment.words, layout):
                text = "".join(word.text for word in words)
                yield from _cue(words[0].start, words[-1].end, text, layout)
        else:
            yield from _whole(segment, layout)


def wrap(text: str, layout: Layout = DEFAULT_LAYOUT) -> list[str]:
    """The lines of a text; two lines are made about equally long."""
    pieces = _pieces(one_line(text))
    lines = [""]
    for piece in pieces:
        if lines[-1] and width((lines[-1] + piece).strip()) > layout.line_width:
            lines.append("")
        lines[-1] += piece
    if len(lines) == 2:
        halves = ((pieces[:at], pieces[at:]) for at in range(1, len(pieces)))
        lines = min(
            (["".join(first), "".join(second)] for first, second in halves),
            key=lambda pair: max(width(line.strip()) for line in pair),
        )
    return [line.strip() for line in lines if line.strip()]


def width(text: str) -> int:
    """Columns that a text takes in a fixed-width font (Unicode Standard Annex 11)."""
    return sum(0 if unicodedata.combining(char) else 2 if _is_wide(char) else 1 for char in text)


def _whole(segment: SegmentLike, layout: Layout) -> Iterator[Cue]:
    return _cue(segment.start, segment.end, segment.text, layout)


def _cue(start: float, end: float, text: str, layout: Layout) -> Iterator[Cue]:
    lines = wrap(text, layout)
    if lines:
        # Readers drop a cue that takes no time.
        first = milliseconds(start)
        yield Cue(first, max(milliseconds(end), first + 1), tuple(lines))


def _groups(words: Sequence[WordLike], layout: Layout) -> Iterator[list[WordLike]]:
    """Runs of words, each as long as fits one cue."""
    group: list[WordLike] = []
    for word in words:
        text = "".join(member.text for member in group) + word.text
        if group and len(wrap(text, layout)) > layout.lines:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _pieces(text: str) -> list[str]:
    """The parts of a text that a line may break between; each keeps the space before it."""
    pieces: list[str] = []
    previous = ""
    for char in text:
        if not previous or char == " " or _breaks_between(previous, char):
            pieces.append(char)
        else:
            pieces[-1] += char
        previous = char
    return pieces


def _breaks_between(left: str, right: str) -> bool:
    return (
        left != " "
        and (_is_unspaced(left) or _is_unspaced(right))
        and unicodedata.category(left) not in _NEVER_LAST
        and unicodedata.category(right) not in _NEVER_FIRST
    )


def _is_unspaced(char: str) -> bool:
    """Whether the character is of a script without spaces; Hangul is wide but has them."""
    return _is_wide(char) and not "\uac00" <= char <= "\ud7a3"


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
