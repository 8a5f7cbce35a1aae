"""`client.audio.transcriptions` and `.translations`, in both kinds of client."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, overload

from earwitness import answers, formats
from earwitness.client import sources
from earwitness.client.calls import (
    AsyncEventStream,
    Call,
    EventStream,
    async_stream_events,
    stream_events,
)
from earwitness.client.hearing import Services, hear
from earwitness.client.parameters import Request, parse
from earwitness.client.streaming import EventWriter, TranscriptionEvent
from earwitness.results import (
    AudioTranscription,
    AudioTranscriptionDiarized,
    AudioTranscriptionVerbose,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from earwitness._core import CancelToken
    from earwitness.client.parameters import TranscriptionParams
    from earwitness.client.pool import Pool
    from earwitness.client.sources import FileInput
    from earwitness.options import Task
    from earwitness.spoken import SpokenSegment, SpokenTranscript

Answer: TypeAlias = (
    "AudioTranscription | AudioTranscriptionVerbose | AudioTranscriptionDiarized | str"
)
TextFormat: TypeAlias = "Literal['text', 'srt', 'vtt', 'tsv', 'rttm', 'markdown']"


class Settings:
    """What a client gives its resources: its pool, its services and its defaults."""

    __slots__ = ("model", "pool", "services", "timeout")

    def __init__(
        self,
        pool: Pool,
        services: Services,
        model: str | os.PathLike[str],
        timeout: float | None,
    ) -> None:
        self.pool = pool
        self.services = services
        self.model = model
        self.timeout = timeout

    def request(self, task: Task, file: object, params: dict[str, Any]) -> Request:
        """The call's parameters, checked before it takes a place in the queue."""
        request = parse(params, task=task, model=self.model, timeout=self.timeout)
        sources.check(file)
        return request

    def start(
        self, request: Request, file: object, put: Callable[[TranscriptionEvent], None] | None
    ) -> Call[Answer]:
        """Begin a call; its events go to `put`."""
        writer = EventWriter(request)

        def follow(part: SpokenSegment) -> None:
            if request.on_segment is not None:
                request.on_segment(answers.segment(part))
            if put is not None:
                for event in writer.segment(part):
                    put(event)

        def work(cancel: CancelToken) -> Answer:
            transcript = hear(
                request,
                file,
                self.services,
                cancel=cancel,
                threads=self.pool.threads(),
                on_segment=follow,
            )
            if put is not None:
                for event in writer.done(transcript):
                    put(event)
            return answer(request, transcript)

        return Call(self.pool, work, timeout=request.timeout, token=request.options.cancel)


_WRITERS: Final[dict[str, str]] = {"text": "txt", "markdown": "md"}


def answer(request: Request, transcript: SpokenTranscript) -> Answer:
    """The transcript in the format that the request names."""
    name = request.response_format
    if name == "json":
        return answers.plain(transcript, logprobs=request.logprobs)
    if name == "verbose_json":
        return answers.verbose(transcript, words=request.words, logprobs=request.logprobs)
    if name == "diarized_json":
        return answers.diarized(transcript)
    return formats.render(transcript, _WRITERS.get(name, name), request.layout)


class Transcriptions:
    """`client.audio.transcriptions`: what is said, in the language spoken."""

    _task: Task = "transcribe"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @overload
    def create(
        self, *, file: FileInput, stream: Literal[True], **params: Unpack[TranscriptionParams]
    ) -> EventStream[TranscriptionEvent]: ...
    @overload
    def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["verbose_json"],
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscriptionVerbose: ...
    @overload
    def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["diarized_json"],
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscriptionDiarized: ...
    @overload
    def create(
        self,
        *,
        file: FileInput,
        response_format: TextFormat,
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> str: ...
    @overload
    def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["json"] = ...,
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscription | AudioTranscriptionVerbose: ...
    def create(self, *, file: Any = None, **params: Any) -> Any:
        """Hear a recording.

        Args:
            file: a path, an https:// URL, the content of a file as bytes, a file opened in binary
                mode, or a tuple (name, content) of these.
            response_format: `json` (default; only the text, unless `diarize`), `verbose_json`,
                `diarized_json`, or text in one of the formats `text`, `srt`, `vtt`, `tsv`, `rttm`
                and `markdown`. `diarized_json` and `rttm` say who spoke without being asked.
            stream: whether to give events as segments are finished, rather than the whole.
            params: see `earwitness.client.TranscriptionParams`.

        Returns:
            A record of `earwitness.results`, a string for the formats of text, or an iterator of
            events.

        Raises:
            BadRequestError: a parameter is unknown, wrong or contradicts another, or the audio is
                of an unknown format or too long.
            RequestEntityTooLargeError: the file is too large.
            UnprocessableEntityError: the audio is damaged.
            NotFoundError: there is no such model.
            RateLimitError: the client's queue is full.
            APITimeoutError: the call took longer than its timeout.
            APIConnectionError: the URL cannot be fetched.
            InternalServerError: the model cannot be loaded.
            Cancelled: `cancel` was used.
            OSError: the file cannot be read.
        """
        request = self._settings.request(self._task, file, params)
        if request.stream:
            return stream_events(lambda put: self._settings.start(request, file, put))
        return self._settings.start(request, file, None).result()


class Translations(Transcriptions):
    """`client.audio.translations`: what is said, in English."""

    _task = "translate"


class AsyncTranscriptions:
    """`client.audio.transcriptions` of an `AsyncClient`."""

    _task: Task = "transcribe"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @overload
    async def create(
        self, *, file: FileInput, stream: Literal[True], **params: Unpack[TranscriptionParams]
    ) -> AsyncEventStream[TranscriptionEvent]: ...
    @overload
    async def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["verbose_json"],
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscriptionVerbose: ...
    @overload
    async def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["diarized_json"],
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscriptionDiarized: ...
    @overload
    async def create(
        self,
        *,
        file: FileInput,
        response_format: TextFormat,
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> str: ...
    @overload
    async def create(
        self,
        *,
        file: FileInput,
        response_format: Literal["json"] = ...,
        stream: Literal[False] = ...,
        **params: Unpack[TranscriptionParams],
    ) -> AudioTranscription | AudioTranscriptionVerbose: ...
    async def create(self, *, file: Any = None, **params: Any) -> Any:
        """As `Transcriptions.create`; cancelling the task stops the work."""
        request = self._settings.request(self._task, file, params)
        if request.stream:
            return async_stream_events(lambda put: self._settings.start(request, file, put))
        return await self._settings.start(request, file, None).async_result()


class AsyncTranslations(AsyncTranscriptions):
    """`client.audio.translations` of an `AsyncClient`."""

    _task = "translate"
