"""`earwitness convert`: checkpoints of other libraries to files that the engine loads."""

from __future__ import annotations

import argparse
from pathlib import Path

from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.cli.progress import progress_bar
from earwitness.errors import InvalidOptionError, ModelError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "convert",
        help="turn a Whisper checkpoint of another library into a model file",
        description="Turn a Whisper checkpoint (CTranslate2, OpenAI .pt, Hugging Face safetensors) "
        "into a ggml file, which --model then takes by its path.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SRC", type=Path, help="the checkpoint: file or folder")
    parser.add_argument("target", metavar="DST", type=Path, help="the ggml file to write")
    parser.add_argument(
        "--weights",
        default="f16",
        metavar="KIND",
        help="f32, f16, q8_0, q5_0 or q5_1 (default %(default)s)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="draw no progress bar")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    from earwitness.convert import convert

    try:
        with progress_bar("convert", quiet=args.quiet) as advance:
            report = convert(
                args.source,
                args.target,
                weights=args.weights,
                progress=None if advance is None else lambda done, total: advance(done / total),
            )
    except InvalidOptionError as error:
        args.parser.error(reason(error))
    except ModelError as error:
        say(reason(error))
        return Exit.MODEL
    except OSError as error:
        say(f"{args.target}: {reason(error)}")
        return Exit.FAILED
    if not args.quiet:
        say(
            f"{report.path}: {report.tensors} tensors as {report.weights}, "
            f"{report.size / 1e6:.1f} MB, from a checkpoint of {report.source_format}"
        )
    return Exit.OK
