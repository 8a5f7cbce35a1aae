"""Segments as sentences and clauses: nothing lost, nothing cut within a word."""

from __future__ import annotations

import pytest
from earwitness.sentences import Readable, divide, ends_sentence, select, split
from earwitness.spoken import SpokenTranscript
from hypothesis import given
from hypothesis import strategies as st
from spoken_samples import conversations
from standins import Segment, Token, Word, segment_of_words


def texts(segment: Segment, rules: Readable | None = None) -> list[str]:
    parts = split(segment, 0, rules) if rules else split(segment, 0)
    return [part.text for part in parts]


def test_sentences_are_segments() -> None:
    segment = segment_of_words(" It works. Does it? It does! So be it...", 0.0, 0.3)
    assert texts(segment) == [" It works.", " Does it?", " It does!", " So be it..."]


@pytest.mark.parametrize(
    ("word", "following", "ends"),
    [
        (" done.", " Next", True),
        (' done."', " Next", True),
        (" Dr.", " Smith", False),
        (" J.", " F.", False),
        (" e.g.", " This", False),
        (" wait...", " and", False),
        (" Wait...", " And", True),
        (" really?", " he", False),
        (" I.", " Then", True),
        ("だ。", "名", True),
        (" comma,", " Then", False),
        (" 5.", " 2024", True),
        ("", " Then", False),
    ],
)
def test_where_a_sentence_ends(word: str, following: str, ends: bool) -> None:
    assert ends_sentence(word, following) is ends


def test_a_pause_ends_a_segment() -> None:
    words = [Word(" one", 0.0, 0.4), Word(" two", 0.5, 0.9), Word(" three", 2.0, 2.4)]
    segment = Segment(0, 0.0, 2.4, " one two three", words=words)
    first, second = split(segment, 7)
    assert (first.text, first.id, first.start, first.end) == (" one two", 7, 0.0, 0.9)
    assert (second.text, second.id, second.start, second.end) == (" three", 8, 2.0, 2.4)


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = (
        " When in the course of human events it becomes necessary, for one people to dissolve "
        "the political bands which have connected them with another, and to assume among the "
        "powers of the earth the separate and equal station"
    )
    parts = texts(segment_of_words(text, 0.0, 0.3))
    assert "".join(parts) == text
    assert all(len(part) <= 168 for part in parts)
    assert parts[0].endswith(",")


def test_without_times_of_words_a_segment_stays_whole() -> None:
    segment = Segment(3, 1.0, 9.0, " One. Two.", [Token(1), Token(2)])
    (part,) = split(segment, 5)
    assert (part.id, part.text, part.start, part.end) == (5, " One. Two.", 1.0, 9.0)
    assert [token.id for token in part.tokens] == [1, 2]


def test_characters_over_several_tokens_stay_with_their_word() -> None:
    pieces = [b" caf", b"\xc3", b"\xa9", b".", b" \xe7", b"\x8c\xab", b"\xff", b"."]
    tokens = [Token(i, piece) for i, piece in enumerate(pieces)]
    words = [Word(" café.", 0.0, 0.4), Word(" 猫\ufffd.", 0.4, 0.8)]
    segment = Segment(0, 0.0, 0.8, " café. 猫\ufffd.", tokens, words)
    first, second = split(segment, 0)
    assert [token.id for token in first.tokens] == [0, 1, 2, 3]
    assert [token.id for token in second.tokens] == [4, 5, 6, 7]


@given(conversations())
def test_parts_join_to_the_whole(transcript: SpokenTranscript) -> None:
    for segment in transcript.segments:
        parts = split(segment, 0)
        assert "".join(part.text for part in parts) == segment.text
        assert [token for part in parts for token in part.tokens] == list(segment.tokens)
        assert [(w.text, w.start, w.end) for part in parts for w in part.words] == [
            (w.text, w.start, w.end) for w in segment.words
        ]
        assert [part.id for part in parts] == list(range(len(parts)))
        for part in parts:
            assert len(part.tokens) == len(part.words) > 0  # in these, one of each
            assert (part.start, part.end) == (part.words[0].start, part.words[-1].end)
            short = part.end - part.start <= 12 and len(part.text) <= 168
            assert short or len(part.words) == 1


@given(conversations(), st.data())
def test_a_selection_has_its_own_tokens(transcript: SpokenTranscript, data: st.DataObject) -> None:
    for segment in transcript.segments:
        first = data.draw(st.integers(0, len(segment.words) - 1))
        last = data.draw(st.integers(first + 1, len(segment.words)))
        part = select(segment, first, last)
        assert part.words == segment.words[first:last]
        assert part.tokens == segment.tokens[first:last]
        assert part.text == "".join(word.text for word in part.words)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.integers(1, 20))
def test_divided_groups_fit(sizes: list[int], room: int) -> None:
    words = [Word("x" * size, float(i), i + 1.0) for i, size in enumerate(sizes)]
    groups = list(divide(words, lambda group: sum(len(w.text) for w in group) <= room))
    assert [word for group in groups for word in group] == words
    for group in groups:
        assert len(group) == 1 or sum(len(word.text) for word in group) <= room
