"""`gtahead card`."""

from __future__ import annotations

from pathlib import Path

import click

from gtahead.cli.common import echo, for_people, output_options


@click.command("card")
@click.argument("release", default="./release")
@click.option("--croissant", is_flag=True, help="Write croissant.json anew as well.")
@click.option("--fresh", is_flag=True, help="Begin with a new card: edits in the old one are lost.")
@output_options
def command(release: str, *, croissant: bool, fresh: bool) -> int:
    """Fill the card of RELEASE, README.md, from its data.  [default: ./release]

    Blocks between `gtahead:begin` and `gtahead:end` are written anew; everything else is yours and
    stays. Remove the marks of a block to keep its text too.

    Exit 0: filled. 1: no release, damaged marks, or something left to be filled in.
    """  # noqa: D415
    from gtahead.publishing import cards
    from gtahead.publishing import croissant as metadata
    from gtahead.publishing.releases import CARD, Release

    opened = Release.open(release)
    path = Path(release) / CARD
    old = None if fresh else cards.read(Path(release))
    cards.write(opened, old)
    if croissant:
        metadata.write(opened)
    problems = [
        f"{position}: {what}" if position else what for position, what in cards.faults(opened)
    ]
    if for_people(
        {"card": str(path), "changed": old != path.read_text("utf-8"), "faults": problems}
    ):
        echo(f"{path}: filled")
    for problem in problems:
        echo(f"error bad-card: {path} > {problem}", err=True)
    return 1 if problems else 0
