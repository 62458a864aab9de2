"""`gtahead leaderboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gtahead.cli.common import echo, for_people, output_options, table_option

if TYPE_CHECKING:
    from gtahead.reports.tables import Form


@click.command("leaderboard")
@click.argument("folder")
@click.option("-o", "--out", metavar="DIR", help="Write index.html and leaderboard.md there.")
@click.option("--sort", default="mae", show_default=True, metavar="NAME", help="Metric to rank by.")
@table_option
@output_options
def command(folder: str, out: str | None, sort: str, form: Form | None) -> int:
    """Rank the results in FOLDER, and write the board as a page.

    Methods that the data can't tell apart share a rank. Results on other data, or with other
    versions of the metrics, are greyed out and have no rank.
    """
    from dataclasses import asdict

    from gtahead.reports.ranking import leaderboard

    board = leaderboard(folder, out, sort=sort)
    for name, why in board.skipped:
        echo(f"left out {name}: {why}", err=True)
    if for_people(asdict(board)):
        if form is None:
            from gtahead.cli.score_tables import board_lines

            echo("\n".join(board_lines(board)))
        else:
            echo(board.table(form).rstrip())
        if out is not None:
            echo(f"wrote {out}/index.html", err=form is not None)
    return 0
