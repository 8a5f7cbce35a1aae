"""The hosted transcription APIs' clients, in process: the same calls, nothing leaves the machine.

    from earwitness import Together            # or OpenAI, or Client; Async... likewise

    client = Together()
    response = client.audio.transcriptions.create(file="meeting.mp3", model="base")
    print(response.text)

One client serves any number of threads, and all clients share the models they load.
"""

from __future__ import annotations

import os
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from earwitness.api_errors import BadRequestError
from earwitness.client.calls import AsyncEventStream, EventStream
from earwitness.client.hearing import Services
from earwitness.client.limits import DEFAULT_LIMITS, Limits
from earwitness.client.parameters import ServerVad, TranscriptionParams
from earwitness.client.pool import Pool, shared_pool
from earwitness.client.streaming import TranscriptionEvent
from earwitness.client.transcriptions import (
    AsyncTranscriptions,
    AsyncTranslations,
    Settings,
    Transcriptions,
    Translations,
)
from earwitness.closing import Closing

if TYPE_CHECKING:
    from typing_extensions import Self

    from earwitness.chunking import SpeechFinderLike
    from earwitness.speakers import DiarizerLike

__all__ = [
    "AsyncClient",
    "AsyncEventStream",
    "AsyncOpenAI",
    "AsyncTogether",
    "Client",
    "EventStream",
    "Limits",
    "OpenAI",
    "ServerVad",
    "Together",
    "TranscriptionEvent",
    "TranscriptionParams",
]


class _Audio:
    """`client.audio`."""

    def __init__(self, settings: Settings) -> None:
        self.transcriptions = Transcriptions(settings)
        self.translations = Translations(settings)


class _AsyncAudio:
    """`client.audio` of an `AsyncClient`."""

    def __init__(self, settings: Settings) -> None:
        self.transcriptions = AsyncTranscriptions(settings)
        self.translations = AsyncTranslations(settings)


class _Base:
    """What both kinds of client are made of.

    Args:
        api_key, base_url, max_retries: accepted, so that code written for a hosted service runs;
            there is no server that could use them.
        model: the model of calls that name none: a name of the catalogue, an alias, or a path.
        timeout: seconds that a call may take, waiting included; None = any number.
        limits: how long and large recordings may be, and which URLs may be fetched.
        max_workers: calls that run at once, each on its share of the cores; None = the process's
            common pool, of as many as there are cores, 4 at most.
        max_queue: calls that may wait for a worker, beyond which there is `RateLimitError`;
            None = any number.
        diarizer: finds the speakers; None = the one in the package.
        speech: finds where there is speech; None = the detector in the package.

    Raises:
        BadRequestError: `max_workers` or `max_queue` is out of range.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: Any = None,
        max_retries: int | None = None,
        model: str | os.PathLike[str] = "base",
        timeout: float | None = None,
        limits: Limits = DEFAULT_LIMITS,
        max_workers: int | None = None,
        max_queue: int | None = None,
        diarizer: DiarizerLike | None = None,
        speech: SpeechFinderLike | None = None,
    ) -> None:
        if max_workers is not None and max_workers < 1:
            raise BadRequestError("max_workers must be 1 or more", param="max_workers")
        if max_queue is not None and max_queue < 0:
            raise BadRequestError("max_queue must be 0 or more", param="max_queue")
        bounded = max_workers is not None or max_queue is not None
        self._own_pool = Pool(workers=max_workers, queue=max_queue) if bounded else None
        services = Services(limits=limits, diarizer=diarizer, speech=speech)
        self._settings = Settings(self._own_pool or shared_pool(), services, model, timeout)

    def _close(self) -> None:
        if self._own_pool is not None:
            self._own_pool.close()


class Client(_Base, Closing):
    """`client.audio.transcriptions.create(...)` and `client.audio.translations.create(...)`."""

    @cached_property
    def audio(self) -> _Audio:
        """`transcriptions` and `translations`."""
        return _Audio(self._settings)

    def close(self) -> None:
        """Wait for the calls of this client's own workers and end them; others need no closing."""
        self._close()


class AsyncClient(_Base):
    """As `Client`, with coroutines; serves any number of event loops."""

    @cached_property
    def audio(self) -> _AsyncAudio:
        """`transcriptions` and `translations`."""
        return _AsyncAudio(self._settings)

    async def close(self) -> None:
        """End this client's own workers; others need no closing."""
        import asyncio

        await asyncio.to_thread(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


Together = OpenAI = Client
AsyncTogether = AsyncOpenAI = AsyncClient
