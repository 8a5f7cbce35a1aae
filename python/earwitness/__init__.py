"""Earwitness: who said what, and when.

    import earwitness as ew

    transcript = ew.transcribe("meeting.mp3", model="base", word_timestamps=True)
    print(transcript.text)

    with ew.Engine("tiny.en") as engine:  # loaded once, for many calls and threads
        for segment in engine.transcribe(pcm).segments:
            print(segment.start, segment.text)

Importing this package loads neither numpy nor anything of the network; `load_audio`, `models` and
`convert` bring what they need when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from earwitness._core import (
    CancelToken,
    ModelInfo,
    Segment,
    Timings,
    Token,
    Transcript,
    Word,
    __version__,
    devices,
    system_info,
)
from earwitness.engine import Engine, clear_cache, transcribe
from earwitness.errors import (
    AudioError,
    Cancelled,
    DownloadError,
    EarwitnessError,
    EngineClosedError,
    InvalidOptionError,
    ModelError,
    ModelNotFoundError,
    OfflineError,
    UnsupportedFormatError,
)
from earwitness.options import Options

if TYPE_CHECKING:
    from earwitness import convert, formats, models
    from earwitness.audio import load_audio

__all__ = [
    "AudioError",
    "CancelToken",
    "Cancelled",
    "DownloadError",
    "EarwitnessError",
    "Engine",
    "EngineClosedError",
    "InvalidOptionError",
    "ModelError",
    "ModelInfo",
    "ModelNotFoundError",
    "OfflineError",
    "Options",
    "Segment",
    "Timings",
    "Token",
    "Transcript",
    "UnsupportedFormatError",
    "Word",
    "__version__",
    "clear_cache",
    "convert",
    "devices",
    "formats",
    "load_audio",
    "models",
    "system_info",
    "transcribe",
]


if not TYPE_CHECKING:  # type checkers would take any misspelt name for one of these

    def __getattr__(name: str) -> Any:
        if name in ("convert", "formats", "models"):
            return importlib.import_module(f"earwitness.{name}")
        if name == "load_audio":
            from earwitness.audio import load_audio

            return load_audio
        raise AttributeError(f"module 'earwitness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
