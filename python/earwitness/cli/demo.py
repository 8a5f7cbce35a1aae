"""`earwitness demo`: the whole way on a recording that the package carries."""

from __future__ import annotations

import argparse
import time

from earwitness import demo
from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.cli.progress import progress_bar
from earwitness.errors import ModelError
from earwitness.formats import to_text


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="tell who says what in a short conversation that comes with the package",
        description="Tell who says what in a short telephone conversation that comes with the "
        "package; the first time, the model is fetched.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-m", "--model", default="tiny.en", help="(default %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from earwitness.engine import Engine

    try:
        engine = Engine(args.model)
    except ModelError as error:
        say(reason(error))
        return Exit.MODEL
    with engine:
        start = time.perf_counter()
        with progress_bar("demo", quiet=False) as on_progress:
            transcript = engine.transcribe(
                demo.conversation(), diarize=True, on_progress=on_progress
            )
        seconds = time.perf_counter() - start
        print(to_text(transcript), end="")
        speakers = {part.speaker for part in transcript.speaker_segments}
        say(
            f"{transcript.duration:.1f} s of conversation ({transcript.language}, "
            f"{len(speakers)} speakers) in {seconds:.1f} s with {args.model} on {engine.device}"
        )
    return Exit.OK
