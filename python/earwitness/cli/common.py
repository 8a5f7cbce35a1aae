"""What the commands share: exit codes, messages, output files."""

from __future__ import annotations

import enum
import os
import sys
from pathlib import Path


class Exit(enum.IntEnum):
    """Exit codes of the command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MODEL = 3
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


EXIT_CODES = """\
exit codes:
  0    all went well
  1    something failed, such as one of the files; the others' results are complete
  2    the command line is wrong
  3    the model is unknown, cannot be fetched, or its file is damaged
  130  interrupted; no file is half written
"""


def say(message: str) -> None:
    """Tell the person something; standard output is for results alone."""
    print(f"earwitness: {message}", file=sys.stderr)


def reason(error: BaseException) -> str:
    """What went wrong, in one line, without repeating the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__


def write_atomically(path: Path, text: str) -> None:
    """Write a whole text file or, whatever happens, none; an old one is replaced."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
