"""`gtahead leaderboard`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, output_options, print_json


@click.command("leaderboard")
@click.argument("folder")
@click.option("--out", metavar="DIR", help="Write index.html and leaderboard.md there.")
@click.option(
    "--sort", default="mae", show_default=True, metavar="NAME", help="The metric that ranks."
)
@output_options
def command(
    folder: str,
    out: str | None,
    sort: str,
    *,
    quiet: bool,
    debug: bool,
    as_json: bool,
) -> int:
    """Rank the results in FOLDER, and write the board as a page.

    Methods that the data can't tell apart share a rank. Results of other data, or of other versions
    of the metrics, are shown greyed and without rank.
    """
    del debug
    from dataclasses import asdict

    from gtahead.reports.ranking import leaderboard

    board = leaderboard(folder, out, sort=sort)
    for name, why in board.skipped:
        echo(f"left out {name}: {why}", err=True)
    if as_json:
        print_json(asdict(board))
    elif not quiet:
        echo(board.markdown().rstrip())
        if out is not None:
            echo(f"wrote {out}/index.html")
    return 0
