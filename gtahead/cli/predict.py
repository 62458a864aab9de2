"""`gtahead predict`."""

from __future__ import annotations

import click

from gtahead.cli.common import (
    SplitName,
    echo,
    for_people,
    output_options,
    print_findings,
    progress_bar,
    scheduler_option,
)
from gtahead.values import number_of


@click.command("predict")
@click.argument("checkpoint")
@click.option("--data", default="./dataset", show_default=True, help="A dataset.")
@click.option(
    "--split", type=SplitName(), default="test", show_default=True, help="Of the dataset."
)
@click.option("--images", metavar="PATH", help="An image or folder instead of a dataset.")
@click.option("-o", "--out", default="predictions.json", show_default=True, help="Output file.")
@scheduler_option
@output_options
def command(
    checkpoint: str, data: str, out: str, split: str, images: str | None, scheduler: str | None
) -> int:
    """Find heads with CHECKPOINT, the model.pt of a run or `builtin`, and write predictions.

    Boxes are in the images' own pixels, whatever size the network works at; large images are
    processed in overlapping tiles, and a head on a seam is counted once. The threshold from which
    a head counts is the one that was chosen on validation.

    Exit 0: clean. 3: done, but images that can't be read were set aside (they are listed).
    """
    from gtahead.training.wanted import check_prediction

    check_prediction(checkpoint, data, out, split, images)
    from gtahead.training import predict

    with progress_bar("predicting") as show:
        report = predict(
            checkpoint, data, out, split=split, images=images, scheduler=scheduler, on_progress=show
        )
    for name in report.capped:
        echo(f"warning: {name}: more heads than the detector can return; see max_heads", err=True)
    if for_people(report.as_dict()):
        print_findings(report.findings)
        least = "" if report.threshold is None else f" at {report.threshold:.3g} or above"
        echo(
            f"{report.out}: {report.heads:,.0f} heads{least} in {number_of(report.images, 'image')}"
        )
        if images is None:
            echo(f"  next: gtahead benchmark {report.out} --data {data} --split {split}")
    return report.exit_code
