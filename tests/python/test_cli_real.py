"""The command on real recordings: pipes, signals, the demonstration."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest
import srt
from earwitness import demo
from earwitness.cli import main
from standins import word_errors

COMMAND = [sys.executable, "-m", "earwitness"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "jfk.wav"
    path.write_bytes(demo.recording())
    return path


@pytest.fixture(scope="session")
def long_recording(recording: Path) -> Path:
    """Minutes of speech in a WAV file: far from done when something stops it."""
    path = recording.with_name("long.wav")
    with wave.open(str(recording), "rb") as short, wave.open(str(path), "wb") as long:
        long.setparams(short.getparams())
        long.writeframes(short.readframes(short.getnframes()) * 60)
    return path


def test_demo(tiny_en: Path, capsys: Captured) -> None:
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    lines = dict(line.split(": ", 1)[::-1] for line in captured.out.splitlines())
    diane, sheila = (
        next(speaker for text, speaker in lines.items() if name in text)
        for name in ("Diane", "Sheila")
    )
    assert {diane, sheila} == {"SPEAKER_00", "SPEAKER_01"}
    assert "30.0 s of conversation (en, 2 speakers)" in captured.err


def test_the_whole_command(tiny_en: Path, recording: Path, out: Path) -> None:
    done = subprocess.run(
        [
            *(*COMMAND, "transcribe", str(recording), str(recording.with_name("none.wav"))),
            *("--model", str(tiny_en), "-f", "txt,verbose_json", "-o", str(out)),
            "--word-timestamps",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert word_errors(demo.SPOKEN, (out / "jfk.txt").read_text("utf-8")) == 0
    document = json.loads((out / "jfk.verbose.json").read_text("utf-8"))
    assert len(document["words"]) == 22
    assert "Traceback" not in done.stderr


def test_subtitles_keep_the_usual_limits(tiny_en: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "call.flac"
    path.write_bytes(demo.conversation())
    for flags, columns, lines, longest in (
        ([], 42, 2, 7.0),
        (["--max-line-width", "24", "--max-line-count", "1", "--max-cue", "3"], 24, 1, 3.0),
    ):
        assert main(["transcribe", str(path), "-m", str(tiny_en), "-f", "srt", *flags]) == 0
        cues = list(srt.parse(capsys.readouterr().out, ignore_errors=False))
        assert len(cues) > 5
        for cue in cues:
            assert (cue.end - cue.start).total_seconds() <= longest
            assert cue.content.count("\n") < lines
            assert max(map(len, cue.content.split("\n"))) <= columns


def test_audio_from_a_pipe(tiny_en: Path, recording: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "transcribe", "-", "--model", str(tiny_en)],
        input=recording.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert word_errors(demo.SPOKEN, done.stdout.decode("utf-8")) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_command(tiny_en: Path, recording: Path, long_recording: Path) -> None:
    with subprocess.Popen(
        [
            *(*COMMAND, "transcribe", str(recording), str(long_recording)),
            *("--format", "json", "--model", str(tiny_en)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert word_errors(demo.SPOKEN, first["text"]) == 0
    assert process.returncode == 130
    assert out == ""
    assert err.endswith("interrupted; 1 of 2 files done\n")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ")
def test_a_reader_that_leaves_is_no_crash(tiny_en: Path, recording: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "transcribe", str(recording), "-m", str(tiny_en)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("args", [["--help"], ["transcribe", "--help"], ["--version"]])
def test_help_does_not_wait_for_numpy(args: list[str]) -> None:
    program = (
        "import sys\n"
        "from earwitness.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print([m for m in ('numpy', 'tqdm', 'pooch', 'requests') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n[]\n")
