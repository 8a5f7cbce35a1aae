"""Readable segments: the engine's, cut into sentences and clauses, never within a word.

    split(segment)     →  segments whose words, texts and tokens join to those of the one given

A segment whose words have no times is left whole, for nothing tells where its parts begin.
"""

from __future__ import annotations

import codecs
import dataclasses
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from earwitness.spoken import SegmentLike, SpokenSegment, SpokenWord, TokenLike, WordLike

W = TypeVar("W", bound=WordLike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """How long a segment may be."""

    pause: float = 0.8
    """Seconds of silence between two words that begin a new segment, whatever the punctuation."""

    longest: float = 12.0
    """Seconds of a segment; a longer sentence is cut at its clauses, then at its pauses."""

    characters: int = 168
    """Characters of a segment: what two subtitles of two lines of 42 hold."""


DEFAULT_READABLE: Final = Readable()

_FINAL: Final = frozenset(".?!…。？！｡।؟۔")  # noqa: RUF001 - other scripts' own marks
_CLAUSE: Final = frozenset(",;:，、；：،—–")  # noqa: RUF001 - other scripts' own marks
# Titles and the like before which no sentence ends, without their last dot.
_TITLES: Final = "mr mrs ms dr prof st sr jr gen sen rep gov capt lt col rev m mme mlle hr fr sra"
_OTHERS: Final = "vs no fig e.g i.e cf approx ud z.b d.h"
_ABBREVIATIONS: Final = frozenset(f"{_TITLES} {_OTHERS}".split())


def split(
    segment: SegmentLike, first_id: int, rules: Readable = DEFAULT_READABLE
) -> list[SpokenSegment]:
    """The parts of a segment, in order, numbered from `first_id`.

    Their texts join to the segment's text, their tokens to its tokens, their words to its words.
    """
    if not segment.words:
        return [_part(segment, first_id, (), tuple(segment.tokens), segment.text)]
    groups = list(_groups(segment.words, rules))
    tokens = _tokens_of(groups, segment)
    return [
        _part(segment, first_id + number, group, own, "".join(word.text for word in group))
        for number, (group, own) in enumerate(zip(groups, tokens, strict=True))
    ]


def select(segment: SpokenSegment, first: int, last: int) -> SpokenSegment:
    """The words from `first` to before `last` of a segment, at least one, with their tokens."""
    words = segment.words
    chosen = words[first:last]
    return dataclasses.replace(
        segment,
        start=chosen[0].start,
        end=chosen[-1].end,
        text="".join(word.text for word in chosen),
        words=chosen,
        tokens=_tokens_of([words[:first], chosen, words[last:]], segment)[1],
    )


def _part(
    segment: SegmentLike,
    number: int,
    words: Sequence[WordLike],
    tokens: tuple[TokenLike, ...],
    text: str,
) -> SpokenSegment:
    return SpokenSegment(
        id=number,
        seek=segment.seek,
        start=words[0].start if words else segment.start,
        end=words[-1].end if words else segment.end,
        text=text,
        tokens=tokens,
        words=tuple(SpokenWord(w.text, w.start, w.end, w.confidence) for w in words),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
    )


def _groups(words: Sequence[WordLike], rules: Readable) -> Iterator[Sequence[WordLike]]:
    sentence: list[WordLike] = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        sentence.append(word)
        if (
            following is None
            or following.start - word.end >= rules.pause
            or ends_sentence(word.text, following.text)
        ):
            yield from divide(sentence, lambda group: _is_short(group, rules))
            sentence = []


def _is_short(words: Sequence[WordLike], rules: Readable) -> bool:
    return (
        words[-1].end - words[0].start <= rules.longest
        and sum(len(word.text) for word in words) <= rules.characters
    )


def ends_sentence(word: str, following: str) -> bool:
    """Whether a sentence ends between two words that follow each other."""
    bare = word.strip()
    core = bare.rstrip("\"'”’»)]」』")  # noqa: RUF001 - closing quotes
    if not core or core[-1] not in _FINAL:
        return False
    begins = next((char for char in following if char.isalnum()), "")
    if begins.islower():
        return False
    stem = core[:-1]
    # "Dr. Smith", "J. F. Kennedy": a dot that shortens a word ends no sentence.
    initial = len(stem) == 1 and stem.isalpha() and stem not in ("I", "a") and _is_latin(stem)
    return core[-1] != "." or not (stem.lower() in _ABBREVIATIONS or initial)


def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN")


def divide(words: Sequence[W], fits: Callable[[Sequence[W]], bool]) -> Iterator[Sequence[W]]:
    """Words in as many groups as it takes for each to fit; a single word always does.

    They are cut in two, again and again, where that is best: at a clause, at a pause, near the
    middle.
    """
    waiting = [words]
    while waiting:
        group = waiting.pop()
        if len(group) == 1 or fits(group):
            yield group
        else:
            at = max(range(1, len(group)), key=lambda cut: _merit(group, cut))
            waiting += [group[at:], group[:at]]


def _merit(words: Sequence[WordLike], cut: int) -> tuple[float, int]:
    before, after = words[cut - 1], words[cut]
    balance = min(cut, len(words) - cut) / len(words)  # 0 to 0.5
    end = before.text.rstrip()[-1:]
    clause = 1.0 if end in _CLAUSE or end in _FINAL else 0.0
    pause = min(1.0, max(0.0, after.start - before.end) / 0.5)
    return clause + pause + 2.0 * balance, -cut


def _tokens_of(
    groups: Sequence[Sequence[WordLike]], segment: SegmentLike
) -> list[tuple[TokenLike, ...]]:
    """The tokens of each group of words: those whose text makes up the group's."""
    shares: list[tuple[TokenLike, ...]] = []
    pieces = _whole_pieces(segment.tokens)
    piece = next(pieces, None)
    for group in groups:
        wanted = sum(len(word.text) for word in group)
        own: list[TokenLike] = []
        while wanted > 0 and piece is not None:
            text, tokens = piece
            wanted -= len(text)
            own += tokens
            piece = next(pieces, None)
        shares.append(tuple(own))
    # Tokens without any text at the end belong to what they follow.
    while piece is not None:
        shares[-1] += tuple(piece[1])
        piece = next(pieces, None)
    return shares


def _whole_pieces(tokens: Sequence[TokenLike]) -> Iterator[tuple[str, list[TokenLike]]]:
    """Tokens joined until they hold whole characters, with the text that the engine gives them.

    The rule is the engine's own (`cpp/src/speech/words.cpp`): a character has four bytes at most.
    """
    piece: list[TokenLike] = []
    for index, token in enumerate(tokens):
        piece.append(token)
        content = b"".join(member.text for member in piece)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            if len(piece) < 4 and index + 1 < len(tokens):
                continue
            text = content.decode("utf-8", errors=_EACH_BYTE)
        yield text, piece
        piece = []


_EACH_BYTE: Final = "earwitness-each-byte"


def _replace_byte(error: UnicodeError) -> tuple[str, int]:
    """One replacement character for each byte that is part of no character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd", error.start + 1


codecs.register_error(_EACH_BYTE, _replace_byte)
