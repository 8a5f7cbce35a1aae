"""`earwitness diarize`: who speaks when in audio files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.cli.jobs import (
    Job,
    Progress,
    about_recording,
    add_arguments,
    chosen_formats,
    plan,
    run_all,
    usage_error,
)
from earwitness.errors import InvalidOptionError, ModelError
from earwitness.formats import DIARIZATION_FORMATS, render_diarization
from earwitness.options import Options

if TYPE_CHECKING:
    from earwitness._core import Diarization
    from earwitness.diarizer import Diarizer

_FORMATS: Final = list(DIARIZATION_FORMATS)
_DEFAULT: Final = "rttm"
_CHECKED: Final = ("min_speakers", "max_speakers", "num_speakers", "threads")

_EPILOG: Final = f"""\
Results go to standard output, or into DIR as NAME.FORMAT; everything else goes to standard error.
On standard output, the results of several files follow each other in the order of the files: txt
under a line "==> FILE <==", JSON one line for each file, RTTM with the file's name in each line.
Nothing is downloaded: the weights are in the package.

{EXIT_CODES}"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "diarize",
        help="tell who speaks when in audio or video files",
        description="Tell who speaks when in audio or video files; `earwitness transcribe "
        "--diarize` also tells what they say.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,  # a new flag must not change what a script's flag means
    )
    add_arguments(parser, _FORMATS, _DEFAULT)
    count: dict[str, Any] = {"type": int, "metavar": "N"}
    parser.add_argument("--min-speakers", help="the least that there are", **count)
    parser.add_argument("--max-speakers", help="the most that there are", **count)
    parser.add_argument("--num-speakers", help="how many there are", **count)
    parser.add_argument(
        "--hop",
        type=_hop,
        metavar="S",
        help="seconds from one look to the next, 0.5 to 5; fewer cost more "
        "(default 1 for recordings under two minutes, else 2)",
    )
    parser.add_argument(
        "--threads", help="0 = as many as there are cores, 4 at most (default 0)", **count
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    usage: argparse.ArgumentParser = args.parser
    quiet = getattr(args, "quiet", False)
    settings = {name: getattr(args, name) for name in _CHECKED if hasattr(args, name)}
    try:
        Options(diarize=True, **settings)  # checks them before there is any work
        jobs = plan(args, chosen_formats(args, _FORMATS, _DEFAULT))
        if not jobs:
            return Exit.OK
        diarizer = _load_diarizer()
    except InvalidOptionError as error:
        usage_error(usage, error)
    except ModelError as error:
        say(reason(error))
        return Exit.MODEL
    settings["hop"] = getattr(args, "hop", 0.0)
    return run_all(
        jobs,
        lambda job, progress: _diarize(job, diarizer, settings, progress),
        lambda job, found, name: render_diarization(found, name, job.name),
        usage,
        quiet=quiet,
    )


def _diarize(
    job: Job, diarizer: Diarizer, settings: dict[str, Any], progress: Progress
) -> Diarization:
    audio = job.audio()
    return about_recording(lambda: diarizer.diarize(audio, on_progress=progress, **settings))


def _load_diarizer() -> Diarizer:
    from earwitness.diarizer import shared_diarizer

    return shared_diarizer()


def _hop(text: str) -> float:
    seconds = float(text)
    if not 0.5 <= seconds <= 5.0:  # what the core allows
        raise argparse.ArgumentTypeError("it must be within 0.5 to 5 seconds")
    return seconds
