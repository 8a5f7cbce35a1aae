"""Models by name: the catalogue, the cache folder, and getting what is not there yet.

    from earwitness import models
    path = models.resolve("tiny.en")        # pulls it when it is not cached

Files live in one folder (`EARWITNESS_HOME`, else the platform's cache folder). Every download is
checked against the catalogue's sha256. A cached model never touches the network, and with
`EARWITNESS_OFFLINE=1` nothing does. `HF_ENDPOINT` names a mirror of the model hub.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from functools import cache as _memo
from pathlib import Path

from earwitness.errors import ModelError, ModelNotFoundError, OfflineError

from . import cache
from .catalogue import CATALOGUE, CatalogueEntry, HubSource, PackageSource

__all__ = [
    "CATALOGUE",
    "CatalogueEntry",
    "HubSource",
    "PackageSource",
    "find",
    "list_models",
    "pull",
    "resolve",
]


@_memo
def _by_name() -> dict[str, CatalogueEntry]:
    names = {alias: entry for entry in CATALOGUE for alias in entry.aliases}
    names.update((entry.name, entry) for entry in CATALOGUE)
    return names


def _normalise(name: str) -> str:
    return name.strip().lower()


def find(name: str) -> CatalogueEntry:
    """The catalogue's entry for a name or alias, in any case.

    Raises:
        ModelNotFoundError: no model is called that; the message has the nearest names.
    """
    entry = _by_name().get(_normalise(name))
    if entry is None:
        raise _unknown(name)
    return entry


def _unknown(name: str) -> ModelNotFoundError:
    near = difflib.get_close_matches(_normalise(name), _by_name(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`earwitness models` lists them"
    return ModelNotFoundError(f"there is no model {name!r}; {hint}")


def list_models() -> list[CatalogueEntry]:
    """All models, with `cached` set for those on this machine."""
    return [
        dataclasses.replace(entry, cached=cache.lookup(entry) is not None) for entry in CATALOGUE
    ]


def _ensure(entry: CatalogueEntry, progress: bool | None) -> Path:
    path = cache.lookup(entry)
    if path is not None:
        return path
    try:
        with cache.lock(entry):
            # Another process may have got it while this one waited for the lock.
            path = cache.lookup(entry) or cache.adopt(entry)
            if path is not None:
                return path
            if cache.offline():
                raise OfflineError(
                    f"the model {entry.name} is not in {cache.models_folder()}, and "
                    f"{cache.OFFLINE_VARIABLE} forbids getting it"
                )
            from . import sources

            return sources.fetch(entry, progress)
    except OSError as error:
        raise ModelError(
            f"the cache folder {cache.home()} cannot be used ({error}); "
            f"{cache.HOME_VARIABLE} names another"
        ) from error


def pull(name: str, *, progress: bool | None = None) -> Path:
    """Make sure that a model is on this machine, and return its file.

    Args:
        name: a name or alias of the catalogue.
        progress: whether to show a bar on standard error (None: when that is a terminal).

    Raises:
        ModelNotFoundError: no model is called that.
        OfflineError: it is not cached and `EARWITNESS_OFFLINE` is set.
        DownloadError: none of its sources gave it.
        ModelError: the cache folder cannot be used.
    """
    return _ensure(find(name), progress)


def resolve(name_or_path: str | os.PathLike[str], *, progress: bool | None = None) -> Path:
    """The local file for a model's name, alias or path, pulling it when needed.

    A string that is a known name means that model even if a file is called so; write "./tiny.en"
    or pass a `pathlib.Path` for the file.

    Raises:
        ModelNotFoundError: it is neither a known name nor a file.
        OfflineError, DownloadError, ModelError: as `pull`.
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and _normalise(text) in _by_name():
        return pull(text, progress=progress)
    path = Path(text)
    try:
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"{text!r} is no usable path: {error}") from error
    if is_folder:
        raise ModelError(
            f"{path} is a folder; `earwitness convert` makes a ggml file of a checkpoint's folder"
        )
    if os.sep in text or not isinstance(name_or_path, str) or path.suffix in (".bin", ".gguf"):
        raise ModelNotFoundError(f"there is no model file {path}")
    raise _unknown(text)
