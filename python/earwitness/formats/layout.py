"""How the text of a transcript is laid out as subtitle cues."""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral, Real
from typing import Final

from earwitness.errors import InvalidOptionError
from earwitness.formats.model import diarized, milliseconds, one_line
from earwitness.sentences import divide
from earwitness.spoken import (
    SegmentLike,
    SpokenTranscript,
    SpokenWord,
    TranscriptLike,
    WordLike,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The limits that cues keep to: by default the usual ones of broadcasters' style guides.

    Raises:
        InvalidOptionError: a limit leaves no room for any text; the message names it.
    """

    line_width: int = 42
    """Columns of a line; East Asian wide characters take two. A longer word stays whole."""

    lines: int = 2
    """Lines of a cue whose words have times; without times, a long segment takes more."""

    longest: float = 7.0
    """Seconds of a cue whose words have times."""

    shortest: float = 1.0
    """Seconds that a cue stays at least, unless the next one is due."""

    gap: float = 0.08
    """Seconds between cues, two frames of video, so that the eye sees one replace the other."""

    def __post_init__(self) -> None:
        for name in ("line_width", "lines"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise InvalidOptionError(f"{name} must be a whole number above 0, not {value!r}")
        bounds = {"longest": 0.001, "shortest": 0.0, "gap": 0.0}
        for name, least in bounds.items():
            value = getattr(self, name)
            if (
                not isinstance(value, Real)
                or isinstance(value, bool)
                or not least <= float(value) < math.inf
            ):
                raise InvalidOptionError(
                    f"{name} must be a number of seconds from {least:g} on, not {value!r}"
                )
        if self.shortest > self.longest:
            raise InvalidOptionError(
                f"shortest is {self.shortest:g}, more than longest, which is {self.longest:g}"
            )


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: milliseconds, `end` after `start`; at least one line, none of them empty."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None = None

    labelled: tuple[str, ...] = ()
    """The lines with the speaker's name before the first; empty when it is not known."""


DEFAULT_LAYOUT: Final = Layout()

# Unicode categories of characters that must not begin a line (closing punctuation, marks, the
# Japanese length mark) or end one (opening punctuation).
_NEVER_FIRST: Final = frozenset({"Pe", "Pf", "Po", "Lm", "Mn", "Mc"})
_NEVER_LAST: Final = frozenset({"Ps", "Pi"})


def cues(transcript: TranscriptLike, layout: Layout = DEFAULT_LAYOUT) -> Iterator[Cue]:
    """The cues of a transcript, in its order.

    Each segment is one cue, or as many as its text, its length and its speakers need where its
    words have times. Segments without text have none.
    """
    spoken = diarized(transcript)
    made = [
        cue for part in (spoken or transcript).segments for cue in _of_segment(part, layout, spoken)
    ]
    for number, cue in enumerate(made, start=1):
        yield _timed(cue, made[number] if number < len(made) else None, layout)


def _of_segment(
    segment: SegmentLike, layout: Layout, spoken: SpokenTranscript | None
) -> Iterator[Cue]:
    if not segment.words:
        yield from _cue(segment.start, segment.end, segment.text, None, layout)
        return
    for speaker, run in groupby(segment.words, lambda word: _speaker(word, spoken)):
        for words in divide(list(run), lambda group: _fits(group, speaker, layout)):  # noqa: B023
            end = min(words[-1].end, words[0].start + layout.longest)
            yield from _cue(words[0].start, end, _joined(words), speaker, layout)


def _speaker(word: WordLike, spoken: SpokenTranscript | None) -> str | None:
    return word.speaker if spoken is not None and isinstance(word, SpokenWord) else None


def _joined(words: Sequence[WordLike]) -> str:
    return "".join(word.text for word in words)


def _fits(words: Sequence[WordLike], speaker: str | None, layout: Layout) -> bool:
    text = _joined(words) if speaker is None else f"{speaker}: {_joined(words).lstrip()}"
    return (
        words[-1].end - words[0].start <= layout.longest and len(wrap(text, layout)) <= layout.lines
    )


def _cue(start: float, end: float, text: str, speaker: str | None, layout: Layout) -> Iterator[Cue]:
    lines = tuple(wrap(text, layout))
    if lines:
        labelled = () if speaker is None else tuple(wrap(f"{speaker}: {text}", layout))
        # Readers drop a cue that takes no time.
        first = milliseconds(start)
        yield Cue(first, max(milliseconds(end), first + 1), lines, speaker, labelled)


def _timed(cue: Cue, following: Cue | None, layout: Layout) -> Cue:
    """The cue, staying long enough to be read and gone in time for the next one."""
    end = max(cue.end, cue.start + milliseconds(layout.shortest))
    if following is not None and cue.start < following.start:
        latest = following.start - milliseconds(layout.gap)
        # Where there is no room for the gap, the cues meet.
        end = min(end, latest if latest > cue.start else following.start)
    elif following is not None:
        end = cue.end  # the next one is no later: nothing to keep clear of
    return dataclasses.replace(cue, end=end)


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
