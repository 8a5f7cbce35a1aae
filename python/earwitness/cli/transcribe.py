"""`earwitness transcribe`: audio files to text."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from array import array
from typing import TYPE_CHECKING, Any, Final

from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.cli.jobs import (
    Job,
    Progress,
    about_recording,
    add_arguments,
    chosen_formats,
    plan,
    print_heading,
    run_all,
    usage_error,
)
from earwitness.errors import AudioError, InvalidOptionError, ModelError
from earwitness.formats import (
    FORMATS,
    FORMATS_OF_SPEAKERS,
    SUBTITLES,
    Layout,
    render,
    to_rttm,
    to_verbose_json,
)
from earwitness.formats.layout import DEFAULT_LAYOUT
from earwitness.options import Options
from earwitness.speakers import attribute
from earwitness.spoken import as_spoken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from earwitness.engine import Engine
    from earwitness.formats import TranscriptLike
    from earwitness.options import OptionValues
    from earwitness.spoken import SegmentLike, SpokenTranscript

_DEFAULTS: Final = {field.name: field.default for field in dataclasses.fields(Options)}

# The words that speakers can be given to, without asking for them.
_WORDS_ALONE: Final[OptionValues] = {
    "word_timestamps": True,
    "diarize": False,
    "min_speakers": None,
    "max_speakers": None,
    "num_speakers": None,
}

_EPILOG: Final = f"""\
Results go to standard output, or into DIR as NAME.FORMAT (NAME.verbose.json for verbose_json and so
on); everything else goes to standard error. On standard output, the results of several files follow
each other in the order of the files: txt under a line "==> FILE <==", JSON one line for each file.
With --diarize, all formats but json say who spoke; diarized_json and rttm need it.
Flags may be spelt with underscores, as openai-whisper's are.

{EXIT_CODES}"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "transcribe",
        help="write down what is said in audio or video files",
        description="Write down what is said in audio or video files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,  # a new flag must not change what a script's flag means
    )
    add_arguments(parser, list(FORMATS), "txt")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="print the text of each segment as soon as it is finished",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="standard input holds bare samples: 16 kHz, one channel, 16 bits, little-endian",
    )
    parser.add_argument("--device", help="auto, cpu or gpu (default auto)")
    parser.add_argument("--precision", help="int8 or float, on the CPU (default int8)")
    _add_options(parser)
    _add_layout(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of `Options` that makes sense for files."""

    def add(*flags: str, dest: str, text: str, **settings: Any) -> None:
        default = _DEFAULTS[dest]
        if isinstance(default, bool):
            default = "on" if default else "off"
        shown = "" if default in (None, "", ()) else f" (default {default})"
        parser.add_argument(*flags, dest=dest, help=text + shown, **settings)

    def switch(flag: str, *, dest: str, text: str) -> None:
        add(flag, dest=dest, text=text, action=argparse.BooleanOptionalAction)

    number = {"type": float, "metavar": "N"}
    maybe_number = {"type": _number_or_none, "metavar": "N|none"}
    count = {"type": int, "metavar": "N"}
    add("-m", "--model", dest="model", text="name in `earwitness models`, or path of a ggml file")
    add(
        "-l",
        "--language",
        dest="language",
        metavar="LANG",
        text="language spoken, as a code or an English name (default auto: detect it)",
    )
    add(
        "-t",
        "--task",
        dest="task",
        choices=("transcribe", "translate"),
        text="translate = write in English",
    )
    add("--prompt", "--initial-prompt", dest="prompt", metavar="TEXT", text="text to set the style")
    switch("--word-timestamps", dest="word_timestamps", text="time each word")
    switch("--diarize", dest="diarize", text="tell who says what")
    add("--min-speakers", dest="min_speakers", text="the least that there are", **count)
    add("--max-speakers", dest="max_speakers", text="the most that there are", **count)
    add("--num-speakers", dest="num_speakers", text="how many there are", **count)
    add("--threads", dest="threads", text="0 = as many as there are cores, 4 at most", **count)
    add("--temperature", dest="temperature", text="first sampling temperature, 0 to 1", **number)
    add(
        "--temperature-increment",
        "--temperature-increment-on-fallback",
        dest="temperature_increment",
        text="step of the temperatures tried when decoding fails; 0 = try once",
        **number,
    )
    add("--best-of", dest="best_of", text="candidates at temperatures above 0", **count)
    add("--beam-size", dest="beam_size", text="hypotheses at temperature 0; 1 = greedy", **count)
    add(
        "--fallback-beam-size",
        dest="fallback_beam_size",
        text="hypotheses of the search before other temperatures; 1 = none",
        **count,
    )
    add(
        "--search-threshold",
        dest="search_threshold",
        text="search by them too below this mean log-probability of the least likely tokens",
        **maybe_number,
    )
    add(
        "--logprob-threshold",
        dest="logprob_threshold",
        text="decode again below this mean log-probability",
        **maybe_number,
    )
    add(
        "--entropy-threshold",
        dest="entropy_threshold",
        text="decode again below this entropy of the last tokens",
        **maybe_number,
    )
    add(
        "--compression-ratio-threshold",
        dest="compression_ratio_threshold",
        text="decode again where the text deflates by more than this",
        **maybe_number,
    )
    add(
        "--no-speech-threshold",
        dest="no_speech_threshold",
        text="silence above this no-speech probability if the log-probability is low too",
        **maybe_number,
    )
    switch(
        "--condition-on-previous-text",
        dest="condition_on_previous_text",
        text="prompt each window with the text before it",
    )
    switch(
        "--suppress-non-speech",
        dest="suppress_non_speech",
        text="leave out notes, brackets and symbols that are not spoken",
    )
    switch(
        "--full-windows",
        dest="full_windows",
        text="encode the silence after short audio in full, as the reference does",
    )
    add(
        "--max-initial-timestamp",
        dest="max_initial_timestamp",
        text="latest first timestamp of a window, in seconds",
        **number,
    )
    switch("--vad", dest="vad", text="find the speech first and hear nothing else")
    add(
        "--clip-timestamps",
        dest="spans",
        type=_spans,
        metavar="START,END,...",
        text="the stretches to transcribe, in seconds (default: all)",
    )


_LAYOUT: Final = {
    "line_width": ("--max-line-width", int, "columns of a line"),
    "lines": ("--max-line-count", int, "lines of a cue"),
    "longest": ("--max-cue", float, "seconds of a cue"),
    "shortest": ("--min-cue", float, "seconds that a cue stays at least"),
    "gap": ("--cue-gap", float, "seconds between two cues"),
}


def _add_layout(parser: argparse.ArgumentParser) -> None:
    """One flag for each limit that subtitles keep to."""
    for name, (flag, kind, text) in _LAYOUT.items():
        default = getattr(DEFAULT_LAYOUT, name)
        parser.add_argument(
            flag,
            dest=name,
            type=kind,
            metavar="N",
            help=f"{text}, in srt and vtt (default {default})",
        )


def _layout(args: argparse.Namespace, formats: Sequence[str]) -> Layout:
    limits = {name: getattr(args, name) for name in _LAYOUT if hasattr(args, name)}
    if limits and SUBTITLES.keys().isdisjoint(formats):
        raise InvalidOptionError(f"{_LAYOUT[next(iter(limits))][0]} is about srt and vtt alone")
    return Layout(**limits)


def run(args: argparse.Namespace) -> int:
    usage: argparse.ArgumentParser = args.parser
    quiet = getattr(args, "quiet", False)
    stream, raw = getattr(args, "stream", False), getattr(args, "raw", False)
    try:
        options = Options(
            **{name: getattr(args, name) for name in _DEFAULTS if hasattr(args, name)}
        )
        formats = _formats(args, options)
        layout = _layout(args, formats)
        if raw and "-" not in args.files:
            raise InvalidOptionError("--raw is about standard input: it needs the file -")
        if stream:
            _check_stream(args, options, formats)
        jobs = plan(args, formats)
        if not jobs:
            return Exit.OK
        engine = _open_engine(
            options, getattr(args, "device", "auto"), getattr(args, "precision", "int8")
        )
    except InvalidOptionError as error:
        usage_error(usage, error)
    except ModelError as error:
        say(reason(error))
        return Exit.MODEL
    words = options.word_timestamps or options.diarize
    if not SUBTITLES.keys().isdisjoint(formats):
        options = options.replace(word_timestamps=True)  # cues are cut between words

    def write(job: Job, transcript: TranscriptLike, name: str) -> str:
        if name == "rttm":
            return to_rttm(transcript, job.name)
        if name == "verbose_json":
            return to_verbose_json(transcript, words=words)
        return render(transcript, name, layout)

    with engine:
        headed = len(jobs) > 1

        def work(job: Job, progress: Progress) -> TranscriptLike:
            audio = _samples(job) if raw and job.source == "-" else job.audio()
            own = options.replace(on_progress=progress)
            if stream:
                if headed:
                    print_heading(job)
                own = own.replace(on_segment=_print_segment)
            if options.diarize:
                return _transcribe_speakers(audio, engine, own)
            return engine.transcribe(audio, own)

        return run_all(
            [dataclasses.replace(job, outputs=_files_alone(job)) for job in jobs]
            if stream
            else jobs,
            work,
            write,
            usage,
            quiet=quiet,
        )


def _formats(args: argparse.Namespace, options: Options) -> list[str]:
    formats = chosen_formats(args, list(FORMATS), "txt")
    for name in formats:
        if name in FORMATS_OF_SPEAKERS and not options.diarize:
            raise InvalidOptionError(f"format {name} says who spoke: it needs --diarize")
    return formats


def _check_stream(args: argparse.Namespace, options: Options, formats: Sequence[str]) -> None:
    if options.diarize:
        raise InvalidOptionError("--stream cannot say who spoke, which is known only at the end")
    if not hasattr(args, "output_dir") and formats != ["txt"]:
        raise InvalidOptionError(f"--stream prints txt; {', '.join(formats)} needs --output-dir")


def _files_alone(job: Job) -> dict[str, Path | None]:
    """A job's outputs without the one that was printed while the work went on."""
    return {kind: path for kind, path in job.outputs.items() if path is not None}


def _print_segment(segment: SegmentLike) -> None:
    line = " ".join(segment.text.split())
    if line:
        print(line, flush=True)


def _samples(job: Job) -> memoryview:
    """Standard input as samples: nothing in it says what it holds."""
    data = job.audio()
    assert isinstance(data, bytes)
    if not data or len(data) % 2:
        raise AudioError(f"{len(data)} bytes are no whole number of 16-bit samples")
    samples = array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return memoryview(samples)


def _transcribe_speakers(
    audio: Path | bytes | memoryview, engine: Engine, options: Options
) -> SpokenTranscript:
    from earwitness.diarizer import join_words
    from earwitness.engine import diarizing
    from earwitness.pcm import samples_of

    pcm = samples_of(audio)
    words = options.replace(**_WORDS_ALONE)
    with diarizing(pcm, options) as speakers:
        transcript = engine.transcribe(pcm, words)
        diarization = about_recording(speakers.result)
    return attribute(as_spoken(transcript), diarization, join=join_words)


def _open_engine(options: Options, device: str, precision: str) -> Engine:
    from earwitness.engine import Engine

    return Engine(options.model, device=device, precision=precision)


def _number_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _spans(text: str) -> list[tuple[float, float]]:
    times = [float(part) for part in text.split(",")]
    if len(times) % 2:
        raise argparse.ArgumentTypeError("each START needs an END")
    return list(zip(times[::2], times[1::2], strict=True))
