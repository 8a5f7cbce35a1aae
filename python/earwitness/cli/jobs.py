"""What the commands for recordings share: which results go where, and one file after another."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from earwitness.cli.common import Exit, reason, say, write_atomically
from earwitness.cli.progress import FilesDisplay
from earwitness.errors import AudioError, EarwitnessError, InvalidOptionError

# Of these, several one after another on standard output can still be told apart.
_CONCATENABLE: Final = frozenset({"txt", "json", "verbose_json", "diarized_json", "rttm"})

# The JSON shapes of one file may be asked for together.
_SUFFIXES: Final = {"verbose_json": "verbose.json", "diarized_json": "diarized.json"}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job:
    """One file and where its results go."""

    source: str
    outputs: dict[str, Path | None]
    """By format: the file to write, or None for standard output."""

    @property
    def title(self) -> str:
        return "standard input" if self.source == "-" else self.source

    @property
    def name(self) -> str:
        """What its results are called."""
        return _name(self.source)

    def audio(self) -> Path | bytes:
        return sys.stdin.buffer.read() if self.source == "-" else Path(self.source)


Progress = Callable[[float], None] | None
"""Takes the share of a file that is done, 0 to 1; None where nobody watches."""


def add_arguments(parser: argparse.ArgumentParser, formats: Sequence[str], default: str) -> None:
    """The arguments that `plan` reads, and --quiet."""
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
        help=f"{', '.join(formats)}; several as a list with commas or by repeating "
        f"(default {default})",
    )
    parser.add_argument(
        "-o", "--output-dir", type=Path, metavar="DIR", help="write files into this folder"
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="make only the results that DIR does not hold yet",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing on standard error but errors"
    )


def chosen_formats(args: argparse.Namespace, known: Sequence[str], default: str) -> list[str]:
    """The formats asked for, each once.

    Raises:
        InvalidOptionError: one of them is unknown.
    """
    names = [
        name.strip() for value in getattr(args, "formats", [default]) for name in value.split(",")
    ]
    for name in names:
        if name not in known:
            raise InvalidOptionError(f"format {name!r} is unknown; there are {', '.join(known)}")
    return list(dict.fromkeys(names))


def plan(args: argparse.Namespace, formats: Sequence[str]) -> list[Job]:
    """Decide, before any work, where each result goes; files with nothing to do are left out.

    Raises:
        InvalidOptionError: two results would be in one place, or the folder cannot be made.
    """
    files: list[str] = args.files
    folder: Path | None = getattr(args, "output_dir", None)
    skip_existing: bool = getattr(args, "skip_existing", False)
    if files.count("-") > 1:
        raise InvalidOptionError("standard input can be read only once")
    if folder is None:
        if skip_existing:
            raise InvalidOptionError("--skip-existing needs --output-dir")
        return _onto_standard_output(files, formats)
    jobs = _into_folder(files, formats, folder)
    if not skip_existing:
        return jobs
    remaining = [_without_existing(job) for job in jobs]
    if not getattr(args, "quiet", False):
        for job in remaining:
            if not job.outputs:
                say(f"{job.title}: skipped, for its results are there")
    return [job for job in remaining if job.outputs]


def run_all(
    jobs: Sequence[Job],
    work: Callable[[Job, Progress], Result],
    render: Callable[[Job, Result, str], str],
    usage: argparse.ArgumentParser,
    *,
    quiet: bool,
) -> int:
    """Do the jobs one after another, losing none to the failure of another; gives the exit code.

    Args:
        work: what makes a job's result, telling how far it is; `InvalidOptionError` from it is an
            error of usage.
        render: the result in the format of that name.
    """
    failed: list[str] = []
    done = 0
    try:
        with FilesDisplay(len(jobs), quiet=quiet) as display:
            for job in jobs:
                try:
                    result = work(job, display.next_file(job.title))
                    written = _write_files(job, result, render)
                except InvalidOptionError as error:
                    display.hide()
                    usage_error(usage, error)
                except BrokenPipeError:
                    raise  # nobody reads the results any more, which is no trouble of this file
                except (EarwitnessError, OSError, MemoryError) as error:
                    display.hide()
                    say(f"{job.title}: {reason(error)}")
                    failed.append(job.title)
                    continue
                done += 1
                display.hide()
                _print_results(job, result, render, headed=len(jobs) > 1)
                if written and not quiet:
                    say(f"{job.title}: wrote {', '.join(map(str, written))}")
    except KeyboardInterrupt:
        say(f"interrupted; {done} of {len(jobs)} files done")
        return Exit.INTERRUPTED
    if failed and len(jobs) > 1:
        say(f"{done} of {len(jobs)} files done; failed: {', '.join(failed)}")
    return Exit.FAILED if failed else Exit.OK


def usage_error(parser: argparse.ArgumentParser, error: Exception) -> NoReturn:
    """End with the usage and what is wrong with it."""
    parser.error(reason(error))


def about_recording(work: Callable[[], Result]) -> Result:
    """Do what options that were checked before go into.

    Raises:
        AudioError: an option does not go with this recording, though it may with the others.
    """
    try:
        return work()
    except InvalidOptionError as error:
        raise AudioError(str(error)) from None


def _name(source: str) -> str:
    return "stdin" if source == "-" else Path(source).stem


def _onto_standard_output(files: Sequence[str], formats: Sequence[str]) -> list[Job]:
    if len(formats) > 1:
        raise InvalidOptionError("several formats need --output-dir")
    if len(files) > 1 and formats[0] not in _CONCATENABLE:
        raise InvalidOptionError(f"several files as {formats[0]} need --output-dir")
    if formats[0] == "rttm":
        # Its lines say which recording they are of by name alone.
        _check_names(files, "named {name}", "rename one")
    return [Job(file, {formats[0]: None}) for file in files]


def _into_folder(files: Sequence[str], formats: Sequence[str], folder: Path) -> list[Job]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOptionError(f"{folder} cannot be made: {reason(error)}") from None
    _check_names(files, f"written as {folder}/{{name}}.*", "give them different folders")
    return [
        Job(
            file,
            {kind: folder / f"{_name(file)}.{_SUFFIXES.get(kind, kind)}" for kind in formats},
        )
        for file in files
    ]


def _check_names(files: Sequence[str], clash: str, advice: str) -> None:
    owners: dict[str, str] = {}
    for file in files:
        name = _name(file)
        # Folded, because some file systems take names that differ in case for the same.
        other = owners.setdefault(name.casefold(), file)
        if other is not file:
            raise InvalidOptionError(
                f"{other} and {file} would both be {clash.format(name=name)}; {advice}"
            )


def _without_existing(job: Job) -> Job:
    # Files are written whole or not at all: one that is there is done.
    return dataclasses.replace(
        job,
        outputs={
            kind: path for kind, path in job.outputs.items() if path is None or not path.is_file()
        },
    )


def _write_files(job: Job, result: Result, render: Callable[[Job, Result, str], str]) -> list[Path]:
    written = []
    for kind, path in job.outputs.items():
        if path is not None:
            write_atomically(path, render(job, result, kind))
            written.append(path)
    return written


def _print_results(
    job: Job, result: Result, render: Callable[[Job, Result, str], str], *, headed: bool
) -> None:
    for kind, path in job.outputs.items():
        if path is None:
            if headed and kind == "txt":
                print_heading(job)
            sys.stdout.write(render(job, result, kind))
            sys.stdout.flush()


def print_heading(job: Job) -> None:
    """What tells the texts of several files apart."""
    sys.stdout.write(f"==> {job.title} <==\n")
