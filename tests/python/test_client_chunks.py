"""Hearing by chunks: where speech is known, only it is heard, and times come back right."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from earwitness import Client, demo
from standins import word_errors
from test_results import agree

Pcm = npt.NDArray[np.float32]
RATE = 16000


@dataclass
class Finder:
    """Knows where speech is."""

    spans: Sequence[tuple[float, float]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def find(self, pcm: Any, *, cancel: Any = None, **settings: float) -> Any:
        assert memoryview(pcm).nbytes
        self.asked.append(settings)
        return self.spans


def encoded(samples: Pcm) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype(np.int16).tobytes())
    return out.getvalue()


def hear(model: Path, samples: Pcm, finder: Finder, **params: Any) -> Any:
    client = Client(model=model, speech=finder)
    return client.audio.transcriptions.create(
        file=encoded(samples),
        response_format="verbose_json",
        timestamp_granularities="word",
        **params,
    )


def test_scenes_far_apart_are_heard_at_once(tiny_en: Path, jfk: Pcm) -> None:
    silence = np.zeros(90 * RATE, np.float32)
    finder = Finder([(0.3, 10.6), (101.3, 111.6)])
    shares: list[float] = []
    record = hear(
        tiny_en,
        np.concatenate([jfk, silence, jfk]),
        finder,
        on_progress=shares.append,
        condition_on_previous_text=True,
        compression_ratio_threshold=10.0,  # what is said twice looks like a loop
    )
    agree(record)
    assert word_errors(f"{demo.SPOKEN} {demo.SPOKEN}", record.text) == 0
    half = len(record.words) // 2
    assert record.words[half - 1].end <= 11.0
    assert record.words[half].start >= 100.9
    # The same speech at another place of the same chunk.
    for first, second in zip(record.words[:half], record.words[half:], strict=True):
        assert first.word.strip(".,").lower() == second.word.strip(".,").lower()
        assert second.end - first.end == pytest.approx(101.0, abs=0.7)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {segment.seek for segment in record.segments} == {0}


def test_speech_without_a_pause_is_stitched(tiny_en: Path, jfk: Pcm) -> None:
    samples = np.tile(jfk, 3)
    heard: list[Any] = []
    record = hear(tiny_en, samples, Finder([(0.0, 33.0)]), on_segment=heard.append)
    agree(record)
    assert heard == list(record.segments)
    assert word_errors(" ".join([demo.SPOKEN] * 3), record.text) <= 2


def test_where_there_is_no_speech_nothing_is_heard(tiny_en: Path, jfk: Pcm) -> None:
    record = hear(tiny_en, jfk, Finder([]))
    assert (record.text, record.segments, record.words) == ("", (), ())
    assert record.duration == 11.0


def test_settings_of_the_hosted_api_reach_the_detector(tiny_en: Path, jfk: Pcm) -> None:
    finder = Finder([])
    vad = {
        "type": "server_vad",
        "threshold": 0.4,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    }
    hear(tiny_en, jfk, finder, chunking_strategy=vad)
    hear(tiny_en, jfk, finder, chunking_strategy="auto")
    assert finder.asked == [{"threshold": 0.4, "padding": 0.3, "min_silence": 0.5}, {}]


# --- the package's own detector --------------------------------------------------------------


def test_the_hosted_apis_settings_are_the_detectors_own(tiny_en: Path, jfk: Pcm) -> None:
    def heard(**vad: float) -> str:
        record = Client(model=tiny_en).audio.transcriptions.create(
            file=encoded(jfk), chunking_strategy={"type": "server_vad", **vad}
        )
        return str(record.text)

    usual = heard(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    assert word_errors(demo.SPOKEN, usual) == 0
    assert heard(threshold=1.0) == ""  # nothing is that sure


def test_speech_far_apart_is_found_and_nothing_between(tiny_en: Path, jfk: Pcm) -> None:
    noise = np.random.default_rng(3).standard_normal(60 * RATE).astype(np.float32) * 0.01
    samples = np.concatenate([jfk, noise, jfk])
    record = Client(model=tiny_en).audio.transcriptions.create(
        file=encoded(samples), response_format="verbose_json", timestamp_granularities="word"
    )
    agree(record)
    assert word_errors(f"{demo.SPOKEN} {demo.SPOKEN}", record.text) == 0
    assert not [word for word in record.words if 11.5 < (word.start + word.end) / 2 < 70.4]


def test_without_it_all_is_heard(tiny_en: Path, jfk: Pcm) -> None:
    finder = Finder([])
    record = hear(tiny_en, jfk, finder, vad=False)
    assert word_errors(demo.SPOKEN, record.text) == 0
    assert finder.asked == []
