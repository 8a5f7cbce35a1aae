"""What callers may pass as audio, and the samples in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from earwitness.errors import AudioError

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from earwitness._core import CancelToken

    # Arrays are buffers too, which type checkers know from Python 3.12 on.
    Samples: TypeAlias = "NDArray[np.float32] | NDArray[np.int16]"
    AudioInput: TypeAlias = "str | os.PathLike[str] | SupportsRead | Buffer | Samples"


class SupportsRead(Protocol):
    """A binary file object."""

    def read(self, size: int = ..., /) -> bytes: ...


def samples_of(audio: AudioInput, cancel: CancelToken | None) -> tuple[Buffer, bool]:
    """The samples, and whether they were decoded (16 kHz mono) rather than passed in."""
    if isinstance(audio, (str, os.PathLike, bytes, bytearray)) or hasattr(audio, "read"):
        # Decoding brings numpy, which callers with PCM of their own may do without.
        from earwitness.audio import load_audio

        samples: Any = load_audio(audio, cancel=cancel)
        return samples, True
    buffer: Any = audio
    try:
        return memoryview(buffer), False
    except (TypeError, ValueError, BufferError):
        raise AudioError(
            f"{type(audio).__name__} is not audio: pass a path, the bytes of an audio file, a "
            "binary file object, or a buffer of float32 or int16 samples such as a numpy array"
        ) from None
