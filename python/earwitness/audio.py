"""Audio files of any kind to 16 kHz mono samples.

WAV, AIFF, MP3, FLAC and Ogg Vorbis are decoded by the native core. Everything else (m4a, aac, opus,
webm, mp4 and the like) goes through PyAV when it is installed, else through an `ffmpeg` on PATH.
What a file is, its content decides, never its name.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from earwitness import _core
from earwitness.errors import AudioError, Cancelled, UnsupportedFormatError
from earwitness.options import SAMPLE_RATE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from earwitness.pcm import SupportsRead

Samples: TypeAlias = npt.NDArray[np.float32]
_Result = TypeVar("_Result")

_HEAD: Final = 1 << 16
_MAX_BYTES: Final = 24 * 3600 * SAMPLE_RATE * 4  # as in the core: 24 hours of float32
_BLOCK: Final = 1 << 16


class AudioFileNotFoundError(AudioError, FileNotFoundError):
    """There is no file at the path; caught as either of its bases."""


class AudioIsADirectoryError(AudioError, IsADirectoryError):
    """The path is a directory; caught as either of its bases."""


def load_audio(
    source: str | os.PathLike[str] | SupportsRead | Buffer,
    *,
    cancel: _core.CancelToken | None = None,
) -> Samples:
    """Decode an audio or video file.

    Args:
        source: a path; or the content of a file, as a bytes-like object; or a file object, opened
            in binary mode, which is read to its end.
        cancel: stops the work from another thread.

    Returns:
        Samples in [-1, 1], float32, shape (n,), 16 kHz; several channels become their mean.

    Raises:
        UnsupportedFormatError: the content is no audio that is known, or needs PyAV or ffmpeg and
            neither is there.
        AudioError: the file is empty, damaged, missing or a directory (for the last two also
            caught as `FileNotFoundError` and `IsADirectoryError`), or longer than 24 hours.
        Cancelled: `cancel` was used.
        OSError: the file cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        return _load_path(source, cancel)
    if hasattr(source, "read"):
        return _load_bytes(source.read(), cancel)
    return _load_bytes(source, cancel)


def _load_path(path: str | os.PathLike[str], cancel: _core.CancelToken | None) -> Samples:
    return read_path(
        path,
        lambda name: np.asarray(_core.decode_audio_file(name, cancel=cancel)),
        lambda samples: samples,
        cancel,
    )


def read_path(
    path: str | os.PathLike[str],
    from_file: Callable[[str], _Result],
    from_samples: Callable[[Samples], _Result],
    cancel: _core.CancelToken | None,
) -> _Result:
    """What one of the two functions makes of the audio in a file.

    Args:
        path: of the file.
        from_file: has the core read the file, whose name it is given.
        from_samples: is given the samples of what the core does not decode, as by `load_audio`.
        cancel: stops the work from another thread.

    Raises:
        AudioError, UnsupportedFormatError, Cancelled, OSError: as `load_audio`.
    """
    name = os.fspath(path)
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        raise AudioFileNotFoundError(errno.ENOENT, "no such audio file", name) from None
    except ValueError as error:  # a NUL in it
        raise AudioError(f"{name!r} is not a path: {error}") from None
    if stat.S_ISDIR(mode):
        raise AudioIsADirectoryError(errno.EISDIR, "a directory is not an audio file", name)
    if not stat.S_ISREG(mode):  # a pipe or a device, in which nothing can seek
        return from_samples(_load_bytes(Path(name).read_bytes(), cancel))
    with open(name, "rb") as file:  # for its errors, which say more than the core's
        try:
            return from_file(name)
        except UnsupportedFormatError as refusal:
            kind = _sniff(file)
            if kind == "unknown":
                raise
            return from_samples(_load_external(file, Path(name), kind, refusal, cancel))


def _load_bytes(data: Buffer, cancel: _core.CancelToken | None) -> Samples:
    if isinstance(data, str):
        raise AudioError("the file object gives text; open it in binary mode: open(path, 'rb')")
    try:
        view = memoryview(data).cast("B")
    except TypeError:
        raise AudioError(
            f"{type(data).__name__} is not the content of a file: pass bytes, a path or a file "
            "object opened in binary mode"
        ) from None
    try:
        return np.asarray(_core.decode_audio(view, cancel=cancel))
    except UnsupportedFormatError as refusal:
        with io.BytesIO(view) as file:
            kind = _sniff(file)
            if kind == "unknown":
                raise
            return _load_external(file, None, kind, refusal, cancel)


def _sniff(file: IO[bytes]) -> str:
    file.seek(0)
    return _core.sniff_audio(file.read(_HEAD))


def _load_external(
    file: IO[bytes],
    path: Path | None,
    kind: str,
    refusal: UnsupportedFormatError,
    cancel: _core.CancelToken | None,
) -> Samples:
    """Decode what the core does not; `path` names the file if it has a name."""
    file.seek(0)
    try:
        import av  # noqa: F401
    except ImportError:
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise UnsupportedFormatError(
                f"{refusal}; to decode {kind} audio, either `pip install 'earwitness[media]'` "
                "or install ffmpeg and have it on PATH"
            ) from None
        with _named(file, path) as named:
            return _decode_with_ffmpeg(ffmpeg, named, kind, cancel)
    return _decode_with_av(file, kind, cancel)


class _Collector:
    """16 kHz mono float32, gathered in one buffer that grows in place."""

    def __init__(self, kind: str, cancel: _core.CancelToken | None) -> None:
        self._kind = kind
        self._cancel = cancel
        self._data = bytearray()

    def check_cancelled(self) -> None:
        if self._cancel is not None and self._cancel.cancelled:
            raise Cancelled("cancelled")

    def add(self, block: Buffer) -> None:
        self.check_cancelled()
        self._data += block
        if len(self._data) > _MAX_BYTES:
            raise AudioError("the audio is longer than 24 hours; split the recording")

    def samples(self, reason: str = "") -> Samples:
        whole = len(self._data) // 4
        if whole == 0:
            raise AudioError(f"there is no audio in the {self._kind} data{reason and ': '}{reason}")
        samples = np.frombuffer(self._data, np.float32, whole)
        if not np.isfinite(samples).all():
            raise AudioError(f"the {self._kind} audio has samples that are NaN or infinite")
        return samples


def _decode_with_av(file: IO[bytes], kind: str, cancel: _core.CancelToken | None) -> Samples:
    import av

    out = _Collector(kind, cancel)
    problem = ""
    try:
        with av.open(file, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"there is no audio track in the {kind} data")
            stream = container.streams.audio[0]
            stream.thread_type = "AUTO"
            resampler = _AvResampler(out)
            for packet in container.demux(stream):
                out.check_cancelled()
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:  # a damaged packet: what follows may be whole
                    problem = str(error)
                    continue
                for frame in frames:
                    resampler.add(frame)
            resampler.flush()
    except av.FFmpegError as error:  # a truncated file: what came before it counts
        problem = str(error)
    return out.samples(problem)


class _AvResampler:
    """Frames of any format, which may change on the way, to the mean of their channels."""

    def __init__(self, out: _Collector) -> None:
        self._out = out
        self._resampler: Any = None
        self._format: tuple[str, str, int] | None = None

    def add(self, frame: Any) -> None:
        import av

        frame_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if frame_format != self._format:
            self.flush()
            # The layout stays: down-mixing by FFmpeg's rules would weigh the channels.
            self._resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE)
            self._format = frame_format
        self._convert(frame)

    def flush(self) -> None:
        if self._resampler is not None:
            self._convert(None)
            self._resampler = None

    def _convert(self, frame: Any) -> None:
        for converted in self._resampler.resample(frame):
            samples = converted.to_ndarray().reshape(-1, len(converted.layout.channels))
            self._out.add(np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)).data)


@contextmanager
def _named(file: IO[bytes], path: Path | None) -> Iterator[Path]:
    """A path for the file: its own or, for it must be one that seeks, that of a copy."""
    if path is not None:
        yield path.absolute()
        return
    descriptor, name = tempfile.mkstemp(prefix="earwitness-")
    try:
        with open(descriptor, "wb") as copy:
            shutil.copyfileobj(file, copy, _BLOCK)
        yield Path(name)
    finally:
        os.unlink(name)


def _decode_with_ffmpeg(
    ffmpeg: str, path: Path, kind: str, cancel: _core.CancelToken | None
) -> Samples:
    # Only this file is read, whatever it may refer to; the mean of the channels, not more than
    # full scale, comes from a mixing matrix with rows that sum to one.
    command = [ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE)]
    command += ["-rematrix_maxval", "1.0", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"]
    out = _Collector(kind, cancel)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = _Tail(process.stderr)
    done = threading.Event()
    watcher = threading.Thread(target=_kill_when_cancelled, args=(process, cancel, done))
    watcher.start()
    try:
        while block := process.stdout.read(_BLOCK):
            out.add(block)
        out.check_cancelled()
        process.wait()
        complaints.join()
        return out.samples(complaints.text())
    finally:
        done.set()
        with suppress(OSError):
            process.kill()
        watcher.join()
        complaints.join()
        process.stdout.close()
        process.stderr.close()
        process.wait()


def _kill_when_cancelled(
    process: subprocess.Popen[bytes], cancel: _core.CancelToken | None, done: threading.Event
) -> None:
    while cancel is not None and not done.wait(0.05):
        if cancel.cancelled:
            with suppress(OSError):
                process.kill()
            return


class _Tail(threading.Thread):
    """Reads a stream to its end, so that it never blocks its writer, and keeps the last of it."""

    def __init__(self, stream: IO[bytes], kept: int = 500) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._kept = kept
        self._last = b""
        self.start()

    def run(self) -> None:
        while block := self._stream.read(4096):
            self._last = (self._last + block)[-self._kept :]

    def text(self) -> str:
        return " ".join(self._last.decode(errors="replace").split())
