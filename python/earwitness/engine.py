"""Loaded models and the calls they serve."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earwitness import _core
from earwitness.chunking import regions
from earwitness.closing import Closing
from earwitness.errors import InvalidOptionError
from earwitness.options import SAMPLE_RATE, Options
from earwitness.pcm import samples_of
from earwitness.spans import shared_finder

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from earwitness.options import OptionValues
    from earwitness.pcm import AudioInput
    from earwitness.speakers import DiarizationLike, DiarizerLike


class Engine(Closing):
    """A model, loaded once, that transcribes for any number of threads at once.

    Use it as a context manager, or call `close()`, to free the memory at a known moment.

    Args:
        model: name of a model in the catalogue, one of its aliases, or the path of a ggml file.
        device: `auto` (a GPU where there is one), `cpu` or `gpu`.
        precision: on the CPU, `int8` (weights rounded to 8 bits: fast and small) or `float`
            (weights in half precision, everything else in single). A GPU takes the weights as they
            are in the file.

    Raises:
        ModelError: the model is unknown, cannot be fetched, or its file is damaged.
        InvalidOptionError: there is no such device or precision.
    """

    __slots__ = ("_name", "_native")

    def __init__(
        self,
        model: str | os.PathLike[str] = "base",
        *,
        device: str = "auto",
        precision: str = "int8",
    ) -> None:
        self._name = os.fspath(model)
        self._native = _core.Engine(_resolve(model), device=device, precision=precision)
        shared_finder()  # here, so that the first call does not wait for its weights

    def transcribe(
        self,
        audio: AudioInput,
        options: Options | None = None,
        **overrides: Unpack[OptionValues],
    ) -> _core.Transcript:
        """The words of a recording.

        Args:
            audio: what kind of source it is depends on its type alone:
                `str` and `os.PathLike` are the path of an audio or video file;
                `bytes` and `bytearray` are the content of such a file;
                an object with a `read` method is such a file, opened in binary mode;
                anything else must be a buffer of PCM samples (a numpy array, `array.array`,
                `memoryview` ...): float32 in [-1, 1] or int16, one-dimensional and interleaved or
                shaped (frames, channels), at `options.sample_rate` with `options.channels`.
            options: the settings; its `model` is ignored, for the engine has one.
            overrides: fields of `options` to replace for this call.

        Returns:
            What was heard. Silence, noise and music have no segments. With `diarize`, each word
            has its speaker.

        Raises:
            AudioError: the audio cannot be decoded, is under 100 ms long, is not finite, or is no
                audio at all;
                `UnsupportedFormatError` where only its format is at fault.
            InvalidOptionError: an option is out of range, unknown, or not possible for this model
                or these samples.
            Cancelled: `options.cancel` was used.
            EngineClosedError: `close()` was called.
            OSError: the file cannot be read.
        """
        if "model" in overrides:
            raise InvalidOptionError(
                "model cannot be changed for one call of an engine; make another Engine for it"
            )
        chosen = (options or Options()).replace(**overrides)
        pcm = samples_of(
            audio,
            sample_rate=chosen.sample_rate,
            channels=chosen.channels,
            cancel=chosen.cancel,
        )
        if not chosen.diarize:
            return self._transcribe(pcm, chosen)
        with diarizing(pcm, chosen) as speakers:
            transcript = self._transcribe(pcm, chosen)
            diarization = speakers.result()
        # By the package's own diarizer, for none other was named.
        assert isinstance(diarization, _core.Diarization)
        return _core.attribute(transcript, diarization)

    def _transcribe(self, pcm: Buffer, chosen: Options) -> _core.Transcript:
        if chosen.vad and chosen.spans is None:
            chosen = chosen.replace(spans=_speech(pcm, chosen))
        return self._native.transcribe(
            pcm,
            chosen.native(),
            cancel=chosen.cancel,
            on_progress=chosen.on_progress,
            on_segment=chosen.on_segment,
        )

    def embed(
        self,
        audio: AudioInput,
        *,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 1,
        cancel: _core.CancelToken | None = None,
    ) -> list[float]:
        """The voice in a recording of one speaker, for `Voices`: see `Diarizer.embed`."""
        from earwitness.diarizer import shared_diarizer

        return shared_diarizer().embed(
            audio, sample_rate=sample_rate, channels=channels, cancel=cancel
        )

    def close(self) -> None:
        """Free the model once the calls that are running have ended; may be called again."""
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._native.closed

    @property
    def model(self) -> _core.ModelInfo:
        """What the model's file says of itself."""
        return self._native.model

    @property
    def device(self) -> str:
        """The device that computes."""
        return self._native.device

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"on {self.device}"
        return f"<earwitness.Engine {self._name!r} {state}>"


def transcribe(
    audio: AudioInput,
    options: Options | None = None,
    **overrides: Unpack[OptionValues],
) -> _core.Transcript:
    """The words of a recording, by the model that `options.model` names.

    The two models used last stay loaded for the next call, from any thread; `clear_cache()` frees
    them. Arguments and errors are those of `Engine.transcribe` and of `Engine`.
    """
    chosen = (options or Options()).replace(**overrides)
    with _cache.lease(chosen.model) as engine:
        return engine.transcribe(audio, chosen)


def clear_cache() -> None:
    """Free the models that `transcribe` keeps loaded, those in use once their calls have ended."""
    _cache.clear()


def _resolve(model: str | os.PathLike[str]) -> Path:
    # The catalogue brings download and locking code, which `import earwitness` need not pay for.
    from earwitness import models

    return models.resolve(model)


def _speech(pcm: Buffer, chosen: Options) -> tuple[tuple[float, float], ...]:
    """The stretches of a recording to hear: those with speech."""
    return regions(shared_finder().find(pcm, threads=chosen.threads, cancel=chosen.cancel))


@contextmanager
def diarizing(
    pcm: Buffer, options: Options, diarizer: DiarizerLike | None = None
) -> Iterator[Future[DiarizationLike]]:
    """Finds the speakers of `pcm` beside what the block does; stopped when the block ends.

    Args:
        pcm: 16 kHz mono samples.
        options: `diarize` must be set; the bounds, threads and token are used.
        diarizer: None = the one in the package.
    """
    if diarizer is None:
        from earwitness.diarizer import shared_diarizer

        diarizer = shared_diarizer()
    cancel = options.cancel.child() if options.cancel else _core.CancelToken()
    settings: dict[str, Any] = {}
    # What a diarizer of the caller's own need not know of.
    if options.num_speakers is not None:
        settings["num_speakers"] = options.num_speakers
    with ThreadPoolExecutor(1, "earwitness-diarizer") as executor:
        speakers = executor.submit(
            diarizer.diarize,
            pcm,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            threads=options.threads,
            cancel=cancel,
            **settings,
        )
        try:
            yield speakers
        finally:
            cancel.cancel()


class _Entry:
    """A model of the cache. `users` and `retired` are guarded by the cache's lock."""

    __slots__ = ("_engine", "_loading", "retired", "users")

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._loading = threading.Lock()
        self.users = 0
        self.retired = False

    def engine(self, path: Path) -> Engine:
        """Load on first use; callers of other models do not wait for it."""
        with self._loading:
            if self._engine is None:
                self._engine = Engine(path)
            return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


class _EngineCache:
    """The engines used last, each closed when it is no longer kept and no call uses it."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: dict[tuple[Any, ...], _Entry] = {}  # least recently used first

    @contextmanager
    def lease(self, model: str | os.PathLike[str]) -> Iterator[Engine]:
        path = _resolve(model)
        # A file that was replaced since it was loaded is another model.
        status = path.stat()
        key = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry
            entry.users += 1
            idle = self._retire(list(self._entries)[: -self._capacity])
        for evicted in idle:
            evicted.close()
        try:
            yield entry.engine(path)
        finally:
            with self._lock:
                entry.users -= 1
                done = entry.retired and entry.users == 0
            if done:
                entry.close()

    def clear(self) -> None:
        with self._lock:
            idle = self._retire(list(self._entries))
        for entry in idle:
            entry.close()

    def _retire(self, keys: list[tuple[Any, ...]]) -> list[_Entry]:
        """Take entries out; gives those that no call uses, to be closed without the lock."""
        retired = [self._entries.pop(key) for key in keys]
        for entry in retired:
            entry.retired = True
        return [entry for entry in retired if entry.users == 0]


# Two: enough to alternate between models, and few enough that their memory is no surprise.
_CACHE_CAPACITY: Final = 2
_cache = _EngineCache(_CACHE_CAPACITY)
atexit.register(clear_cache)


def _forget_after_fork() -> None:
    """Threads, locks and devices of the parent's engines do not survive in a forked child."""
    global _cache, _parents_cache
    _parents_cache = _cache  # kept, not closed: that memory is the parent's
    _cache = _EngineCache(_CACHE_CAPACITY)


_parents_cache: _EngineCache | None = None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
