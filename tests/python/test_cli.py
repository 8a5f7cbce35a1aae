"""The command: what goes where, exit codes, and that nothing is lost or half written."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import stat
import subprocess
import sys
import types
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import earwitness
import pytest
from earwitness import convert, demo, models
from earwitness.cli import main
from earwitness.cli import transcribe as command
from earwitness.cli.progress import progress_bar
from standins import Segment, Transcript, word_errors

COMMAND = [sys.executable, "-m", "earwitness"]
Captured = pytest.CaptureFixture[str]


class Listener:
    """Stands in for the engine: hears the name of each file; some names are trouble."""

    device = "cpu"

    def __init__(self) -> None:
        self.options: list[earwitness.Options] = []
        self.before: Callable[[str], None] = lambda _: None

    def transcribe(self, audio: Path | bytes, options: earwitness.Options, **_: Any) -> Transcript:
        self.options.append(options)
        name = audio.decode() if isinstance(audio, bytes) else audio.name
        self.before(name)
        if "damaged" in name:
            raise earwitness.AudioError(f"{name} is damaged")
        if "missing" in name:
            raise FileNotFoundError(2, "No such file or directory", name)
        return Transcript([Segment(0, 0.0, 1.5, f" This is {name}.")], duration=1.5)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    made = Listener()
    monkeypatch.setattr(command, "_open_engine", lambda options, device: made)
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(*args: object) -> int:
    return main(["transcribe", *map(str, args)])


# --- results ---------------------------------------------------------------------------------


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


# --- trouble ---------------------------------------------------------------------------------


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


# --- flags -----------------------------------------------------------------------------------


def test_defaults_are_those_of_options(listener: Listener) -> None:
    run("a.wav")
    assert listener.options == [earwitness.Options()]


def test_flags_reach_the_options(listener: Listener) -> None:
    run(
        *("a.wav", "-m", "small", "-l", "de", "-t", "translate", "--prompt", "Hello"),
        *("--temperature", "0.4", "--temperature-increment", "0", "--best-of", "2"),
        *("--beam-size", "4", "--logprob-threshold", "-2", "--entropy-threshold", "none"),
        *("--compression-ratio-threshold", "3", "--no-vad"),
        *("--no-speech-threshold", "None", "--condition-on-previous-text"),
        *("--no-suppress-non-speech", "--max-initial-timestamp", "2", "--word-timestamps"),
        *("--clip-timestamps", "0,1.5,3,4", "--threads", "2"),
    )
    assert listener.options == [
        earwitness.Options(
            model="small",
            language="de",
            task="translate",
            prompt="Hello",
            temperature=0.4,
            temperature_increment=0.0,
            best_of=2,
            beam_size=4,
            logprob_threshold=-2.0,
            entropy_threshold=None,
            compression_ratio_threshold=3.0,
            vad=False,
            no_speech_threshold=None,
            condition_on_previous_text=True,
            suppress_non_speech=False,
            max_initial_timestamp=2.0,
            word_timestamps=True,
            spans=((0.0, 1.5), (3.0, 4.0)),
            threads=2,
        )
    ]


def test_spellings_of_openai_whisper(listener: Listener, out: Path) -> None:
    run(
        *("--word_timestamps", "True", "--condition_on_previous_text", "False", "a_b.wav"),
        *("--initial_prompt=some_text", "--temperature_increment_on_fallback", "0.5"),
        *("--output_format", "vtt", "--output_dir", out),
    )
    assert listener.options == [
        earwitness.Options(word_timestamps=True, prompt="some_text", temperature_increment=0.5)
    ]
    assert (out / "a_b.vtt").exists()


def test_names_after_two_dashes_are_left_alone(listener: Listener, capsys: Captured) -> None:
    assert run("--", "--odd_name.wav") == 0
    assert capsys.readouterr().out == "This is --odd_name.wav.\n"


def test_help_tells_the_exit_codes(capsys: Captured) -> None:
    for args in (["--help"], ["transcribe", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(args)
        assert stopped.value.code == 0
        text = capsys.readouterr().out
        assert "exit codes:" in text
        assert "130" in text


def test_version(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"earwitness {earwitness.__version__}\n"


# --- terminals, pipes and encodings ----------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_is_drawn_for_a_person(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("talk.wav", quiet=quiet) as advance:
        assert (advance is None) is quiet
        if advance is not None:
            advance(0.25)
            advance(1.0)
    assert ("talk.wav:" in terminal.getvalue()) is not quiet


def test_no_bar_is_drawn_into_a_file(capsys: Captured) -> None:
    with progress_bar("talk.wav", quiet=False) as advance:
        assert advance is None
    assert capsys.readouterr() == ("", "")


def test_results_in_a_pipe_are_utf8_whatever_the_locale(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="ascii"))
    assert run("naïve-日本.wav") == 0
    assert pipe.getvalue().decode("utf-8") == "This is naïve-日本.wav.\n"


# --- models, pull, convert -------------------------------------------------------------------


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


# --- the real thing --------------------------------------------------------------------------


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
