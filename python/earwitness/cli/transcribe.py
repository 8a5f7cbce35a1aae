"""`earwitness transcribe`: audio files to text."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from earwitness.cli.common import EXIT_CODES, Exit, reason, say, write_atomically
from earwitness.cli.progress import progress_bar
from earwitness.errors import EarwitnessError, InvalidOptionError, ModelError
from earwitness.formats import FORMATS, FORMATS_OF_SPEAKERS, render
from earwitness.options import Options

if TYPE_CHECKING:
    from earwitness._core import Transcript
    from earwitness.engine import Engine

# Without speakers there is nothing that these could say.
_FORMATS: Final = tuple(name for name in FORMATS if name not in FORMATS_OF_SPEAKERS)

# Of these, several one after another on standard output can still be told apart.
_CONCATENABLE: Final = frozenset({"txt", "json", "verbose_json"})

# Both JSON shapes of one file may be asked for together.
_SUFFIXES: Final = {"verbose_json": "verbose.json"}

_DEFAULTS: Final = {field.name: field.default for field in dataclasses.fields(Options)}

_EPILOG: Final = f"""\
Results go to standard output, or into DIR as NAME.FORMAT (NAME.verbose.json for verbose_json);
everything else goes to standard error. On standard output, the results of several files follow
each other in the order of the files: txt under a line "==> FILE <==", JSON one line for each file.
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
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="audio or video; - = standard input"
    )
    parser.add_argument(
        "-f",
        "--format",
        "--output-format",
        dest="formats",
        action="append",
        metavar="FORMAT",
        help=f"{', '.join(_FORMATS)}; several as a list with commas or by repeating (default txt)",
    )
    parser.add_argument(
        "-o", "--output-dir", type=Path, metavar="DIR", help="write files into this folder"
    )
    parser.add_argument("--device", help="auto, cpu or gpu (default auto)")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing on standard error but errors"
    )
    _add_options(parser)
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
    add(
        "--max-initial-timestamp",
        dest="max_initial_timestamp",
        text="latest first timestamp of a window, in seconds",
        **number,
    )
    add(
        "--clip-timestamps",
        dest="spans",
        type=_spans,
        metavar="START,END,...",
        text="the stretches to transcribe, in seconds (default: all)",
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One file and where its results go."""

    source: str
    outputs: dict[str, Path | None]
    """By format: the file to write, or None for standard output."""

    @property
    def title(self) -> str:
        return "standard input" if self.source == "-" else self.source

    def audio(self) -> Path | bytes:
        return sys.stdin.buffer.read() if self.source == "-" else Path(self.source)


def run(args: argparse.Namespace) -> int:
    usage: argparse.ArgumentParser = args.parser
    quiet = getattr(args, "quiet", False)
    try:
        options = Options(
            **{name: getattr(args, name) for name in _DEFAULTS if hasattr(args, name)}
        )
        jobs = _plan(
            args.files,
            _formats(getattr(args, "formats", ["txt"])),
            getattr(args, "output_dir", None),
        )
        engine = _open_engine(options, getattr(args, "device", "auto"))
    except InvalidOptionError as error:
        _usage_error(usage, error)
    except ModelError as error:
        say(reason(error))
        return Exit.MODEL
    with engine:
        return _run_all(jobs, engine, options, usage, quiet=quiet)


def _run_all(
    jobs: Sequence[Job],
    engine: Engine,
    options: Options,
    usage: argparse.ArgumentParser,
    *,
    quiet: bool,
) -> int:
    failed: list[str] = []
    done = 0
    try:
        for job in jobs:
            try:
                transcript = _transcribe(job, engine, options, quiet=quiet)
                written = _write_files(job, transcript)
            except InvalidOptionError as error:
                _usage_error(usage, error)
            except (EarwitnessError, OSError, MemoryError) as error:
                say(f"{job.title}: {reason(error)}")
                failed.append(job.title)
                continue
            done += 1
            _print_results(job, transcript, headed=len(jobs) > 1)
            if written and not quiet:
                say(f"{job.title}: wrote {', '.join(map(str, written))}")
    except KeyboardInterrupt:
        say(f"interrupted; {done} of {len(jobs)} files done")
        return Exit.INTERRUPTED
    if failed and len(jobs) > 1:
        say(f"{done} of {len(jobs)} files done; failed: {', '.join(failed)}")
    return Exit.FAILED if failed else Exit.OK


def _transcribe(job: Job, engine: Engine, options: Options, *, quiet: bool) -> Transcript:
    with progress_bar(job.title, quiet=quiet) as on_progress:
        return engine.transcribe(job.audio(), options, on_progress=on_progress)


def _write_files(job: Job, transcript: Transcript) -> list[Path]:
    written = []
    for name, path in job.outputs.items():
        if path is not None:
            write_atomically(path, render(transcript, name))
            written.append(path)
    return written


def _print_results(job: Job, transcript: Transcript, *, headed: bool) -> None:
    for name, path in job.outputs.items():
        if path is None:
            if headed and name == "txt":
                sys.stdout.write(f"==> {job.title} <==\n")
            sys.stdout.write(render(transcript, name))
            sys.stdout.flush()


def _open_engine(options: Options, device: str) -> Engine:
    from earwitness.engine import Engine

    return Engine(options.model, device=device)


def _plan(files: Sequence[str], formats: Sequence[str], output_dir: Path | None) -> list[Job]:
    """Decide, before any work, where each result goes.

    Raises:
        InvalidOptionError: two results would be in one place, or the folder cannot be made.
    """
    if files.count("-") > 1:
        raise InvalidOptionError("standard input can be read only once")
    if output_dir is None:
        if len(formats) > 1:
            raise InvalidOptionError("several formats need --output-dir")
        if len(files) > 1 and formats[0] not in _CONCATENABLE:
            raise InvalidOptionError(f"several files as {formats[0]} need --output-dir")
        return [Job(file, {formats[0]: None}) for file in files]
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOptionError(f"{output_dir} cannot be made: {reason(error)}") from None
    owners: dict[str, str] = {}
    jobs = []
    for file in files:
        stem = "stdin" if file == "-" else Path(file).stem
        # Folded, because some file systems take names that differ in case for the same.
        other = owners.setdefault(stem.casefold(), file)
        if other is not file:
            raise InvalidOptionError(
                f"{other} and {file} would both be written as {output_dir / stem}.*; "
                "give them different folders"
            )
        outputs = {name: output_dir / f"{stem}.{_SUFFIXES.get(name, name)}" for name in formats}
        jobs.append(Job(file, dict(outputs)))
    return jobs


def _formats(values: Sequence[str]) -> list[str]:
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if name not in _FORMATS:
            raise InvalidOptionError(f"format {name!r} is unknown; there are {', '.join(_FORMATS)}")
    return list(dict.fromkeys(names))


def _number_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _spans(text: str) -> list[tuple[float, float]]:
    times = [float(part) for part in text.split(",")]
    if len(times) % 2:
        raise argparse.ArgumentTypeError("each START needs an END")
    return list(zip(times[::2], times[1::2], strict=True))


def _usage_error(parser: argparse.ArgumentParser, error: Exception) -> NoReturn:
    parser.error(reason(error))
