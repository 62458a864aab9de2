"""`gtahead rebuild`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar


@click.command("rebuild")
@click.argument("labels", metavar="LABELS")
@click.option("--frames", required=True, metavar="DIR", help="Your own frames, in any folders.")
@click.option(
    "-o", "--out", default="./dataset", show_default=True, metavar="DIR", help="Output folder."
)
@click.option(
    "--images",
    type=click.Choice(["link", "copy"]),
    default="link",
    show_default=True,
    help="Hard-link images (copy where that can't be), or copy them.",
)
@click.option("--report", metavar="FILE", help="CSV: which file became which frame, and how.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at --out.")
@output_options
def command(labels: str, frames: str, out: str, report: str | None, **options: Any) -> int:
    """Make a dataset from published LABELS without images and your own frames.

    A file belongs to the frame with its sha256; re-encoded images are found by how they look. An
    image that looks like several frames is used only if its name says which one it is.

    Exit 0: every frame has its image. 3: some have none, the rest was made. 1: none matches.
    """
    from gtahead.publishing.rebuilding import check_report, rebuild

    if report is not None:
        check_report(Path(report))
    with progress_bar("comparing") as show:
        done = rebuild(labels, frames, out, on_progress=show, **options)
    if report is not None:
        done.write_csv(Path(report))
    if for_people(done.as_dict()):
        found = ", ".join(f"{count:,} {how}" for how, count in done.counts().items() if count)
        echo(f"{done.out}: {len(done.matches):,} of {done.frames:,} frames have an image")
        echo(f"  {found}")
        rows = {
            "frames without an image": done.missing,
            "images that look like several frames": done.ambiguous,
            "images of another size": done.wrong_size,
            "unreadable images": done.unreadable,
            "images that match no frame": done.unused,
        }
        for what, names in rows.items():
            if names:
                echo(f"  {what}: {len(names):,}, such as {names[0]}")
    return done.exit_code
