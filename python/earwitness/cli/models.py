"""`earwitness models` and `earwitness pull`: what there is, and getting it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from earwitness.cli.common import EXIT_CODES, Exit, reason, say
from earwitness.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earwitness.models import CatalogueEntry


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser(
        "models",
        help="list the models that can be used by name",
        description="List the models that can be used by name. Others are used by their path.",
    )
    listing.set_defaults(run=run_list)
    pull = commands.add_parser(
        "pull",
        help="fetch models, so that they can be used without a network",
        description="Fetch models that are not on this machine yet, and print where they are.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pull.add_argument("names", nargs="+", metavar="NAME", help="as in `earwitness models`")
    pull.add_argument("-q", "--quiet", action="store_true", help="draw no progress bar")
    pull.set_defaults(run=run_pull)


def run_list(_: argparse.Namespace) -> int:
    from earwitness.models import list_models

    for line in table(list_models()):
        print(line)
    return Exit.OK


def run_pull(args: argparse.Namespace) -> int:
    from earwitness import models

    code = Exit.OK
    for name in args.names:
        try:
            print(models.pull(name, progress=False if args.quiet else None), flush=True)
        except ModelError as error:
            say(f"{name}: {reason(error)}")
            code = Exit.MODEL
    return code


def table(entries: Sequence[CatalogueEntry]) -> list[str]:
    """The lines of the list of models, in columns."""
    rows = [("NAME", "SIZE", "LANGUAGES", "CACHED")]
    rows += [
        (
            entry.name,
            f"{entry.size / 1e6:.0f} MB",
            str(len(entry.languages)) if entry.multilingual else entry.languages[0],
            "yes" if entry.cached else "",
        )
        for entry in entries
    ]
    name, size, languages = (max(len(row[column]) for row in rows) for column in range(3))
    return [
        f"{row[0]:{name}}  {row[1]:>{size}}  {row[2]:>{languages}}  {row[3]}".rstrip()
        for row in rows
    ]
