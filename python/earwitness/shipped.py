"""The files of data that the package ships, and what is loaded from them."""

from __future__ import annotations

import functools
import importlib.resources
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def shipped(name: str) -> AbstractContextManager[Path]:
    """The path of a file of the package's folder `data`, for the time of the block."""
    return importlib.resources.as_file(importlib.resources.files("earwitness") / "data" / name)


def load(
    make: Callable[[str | os.PathLike[str]], T], path: str | os.PathLike[str] | None, name: str
) -> T:
    """What `make` loads from `path` or, with None, from the shipped file of that name."""
    if path is not None:
        return make(path)
    with shipped(name) as weights:
        return make(weights)


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Have `make` called when its result is first asked for, by one thread, and that kept."""
    kept = functools.cache(make)
    making = threading.Lock()

    @functools.wraps(make)
    def get() -> T:
        with making:
            return kept()

    return get
