"""Diarization of files, whose samples are heard as they are decoded."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from earwitness import CancelToken, Diarizer, demo
from earwitness.audio import load_audio
from earwitness.errors import AudioError, Cancelled, InvalidOptionError, UnsupportedFormatError

RATE = 16000


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer()


def write(path: Path, pcm: npt.NDArray[np.float32], rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((pcm * 32767).astype(np.int16).tobytes())
    return path


# Shorter than a window; some windows; where the hop follows from the length, and beyond.
@pytest.mark.parametrize("seconds", [0.02, 3.0, 10.0, 31.7, 119.99, 120.0, 175.3])
@pytest.mark.parametrize("hop", [0.0, 3.0])
def test_a_file_is_what_its_samples_are(
    seconds: float,
    hop: float,
    diarizer: Diarizer,
    conversation: npt.NDArray[np.float32],
    tmp_path: Path,
) -> None:
    pcm = np.resize(conversation, round(seconds * RATE))
    path = write(tmp_path / "talk.wav", pcm)
    by_name = diarizer.diarize(path, hop=hop)
    assert by_name == diarizer.diarize(load_audio(path), hop=hop)
    assert by_name == diarizer.diarize(str(path), hop=hop, threads=1)
    assert by_name.duration == pytest.approx(seconds, abs=1 / RATE)
    assert by_name.turns or seconds < 10


def test_another_rate(
    diarizer: Diarizer, conversation: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    path = write(tmp_path / "talk.wav", np.repeat(conversation, 2)[:-1], 2 * RATE)
    assert diarizer.diarize(path) == diarizer.diarize(load_audio(path))


def test_what_the_core_does_not_decode(diarizer: Diarizer, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "talk.m4a"
    pcm = load_audio(demo.conversation())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = diarizer.diarize(path)
    assert found == diarizer.diarize(load_audio(path))
    assert len(found.speakers) == 2


def test_progress_rises_to_one(
    diarizer: Diarizer, conversation: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    path = write(tmp_path / "talk.wav", np.resize(conversation, 200 * RATE))
    for audio in (path, load_audio(path)):
        shares: list[float] = []
        diarizer.diarize(audio, on_progress=shares.append)
        assert len(shares) >= 5
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert 0.0 < shares[0] < 0.5


def test_errors(diarizer: Diarizer, tmp_path: Path) -> None:
    missing = tmp_path / "none.wav"
    with pytest.raises(FileNotFoundError):
        diarizer.diarize(missing)
    with pytest.raises(AudioError):
        diarizer.diarize(tmp_path)
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    with pytest.raises(AudioError, match="0 bytes"):
        diarizer.diarize(empty)
    no_samples = write(tmp_path / "no_samples.wav", np.zeros(0, np.float32))
    with pytest.raises(AudioError):
        diarizer.diarize(no_samples)
    text = tmp_path / "notes.wav"
    text.write_text("hello " * 99)
    with pytest.raises(UnsupportedFormatError):
        diarizer.diarize(text)
    silence = write(tmp_path / "silence.wav", np.zeros(RATE, np.float32))
    with pytest.raises(InvalidOptionError, match="lower min_speakers"):
        diarizer.diarize(silence, min_speakers=2)


def test_can_be_cancelled_while_the_file_is_read(
    diarizer: Diarizer, conversation: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    path = write(tmp_path / "talk.wav", np.resize(conversation, 600 * RATE))
    token = CancelToken()
    seen = threading.Event()

    def stop(share: float) -> None:
        seen.set()
        token.cancel()

    with pytest.raises(Cancelled):
        diarizer.diarize(path, cancel=token, on_progress=stop)
    assert seen.is_set()

    class UnhappyError(Exception):
        pass

    def complain(share: float) -> None:
        raise UnhappyError

    with pytest.raises(UnhappyError):
        diarizer.diarize(path, on_progress=complain)
