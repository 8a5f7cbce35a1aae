"""The command `earwitness`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from earwitness._core import __version__
from earwitness.cli import convert, demo, diarize, models, transcribe
from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.errors import EarwitnessError

# Flags that openai-whisper's command takes with a word behind them.
_SWITCHES = frozenset({"--word-timestamps", "--condition-on-previous-text"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit code. Usage errors leave as `SystemExit(2)`."""
    _use_utf8()
    parser = _parser()
    args = parser.parse_args(_as_ours(sys.argv[1:] if argv is None else argv))
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        say("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our results is gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except (EarwitnessError, OSError) as error:
        say(reason(error))
        return Exit.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earwitness",
        description="Who said what, and when: speech to text on this machine.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"earwitness {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (transcribe, diarize, models, convert, demo):
        command.add_parser(commands)
    return parser


def _as_ours(argv: Sequence[str]) -> list[str]:
    """openai-whisper's spellings in ours: `--beam_size`, `--word_timestamps True`."""
    args: list[str] = []
    for index, arg in enumerate(argv):
        if arg == "--":
            return args + list(argv[index:])
        if arg in ("True", "False") and args and args[-1] in _SWITCHES:
            if arg == "False":
                args[-1] = args[-1].replace("--", "--no-", 1)
        elif arg.startswith("--"):
            flag, equals, value = arg.partition("=")
            args.append(flag.replace("_", "-") + equals + value)
        else:
            args.append(arg)
    return args


def _use_utf8() -> None:
    """Results that go to a file or a pipe are UTF-8 whatever the locale; a terminal has its own."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")
