"""A diarizer that knows its answer, for the tests of what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from earwitness.errors import Cancelled


@dataclass
class FakeTurn:
    start: float
    end: float
    speaker: int
    confidence: float = 0.9


@dataclass
class FakeSpeaker:
    label: str
    voice: Sequence[float]


@dataclass
class FakeDiarization:
    speakers: Sequence[FakeSpeaker]
    turns: Sequence[FakeTurn]

    @property
    def exclusive(self) -> Sequence[FakeTurn]:
        return self.turns


@dataclass
class FakeDiarizer:
    """Hears speakers take turns of equal length; their voices are the axes of a space."""

    speakers: int = 2
    turns: int = 4
    voice: Sequence[float] = (1.0, 0.0, 0.0)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def diarize(self, pcm: Any, **settings: Any) -> FakeDiarization:
        self.asked.append(settings)
        if settings["cancel"].cancelled:
            raise Cancelled("cancelled")
        length = memoryview(pcm).nbytes / 4 / 16000 / max(self.turns, 1)
        turns = [
            FakeTurn(i * length, (i + 1) * length, i % self.speakers) for i in range(self.turns)
        ]
        axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        count = self.speakers if self.turns else 0
        return FakeDiarization(
            [FakeSpeaker(f"SPEAKER_{i:02}", axes[i]) for i in range(count)], turns
        )

    def embed(self, pcm: Any, *, cancel: Any = None) -> Sequence[float]:
        return self.voice
