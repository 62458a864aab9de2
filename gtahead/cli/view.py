"""`gtahead view`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar


def _grid(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[int, int] | None:
    del context, option
    if text is None:
        return None
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdigit() and rows.isdigit() and int(columns) and int(rows)):
        raise click.BadParameter("write COLUMNSxROWS, such as 3x2")
    return int(columns), int(rows)


@click.command("view")
@click.argument("path", default="./dataset")
@click.argument("frames", nargs=-1)
@click.option(
    "--layers",
    metavar="NAMES",
    help="points, boxes, density, heatmap, ids, occlusion, with commas between.  [default: boxes]",
)
@click.option(
    "-o",
    "--out",
    default="./view.png",
    show_default=True,
    metavar="FILE|DIR",
    help="PNG for one frame or a sheet; a folder for several; .mp4, .webm or .gif with --video.",
)
@click.option("--grid", callback=_grid, metavar="3x2", help="Columns and rows of a sheet.")
@click.option("--video", is_flag=True, help="A video of the frames, or of the first sequence.")
@click.option("--fps", type=float, default=8.0, show_default=True, help="Frames per second.")
@click.option("--predictions", metavar="FILE", help="Draw a method's hits, misses and false heads.")
@click.option(
    "--split", metavar="SPLIT", help="Split of a dataset.  [default: all; test for predictions]"
)
@click.option(
    "--from", "reader", default="auto", show_default=True, metavar="NAME", help="Kind of capture."
)
@output_options
def command(path: str, frames: tuple[str, ...], layers: str | None, **options: Any) -> int:
    """Draw FRAMES of PATH: a dataset, capture, export, or other labels.  [default: ./dataset]

    FRAMES are <sequence>/<frame>, or sequences. Without any, a sheet of some, from the emptiest to
    the densest. Solid blue heads are counted, dashed amber ones ignored, dotted magenta ones
    hidden or out of frame.

    \b
    gtahead view
    gtahead view dataset seq_00/000004 --layers density,points
    gtahead view dataset --predictions predictions.json
    gtahead view captures seq_02 --video --out crowd.gif

    Exit 0: drawn. 1: no such data, or an image that doesn't decode. 2: no such frame or layer.
    """  # noqa: D415
    from gtahead.viewing import view

    wanted = None if layers is None else [one.strip() for one in layers.split(",") if one.strip()]
    with progress_bar("drawing") as show:
        report = view(path, frames, layers=wanted, on_progress=show, **options)
    if for_people(report.as_dict()):
        number = len(report.frames)
        what = f"{number:,} frame{'s' * (number != 1)}"
        where = report.files[0] if len(report.files) == 1 else report.files[0].parent
        echo(f"{where}: {what}")
    return 0
