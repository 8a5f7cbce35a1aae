"""Earwitness: who said what, and when.

    import earwitness as ew

    transcript = ew.transcribe("meeting.mp3", model="base", word_timestamps=True)
    print(transcript.text)

    with ew.Engine("tiny.en") as engine:  # loaded once, for many calls and threads
        for segment in engine.transcribe("meeting.mp3").segments:
            print(segment.start, segment.text)

    client = ew.Client()  # or ew.Together, ew.OpenAI: their calls, on this machine
    print(client.audio.transcriptions.create(file="meeting.mp3", diarize=True).speaker_segments)

Importing this package loads neither numpy nor anything of the network; the clients,
`load_audio`, `models` and `convert` bring what they need when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from earwitness._core import (
    CancelToken,
    Diarization,
    ModelInfo,
    Segment,
    Speaker,
    SpeakerSegment,
    Timings,
    Token,
    Transcript,
    Turn,
    VoiceMatch,
    Voices,
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
    from earwitness import client, convert, formats, models, results
    from earwitness.api_errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        InternalServerError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RequestEntityTooLargeError,
        UnprocessableEntityError,
    )
    from earwitness.audio import load_audio
    from earwitness.client import (
        AsyncClient,
        AsyncOpenAI,
        AsyncTogether,
        Client,
        Limits,
        OpenAI,
        Together,
    )
    from earwitness.diarizer import Diarizer
    from earwitness.spans import SpeechFinder, SpeechStream

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncClient",
    "AsyncOpenAI",
    "AsyncTogether",
    "AudioError",
    "AuthenticationError",
    "BadRequestError",
    "CancelToken",
    "Cancelled",
    "Client",
    "ConflictError",
    "Diarization",
    "Diarizer",
    "DownloadError",
    "EarwitnessError",
    "Engine",
    "EngineClosedError",
    "InternalServerError",
    "InvalidOptionError",
    "Limits",
    "ModelError",
    "ModelInfo",
    "ModelNotFoundError",
    "NotFoundError",
    "OfflineError",
    "OpenAI",
    "Options",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestEntityTooLargeError",
    "Segment",
    "Speaker",
    "SpeakerSegment",
    "SpeechFinder",
    "SpeechStream",
    "Timings",
    "Together",
    "Token",
    "Transcript",
    "Turn",
    "UnprocessableEntityError",
    "UnsupportedFormatError",
    "VoiceMatch",
    "Voices",
    "Word",
    "__version__",
    "clear_cache",
    "client",
    "convert",
    "devices",
    "formats",
    "load_audio",
    "models",
    "results",
    "system_info",
    "transcribe",
]

_MODULES = frozenset({"client", "convert", "formats", "models", "results"})
_CLIENTS = frozenset(
    {"AsyncClient", "AsyncOpenAI", "AsyncTogether", "Client", "Limits", "OpenAI", "Together"}
)

_HOMES = {
    "Diarizer": "diarizer",
    "SpeechFinder": "spans",
    "SpeechStream": "spans",
    "load_audio": "audio",
}

if not TYPE_CHECKING:  # type checkers would take any misspelt name for one of these

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"earwitness.{name}")
        if name not in __all__:
            raise AttributeError(f"module 'earwitness' has no attribute {name!r}")
        home = "client" if name in _CLIENTS else _HOMES.get(name, "api_errors")
        return getattr(importlib.import_module(f"earwitness.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
