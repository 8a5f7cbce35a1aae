"""The commands that get, list and convert models."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any

import earwitness
import pytest
from earwitness import convert, models
from earwitness.cli import main

Captured = pytest.CaptureFixture[str]


def test_models_are_listed_in_columns(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    known = [
        dataclasses.replace(models.find("tiny.en"), cached=True),
        dataclasses.replace(models.find("large-v3"), cached=False),
    ]
    monkeypatch.setattr(models, "list_models", lambda: known)
    assert main(["models"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAME", "SIZE", "LANGUAGES", "CACHED"],
        ["tiny.en", f"{known[0].size / 1e6:.0f}", "MB", "en", "yes"],
        ["large-v3", f"{known[1].size / 1e6:.0f}", "MB", "100"],
    ]


def test_pull_prints_where_each_model_is(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def pull(name: str, *, progress: bool | None) -> Path:
        if name == "small":
            raise earwitness.OfflineError("no network is wanted")
        return Path(name)

    monkeypatch.setattr(models, "pull", pull)
    assert main(["pull", "tiny", "small", "base"]) == 3
    assert capsys.readouterr() == ("tiny\nbase\n", "earwitness: small: no network is wanted\n")
    assert main(["pull", "tiny"]) == 0


def test_convert_reaches_the_converter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    asked: list[object] = []

    def stand_in(source: Path, target: Path, *, weights: str, progress: object) -> Any:
        asked.extend((source, target, weights, progress))
        return types.SimpleNamespace(
            path=target, tensors=3, source_format="OpenAI", weights=weights, size=1_500_000
        )

    monkeypatch.setattr(convert, "convert", stand_in)
    assert main(["convert", "a", "b.bin", "--weights", "q8_0"]) == 0
    assert asked == [Path("a"), Path("b.bin"), "q8_0", None]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "earwitness: b.bin: 3 tensors as q8_0, 1.5 MB, from a checkpoint of OpenAI\n"


def test_convert_refuses_what_is_no_checkpoint(tmp_path: Path, capsys: Captured) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("not a checkpoint at all")
    target = tmp_path / "model.bin"
    assert main(["convert", str(source), str(target)]) == 3
    assert main(["convert", str(tmp_path / "none"), str(target)]) == 3
    with pytest.raises(SystemExit) as stopped:
        main(["convert", str(source), str(target), "--weights", "q1_0"])
    assert stopped.value.code == 2
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == [source]
