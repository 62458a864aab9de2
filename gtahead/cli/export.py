"""`gtahead export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gtahead.cli.common import echo, for_people, progress_bar, table, working_options
from gtahead.errors import as_size

if TYPE_CHECKING:
    from gtahead.formats.exporting import ExportReport


@click.command("export")
@click.argument("dataset", default="./dataset")
@click.option(
    "-f", "--format", required=True, metavar="NAME", help="As `gtahead formats` lists them."
)
@click.option("-o", "--out", metavar="DIR", help="Output folder.  [default: ./exports/NAME]")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="SPLIT",
    help="train, validation or test; may be given several times.  [default: all]",
)
@click.option(
    "--images",
    type=click.Choice(["link", "copy", "none"]),
    default="link",
    show_default=True,
    help="Hard-link images (copy where that can't be), copy them, or leave them out.",
)
@click.option("--allow-lossy", is_flag=True, help="Leave out what the format can't hold.")
@click.option("--drop-empty", is_flag=True, help="Leave out frames in which no head counts.")
@click.option("--overwrite", is_flag=True, help="Replace a gtahead export at --out.")
@click.option(
    "--stride",
    type=click.IntRange(1, 1024),
    default=8,
    show_default=True,
    metavar="N",
    help="Maps: pixels per cell.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="Maps: type of a cell.",
)
@click.option(
    "--border",
    type=click.Choice(["renormalise", "clip"]),
    default="renormalise",
    show_default=True,
    help="Density maps: keep a head's mass in the image, or drop what lies beyond.",
)
@click.option(
    "--store",
    type=click.Choice(["npz", "npy", "h5"]),
    default="npz",
    show_default=True,
    help="Maps: kind of file.",
)
@click.option(
    "--layout",
    type=click.Choice(["nested", "flat"]),
    default="nested",
    show_default=True,
    help="Maps: in a folder for each sequence, or all of a split in one.",
)
@working_options
def command(dataset: str, out: str | None, splits: tuple[str, ...], **options: Any) -> int:
    """Write DATASET in a format that other programs read.  [default: ./dataset]

    Heads that count are exported; ignored ones where the format can mark them; absent ones never.
    Frames without heads are exported as any other. What the format can't hold is listed, and
    nothing is written without --allow-lossy. The same dataset gives the same bytes. An export
    that was stopped leaves --out as it was; run again, it starts over.

    Exit 0: written. 1: no dataset, a damaged one, or data that the format can't hold. 2: wrong
    options. 4: disk, lock or a missing extra.
    """  # noqa: D415
    from gtahead.formats.exporting import export

    with progress_bar("exporting") as show:
        report = export(dataset, out, split=splits or None, on_progress=show, **options)
    if for_people(report.as_dict()):
        _print(report)
    return 0


def _print(report: ExportReport) -> None:
    from gtahead.formats.base import LOSSES

    echo(f"{report.out}: {report.format}, {report.files:,} files, {as_size(report.bytes)}")
    rows = [["", "in", "left out", "out"]]
    for unit, flow in (("frames", report.ledger.frames), ("heads", report.ledger.heads)):
        dropped = sum(flow.dropped.values())
        rows.append([unit, f"{flow.came:,}", f"{dropped:,}", f"{flow.kept:,}"])
        rows += [[f"  {why}", "", f"{count:,}", ""] for why, count in sorted(flow.dropped.items())]
    echo(table(rows))
    for what, count in report.seen.items():
        echo(f"  {what}: {count:,}")
    if report.lost:
        lost = ", ".join(f"{LOSSES[name]} {count:,}" for name, count in report.lost.items())
        echo(f"  not in this format: {lost}")
    if report.left:
        left = dict(report.left)
        moved = left.pop("moved_points", 0)
        if left:
            words = (f"{name.replace('made_', 'made ')} {left[name]:,}" for name in left)
            echo(f"  only in the dataset: {', '.join(words)}")
        if moved:
            echo(f"  moved: {moved:,} points, to the middle of their box where the image cuts it")
