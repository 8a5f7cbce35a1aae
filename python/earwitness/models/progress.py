"""A progress bar on standard error, when someone is looking."""

from __future__ import annotations

import sys
from typing import Protocol

from earwitness.closing import Closing


class _Bar(Protocol):
    n: float

    def update(self, n: float = 1) -> bool | None: ...
    def close(self) -> None: ...


def wanted(enabled: bool | None) -> bool:
    """Whether to show progress: as asked, or, with None, when standard error is a terminal."""
    if enabled is not None:
        return enabled
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar(Closing):
    """Bytes done of a total, shown when `wanted(enabled)`."""

    def __init__(self, description: str, total: int, enabled: bool | None) -> None:
        self._bar: _Bar | None = None
        if wanted(enabled):
            import tqdm

            self._bar = tqdm.tqdm(
                desc=description,
                total=total,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                file=sys.stderr,
                leave=False,
            )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def move_to(self, done: int) -> None:
        """Show `done` bytes; it may go back when a server starts over."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
