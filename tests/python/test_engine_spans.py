"""Stretches of a recording that are heard together."""

from __future__ import annotations

import earwitness
import numpy as np
import numpy.typing as npt
import pytest

Pcm = npt.NDArray[np.float32]


# Of different lengths, one of them without any sound, one of more than a window.
STRETCHES = ((0.0, 4.0), (4.0, 11.0), (11.0, 14.0), (14.0, 56.0), (56.0, 61.5), (61.5, 72.0))


@pytest.fixture
def recording(jfk: Pcm, conversation: Pcm) -> Pcm:
    parts = [jfk, np.zeros(3 * 16000, np.float32), conversation, jfk, jfk, jfk]
    return np.concatenate(parts)[: 72 * 16000]


def outline(transcript: earwitness.Transcript) -> list[tuple[object, ...]]:
    return [
        (s.start, s.end, s.text, s.avg_logprob, [(w.text, w.start, w.end) for w in s.words])
        for s in transcript.segments
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_stretches_are_heard_as_if_alone(
    engine: earwitness.Engine, recording: Pcm, threads: int
) -> None:
    options = earwitness.Options(word_timestamps=True, threads=threads)
    heard: list[str] = []
    together = engine.transcribe(
        recording, options, spans=STRETCHES, on_segment=lambda segment: heard.append(segment.text)
    )
    alone = [engine.transcribe(recording, options, spans=(span,)) for span in STRETCHES]
    assert outline(together) == [segment for part in alone for segment in outline(part)]
    assert len(together.segments) > len(STRETCHES)
    assert heard == [segment.text for segment in together.segments]
    assert [segment.id for segment in together.segments] == list(range(len(together.segments)))


def test_the_first_segments_do_not_wait_for_the_last_stretch(
    engine: earwitness.Engine, recording: Pcm
) -> None:
    progress: list[float] = []
    at: list[float] = []
    engine.transcribe(
        recording,
        spans=STRETCHES,
        on_progress=progress.append,
        on_segment=lambda _: at.append(progress[-1]),
    )
    assert at[0] < 0.1
    assert at == sorted(at)
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_conditioned_on_text_windows_are_heard_one_after_another(
    engine: earwitness.Engine, recording: Pcm
) -> None:
    conditioned = engine.transcribe(recording, spans=STRETCHES, condition_on_previous_text=True)
    again = engine.transcribe(recording, spans=STRETCHES, condition_on_previous_text=True)
    assert outline(conditioned) == outline(again)
    first = engine.transcribe(recording, spans=STRETCHES[:1], condition_on_previous_text=True)
    assert outline(conditioned)[: len(first.segments)] == outline(first)
