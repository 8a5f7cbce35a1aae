"""Hearing a recording chunk by chunk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earwitness import engine
from earwitness.answers import compression_ratio
from earwitness.chunking import Chunk, carry_over, stitch
from earwitness.options import SAMPLE_RATE, Options
from earwitness.sentences import select
from earwitness.spoken import SpokenSegment, SpokenWord

if TYPE_CHECKING:
    from earwitness.audio import Samples
    from earwitness.spoken import SegmentLike


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a recording beside its segments."""

    task: str
    language: str


def transcribe_chunks(
    pcm: Samples,
    chunks: Sequence[Chunk],
    options: Options,
    take: Callable[[SpokenSegment], object],
) -> Heard:
    """Give `take` the segments of all chunks, in order, with their times in the recording.

    Args:
        pcm: the recording, 16 kHz mono.
        options: as for the engine, which hears each chunk whole; the language that the first chunk
            finds holds for all.
    """
    cut = any(chunk.cut_before for chunk in chunks)
    wanted = options.replace(
        on_segment=None, word_timestamps=options.word_timestamps or cut, vad=False
    )
    heard = Heard(options.task, options.language or "")
    total = sum(chunk.length for chunk in chunks)
    done = 0
    waiting: list[SpokenSegment] = []  # of the chunk before, whose end may be heard again
    prompt = options.prompt
    for number, chunk in enumerate(chunks):
        progress = _progress(options, done, chunk.length, total)
        audio = _audio(pcm, chunk)
        transcript = engine.transcribe(
            audio.data, wanted.replace(prompt=prompt, on_progress=progress)
        )
        done += chunk.length
        if transcript.language:
            heard = Heard(transcript.task, transcript.language)
            wanted = wanted.replace(language=transcript.language)
        segments = [_located(segment, chunk) for segment in transcript.segments]
        if chunk.cut_before:
            waiting, segments = _stitched(waiting, segments, chunk.cores[0][0] / SAMPLE_RATE)
        for segment in waiting:
            take(segment)
        waiting = segments
        if options.condition_on_previous_text and number + 1 < len(chunks):
            prompt = _prompt(options.prompt, segments, chunk, chunks[number + 1])
    for segment in waiting:
        take(segment)
    return heard


def _audio(pcm: Samples, chunk: Chunk) -> Samples:
    if len(chunk.pieces) == 1:
        return pcm[chunk.pieces[0].start : chunk.pieces[0].end]
    import numpy as np

    return np.concatenate([pcm[piece.start : piece.end] for piece in chunk.pieces])


def _progress(
    options: Options, done: int, length: int, total: int
) -> Callable[[float], object] | None:
    on_progress = options.on_progress
    if on_progress is None:
        return None
    return lambda share: on_progress((done + share * length) / total)


def _located(segment: SegmentLike, chunk: Chunk) -> SpokenSegment:
    """The segment with its times in the recording."""
    words = []
    for word in segment.words:
        start, end = chunk.locate(word.start, word.end)
        words.append(SpokenWord(word.text, start, end, word.confidence))
    if words:
        start, end = words[0].start, words[-1].end
    else:
        start, end = chunk.locate(segment.start, segment.end)
    seek, _ = chunk.locate(segment.seek / 100, segment.seek / 100)
    return SpokenSegment(
        id=0,
        seek=int(seek * 100),
        start=start,
        end=end,
        text=segment.text,
        tokens=tuple(segment.tokens),
        words=tuple(words),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
    )


def _stitched(
    before: list[SpokenSegment], after: list[SpokenSegment], cut: float
) -> tuple[list[SpokenSegment], list[SpokenSegment]]:
    """The segments of two chunks that overlap, each word in one of them."""
    old = [word for segment in before for word in segment.words]
    new = [word for segment in after for word in segment.words]
    kept, skipped = stitch(old, new, cut)
    first, second = _words(before, 0, kept), _words(after, skipped, len(new))
    if first and second and first[-1].end > second[0].start:
        # Two hearings of one moment differ by some hundredths of a second: they meet half-way.
        meet = max((first[-1].end + second[0].start) / 2, first[-1].words[-1].start)
        first[-1] = _within(first[-1], -math.inf, meet)
        second = [_within(segment, meet, math.inf) for segment in second]
    return first, second


def _within(segment: SpokenSegment, low: float, high: float) -> SpokenSegment:
    """The segment with no time before `low` or after `high`."""
    words = tuple(
        dataclasses.replace(
            word, start=min(max(word.start, low), high), end=min(max(word.end, low), high)
        )
        for word in segment.words
    )
    return dataclasses.replace(segment, start=words[0].start, end=words[-1].end, words=words)


def _words(segments: Sequence[SpokenSegment], first: int, last: int) -> list[SpokenSegment]:
    """The words from `first` to before `last` of all segments' words, with their segments."""
    chosen = []
    at = 0
    for segment in segments:
        low, high = max(first - at, 0), min(last - at, len(segment.words))
        if low < high:
            chosen.append(select(segment, low, high))
        at += len(segment.words)
    return chosen


def _prompt(prompt: str, segments: Sequence[SpokenSegment], chunk: Chunk, following: Chunk) -> str:
    text = "".join(segment.text for segment in segments)
    context = carry_over(
        text,
        gap=(following.cores[0][0] - chunk.cores[-1][1]) / SAMPLE_RATE,
        temperature=max((segment.temperature for segment in segments), default=0.0),
        compression_ratio=compression_ratio(text),
    )
    return f"{prompt} {context.strip()}".strip()
