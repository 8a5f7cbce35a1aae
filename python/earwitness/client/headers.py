"""How long a recording says it is, read from its header before anything is decoded."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import IO, Final

_UNKNOWN_LENGTH: Final = 0xFFFFFFFF  # of a WAV file that was written to a pipe
_MOST_BOXES: Final = 10_000


def stated_duration(source: Path | bytes) -> float | None:
    """Seconds, for WAV, FLAC and MP4 (m4a, mov); None for others and where the header is silent.

    A header that claims more than the file can hold is not believed.
    """
    if isinstance(source, bytes):
        return _of_file(io.BytesIO(source))
    if not source.is_file():
        return None
    with source.open("rb") as file:
        return _of_file(file)


def _of_file(file: IO[bytes]) -> float | None:
    head = file.read(12)
    try:
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            return _of_wav(file)
        if head[:4] == b"fLaC":
            return _of_flac(file)
        if head[4:8] == b"ftyp":
            return _of_mp4(file)
    except struct.error:
        pass  # cut short: the decoder will tell
    return None


def _of_wav(file: IO[bytes]) -> float | None:
    """Bytes of the `data` chunk over bytes a second (Microsoft's and IBM's RIFF WAVE)."""
    file.seek(12)
    bytes_per_second = 0
    while True:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"fmt ":
            bytes_per_second = struct.unpack("<8xI", file.read(12))[0]
            file.seek(size - 12 + size % 2, io.SEEK_CUR)
        elif name == b"data":
            if not bytes_per_second:
                return None
            rest = _size(file) - file.tell()
            held = rest if size == _UNKNOWN_LENGTH else min(size, rest)
            return held / bytes_per_second
        else:
            file.seek(size + size % 2, io.SEEK_CUR)


def _of_flac(file: IO[bytes]) -> float | None:
    """Samples over rate, of the STREAMINFO block that comes first (RFC 9639, section 8.2)."""
    file.seek(4)
    header = file.read(38)
    packed = struct.unpack(">Q", header[14:22])[0]
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate if header[0] & 0x7F == 0 and rate and samples else None


def _of_mp4(file: IO[bytes]) -> float | None:
    """Duration over time scale of the movie header (ISO/IEC 14496-12, `moov/mvhd`)."""
    moov = _find_box(file, 0, _size(file), b"moov")
    mvhd = _find_box(file, *moov, b"mvhd") if moov else None
    if mvhd is None:
        return None
    file.seek(mvhd[0])
    layout = ">4x8xII" if file.read(1) == b"\0" else ">4x16xIQ"
    file.seek(mvhd[0])
    scale, duration = struct.unpack(layout, file.read(struct.calcsize(layout)))
    unknown = duration in (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
    return duration / scale if scale and not unknown else None


def _find_box(file: IO[bytes], start: int, end: int, wanted: bytes) -> tuple[int, int] | None:
    """Start and end of the content of a box."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return None
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = end - start
        if size < header:
            return None
        if name == wanted:
            return start + header, min(start + size, end)
        start += size
    return None


def _size(file: IO[bytes]) -> int:
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    return size
