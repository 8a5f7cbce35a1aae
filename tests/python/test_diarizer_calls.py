"""Calls of the diarizer: audio in all forms, bad input, threads, cancelling, and its weights."""

from __future__ import annotations

import math
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conversations import RATE, clip, error_rate
from earwitness import CancelToken, Diarization, Diarizer, demo
from earwitness.errors import AudioError, Cancelled, InvalidOptionError, ModelError

Pcm = npt.NDArray[np.float32]


# --- input -----------------------------------------------------------------------------------


def test_the_same_audio_in_other_guises(
    diarizer: Diarizer, conversation: Pcm, diarization: Diarization
) -> None:
    whole = (conversation * 32768).astype(np.int16)
    assert diarizer.diarize(demo.conversation()) == diarization
    assert diarizer.diarize(whole) == diarization
    assert diarizer.diarize(np.stack([conversation, conversation], 1), channels=2) == diarization


def test_telephone_bandwidth(diarizer: Diarizer, conversation: Pcm) -> None:
    found = diarizer.diarize(np.ascontiguousarray(conversation[::2]), sample_rate=8000)
    assert len(found.speakers) == 2
    assert error_rate(found) <= 0.2


@pytest.mark.parametrize(
    "options",
    [
        {"num_speakers": 0},
        {"num_speakers": -1},
        {"num_speakers": 101},
        {"num_speakers": 2.5},
        {"num_speakers": True},
        {"num_speakers": 2**40},
        {"min_speakers": "two"},
        {"max_speakers": 0},
        {"min_speakers": 3, "max_speakers": 2},
        {"min_speakers": 3, "num_speakers": 2},
        {"hop": 0.1},
        {"hop": 6},
        {"hop": math.nan},
        {"hop": "fast"},
        {"threads": -1},
        {"threads": 257},
        {"channels": 0},
        {"sample_rate": 1},
        {"on_progress": 3},
    ],
    ids=str,
)
def test_options_out_of_range(options: Any, diarizer: Diarizer, conversation: Pcm) -> None:
    with pytest.raises(InvalidOptionError, match=next(iter(options)).split("_")[0]):
        diarizer.diarize(conversation, **options)


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(0, np.float32),
        np.full(RATE, np.nan, np.float32),
        np.full(RATE, np.inf, np.float32),
        np.zeros(RATE, np.float64),
        b"no audio at all",
        object(),
    ],
    ids=["empty", "nan", "infinite", "float64", "bytes", "object"],
)
def test_what_is_no_audio(audio: Any, diarizer: Diarizer) -> None:
    with pytest.raises((AudioError, InvalidOptionError)):
        diarizer.diarize(audio)
    with pytest.raises((AudioError, InvalidOptionError)):
        diarizer.embed(audio)


def test_a_file_that_is_not_there(diarizer: Diarizer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        diarizer.diarize(tmp_path / "none.wav")


# --- threads and cancelling ------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_nothing(
    threads: int, diarizer: Diarizer, conversation: Pcm, diarization: Diarization
) -> None:
    found = diarizer.diarize(conversation, threads=threads)
    assert [(t.start, t.end, t.speaker) for t in found.turns] == [
        (t.start, t.end, t.speaker) for t in diarization.turns
    ]
    for speaker, other in zip(found.speakers, diarization.speakers, strict=True):
        assert np.dot(speaker.voice, other.voice) == pytest.approx(1.0, abs=1e-5)


def test_many_callers_at_once(diarizer: Diarizer, conversation: Pcm) -> None:
    starts = [0.0, 5.0, 10.0]
    alone = [diarizer.diarize(clip(conversation, s, s + 12), threads=1) for s in starts]
    together: dict[float, Diarization] = {}

    def work(start: float) -> None:
        together[start] = diarizer.diarize(clip(conversation, start, start + 12), threads=1)

    callers = [threading.Thread(target=work, args=(start,)) for start in starts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [together[start] for start in starts] == alone


def test_progress_and_cancelling_on_the_way(diarizer: Diarizer, conversation: Pcm) -> None:
    shares: list[float] = []
    diarizer.diarize(conversation, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    token = CancelToken()
    reached: list[float] = []

    def cancel(share: float) -> None:
        reached.append(share)
        token.cancel()

    with pytest.raises(Cancelled):
        diarizer.diarize(conversation, cancel=token, on_progress=cancel)
    assert reached
    assert reached[-1] < 1.0


def test_cancelled_before_it_begins(diarizer: Diarizer, conversation: Pcm) -> None:
    token = CancelToken()
    child = token.child()
    token.cancel()
    for cancelled in (token, child):
        with pytest.raises(Cancelled):
            diarizer.diarize(conversation, cancel=cancelled)
        with pytest.raises(Cancelled):
            diarizer.embed(conversation, cancel=cancelled)


def test_what_a_callback_raises_leaves_the_call(diarizer: Diarizer, conversation: Pcm) -> None:
    def fail(_: float) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        diarizer.diarize(conversation, on_progress=fail)


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def weights() -> bytes:
    return (resources.files("earwitness") / "data" / "diarizer.gguf").read_bytes()


def test_weights_from_another_place(
    weights: bytes, tmp_path: Path, conversation: Pcm, diarization: Diarization
) -> None:
    path = tmp_path / "gewählte Gewichte.gguf"
    path.write_bytes(weights)
    assert Diarizer(path).diarize(conversation) == diarization


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign", "longer"])
def test_damaged_weights(damage: str, weights: bytes, tmp_path: Path) -> None:
    middle = len(weights) // 2
    content = {
        "empty": b"",
        "cut": weights[:middle],
        "flipped": weights[:middle] + bytes([weights[middle] ^ 1]) + weights[middle + 1 :],
        "foreign": demo.recording(),
        "longer": weights + bytes(32),
    }[damage]
    path = tmp_path / "diarizer.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        Diarizer(path)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        Diarizer(tmp_path / "none.gguf")
