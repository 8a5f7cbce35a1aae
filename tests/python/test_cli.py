"""The command: what goes where, exit codes, and that nothing is lost or half written."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from earwitness.cli import main
from listeners import Listener

Captured = pytest.CaptureFixture[str]


def run(*args: object) -> int:
    return main(["transcribe", *map(str, args)])


def test_the_text_goes_to_standard_output_and_nothing_else(
    listener: Listener, capsys: Captured
) -> None:
    assert run("a.wav") == 0
    assert capsys.readouterr() == ("This is a.wav.\n", "")


def test_several_texts_have_headings(listener: Listener, capsys: Captured) -> None:
    assert run("a.wav", "b/c.wav") == 0
    assert capsys.readouterr().out == (
        "==> a.wav <==\nThis is a.wav.\n==> b/c.wav <==\nThis is c.wav.\n"
    )


def test_several_json_results_are_lines(listener: Listener, capsys: Captured) -> None:
    assert run("a.wav", "b.wav", "-f", "json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["This is a.wav.", "This is b.wav."]


def test_files_are_named_after_their_source_and_format(
    listener: Listener, out: Path, capsys: Captured
) -> None:
    assert run("talk.1.wav", "b.wav", "-f", "txt,srt", "-f", "json,verbose_json", "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "b.json",
        "b.srt",
        "b.txt",
        "b.verbose.json",
        "talk.1.json",
        "talk.1.srt",
        "talk.1.txt",
        "talk.1.verbose.json",
    ]
    assert (out / "talk.1.txt").read_text("utf-8") == "This is talk.1.wav.\n"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(out / "b.srt") in captured.err


def test_quiet_says_nothing(listener: Listener, out: Path, capsys: Captured) -> None:
    assert run("a.wav", "-o", out, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_an_old_result_is_replaced_and_readable_by_others(listener: Listener, out: Path) -> None:
    out.mkdir()
    (out / "a.txt").write_text("old and longer than the new one")
    assert run("a.wav", "-o", out) == 0
    assert (out / "a.txt").read_text("utf-8") == "This is a.wav.\n"
    (out / "plain").write_text("")
    assert stat.S_IMODE((out / "a.txt").stat().st_mode) == stat.S_IMODE(
        (out / "plain").stat().st_mode
    )


def test_standard_input(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, capsys: Captured, out: Path
) -> None:
    for args in ((), ("-o", out)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a pipe")))
        assert run("-", *args) == 0
    assert capsys.readouterr().out == "This is a pipe.\n"
    assert (out / "stdin.txt").read_text("utf-8") == "This is a pipe.\n"


def test_one_bad_file_loses_no_other(listener: Listener, out: Path, capsys: Captured) -> None:
    assert run("a.wav", "damaged.wav", "missing.wav", "z.wav", "-o", out) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.txt", "z.txt"]
    errors = capsys.readouterr().err.splitlines()
    assert "earwitness: damaged.wav: damaged.wav is damaged" in errors
    assert "earwitness: missing.wav: No such file or directory" in errors
    assert errors[-1] == "earwitness: 2 of 4 files done; failed: damaged.wav, missing.wav"


def test_the_only_file_is_bad(listener: Listener, capsys: Captured) -> None:
    assert run("damaged.wav") == 1
    assert capsys.readouterr() == ("", "earwitness: damaged.wav: damaged.wav is damaged\n")


def test_interrupted_between_files(listener: Listener, out: Path, capsys: Captured) -> None:
    def interrupt(name: str) -> None:
        if name == "b.wav":
            raise KeyboardInterrupt

    listener.before = interrupt
    assert run("a.wav", "b.wav", "c.wav", "-o", out) == 130
    assert [path.name for path in out.iterdir()] == ["a.txt"]
    assert capsys.readouterr().err.endswith("earwitness: interrupted; 1 of 3 files done\n")


def test_interrupted_while_writing(
    listener: Listener, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    out.mkdir()
    (out / "a.txt").write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    assert run("a.wav", "-o", out) == 130
    assert [path.name for path in out.iterdir()] == ["a.txt"]
    assert (out / "a.txt").read_text() == "old"


def test_a_result_that_cannot_be_written_fails_its_file_only(
    listener: Listener, out: Path, capsys: Captured
) -> None:
    (out / "a.txt").mkdir(parents=True)
    assert run("a.wav", "b.wav", "-o", out) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.txt", "b.txt"]
    assert "a.wav: " in capsys.readouterr().err


def test_a_model_that_is_not_there(capsys: Captured) -> None:
    assert run("a.wav", "--model", "tiny-klingon") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "tiny-klingon" in captured.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "FILE"),
        (["a.wav", "--format", "docx"], "format 'docx' is unknown"),
        (["a.wav", "--format", "txt,srt"], "several formats need --output-dir"),
        (["a.wav", "b.wav", "--format", "srt"], "several files as srt need --output-dir"),
        (["-", "-"], "standard input can be read only once"),
        (["a.wav", "--beam-size", "0"], "beam_size"),
        (["a.wav", "--beam-size", "many"], "--beam-size"),
        (["a.wav", "--temperature", "2"], "temperature"),
        (["a.wav", "--task", "sing"], "--task"),
        (["a.wav", "--language", "klingon"], "language"),
        (["a.wav", "--clip-timestamps", "1,2,3"], "each START needs an END"),
        (["a.wav", "--clip-timestamps", "3,1"], "spans"),
        (["a.wav", "--no-such-flag"], "--no-such-flag"),
    ],
)
def test_usage_errors(args: list[str], message: str, listener: Listener, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*args)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert listener.options == []


@pytest.mark.parametrize("other", ["x/a.mp3", "a.flac", "A.wav", "x/a.wav"])
def test_two_results_in_one_place(
    other: str, listener: Listener, out: Path, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("a.wav", other, "-o", out)
    assert stopped.value.code == 2
    assert f"a.wav and {other} would both be written" in capsys.readouterr().err


def test_an_output_folder_that_is_a_file(listener: Listener, out: Path, capsys: Captured) -> None:
    out.write_text("")
    with pytest.raises(SystemExit) as stopped:
        run("a.wav", "-o", out)
    assert stopped.value.code == 2
    assert str(out) in capsys.readouterr().err
