"""From speech to chunks: what must hold whatever the speech."""

from __future__ import annotations

import itertools

import pytest
from earwitness import InvalidOptionError
from earwitness.chunking import Chunk, ChunkRules, carry_over, merged, plan, regions, stitch
from hypothesis import given
from hypothesis import strategies as st
from standins import Word

RATE = 16000
LIMIT = 30 * RATE

# Lengths and gaps as they come: words, sentences, monologues; breaths, pauses, scenes apart.
lengths = st.sampled_from([0.05, 0.3, 1.0, 4.0, 12.0, 29.0, 31.0, 95.0]) | st.floats(0.01, 40)
gaps = st.sampled_from([0.01, 0.3, 0.79, 0.81, 2.0, 400.0]) | st.floats(0.01, 8)


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[tuple[float, float]], float]:
    """Spans of speech on the grid of samples, and the duration."""
    at = draw(st.integers(0, 5 * RATE))
    spans = []
    for length, gap in draw(st.lists(st.tuples(lengths, gaps), max_size=30)):
        end = at + max(1, round(length * RATE))
        spans.append((at / RATE, end / RATE))
        at = end + max(1, round(gap * RATE))
    return spans, at / RATE


def speech(spans: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return merged(spans, 10**12)


@given(recordings())
def test_every_sample_of_speech_is_in_the_core_of_one_chunk(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    spans, duration = recording
    cores = [core for chunk in plan(spans, duration) for core in chunk.cores]
    joined: list[tuple[int, int]] = []
    for start, end in cores:
        assert start < end
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            assert not joined or joined[-1][1] < start
            joined.append((start, end))
    assert joined == speech(spans)


@given(recordings())
def test_no_chunk_is_over_the_limit_and_all_hear_their_core(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    spans, duration = recording
    for chunk in plan(spans, duration):
        assert 0 < chunk.length <= LIMIT
        assert chunk.length == sum(piece.end - piece.start for piece in chunk.pieces)
        for before, after in itertools.pairwise(chunk.pieces):
            assert before.end < after.start
            assert after.offset == before.offset + before.end - before.start
        assert chunk.pieces[0].start >= 0
        assert chunk.pieces[-1].end <= round(duration * RATE)
        for start, end in chunk.cores:
            assert any(piece.start <= start and end <= piece.end for piece in chunk.pieces)


@given(recordings())
def test_no_chunk_hears_speech_that_is_not_its_own_but_where_it_was_cut(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    spans, duration = recording
    chunks = plan(spans, duration)
    for before, after in itertools.pairwise(chunks):
        if after.cut_before:
            assert before.cores[-1][1] == after.cores[0][0]
            assert before.pieces[-1].end - after.pieces[0].start == 2 * RATE
        else:
            assert before.pieces[-1].end <= after.pieces[0].start


@given(recordings(), st.integers(0, 100 * RATE), st.integers(0, 100 * RATE))
def test_the_result_does_not_depend_on_padding_of_the_file(
    recording: tuple[list[tuple[float, float]], float], before: int, after: int
) -> None:
    spans, duration = recording
    moved = [(start + before / RATE, end + before / RATE) for start, end in spans]
    plain = [chunk.cores for chunk in plan(spans, duration)]
    padded = [chunk.cores for chunk in plan(moved, duration + (before + after) / RATE)]
    assert padded == [tuple((s + before, e + before) for s, e in cores) for cores in plain]


@given(recordings())
def test_chunks_are_as_few_as_they_can_be(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    """Filling each chunk before the next is begun is the best there is, when order is kept."""
    spans, duration = recording
    chunks = plan(spans, duration)
    parts = [core for chunk in chunks for core in chunk.cores]
    cut = {chunk.cores[0] for chunk in chunks if chunk.cut_before}
    if cut:
        return  # what was cut has other bounds
    count, length = 0, LIMIT + 1
    for number, (start, end) in enumerate(parts):
        gap = min(start - parts[number - 1][1], round(0.8 * RATE)) if number else 0
        if length + gap + end - start > LIMIT:
            count += 1
            length = round(0.8 * RATE)
            gap = 0
        length += gap + end - start
    assert len(chunks) == count


@given(recordings(), st.data())
def test_times_come_back_exactly(
    recording: tuple[list[tuple[float, float]], float], data: st.DataObject
) -> None:
    spans, duration = recording
    for chunk in plan(spans, duration):
        piece = data.draw(st.sampled_from(chunk.pieces))
        length = piece.end - piece.start
        first = data.draw(st.integers(0, length - 1))
        last = data.draw(st.integers(first + 1, length))
        start, end = chunk.locate((piece.offset + first) / RATE, (piece.offset + last) / RATE)
        assert round(start * RATE) == piece.start + first
        assert round(end * RATE) == piece.start + last


@given(recordings(), st.data())
def test_located_words_stay_in_order(
    recording: tuple[list[tuple[float, float]], float], data: st.DataObject
) -> None:
    spans, duration = recording
    for chunk in plan(spans, duration)[:3]:
        times = sorted(
            data.draw(st.lists(st.floats(0, chunk.length / RATE), min_size=2, max_size=12))
        )
        words = [chunk.locate(a, b) for a, b in itertools.pairwise(times)]
        for (start, end), (following, _) in itertools.pairwise(words):
            assert start <= end <= following
        assert all(start >= 0 and end <= duration for start, end in words)


def test_silence_has_no_chunks() -> None:
    assert plan([], 100.0) == ()
    assert plan([(3.0, 3.0), (200.0, 300.0)], 100.0) == ()


def test_what_is_between_scenes_is_not_heard() -> None:
    (chunk,) = plan([(10.0, 12.0), (500.0, 503.0)], 1000.0)
    assert [(p.start / RATE, p.end / RATE) for p in chunk.pieces] == [(9.6, 12.4), (499.6, 503.4)]
    assert chunk.locate(3.0, 3.5) == (499.8, 500.3)
    # A word that reaches over the cut keeps its larger part.
    assert chunk.locate(2.0, 3.0) == (11.6, 12.4)


def test_the_cut_is_at_the_longest_silence() -> None:
    spans = [(0.0, 9.0), (9.2, 18.0), (19.5, 28.0), (28.1, 33.0)]
    first, second = plan(spans, 40.0)
    assert (first.cores[-1][1], second.cores[0][0]) == (18 * RATE, round(19.5 * RATE))


def test_speech_without_a_pause_is_cut_with_an_overlap() -> None:
    first, second, third = plan([(1.0, 80.0)], 100.0)
    assert [chunk.cut_before for chunk in (first, second, third)] == [False, True, True]
    assert second.pieces[0].start == first.pieces[0].end - 2 * RATE
    lengths = {chunk.cores[0][1] - chunk.cores[0][0] for chunk in (first, second, third)}
    assert max(lengths) - min(lengths) <= 1


def test_spans_may_come_in_any_order_and_overlap() -> None:
    assert merged([(5.0, 6.0), (1.0, 2.0), (1.5, 3.0), (3.0, 4.0)], 10 * RATE) == [
        (RATE, 4 * RATE),
        (5 * RATE, 6 * RATE),
    ]


def test_rules_that_leave_no_room_are_refused() -> None:
    with pytest.raises(InvalidOptionError, match="limit is 2"):
        ChunkRules(limit=2.0)
    with pytest.raises(InvalidOptionError):
        ChunkRules(padding=-1.0)
    chunks = plan([(0.0, 60.0)], 60.0, ChunkRules(limit=5.0, padding=0.1, overlap=0.5))
    assert max(chunk.length for chunk in chunks) <= 5 * RATE


# --- where two chunks heard the same words -----------------------------------------------------


def words(text: str, start: float, step: float = 0.4) -> list[Word]:
    return [
        Word(f" {word}", start + step * i, start + step * (i + 1))
        for i, word in enumerate(text.split())
    ]


def joined(before: list[Word], after: list[Word], cut: float) -> str:
    kept, skipped = stitch(before, after, cut)
    return "".join(word.text for word in before[:kept] + after[skipped:]).strip()


def test_chunks_join_at_a_word_that_both_heard() -> None:
    before = words("we choose to go to the mo", 28.0)
    after = words("oose to go to the moon in this decade", 28.4)
    for cut in (29.0, 29.5, 30.0):
        assert joined(before, after, cut) == "we choose to go to the moon in this decade"


def test_punctuation_and_case_are_no_difference() -> None:
    before = words("and that was That. And", 28.0)
    after = words("that, and then", 29.2)
    assert joined(before, after, 29.4) == "and that was That. and then"


def test_without_a_word_in_common_each_keeps_its_side() -> None:
    before, after = words("a b c d", 28.0), words("w x y z", 28.0)
    assert joined(before, after, 28.8) == "a b y z"


@given(st.floats(0, 4), st.floats(0, 4))
def test_a_hearing_in_two_parts_is_the_hearing_in_one(first: float, second: float) -> None:
    whole = words("one two three four five six seven eight nine ten", 0.0, 0.5)
    low, high = sorted((min(first, second), max(first, second) + 1.0))
    before = [word for word in whole if word.end <= high]
    after = [word for word in whole if word.start >= low]
    assert joined(before, after, (low + high) / 2) == "".join(w.text for w in whole).strip()


def test_what_may_prompt_the_next_chunk() -> None:
    sound = {"gap": 1.0, "temperature": 0.2, "compression_ratio": 1.5}
    assert carry_over(" and so", **sound) == " and so"
    for doubt in ({"gap": 6.0}, {"temperature": 0.8}, {"compression_ratio": 3.0}):
        assert carry_over(" and so", **{**sound, **doubt}) == ""


def test_four_hours_of_dense_speech_is_planned_at_once() -> None:
    spans = [(i * 0.5, i * 0.5 + 0.4) for i in range(4 * 7200)]
    chunks = plan(spans, 4 * 3600.0)
    assert sum(len(chunk.cores) for chunk in chunks) == len(spans)
    assert isinstance(chunks[0], Chunk)


# --- regions ---------------------------------------------------------------------------------


@given(recordings())
def test_regions_hold_all_speech_apart_and_in_order(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    spans, _ = recording
    found = regions(spans)
    for before, after in itertools.pairwise(found):
        assert before[1] <= after[0]
    for start, end in spans:
        holding = [region for region in found if region[0] <= start and end <= region[1]]
        assert len(holding) == 1
    for start, end in found:
        own = [span for span in spans if start <= span[0] < end]
        assert own
        assert start >= 0
        # One window, but where one stretch of speech is longer; and no more silence than is due.
        assert end - start <= 30 or len(own) == 1
        assert own[0][0] - start <= 0.4 + 1e-9
        assert end - own[-1][1] <= 0.4 + 1e-9


@given(recordings())
def test_regions_take_no_more_windows_than_filling_one_after_another(
    recording: tuple[list[tuple[float, float]], float],
) -> None:
    spans, _ = recording
    short = [span for span in spans if span[1] - span[0] <= 29]
    count, begun = 0, -1e9
    for start, end in short:
        if end + 0.4 - (begun - 0.4) > 30:
            count, begun = count + 1, start
    assert len(regions(short)) <= count


def test_regions_of_no_speech() -> None:
    assert regions([]) == ()
    assert regions([(1.0, 1.0)]) == ()


def test_regions_part_at_the_longest_silence() -> None:
    spans = [(0.0, 10.0), (10.5, 14.0), (17.0, 28.0), (28.6, 40.0)]
    assert regions(spans) == ((0.0, 14.4), (16.6, 40.4))
