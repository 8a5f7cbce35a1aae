"""The files of data that the package ships."""

from __future__ import annotations

import importlib.resources
from contextlib import AbstractContextManager
from pathlib import Path


def shipped(name: str) -> AbstractContextManager[Path]:
    """The path of a file of the package's folder `data`, for the time of the block."""
    return importlib.resources.as_file(importlib.resources.files("earwitness") / "data" / name)
