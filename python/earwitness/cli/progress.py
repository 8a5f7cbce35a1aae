"""Progress bars, drawn on standard error when a person is watching it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar for the block's work; gives the function that takes the share done, 0 to 1.

    Gives None where there is nobody to see a bar.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(
        total=100.0,
        desc=title,
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
    ) as bar:

        def advance(share: float) -> None:
            bar.update(100.0 * share - bar.n)

        yield advance
