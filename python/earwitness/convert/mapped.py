"""A read-only mapped file whose every read is checked against its length.

Checkpoints come from anywhere: a length in a header is a claim, and nothing is allocated or viewed
before it is known to lie inside the file.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import ModelError

# The largest tokenizer.json of Whisper has 2.5 MB.
_MAX_SMALL_FILE = 64 << 20


def read_small(path: Path) -> bytes:
    """The content of a configuration or tokenizer file.

    Raises:
        ModelError: it is far larger than such files are.
    """
    size = path.stat().st_size
    if size > _MAX_SMALL_FILE:
        raise ModelError(f"{path} has {size} bytes, too many for a file of its kind")
    return path.read_bytes()


class MappedFile:
    """The bytes of a file with a cursor for reading headers.

    The mapping lives as long as any array made from it does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = path.stat().st_size
            if self.size == 0:
                raise ModelError(f"{path} is empty")
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.position = 0

    def _claim(self, count: int, what: str) -> int:
        start = self.position
        if start < 0 or count < 0 or count > self.size - start:
            raise ModelError(
                f"{self.path} is cut short or damaged: {what} needs {count} bytes at offset "
                f"{start}, the file has {self.size}"
            )
        self.position = start + count
        return start

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        """The values that `struct` reads with `layout` at the cursor."""
        start = self._claim(struct.calcsize(layout), what)
        return struct.unpack_from(layout, self.data, start)

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        start = self._claim(count, what)
        return self.data[start : start + count]

    def skip(self, count: int, what: str) -> int:
        """Pass over `count` bytes and return where they begin."""
        return self._claim(count, what)

    def array(self, dtype: np.dtype[Any], count: int, offset: int, what: str) -> NDArray[Any]:
        """A view of `count` values at `offset`, without a copy."""
        if offset < 0 or count < 0 or count * dtype.itemsize > self.size - offset:
            raise ModelError(
                f"{self.path} is cut short or damaged: {what} does not fit into the file"
            )
        return np.frombuffer(self.data, dtype=dtype, count=count, offset=offset)
