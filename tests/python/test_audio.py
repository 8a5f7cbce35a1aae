"""Audio in: the native decoders, raw samples, and the two ways around them."""

from __future__ import annotations

import array
import io
import os
import stat
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from earwitness import _core, audio, errors
from earwitness.audio import load_audio

Pcm = npt.NDArray[np.float32]

NATIVE = ["jfk.flac", "jfk.mp3", "jfk.ogg"]
EXTERNAL = {"jfk3.m4a": "mp4", "jfk3.aac": "aac", "jfk3.opus": "ogg/opus", "jfk3.webm": "webm"}


def wav(samples: npt.NDArray[Any], rate: int = 16000, tag: int = 3) -> bytes:
    """A WAV file with samples of shape (n,) or (n, channels); tag 1 is integers, 3 floats."""
    body = samples.tobytes()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    width = samples.itemsize
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width
    )
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", len(chunks) + len(body)) + chunks + body


def tone(seconds: float = 1.0, rate: int = 16000) -> Pcm:
    times = np.arange(int(seconds * rate)) / rate
    return (0.25 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def likeness(a: Pcm, b: Pcm) -> float:
    """Best correlation of `a` with `b`, whose start may be off by up to 0.1 s, as codecs do."""
    stretch = a[4000:36000]
    scores = (np.corrcoef(stretch, b[4000 + lag : 36000 + lag])[0, 1] for lag in range(1600))
    return float(max(scores))


@pytest.fixture(scope="module")
def speech(data: Path) -> Pcm:
    """The test recording, from its lossless file."""
    return load_audio(data / "jfk.flac")


# --- the native decoders ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NATIVE)
def test_every_kind_of_source_gives_the_same_samples(name: str, data: Path) -> None:
    path = data / name
    content = path.read_bytes()
    expected = load_audio(path)
    assert expected.dtype == np.float32
    assert expected.shape == (176000,)
    assert expected.flags.writeable
    sources: list[Any] = [str(path), content, bytearray(content), memoryview(content)]
    sources += [io.BytesIO(content), np.frombuffer(content, np.uint8)]
    for source in sources:
        assert np.array_equal(load_audio(source), expected)
    with path.open("rb") as file:
        assert np.array_equal(load_audio(file), expected)


def test_lossy_formats_are_in_time_with_the_lossless_one(speech: Pcm, data: Path) -> None:
    for name in ("jfk.mp3", "jfk.ogg"):
        assert np.corrcoef(speech, load_audio(data / name))[0, 1] > 0.99


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "Besprechung 会議 🎙.mp3"
    path.write_bytes(wav(tone()))
    assert np.array_equal(load_audio(path), tone())
    path.write_text("I was an mp3 once. " * 500)
    with pytest.raises(errors.UnsupportedFormatError):
        load_audio(path)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_rates_and_channels_of_a_file(rate: int) -> None:
    stereo = np.stack([tone(1, rate) * 1.5, tone(1, rate) * 0.5], axis=1)
    samples = load_audio(wav(stereo, rate))
    assert samples.shape == (16000,)
    assert np.abs(samples - tone())[1000:-1000].max() < 1e-4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(wav(tone()),))
    writer.start()
    assert np.array_equal(load_audio(pipe), tone())
    writer.join()


@pytest.mark.parametrize("seconds", [0.5, 20.0])
def test_cancelling(seconds: float) -> None:
    cancel = _core.CancelToken()
    cancel.cancel()
    with pytest.raises(errors.Cancelled):
        load_audio(wav(tone(seconds, 44100), 44100), cancel=cancel)


def test_missing_files_and_directories_are_what_one_expects(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.wav") as missing:
        load_audio(tmp_path / "missing.wav")
    with pytest.raises(IsADirectoryError, match="directory") as directory:
        load_audio(tmp_path)
    for caught in (missing.value, directory.value):
        assert isinstance(caught, errors.AudioError)


@pytest.mark.parametrize("source", [io.StringIO("text"), 5, None, np.zeros((4, 4))[:, ::2]])
def test_what_is_no_file_at_all(source: Any) -> None:
    with pytest.raises(errors.AudioError):
        load_audio(source)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_files_with_impossible_samples(value: float) -> None:
    samples = tone()
    samples[5000] = value
    with pytest.raises(errors.AudioError, match="NaN, infinite"):
        load_audio(wav(samples))


def test_sniffing(data: Path) -> None:
    names = {"jfk.flac": "flac", "jfk.mp3": "mp3", "jfk.ogg": "ogg/vorbis", **EXTERNAL}
    for name, kind in names.items():
        assert _core.sniff_audio((data / name).read_bytes()[:65536]) == kind
    assert _core.sniff_audio(wav(tone())) == "wav"
    for content in (b"", b"<html></html>" * 100, bytes(5000)):
        assert _core.sniff_audio(content) == "unknown"


# --- raw samples -----------------------------------------------------------------------------


def read(pcm: Any, **options: int) -> Pcm:
    return np.asarray(_core.as_pcm(pcm, **options)).reshape(-1)


def test_pcm_is_a_buffer() -> None:
    samples: Any = np.round(tone() * 32768).astype(np.int16)
    pcm = _core.as_pcm(samples)
    assert isinstance(pcm, _core.Pcm)
    assert len(pcm) == 16000
    assert pcm.duration == 1.0
    view = memoryview(pcm)
    assert view.format == "f"
    assert view.shape == (16000,)


def test_samples_are_copied_only_to_be_converted() -> None:
    samples: Any = tone()
    assert _core.as_pcm(samples) is samples
    doubled = np.repeat(samples, 2)
    converted = read(doubled, channels=2)
    doubled[:] = 0
    assert np.array_equal(converted, samples)


def test_conversion_can_be_stopped() -> None:
    token = _core.CancelToken()
    token.cancel()
    samples: Any = tone()
    with pytest.raises(errors.Cancelled):
        _core.as_pcm(samples, sample_rate=8000, cancel=token)


def test_buffers_of_every_make() -> None:
    expected: Any = tone()
    integers = np.round(expected * 32768).astype(np.int16)
    same: list[Any] = [
        array.array("f", expected.tobytes()),
        memoryview(expected),
        memoryview(expected.tobytes()).cast("f"),
        expected.reshape(-1, 1),
        np.repeat(expected, 2)[::2],
        expected[::-1].copy()[::-1],
        np.stack([expected, expected], axis=1),
        np.asfortranarray(np.stack([expected] * 3, axis=1)),
    ]
    for pcm in same:
        assert np.abs(read(pcm) - expected).max() < 1e-6
    for pcm in (integers, array.array("h", integers.tobytes()), np.stack([integers] * 2, axis=1)):
        assert np.abs(read(pcm) - expected).max() < 1e-4
    interleaved = np.stack([expected * 2, np.zeros_like(expected)], axis=1).ravel()
    assert np.abs(read(interleaved, channels=2) - expected).max() < 1e-6
    assert np.abs(read(interleaved.reshape(-1, 2), channels=2) - expected).max() < 1e-6


def test_unaligned_memory() -> None:
    content = b"x" + tone().tobytes()
    assert np.array_equal(read(np.frombuffer(content, np.float32, 16000, offset=1)), tone())


@pytest.mark.parametrize(
    "dtype", ["f8", "f2", "i4", "i8", "u1", "u2", "i1", "?", "c8", ">f4", ">i2"]
)
def test_other_types_are_named(dtype: str) -> None:
    name = np.dtype(dtype).name if dtype[0] != ">" else dtype[0]
    with pytest.raises(errors.AudioError, match=name):
        read(np.zeros(1600, dtype))


@pytest.mark.parametrize("channels", [0, -1, 9, 1000])
def test_impossible_channels(channels: int) -> None:
    with pytest.raises(errors.InvalidOptionError, match="channels"):
        read(tone(), channels=channels)


@pytest.mark.parametrize("rate", [0, -1, 999, 384001, 2**31 - 1])
def test_impossible_rates(rate: int) -> None:
    with pytest.raises(errors.InvalidOptionError, match="sample_rate"):
        read(tone(), sample_rate=rate)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(errors.InvalidOptionError, match="transposed"):
        read(np.zeros((2, 1600), np.float32))
    with pytest.raises(errors.InvalidOptionError, match="columns"):
        read(np.zeros((1600, 4), np.float32), channels=2)
    with pytest.raises(errors.InvalidOptionError, match="divide"):
        read(np.zeros(1601, np.float32), channels=2)
    with pytest.raises(errors.AudioError, match="dimension"):
        read(np.zeros((10, 2, 2), np.float32))
    for empty in (np.zeros(0, np.float32), np.zeros((0, 2), np.int16)):
        with pytest.raises(errors.AudioError):
            read(empty)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_samples_that_are_not_finite(value: float, rate: int) -> None:
    samples = tone()
    samples[-1] = value
    with pytest.raises(errors.AudioError, match="NaN, infinite"):
        read(samples, sample_rate=rate)


# --- PyAV and ffmpeg -------------------------------------------------------------------------


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_av: None) -> Path:
    """An `ffmpeg` that writes a script's output; the one executable on PATH."""
    script = tmp_path / "bin" / "ffmpeg"
    script.parent.mkdir()
    monkeypatch.setenv("PATH", str(script.parent))
    return script


def install(script: Path, body: str) -> None:
    # -S spares the interpreter's start; the path is absolute, since PATH holds nothing else.
    script.write_text(f"#!{sys.executable} -S\nimport os, sys, time\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


POSIX = pytest.mark.skipif(os.name != "posix", reason="the stand-in for ffmpeg is a script")
WRITE_TONE = "sys.stdout.buffer.write(b'\\0\\0\\x80\\x3e' * 16000)"  # a second of 0.25


@pytest.mark.parametrize("name", EXTERNAL)
def test_other_formats_through_pyav(name: str, data: Path, speech: Pcm) -> None:
    samples = load_audio(data / name)
    assert samples.dtype == np.float32
    assert 47000 < len(samples) < 50000
    assert likeness(speech, samples) > 0.95
    assert np.array_equal(load_audio((data / name).read_bytes()), samples)


def test_damaged_files_through_pyav(data: Path) -> None:
    content = (data / "jfk3.opus").read_bytes()
    half = load_audio(content[: len(content) // 2])
    assert 15000 < len(half) < 35000
    for broken in (content[:200], (data / "jfk3.m4a").read_bytes()[:2000]):
        with pytest.raises(errors.AudioError):
            load_audio(broken)


def test_cancelling_pyav(data: Path) -> None:
    cancel = _core.CancelToken()
    cancel.cancel()
    with pytest.raises(errors.Cancelled):
        load_audio(data / "jfk3.opus", cancel=cancel)


def test_neither_pyav_nor_ffmpeg(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_av: None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, kind in EXTERNAL.items():
        for source in (data / name, (data / name).read_bytes()):
            with pytest.raises(errors.UnsupportedFormatError) as caught:
                load_audio(source)
            for part in (kind, "pip install 'earwitness[media]'", "ffmpeg"):
                assert part in str(caught.value)


@POSIX
def test_ffmpeg_gets_a_file_and_gives_samples(
    fake_ffmpeg: Path, data: Path, tmp_path: Path
) -> None:
    log = tmp_path / "arguments"
    install(fake_ffmpeg, f"open({str(log)!r}, 'w').write('\\n'.join(sys.argv)); {WRITE_TONE}")
    for source in (data / "jfk3.m4a", (data / "jfk3.m4a").read_bytes()):
        samples = load_audio(source)
        assert samples.shape == (16000,)
        assert (samples == 0.25).all()
        arguments = log.read_text().splitlines()
        named = arguments[arguments.index("-i") + 1].removeprefix("file:")
        assert os.path.isabs(named)
        assert arguments[-1] == "pipe:1"
        # A copy of what had no name is gone afterwards.
        assert os.path.exists(named) == (source == data / "jfk3.m4a")


@POSIX
def test_what_ffmpeg_complains_of_is_in_the_message(fake_ffmpeg: Path, data: Path) -> None:
    install(fake_ffmpeg, "sys.stderr.write('z' * 10**6 + ' moov atom not found'); sys.exit(1)")
    with pytest.raises(errors.AudioError, match="moov atom not found") as caught:
        load_audio(data / "jfk3.m4a")
    assert len(str(caught.value)) < 1000


@POSIX
def test_cancelling_kills_ffmpeg(fake_ffmpeg: Path, data: Path, tmp_path: Path) -> None:
    log = tmp_path / "pid"
    install(
        fake_ffmpeg,
        f"open({str(log) + '.new'!r}, 'w').write(str(os.getpid()))\n"
        f"os.rename({str(log) + '.new'!r}, {str(log)!r})\n"
        f"{WRITE_TONE}; sys.stdout.flush(); time.sleep(60)",
    )
    cancel = _core.CancelToken()

    def cancel_once_it_runs() -> None:
        while not log.exists():
            time.sleep(0.01)
        cancel.cancel()

    thread = threading.Thread(target=cancel_once_it_runs)
    thread.start()
    with pytest.raises(errors.Cancelled):
        load_audio(data / "jfk3.m4a", cancel=cancel)
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


@POSIX
def test_samples_from_ffmpeg_are_checked(fake_ffmpeg: Path, data: Path) -> None:
    install(fake_ffmpeg, "sys.stdout.buffer.write(b'\\xff' * 64000)")
    with pytest.raises(errors.AudioError, match="NaN"):
        load_audio(data / "jfk3.m4a")
    install(fake_ffmpeg, "pass")
    with pytest.raises(errors.AudioError, match="no audio"):
        load_audio(data / "jfk3.m4a")


def test_no_audio_longer_than_a_day(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(audio, "_MAX_BYTES", 64000)
    with pytest.raises(errors.AudioError, match="24 hours"):
        load_audio(data / "jfk3.m4a")
