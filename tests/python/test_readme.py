"""The documents' own code, run as it stands with real recordings under the names it uses.

The name `openai/whisper-large-v3` is looked up in the catalogue as for anybody, but the three
gigabytes behind it are not fetched: the multilingual model base stands in for the file.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import earwitness
import earwitness.client
import pytest
from checkpoints import random_weights, write_huggingface
from earwitness import demo, models
from earwitness.cli import main

README = Path(__file__).parent.parent.parent / "README.md"
_BLOCK = re.compile(r"<!-- example -->\s*```python\n(.*?)```", re.DOTALL)
_COMMANDS = re.compile(r"<!-- commands -->\s*```sh\n(.*?)```", re.DOTALL)
_RECORDING = re.compile(r"[\w-]+\.(?:mp3|mp4|wav|m4a|flac|ogg|webm)")
_INDENTED = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)


def examples() -> dict[str, str]:
    """The code by where it stands."""
    found = _BLOCK.findall(README.read_text(encoding="utf-8"))
    code = {f"README.md, example {number}": block for number, block in enumerate(found, start=1)}
    for module in (earwitness, earwitness.client):
        (block,) = (b for b in _INDENTED.findall(module.__doc__ or "") if b.strip())
        code[module.__name__] = textwrap.dedent(block)
    return code


def commands() -> list[str]:
    (block,) = _COMMANDS.findall(README.read_text(encoding="utf-8"))
    return str(block).splitlines()


def test_there_are_examples() -> None:
    assert len(examples()) > 4
    assert len(commands()) > 6


def record(code: str, folder: Path, content: bytes) -> None:
    """Put a recording under each of the names that the code has."""
    for name in _RECORDING.findall(code):
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("where", examples())
def test_the_example_runs(
    where: str,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = examples()[where]
    resolve = models.resolve

    def without_the_largest(name: str | Path) -> Path:
        known = name == "openai/whisper-large-v3" and models.find(str(name)).name == "large-v3"
        return base_model if known else resolve(name)

    monkeypatch.setattr(models, "resolve", without_the_largest)
    monkeypatch.chdir(tmp_path)
    record(code, tmp_path, demo.recording())
    exec(compile(code, where, "exec"), {"__name__": "__main__"})
    assert "country" in capsys.readouterr().out


@pytest.mark.parametrize("command", commands())
def test_the_command_runs(
    command: str,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """But for the download of a large model, and with a small checkpoint to convert."""
    program, *args = shlex.split(command, comments=True)
    assert program == "earwitness"
    pull = models.pull

    def without_the_largest(name: str, **settings: Any) -> Path:
        known = models.find(name).name == "large-v3-turbo"
        return base_model if known else pull(name, **settings)

    monkeypatch.setattr(models, "pull", without_the_largest)
    monkeypatch.chdir(tmp_path)
    record(command, tmp_path, demo.conversation())
    write_huggingface(tmp_path / "my-finetune", random_weights())
    assert main(args) == 0
    written = [path for path in tmp_path.rglob("*") if path.suffix in (".srt", ".json", ".bin")]
    assert capsys.readouterr().out or written
