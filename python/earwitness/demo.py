"""The recording that the package carries: a few seconds of real speech to try things on.

From President Kennedy's inaugural address, 20 January 1961, a work of the United States government
and in the public domain.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

SPOKEN: Final = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
"""What is said in the recording."""


def recording() -> bytes:
    """The recording, as the content of a WAV file."""
    return (resources.files("earwitness") / "data" / "jfk.wav").read_bytes()
