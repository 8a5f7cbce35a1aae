"""The recordings that the package carries: real speech to try things on.

Where they are from, and under which terms, is in `data/NOTICE.md`.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

SPOKEN: Final = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
"""What is said in `recording()`."""


def recording() -> bytes:
    """Eleven seconds of President Kennedy's inaugural address, as the content of a WAV file."""
    return _read("jfk.wav")


def conversation() -> bytes:
    """Half a minute of two people on the telephone, as the content of a FLAC file."""
    return _read("conversation.flac")


def _read(name: str) -> bytes:
    return (resources.files("earwitness") / "data" / name).read_bytes()
