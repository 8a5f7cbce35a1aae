"""The one folder that downloaded models live in, and what is known about its files.

A model's bytes are hashed once, when they arrive. A small record beside the file then keeps the
digest with the file's size and modification time, so that later loads compare two numbers instead
of hashing gigabytes, and never touch the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .catalogue import CatalogueEntry

_log = logging.getLogger("earwitness.models")

HOME_VARIABLE = "EARWITNESS_HOME"
OFFLINE_VARIABLE = "EARWITNESS_OFFLINE"


def home() -> Path:
    """The cache folder: `EARWITNESS_HOME`, else the platform's place for caches."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("earwitness", appauthor=False))


def models_folder() -> Path:
    """Where model files are kept."""
    return home() / "models"


def model_path(entry: CatalogueEntry) -> Path:
    """Where this model is or would be kept."""
    return models_folder() / entry.filename


def offline() -> bool:
    """Whether `EARWITNESS_OFFLINE` forbids the network: set, and not to 0, false, no or off."""
    value = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    return value not in ("", "0", "false", "no", "off")


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def lookup(entry: CatalogueEntry) -> Path | None:
    """The cached file if it is there and is still the one that was verified, else None."""
    path = model_path(entry)
    try:
        found = path.stat()
    except OSError:
        return None
    record = _read_record(path)
    unchanged = record.get("size") == found.st_size and record.get("mtime_ns") == found.st_mtime_ns
    return path if unchanged and record.get("sha256") in entry.digests else None


def record(path: Path, sha256: str, source: str) -> None:
    """Note that `path` was verified to have the digest `sha256`."""
    found = path.stat()
    content = {
        "sha256": sha256,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "source": source,
    }
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        os.replace(unfinished, _record_path(path))
    finally:
        unfinished.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def adopt(entry: CatalogueEntry) -> Path | None:
    """Accept a file that is in place without a valid record, if its bytes are right.

    Such a file was copied into the cache by hand, or restored with another modification time.
    """
    path = model_path(entry)
    if not path.is_file():
        return None
    digest = file_digest(path)
    if digest not in entry.digests:
        _log.warning("%s is damaged or another model; it will be replaced", path)
        return None
    record(path, digest, "found in the cache folder")
    return path


@contextlib.contextmanager
def lock(entry: CatalogueEntry) -> Iterator[None]:
    """Hold this model's lock, so that processes that want it download it once between them."""
    import filelock

    folder = home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    models_folder().mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f"{entry.filename}.lock"):
        yield
