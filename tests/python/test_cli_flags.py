"""The command's flags, and how it meets terminals, pipes and encodings."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import earwitness
import pytest
from earwitness.cli import main
from earwitness.cli.progress import progress_bar
from listeners import Listener

Captured = pytest.CaptureFixture[str]


def run(*args: object) -> int:
    return main(["transcribe", *map(str, args)])


def test_defaults_are_those_of_options(listener: Listener) -> None:
    run("a.wav")
    assert listener.options == [earwitness.Options()]


def test_flags_reach_the_options(listener: Listener) -> None:
    run(
        *("a.wav", "-m", "small", "-l", "de", "-t", "translate", "--prompt", "Hello"),
        *("--temperature", "0.4", "--temperature-increment", "0", "--best-of", "2"),
        *("--fallback-beam-size", "6", "--search-threshold", "none"),
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
            fallback_beam_size=6,
            search_threshold=None,
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


def test_subtitles_are_cut_between_words_within_the_limits(
    listener: Listener, out: Path, capsys: Captured
) -> None:
    flags = ["--max-line-width", 8, "--max_line_count", 1, "--max-cue", 3, "--min-cue", 0.5]
    assert run("a.wav", "-f", "srt,verbose_json,vtt", "-o", out, *flags, "--cue-gap", "0.1") == 0
    assert listener.options == [earwitness.Options(word_timestamps=True)]
    # The stand-in times no words, so that it stays one cue.
    lines = (out / "a.srt").read_text().splitlines()
    assert lines[2:5] == ["This is", "a.wav.", ""]
    assert json.loads((out / "a.verbose.json").read_text()).keys().isdisjoint({"words"})
    with pytest.raises(SystemExit):
        run("a.wav", "--max-cue", 3)
    assert "--max-cue is about srt and vtt" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("a.wav", "-f", "srt", "--max-line-count", 0)
    assert "lines must be a whole number" in capsys.readouterr().err


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
