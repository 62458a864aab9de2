"""`gtahead report`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar
from gtahead.errors import as_size
from gtahead.values import number_of


@click.command("report")
@click.argument("dataset", default="./dataset")
@click.option(
    "--html", default="./report.html", show_default=True, metavar="FILE", help="Output file."
)
@click.option(
    "--gallery",
    type=click.IntRange(0, 200),
    default=24,
    show_default=True,
    metavar="N",
    help="Number of frames shown.",
)
@output_options
def command(dataset: str, html: str, gallery: int) -> int:
    """Write DATASET's report, one page that needs no network.  [default: ./dataset]

    What it holds and how it was made: ledger, crowds, heads, conditions, sequences, splits, boxes,
    findings, and a gallery whose layers can be switched, by sequence, density and weather.

    Exit 0: written. 1: no dataset, or no folder for the page. 3: written, but an image can't be
    read. 4: disk.
    """  # noqa: D415
    from gtahead.reports import report

    with progress_bar("counting") as show:
        done = report(dataset, html, gallery=gallery, on_progress=show)
    if for_people(done.as_dict()):
        frames = number_of(done.frames, "frame")
        echo(f"{done.page}: {as_size(done.bytes)}, {frames}, {done.shown:,} shown")
    for frame_id in done.unreadable:
        message = "its image can't be read; `gtahead validate --images full` says why"
        echo(f"warning: {dataset} > frame {frame_id}: {message}", err=True)
    return done.exit_code
