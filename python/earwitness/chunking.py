"""From stretches of speech to the chunks that the engine hears: pure functions of numbers.

    plan(spans, duration)  →  chunks, each at most 30 s, that hold all the speech and little else
    regions(spans)         →  stretches with all the speech, for an engine that cuts for itself

Speech is packed into as few chunks as it fits in; among those ways, the one with the least audio,
cut at the longest silences. What is between stretches far apart is not heard: a chunk is made of
pieces of the recording, and `Chunk.locate` takes its times back to the recording's. Speech of more
than a chunk without a pause is cut where it must be, with an overlap in which `stitch` finds the
word to go on from.

Positions are whole samples at 16 kHz, so that nothing is lost to rounding and a recording with
silence put before it is cut at the same places.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from earwitness.errors import InvalidOptionError
from earwitness.options import SAMPLE_RATE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from earwitness._core import CancelToken
    from earwitness.spoken import TimedWord

Stretch = tuple[int, int]
"""Start and end in samples."""


class SpeechFinderLike(Protocol):
    """Finds where there is speech in 16 kHz mono samples; music and noise are none."""

    def find(
        self,
        pcm: Buffer,
        *,
        threshold: float = ...,
        padding: float = ...,
        min_silence: float = ...,
        cancel: CancelToken | None = ...,
    ) -> Sequence[tuple[float, float]]:
        """The stretches of speech as (start, end) in seconds, in order and disjoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRules:
    """How chunks are made; all in seconds.

    Raises:
        InvalidOptionError: the limit leaves no room between padding and overlap.
    """

    limit: float = 30.0
    """The longest chunk: the window of Whisper models."""

    padding: float = 0.4
    """Heard before and after each stretch, for onsets that detectors miss (faster-whisper's)."""

    overlap: float = 2.0
    """Heard twice where speech without a pause is cut: room for the word at the cut."""

    def __post_init__(self) -> None:
        if min(self.padding, self.overlap) < 0 or self.limit < 1 + 2 * self.margin:
            raise InvalidOptionError(
                f"limit is {self.limit:g}: it must be a second more than twice the padding and "
                "than the overlap, which must not be negative"
            )

    @property
    def margin(self) -> float:
        """The most that is heard beside a stretch, on each side."""
        return max(self.padding, self.overlap / 2)


DEFAULT_RULES: Final = ChunkRules()

# Samples beyond which a longer silence is no better place to cut.
_MOST_SILENCE: Final = 5 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the recording, in samples, and where it is in its chunk."""

    start: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is heard at once."""

    pieces: tuple[Piece, ...]
    """The audio: parts of the recording in order, which follow each other in the chunk."""

    cores: tuple[Stretch, ...]
    """The speech that this chunk, and no other, is to write down."""

    cut_before: bool = False
    """Whether speech is cut at its start: the end of the chunk before is heard again in it."""

    @property
    def length(self) -> int:
        """Samples of audio."""
        return self.pieces[-1].offset + self.pieces[-1].end - self.pieces[-1].start

    def locate(self, start: float, end: float) -> tuple[float, float]:
        """A word's time in the recording from its time in the chunk, both in seconds.

        A word that reaches over an omitted silence keeps the part where most of it is.
        """
        first, last = start * SAMPLE_RATE, end * SAMPLE_RATE
        near = max(0, bisect_right([piece.offset for piece in self.pieces], first) - 1)
        piece = max(self.pieces[near:], key=lambda piece: _inside(piece, first, last))
        shift = piece.start - piece.offset
        bounded = (min(max(at + shift, piece.start), piece.end) for at in (first, last))
        located = [at / SAMPLE_RATE for at in bounded]
        return located[0], located[1]


def _inside(piece: Piece, first: float, last: float) -> float:
    return min(last, piece.offset + piece.end - piece.start) - max(first, piece.offset)


def regions(
    spans: Sequence[tuple[float, float]], rules: ChunkRules = DEFAULT_RULES
) -> tuple[tuple[float, float], ...]:
    """Stretches of the recording, in order and apart, that hold all the speech.

    Each fits into one window of the model, unless it is one span that does not. Fewest windows,
    then least audio, then the longest silences between them.

    Args:
        spans: the stretches of speech as (start, end) in seconds, in any order.
        rules: `limit` is the window's length; `padding` is heard on each side.
    """
    last = max((end for _, end in spans), default=0.0)
    speech = merged(spans, round(last * SAMPLE_RATE))
    limit, padding = _samples(rules.limit), _samples(rules.padding)
    edges = [0, *((a[1] + b[0]) // 2 for a, b in itertools.pairwise(speech)), None]
    padded = [
        (
            max(low or 0, start - padding),
            end + padding if high is None else min(high, end + padding),
        )
        for (start, end), low, high in zip(speech, edges, edges[1:], strict=False)
    ]

    def costs(last: int) -> Iterator[tuple[int, _Cost]]:
        for first in range(last, -1, -1):
            length = padded[last][1] - padded[first][0]
            if length > limit and first < last:
                return
            gap = padded[first][0] - padded[first - 1][1] if first else 0
            yield first, (-(-length // limit), length, -min(gap, _MOST_SILENCE))

    return tuple(
        (padded[first][0] / SAMPLE_RATE, padded[last][1] / SAMPLE_RATE)
        for first, last in _cheapest(len(padded), costs)
    )


# Windows, samples that are heard, the silence at the cut, which is a gain: the first counts most.
_Cost = tuple[int, int, int]


def _cheapest(
    count: int, costs: Callable[[int], Iterable[tuple[int, _Cost]]]
) -> list[tuple[int, int]]:
    """Groups of neighbours, as (first, last), whose costs add up to the least.

    By dynamic programming over the item that a group begins with.

    Args:
        count: of the items.
        costs: for the last item of a group, the first ones that it may have, with the group's cost.
    """
    best: list[_Cost] = [(0, 0, 0)]  # of the first n items
    begin: list[int] = [0]
    for last in range(count):
        choices: list[tuple[_Cost, int]] = []
        for first, (windows, audio, silence) in costs(last):
            before = best[first]
            choices.append(((before[0] + windows, before[1] + audio, before[2] + silence), first))
        cost, first = min(choices)
        best.append(cost)
        begin.append(first)
    groups: list[tuple[int, int]] = []
    at = count
    while at > 0:
        groups.append((begin[at], at - 1))
        at = begin[at]
    return groups[::-1]


@dataclass(frozen=True, slots=True)
class _Item:
    """A stretch that is not cut any more; `cut` tells on which sides it was."""

    start: int
    end: int
    cut_before: bool
    cut_after: bool


def plan(
    spans: Sequence[tuple[float, float]], duration: float, rules: ChunkRules = DEFAULT_RULES
) -> tuple[Chunk, ...]:
    """The chunks of a recording.

    Args:
        spans: the stretches of speech as (start, end) in seconds, in any order.
        duration: of the recording, in seconds; what lies beyond is left out.
        rules: their lengths.
    """
    total = round(duration * SAMPLE_RATE)
    items = [part for stretch in merged(spans, total) for part in _cut(stretch, rules)]
    groups = _pack(items, rules)
    return tuple(_chunk(items, first, last, total, rules) for first, last in groups)


def merged(spans: Sequence[tuple[float, float]], total: int) -> list[Stretch]:
    """Spans in seconds as stretches in samples: in order, within the recording, apart."""
    stretches: list[Stretch] = []
    for start, end in sorted(
        (max(0, round(start * SAMPLE_RATE)), min(total, round(end * SAMPLE_RATE)))
        for start, end in spans
    ):
        if start >= end:
            continue
        if stretches and start <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], end))
        else:
            stretches.append((start, end))
    return stretches


def _cut(stretch: Stretch, rules: ChunkRules) -> list[_Item]:
    """A stretch, in equal parts when one chunk cannot hold it."""
    start, end = stretch
    room = _samples(rules.limit) - 2 * _samples(rules.margin)
    parts = -(-(end - start) // room)
    edges = [start + (end - start) * number // parts for number in range(parts + 1)]
    return [
        _Item(edges[n], edges[n + 1], cut_before=n > 0, cut_after=n < parts - 1)
        for n in range(parts)
    ]


def _pack(items: Sequence[_Item], rules: ChunkRules) -> list[tuple[int, int]]:
    """The first and last item of each chunk.

    Fewest chunks, then least audio, then the longest silences at the cuts. Only differences of
    positions count.
    """
    limit, padding = _samples(rules.limit), _samples(rules.padding)

    def costs(last: int) -> Iterator[tuple[int, _Cost]]:
        length = _side(items[last].cut_after, rules)
        for first in range(last, -1, -1):
            if first < last:
                length += min(items[first + 1].start - items[first].end, 2 * padding)
            length += items[first].end - items[first].start
            heard = length + _side(items[first].cut_before, rules)
            # Without a cut before it the chunk could only grow shorter by what is at its edge.
            if length > limit:
                return
            if heard > limit:
                continue
            gap = items[first].start - items[first - 1].end if first else 0
            yield first, (1, heard, -min(gap, _MOST_SILENCE))

    return _cheapest(len(items), costs)


def _chunk(items: Sequence[_Item], first: int, last: int, total: int, rules: ChunkRules) -> Chunk:
    own = items[first : last + 1]
    heard: list[Stretch] = []
    for number, item in enumerate(own, start=first):
        start = max(0, item.start - _reach(items, number, -1, rules))
        end = min(total, item.end + _reach(items, number, +1, rules))
        if heard and start <= heard[-1][1]:
            heard[-1] = (heard[-1][0], end)
        else:
            heard.append((start, end))
    pieces: list[Piece] = []
    offset = 0
    for start, end in heard:
        pieces.append(Piece(start, end, offset))
        offset += end - start
    cores = tuple((item.start, item.end) for item in own)
    return Chunk(tuple(pieces), cores, cut_before=own[0].cut_before)


def _reach(items: Sequence[_Item], number: int, side: int, rules: ChunkRules) -> int:
    """Samples heard beside an item: into its other half where it was cut, else half of the silence.

    Half, so that no chunk hears its neighbour's speech.
    """
    item = items[number]
    if item.cut_before if side < 0 else item.cut_after:
        return _side(True, rules)
    padding = _samples(rules.padding)
    if not 0 <= number + side < len(items):
        return padding
    other = items[number + side]
    gap = item.start - other.end if side < 0 else other.start - item.end
    return min(padding, gap // 2 if side < 0 else gap - gap // 2)


def _side(cut: bool, rules: ChunkRules) -> int:
    return _samples(rules.overlap / 2 if cut else rules.padding)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


SAME_WORD: Final = 0.5
"""Seconds that the middles of one word may lie apart in two hearings of it."""


def stitch(before: Sequence[TimedWord], after: Sequence[TimedWord], cut: float) -> tuple[int, int]:
    """Join the words of two chunks that overlap.

    Args:
        before, after: the words of the two, in order.
        cut: where the speech was cut, in seconds.

    Returns:
        How many words of the first to keep, and how many of the second to leave out. Where both
        heard the same word, the one nearest to the cut is where they join; else each keeps what
        lies on its side.
    """
    pairs = [
        (abs(_middle(old) - cut), i, j)
        for i, old in enumerate(before)
        for j, new in enumerate(after)
        if abs(_middle(old) - _middle(new)) <= SAME_WORD and _bare(old) == _bare(new) != ""
    ]
    if pairs:
        _, i, j = min(pairs)
        return i + 1, j + 1
    kept = sum(1 for word in before if _middle(word) < cut)
    skipped = sum(1 for word in after if _middle(word) < cut)
    return kept, skipped


def _middle(word: TimedWord) -> float:
    return (word.start + word.end) / 2


def _bare(word: TimedWord) -> str:
    return "".join(char for char in word.text.casefold() if char.isalnum())


LONGEST_GAP_OF_CONTEXT: Final = 5.0
HOTTEST_CONTEXT: Final = 0.5
DENSEST_CONTEXT: Final = 2.4


def carry_over(text: str, *, gap: float, temperature: float, compression_ratio: float) -> str:
    """What of a chunk's text may prompt the next one: all, or nothing.

    Nothing after a silence of more than 5 s, where something else begins; nothing that was decoded
    at a temperature above 0.5 (openai-whisper's rule) or that repeats itself, for the next chunk
    would go on with it.
    """
    sound = (
        gap <= LONGEST_GAP_OF_CONTEXT
        and temperature <= HOTTEST_CONTEXT
        and compression_ratio <= DENSEST_CONTEXT
    )
    return text if sound else ""
