"""`--stream`, `--raw` and the display for several files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import earwitness
import numpy as np
import numpy.typing as npt
import pytest
from earwitness import demo
from earwitness.cli import main
from earwitness.cli.progress import FilesDisplay
from listeners import Listener
from standins import Segment, word_errors

Captured = pytest.CaptureFixture[str]
Pcm = npt.NDArray[np.float32]


def run(*args: object) -> int:
    return main(["transcribe", *map(str, args)])


# --- streaming -------------------------------------------------------------------------------


@pytest.fixture
def talker(listener: Listener, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> list[str]:
    """The listener, finishing segments on the way; gives what was printed up to each of them."""
    shown: list[str] = []
    transcribe = listener.transcribe

    def talk(audio: Any, options: earwitness.Options, **settings: Any) -> Any:
        transcript = transcribe(audio, options, **settings)
        for part in (*transcript.segments, Segment(1, 1.0, 2.0, "  ")):
            assert options.on_segment is not None
            options.on_segment(part)  # type: ignore[arg-type]
            shown.append(capsys.readouterr().out)
        return transcript

    monkeypatch.setattr(listener, "transcribe", talk)
    return shown


def test_segments_are_printed_as_they_are_finished(talker: list[str], capsys: Captured) -> None:
    assert run("a.wav", "--stream") == 0
    assert talker == ["This is a.wav.\n", ""]
    assert capsys.readouterr().out == ""


def test_streams_of_several_files_have_headings_and_the_bad_one_loses_no_other(
    talker: list[str],
) -> None:
    assert run("a.wav", "damaged.wav", "c.wav", "--stream") == 1
    assert "".join(talker) == (
        "==> a.wav <==\nThis is a.wav.\n==> damaged.wav <==\n==> c.wav <==\nThis is c.wav.\n"
    )


def test_a_stream_may_be_kept_as_files_too(talker: list[str], out: Path) -> None:
    assert run("a.wav", "--stream", "-o", out, "-f", "srt,json", "-q") == 0
    assert talker == ["This is a.wav.\n", ""]
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a.srt"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a.wav", "--stream", "--diarize"], "only at the end"),
        (["a.wav", "--stream", "-f", "srt"], "srt needs --output-dir"),
        (["a.wav", "--raw"], "--raw is about standard input"),
    ],
)
def test_what_cannot_be(
    args: list[str], message: str, listener: Listener, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*args)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert listener.options == []


# --- bare samples ----------------------------------------------------------------------------


def raw(jfk: Pcm) -> bytes:
    return (jfk * 32767).astype("<i2").tobytes()


def test_bare_samples_from_a_pipe_as_they_are_heard(tiny_en: Path, jfk: Pcm) -> None:
    command = [sys.executable, "-m", "earwitness", "transcribe", "-", "--raw", "--stream"]
    done = subprocess.run(
        [*command, "-m", str(tiny_en)], input=raw(jfk), capture_output=True, check=True
    )
    assert word_errors(demo.SPOKEN, done.stdout.decode("utf-8")) == 0


@pytest.mark.parametrize("data", [b"", b"odd"])
def test_bytes_that_are_no_samples(
    data: bytes, listener: Listener, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run("-", "--raw") == 1
    assert "no whole number of 16-bit samples" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ")
def test_a_reader_of_the_stream_that_leaves_ends_it(tiny_en: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(demo.recording())
    command = [sys.executable, "-m", "earwitness", "transcribe", "a.wav", "b.wav", "--stream"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*command, "-m", str(tiny_en)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


# --- the display -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_display_for_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with FilesDisplay(4, quiet=False) as display:
        first = display.next_file("a.wav")
        assert first is not None
        first(0.5)
        display.hide()
        second = display.next_file("b.wav")
        assert second is not None
        second(1.0)
        display.hide()
        third = display.next_file("c.wav")
        assert third is not None
    shown = terminal.getvalue()
    # How far all files are, whatever became of the first.
    assert "2/4 b.wav:  25%" in shown
    assert "3/4 c.wav:  50%" in shown


@pytest.mark.parametrize("quiet", [False, True])
def test_nobody_watches(quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    if quiet:
        monkeypatch.setattr(sys, "stderr", Terminal())
    with FilesDisplay(2, quiet=quiet) as display:
        assert display.next_file("a.wav") is None
        display.hide()
    if not quiet:
        assert capsys.readouterr() == ("", "")
