"""Stands in for the engine in tests of the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import earwitness
from standins import Segment, Transcript


class Listener:
    """Stands in for the engine: hears the name of each file; some names are trouble."""

    device = "cpu"

    def __init__(self) -> None:
        self.options: list[earwitness.Options] = []
        self.before: Callable[[str], None] = lambda _: None

    def transcribe(self, audio: Path | bytes, options: earwitness.Options, **_: Any) -> Transcript:
        self.options.append(options)
        name = audio.decode() if isinstance(audio, bytes) else audio.name
        self.before(name)
        if "damaged" in name:
            raise earwitness.AudioError(f"{name} is damaged")
        if "missing" in name:
            raise FileNotFoundError(2, "No such file or directory", name)
        return Transcript([Segment(0, 0.0, 1.5, f" This is {name}.")], duration=1.5)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        pass
