"""The engine's results for the package's recording, heard once and given again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import earwitness
import pytest
from earwitness import demo, engine
from earwitness.errors import Cancelled
from earwitness.options import Options

_heard: dict[bool, earwitness.Transcript] = {}
"""With and without times of words."""


class Replay:
    """Stands in for `earwitness.engine.transcribe`; follows options, callbacks and tokens.

    Attributes:
        calls: the options of each call.
        hold: while it is set, calls wait in the middle, until they are cancelled.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._transcribe: Callable[..., earwitness.Transcript] = engine.transcribe
        self._lock = threading.Lock()
        self.calls: list[Options] = []
        self.hold = threading.Event()
        self.holding = threading.Semaphore(0)

    def __call__(
        self, audio: Any, options: Options | None = None, **overrides: Any
    ) -> earwitness.Transcript:
        chosen = (options or Options()).replace(**overrides)
        self.calls.append(chosen)
        transcript = self._transcript(chosen.word_timestamps)
        if chosen.on_progress:
            chosen.on_progress(0.0)
        for segment in transcript.segments:
            if self.hold.is_set():
                self.holding.release()
            give_up = time.monotonic() + 60
            while self.hold.is_set() and time.monotonic() < give_up:
                check(chosen)
                time.sleep(0.01)
            check(chosen)
            if chosen.on_segment:
                chosen.on_segment(segment)
        if chosen.on_progress:
            chosen.on_progress(1.0)
        return transcript

    def _transcript(self, words: bool) -> earwitness.Transcript:
        with self._lock:
            if words not in _heard:
                _heard[words] = self._transcribe(
                    demo.recording(), model=self._model, word_timestamps=words
                )
            return _heard[words]


def check(options: Options) -> None:
    if options.cancel is not None and options.cancel.cancelled:
        raise Cancelled("cancelled")


@contextmanager
def replaying(model: Path) -> Iterator[Replay]:
    """Let the clients hear the package's recording, whatever they are given, without delay."""
    with pytest.MonkeyPatch.context() as patch:
        replay = Replay(model)
        patch.setattr(engine, "transcribe", replay)
        yield replay
