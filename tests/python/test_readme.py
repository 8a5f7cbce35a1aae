"""The README's Python, run as it stands with real recordings under the names it uses.

The name `openai/whisper-large-v3` is looked up in the catalogue as for anybody, but the three
gigabytes behind it are not fetched: the multilingual model base stands in for the file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from earwitness import demo, models

README = Path(__file__).parent.parent.parent / "README.md"
_BLOCK = re.compile(r"<!-- example -->\s*```python\n(.*?)```", re.DOTALL)
_RECORDING = re.compile(r"\"([\w.-]+\.(?:mp3|wav|m4a|flac|ogg|webm))\"")


def blocks() -> list[str]:
    return _BLOCK.findall(README.read_text(encoding="utf-8"))


def test_there_are_examples() -> None:
    assert blocks()


@pytest.mark.parametrize("number", range(len(blocks())))
def test_the_example_runs(
    number: int,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = blocks()[number]
    resolve = models.resolve

    def without_the_largest(name: str | Path) -> Path:
        known = name == "openai/whisper-large-v3" and models.find(str(name)).name == "large-v3"
        return base_model if known else resolve(name)

    monkeypatch.setattr(models, "resolve", without_the_largest)
    monkeypatch.chdir(tmp_path)
    for name in _RECORDING.findall(code):
        (tmp_path / name).write_bytes(demo.recording())
    exec(compile(code, f"README.md, example {number + 1}", "exec"), {"__name__": "__main__"})
    assert "country" in capsys.readouterr().out
