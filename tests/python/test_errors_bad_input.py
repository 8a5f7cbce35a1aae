"""Bad input: each kind gives its documented error, and the engine serves the next call."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import demo, errors
from standins import word_errors

Pcm = npt.NDArray[np.float32]
WAV = demo.recording()
SECOND = np.zeros(16000, np.float32)


@pytest.fixture(scope="module")
def engine(engine: earwitness.Engine, jfk: Pcm) -> Iterator[earwitness.Engine]:
    """The shared engine: whatever these tests did to it, it hears the very same afterwards."""
    before = engine.transcribe(jfk)
    assert word_errors(demo.SPOKEN, before.text) == 0
    yield engine
    assert engine.transcribe(jfk).segments == before.segments


def with_value(value: float) -> Pcm:
    samples = np.full(32000, 0.1, np.float32)
    samples[12345] = value
    return samples


# --- PCM -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(np.zeros(0, np.float32), id="empty"),
        pytest.param(with_value(np.nan), id="nan"),
        pytest.param(with_value(np.inf), id="inf"),
        pytest.param(with_value(-np.inf), id="-inf"),
        pytest.param(SECOND.astype(np.float64), id="float64"),
        pytest.param(SECOND.astype(np.float16), id="float16"),
        pytest.param(SECOND.astype(np.int32), id="int32"),
        pytest.param(SECOND.astype(np.uint8), id="uint8"),
        pytest.param(SECOND.astype(np.complex64), id="complex"),
        pytest.param(SECOND.astype(">f4"), id="big-endian"),
        pytest.param(SECOND.astype("M8[s]"), id="datetime64"),
        pytest.param(np.array([None] * 16000), id="objects"),
        pytest.param(np.array("text"), id="no dimensions"),
        pytest.param(SECOND.reshape(2, 2, -1), id="3 dimensions"),
        pytest.param(memoryview(bytes(32000)), id="memoryview of bytes"),
        pytest.param([0.0] * 16000, id="list"),
        pytest.param(None, id="None"),
        pytest.param(16000, id="int"),
    ],
)
def test_bad_pcm(pcm: Any, engine: earwitness.Engine) -> None:
    with pytest.raises(errors.AudioError):
        engine.transcribe(pcm)


@pytest.mark.parametrize("channels", [0, -1, 9, 2**40])
def test_impossible_channels(channels: int, engine: earwitness.Engine) -> None:
    with pytest.raises(errors.InvalidOptionError, match="channels"):
        engine.transcribe(SECOND, channels=channels)


def test_samples_that_do_not_fill_their_channels(engine: earwitness.Engine) -> None:
    with pytest.raises(errors.InvalidOptionError, match="channels"):
        engine.transcribe(SECOND[:-1], channels=2)
    with pytest.raises(errors.InvalidOptionError, match="channels"):
        engine.transcribe(SECOND.reshape(-1, 4), channels=2)


@pytest.mark.parametrize("rate", [0, -16000, 1, 10**9, 2**40])
def test_impossible_sample_rates(rate: int, engine: earwitness.Engine) -> None:
    with pytest.raises(errors.InvalidOptionError, match="sample_rate"):
        engine.transcribe(SECOND, sample_rate=rate)


def test_what_is_too_short_for_a_word(engine: earwitness.Engine, jfk: Pcm) -> None:
    for samples in (jfk[16000:16001], jfk[16000:17599]):
        with pytest.raises(errors.AudioError, match="at least 100 ms"):
            engine.transcribe(samples, word_timestamps=True)


@pytest.mark.parametrize("seconds", [0.1, 5, 65])
def test_silence_is_not_made_into_words(seconds: float, engine: earwitness.Engine) -> None:
    transcript = engine.transcribe(np.zeros(int(seconds * 16000), np.float32), word_timestamps=True)
    assert transcript.text == ""
    assert transcript.segments == []
    assert transcript.words == []
    assert transcript.duration == pytest.approx(seconds)


def test_clipped_speech_is_still_speech(engine: earwitness.Engine, jfk: Pcm) -> None:
    transcript = engine.transcribe(np.clip(jfk * 4, -1, 1))
    assert word_errors(demo.SPOKEN, transcript.text) <= 1


def test_the_caller_s_samples_stay_as_they_were(engine: earwitness.Engine, jfk: Pcm) -> None:
    samples = jfk.copy()
    engine.transcribe(samples)
    assert np.array_equal(samples, jfk)


# --- encoded audio ---------------------------------------------------------------------------


def lying_wav() -> bytes:
    """Claims 2 GB of samples and 4 GB of file."""
    head = bytearray(WAV)
    head[4:8] = struct.pack("<I", 0xFFFFFFFF)
    return bytes(head[:40]) + struct.pack("<I", 0x7FFFFFFF) + bytes(head[44:2000])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"RIFF", id="four bytes"),
        pytest.param(WAV[:20], id="truncated header"),
        pytest.param(WAV[:44], id="no samples"),
        pytest.param(lying_wav(), id="lying sizes"),
        pytest.param(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20), id="0 channels, 0 Hz"),
        pytest.param(b"fLaC" + bytes(5000), id="hollow flac"),
        pytest.param(b"OggS" + bytes(5000), id="hollow ogg"),
        pytest.param(b"ID3\x04" + bytes(5000), id="hollow mp3"),
        pytest.param(b"\xff\xfb\x90\x00" + bytes(5000), id="one mp3 header"),
        pytest.param(b"Four score and seven years ago. " * 200, id="text"),
        pytest.param(bytes(100_000), id="zeros"),
        pytest.param(np.random.default_rng(1).bytes(100_000), id="noise"),
        pytest.param(b"%PDF-1.7\n" + bytes(5000), id="pdf"),
        pytest.param(b"PK\x03\x04" + bytes(5000), id="zip"),
        pytest.param(b"\x00\x00\x00\x18ftypmp42" + bytes(5000), id="hollow mp4"),
    ],
)
def test_bad_files(content: bytes, engine: earwitness.Engine, tmp_path: Path) -> None:
    path = tmp_path / "speech.mp3"
    path.write_bytes(content)
    for source in (content, bytearray(content), io.BytesIO(content), path, str(path)):
        with pytest.raises(errors.AudioError):
            engine.transcribe(source)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg"])
def test_truncated_and_damaged_files_never_crash(
    suffix: str, engine: earwitness.Engine, data: Path
) -> None:
    whole = (data / f"jfk.{suffix}").read_bytes()
    random = np.random.default_rng(7)
    for kept in (10, 100, 1000, len(whole) // 2, len(whole) - 1):
        refuse_or_decode(whole[:kept])
    for _ in range(20):
        damaged = bytearray(whole)
        for position in random.integers(0, len(whole), 50):
            damaged[position] ^= 1 << int(random.integers(8))
        refuse_or_decode(bytes(damaged))


def refuse_or_decode(content: bytes) -> None:
    try:
        samples = earwitness.load_audio(content)
    except errors.AudioError:
        return
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()


def test_half_a_recording_has_half_the_words(engine: earwitness.Engine) -> None:
    transcript = engine.transcribe(WAV[: len(WAV) // 2])
    assert "fellow americans" in transcript.text.lower()


def test_a_missing_file_names_itself(engine: earwitness.Engine, tmp_path: Path) -> None:
    with pytest.raises(errors.AudioError, match="nothing-here"):
        engine.transcribe(tmp_path / "nothing-here.wav")


def test_a_directory_is_not_audio(engine: earwitness.Engine, tmp_path: Path) -> None:
    with pytest.raises(errors.AudioError):
        engine.transcribe(tmp_path)


@pytest.mark.parametrize("path", ["", "\0", "a\0b.wav"])
def test_impossible_paths(path: str, engine: earwitness.Engine) -> None:
    with pytest.raises(errors.AudioError):
        engine.transcribe(path)


def test_a_file_opened_as_text_is_refused(engine: earwitness.Engine) -> None:
    with pytest.raises(errors.AudioError):
        engine.transcribe(io.StringIO("RIFF"))  # type: ignore[arg-type]


def test_what_a_file_object_raises_leaves_the_call(engine: earwitness.Engine) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        engine.transcribe(Broken())


# --- models ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"lmgg", id="magic alone"),
        pytest.param(np.random.default_rng(2).bytes(1 << 20), id="noise"),
        pytest.param(b"lmgg" + np.random.default_rng(3).bytes(1 << 20), id="noise with magic"),
        pytest.param(b"lmgg" + b"\xff" * 4096, id="hyperparameters of -1"),
        pytest.param(b"lmgg" + b"\x7f" * 4096, id="huge hyperparameters"),
        pytest.param(b"lmgg" + bytes(4096), id="hyperparameters of 0"),
        pytest.param(b"GGUF\x03\x00\x00\x00" + bytes(4096), id="a language model"),
        pytest.param(b"PK\x03\x04" + bytes(4096), id="a torch checkpoint"),
        pytest.param(WAV, id="a recording"),
        pytest.param(b"<!DOCTYPE html>" + b" " * 4096, id="an error page"),
    ],
)
def test_files_that_are_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(errors.ModelError):
        earwitness.Engine(path)
    with pytest.raises(errors.ModelError):
        earwitness.transcribe(SECOND, model=path)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.999])
def test_truncated_models(
    share: float, engine: earwitness.Engine, tiny_en: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    with tiny_en.open("rb") as file:
        path.write_bytes(file.read(int(tiny_en.stat().st_size * share)))
    with pytest.raises(errors.ModelError):
        earwitness.Engine(path)


def test_bits_flipped_in_a_model_never_crash(tiny_en: Path, tmp_path: Path, jfk: Pcm) -> None:
    """Flips among the sizes and names are refused; a flip in a weight cannot be told."""
    path = tmp_path / "model.bin"
    path.write_bytes(tiny_en.read_bytes())
    refused = 0
    with path.open("r+b", buffering=0) as file:
        # Magic, the 11 hyperparameters, the filters' dimensions: 4 bytes each.
        for position in range(0, 56):
            flip(file.fileno(), position, 0x40)
            refused += loads_or_refuses(path, jfk)
            flip(file.fileno(), position, 0x40)
    assert refused > 40
    assert not loads_or_refuses(path, jfk)


def flip(descriptor: int, position: int, bits: int) -> None:
    os.lseek(descriptor, position, os.SEEK_SET)
    byte = os.read(descriptor, 1)[0]
    os.lseek(descriptor, position, os.SEEK_SET)
    os.write(descriptor, bytes([byte ^ bits]))


def loads_or_refuses(path: Path, jfk: Pcm) -> bool:
    try:
        with earwitness.Engine(path) as engine:
            engine.transcribe(jfk[:16000])
    except errors.ModelError:
        return True
    return False


def test_a_missing_model_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelNotFoundError, match=r"nothing-here\.bin"):
        earwitness.Engine(tmp_path / "nothing-here.bin")
    with pytest.raises(errors.ModelNotFoundError, match="tiny-klingon"):
        earwitness.Engine("tiny-klingon")


@pytest.mark.parametrize("call", [earwitness.Engine, earwitness.models.resolve])
def test_a_directory_is_no_model(call: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(errors.ModelError):
        call(tmp_path)


def test_an_unknown_device_names_the_known_ones(tiny_en: Path) -> None:
    with pytest.raises(errors.InvalidOptionError, match=r"auto.*cpu.*gpu"):
        earwitness.Engine(tiny_en, device="abacus")


# --- the family of errors --------------------------------------------------------------------


def test_one_except_serves_all() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) == 10
    for kind in kinds:
        assert issubclass(kind, errors.EarwitnessError)
        assert getattr(earwitness, kind.__name__) is kind
        assert kind.__doc__
