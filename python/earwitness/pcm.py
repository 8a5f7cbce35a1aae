"""What callers may pass as audio, and the samples in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from earwitness import _core
from earwitness.errors import AudioError
from earwitness.options import SAMPLE_RATE

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


def samples_of(
    audio: AudioInput,
    *,
    sample_rate: int = SAMPLE_RATE,
    channels: int = 1,
    cancel: CancelToken | None = None,
) -> Buffer:
    """The samples: 16 kHz mono float32, not copied where they were passed in as that.

    Args:
        audio: as for `Engine.transcribe`.
        sample_rate: of a PCM buffer, in Hz.
        channels: of a PCM buffer, interleaved.
        cancel: stops the work.

    Raises:
        AudioError: the audio cannot be used.
        InvalidOptionError: rate or channels are impossible for these samples.
        Cancelled: `cancel` was used.
    """
    if isinstance(audio, (str, os.PathLike, bytes, bytearray)) or hasattr(audio, "read"):
        # Decoding brings numpy, which callers with PCM of their own may do without.
        from earwitness.audio import load_audio

        samples: Any = load_audio(audio, cancel=cancel)
        return samples  # type: ignore[no-any-return]
    buffer: Any = audio
    try:
        memoryview(buffer).release()
    except (TypeError, ValueError, BufferError):
        raise AudioError(
            f"{type(audio).__name__} is not audio: pass a path, the bytes of an audio file, a "
            "binary file object, or a buffer of float32 or int16 samples such as a numpy array"
        ) from None
    return _core.as_pcm(buffer, sample_rate=sample_rate, channels=channels, cancel=cancel)
