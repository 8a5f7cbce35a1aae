"""The commands that tell who speaks: what they write, what they refuse, what they skip."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import earwitness
import pytest
from earwitness import demo
from earwitness.cli import diarize as command
from earwitness.cli import main
from earwitness.cli import transcribe as transcribe_command

Captured = pytest.CaptureFixture[str]


class Observer:
    """Stands in for the diarizer: hears the same in every file; some names are trouble."""

    def __init__(self, found: earwitness.Diarization) -> None:
        self.found = found
        self.asked: list[dict[str, Any]] = []
        self.before: Callable[[str], None] = lambda _: None

    def diarize(self, audio: Path | bytes, **settings: Any) -> earwitness.Diarization:
        self.asked.append(
            {name: value for name, value in settings.items() if name != "on_progress"}
        )
        name = audio.decode() if isinstance(audio, bytes) else audio.name
        self.before(name)
        if "damaged" in name:
            raise earwitness.AudioError(f"{name} is damaged")
        if "short" in name:
            raise earwitness.InvalidOptionError("at least 2 speakers were asked for")
        return self.found


@pytest.fixture
def observer(diarization: earwitness.Diarization, monkeypatch: pytest.MonkeyPatch) -> Observer:
    made = Observer(diarization)
    monkeypatch.setattr(command, "_load_diarizer", lambda: made)
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.flac"
    path.write_bytes(demo.conversation())
    return path


def run(*args: object) -> int:
    return main(["diarize", *map(str, args)])


# --- results ---------------------------------------------------------------------------------


def test_rttm_is_the_usual_answer(observer: Observer, capsys: Captured) -> None:
    assert run("talks/my call.wav") == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [line.split() for line in out.splitlines()]
    turns = observer.found.turns
    assert len(rows) == len(turns)
    for row, turn in zip(rows, turns, strict=True):
        assert row[:3] == ["SPEAKER", "my_call", "1"]
        assert float(row[3]) == pytest.approx(turn.start, abs=6e-4)
        assert float(row[4]) == pytest.approx(turn.end - turn.start, abs=6e-4)
        assert row[5:] == ["<NA>", "<NA>", f"SPEAKER_0{turn.speaker}", "<NA>", "<NA>"]


def test_json_tells_everything_but_the_vectors(observer: Observer, capsys: Captured) -> None:
    assert run("a.wav", "b.wav", "-f", "json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first.pop("recording"), second.pop("recording")) == ("a", "b")
    assert first == second
    assert list(first) == ["duration", "speakers", "turns", "exclusive"]
    assert [speaker["label"] for speaker in first["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert len(first["turns"]) == len(observer.found.turns)
    assert len(first["exclusive"]) == len(observer.found.exclusive)
    assert list(first["turns"][0]) == ["start", "end", "speaker", "confidence"]


def test_text_has_headings_for_several_files(observer: Observer, capsys: Captured) -> None:
    assert run("a.wav", "b.wav", "-f", "txt") == 0
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert (lines[0], lines[half]) == ("==> a.wav <==", "==> b.wav <==")
    turn = observer.found.turns[0]
    assert lines[1].split() == [f"{turn.start:.3f}", f"{turn.end:.3f}", "SPEAKER_00"]


def test_files_of_all_formats(observer: Observer, out: Path, capsys: Captured) -> None:
    assert run("a.wav", "b.wav", "-f", "rttm,json,txt", "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("a.json", "a.rttm", "a.txt"),
        *("b.json", "b.rttm", "b.txt"),
    ]
    assert "SPEAKER b 1 " in (out / "b.rttm").read_text("utf-8")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(out / "b.txt") in captured.err


def test_flags_reach_the_diarizer(observer: Observer) -> None:
    run("a.wav")
    run("a.wav", "--min-speakers", 2, "--max_speakers", 5, "--hop", 0.5, "--threads", 1)
    run("a.wav", "--num-speakers", 3)
    assert observer.asked == [
        {"hop": 0.0},
        {"min_speakers": 2, "max_speakers": 5, "hop": 0.5, "threads": 1},
        {"num_speakers": 3, "hop": 0.0},
    ]


# --- trouble ---------------------------------------------------------------------------------


def test_one_bad_file_loses_no_other(observer: Observer, out: Path, capsys: Captured) -> None:
    assert run("a.wav", "damaged.wav", "short.wav", "z.wav", "-o", out, "--min-speakers", 2) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.rttm", "z.rttm"]
    errors = capsys.readouterr().err.splitlines()
    assert "earwitness: damaged.wav: damaged.wav is damaged" in errors
    assert "earwitness: short.wav: at least 2 speakers were asked for" in errors
    assert errors[-1] == "earwitness: 2 of 4 files done; failed: damaged.wav, short.wav"


def test_interrupted_between_files(observer: Observer, out: Path, capsys: Captured) -> None:
    def interrupt(name: str) -> None:
        if name == "b.wav":
            raise KeyboardInterrupt

    observer.before = interrupt
    assert run("a.wav", "b.wav", "-o", out) == 130
    assert [path.name for path in out.iterdir()] == ["a.rttm"]
    assert capsys.readouterr().err.endswith("earwitness: interrupted; 1 of 2 files done\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "FILE"),
        (["a.wav", "-f", "srt"], "format 'srt' is unknown; there are rttm, json, txt"),
        (["a.wav", "-f", "rttm,json"], "several formats need --output-dir"),
        (["x/a.wav", "y/a.wav"], "x/a.wav and y/a.wav would both be named a"),
        (["a.wav", "--skip-existing"], "--skip-existing needs --output-dir"),
        (["a.wav", "--num-speakers", "0"], "num_speakers is 0"),
        (["a.wav", "--max-speakers", "101"], "max_speakers is 101"),
        (["a.wav", "--min-speakers", "3", "--max-speakers", "2"], "more than max_speakers 2"),
        (["a.wav", "--num-speakers", "many"], "--num-speakers"),
        (["a.wav", "--hop", "9"], "within 0.5 to 5 seconds"),
        (["a.wav", "--hop", "nan"], "within 0.5 to 5 seconds"),
        (["a.wav", "--threads", "-1"], "threads"),
    ],
)
def test_usage_errors(args: list[str], message: str, observer: Observer, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*args)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert observer.asked == []


# --- skipping --------------------------------------------------------------------------------


def test_results_that_are_there_are_skipped(
    observer: Observer, out: Path, capsys: Captured
) -> None:
    out.mkdir()
    (out / "a.rttm").write_text("mine")
    (out / "b.json").write_text("mine")
    assert run("a.wav", "b.wav", "-f", "rttm", "-o", out, "--skip-existing") == 0
    assert len(observer.asked) == 1
    assert (out / "a.rttm").read_text() == "mine"
    assert "SPEAKER b " in (out / "b.rttm").read_text()
    assert "a.wav: skipped" in capsys.readouterr().err
    assert run("b.wav", "-f", "rttm,json,txt", "-o", out, "--skip-existing", "-q") == 0
    assert (out / "b.json").read_text() == "mine"
    assert (out / "b.txt").exists()
    assert run("a.wav", "b.wav", "-o", out, "--skip-existing", "-q") == 0
    assert len(observer.asked) == 2
    assert capsys.readouterr() == ("", "")


def test_no_model_is_loaded_where_nothing_is_left(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.mkdir()
    (out / "a.txt").write_text("mine")
    monkeypatch.setattr(transcribe_command, "_open_engine", None)
    assert main(["transcribe", "a.wav", "-o", str(out), "--skip-existing"]) == 0


# --- with what is said -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-f", "rttm"], "format rttm says who spoke: it needs --diarize"),
        (["-f", "diarized_json"], "format diarized_json says who spoke: it needs --diarize"),
        (["--num-speakers", "2"], "num_speakers is of no use without diarize"),
        (["--diarize", "--num-speakers", "0"], "num_speakers is 0"),
        (["--diarize", "--min-speakers", "3", "--max-speakers", "2"], "min_speakers"),
    ],
)
def test_speakers_need_to_be_asked_for(args: list[str], message: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["transcribe", "a.wav", *args])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_who_says_what_in_all_formats(tiny_en: Path, recording: Path, out: Path) -> None:
    names = "txt,srt,vtt,md,tsv,rttm,diarized_json,verbose_json"
    args = ["transcribe", str(recording), "-m", str(tiny_en), "--diarize", "-f", names]
    assert main([*args, "-o", str(out), "-q"]) == 0
    results = {path.name.split(".", 1)[1]: path.read_text("utf-8") for path in out.iterdir()}
    assert set(results) == {
        *("txt", "srt", "vtt", "md", "tsv", "rttm"),
        *("diarized.json", "verbose.json"),
    }
    document = json.loads(results["verbose.json"])
    said = [(part["speaker_id"], part["text"]) for part in document["speaker_segments"]]
    assert [tuple(line.split(": ", 1)) for line in results["txt"].splitlines()] == said
    assert {speaker for speaker, _ in said} == {"SPEAKER_00", "SPEAKER_01"}
    for name in ("srt", "vtt", "tsv", "rttm", "diarized.json"):
        assert "SPEAKER_00" in results[name]
        assert "SPEAKER_01" in results[name]
    assert "**SPEAKER\\_00:**" in results["md"]
    # The turns are those of the voices, not of the words.
    assert results["rttm"].splitlines()[0].startswith("SPEAKER call 1 6.")


def test_a_recording_with_too_few_voices_fails_alone(
    tiny_en: Path, recording: Path, tmp_path: Path, out: Path, capsys: Captured
) -> None:
    second = tmp_path / "second.wav"
    with wave.open(io.BytesIO(demo.recording())) as whole, wave.open(str(second), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(16000))
    args = ["transcribe", str(second), str(recording), "-m", str(tiny_en), "--diarize", "-q"]
    assert main([*args, "--min-speakers", "6", "-o", str(out)]) == 1
    assert [path.name for path in out.iterdir()] == ["call.txt"]
    assert "at least 6 speakers" in capsys.readouterr().err


def test_the_whole_command(recording: Path, out: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "earwitness", "diarize", str(recording), "-"),
            *("-f", "rttm,json", "-o", str(out), "--threads", "1"),
        ],
        input=demo.recording(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert len(json.loads((out / "call.json").read_text("utf-8"))["speakers"]) == 2
    assert len(json.loads((out / "stdin.json").read_text("utf-8"))["speakers"]) == 1


@pytest.mark.parametrize("args", [["diarize", "--help"], ["demo", "--help"]])
def test_help_does_not_wait_for_numpy(args: list[str]) -> None:
    program = (
        "import sys\n"
        "from earwitness.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, *args], check=True, capture_output=True)
