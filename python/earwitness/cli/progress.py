"""Progress bars, drawn on standard error when a person is watching it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from earwitness.closing import Closing


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar for the block's work; gives the function that takes the share done, 0 to 1.

    Gives None where there is nobody to see a bar.
    """
    with FilesDisplay(1, quiet=quiet) as display:
        yield display.next_file(title)


class FilesDisplay(Closing):
    """One bar for all files of a command: which one is being worked on, and how far all are.

    Of no effect where there is nobody to see it. Use it as a context manager.
    """

    def __init__(self, count: int, *, quiet: bool) -> None:
        self._count = count
        self._begun = 0
        self._bar: Any = None
        if quiet or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=float(count),
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        )

    def next_file(self, title: str) -> Callable[[float], None] | None:
        """Go on to a file; gives what takes the share of it that is done, 0 to 1."""
        done = self._begun
        self._begun += 1
        if self._bar is None:
            return None
        bar = self._bar
        number = f"{self._begun}/{self._count} " if self._count > 1 else ""
        bar.set_description_str(f"{number}{title}:", refresh=False)
        bar.update(done - bar.n)
        bar.refresh()

        def advance(share: float) -> None:
            bar.update(done + share - bar.n)

        return advance

    def hide(self) -> None:
        """Clear the line for something else that is written; the next update draws it again."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
