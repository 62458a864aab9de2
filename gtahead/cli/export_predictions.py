"""`gtahead export-predictions`."""

from __future__ import annotations

import click

from gtahead.cli.common import SplitName, echo, for_people, output_options
from gtahead.values import number_of


@click.command("export-predictions")
@click.argument("predictions")
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["coco", "nwpu", "nwpu-counts", "jhu"]),
    help="COCO's results; NWPU-Crowd's points or counts; a count per image for JHU-CROWD++.",
)
@click.option("-o", "--out", metavar="FILE", required=True, help="The file to write.")
@click.option("--data", metavar="DATASET", help="The dataset: checks and numbers the images.")
@click.option("--split", type=SplitName(), help="Split of the dataset.  [default: test]")
@click.option(
    "--threshold",
    type=float,
    metavar="SCORE",
    help="Write heads with at least this score, but for coco.  [default: what the file declares]",
)
@output_options
def command(
    predictions: str,
    form: str,
    out: str,
    data: str | None,
    split: str | None,
    threshold: float | None,
) -> int:
    """Write PREDICTIONS, any file that `gtahead benchmark` reads, as other benchmarks take them.

    Exit 0: written. 1: predictions that are wrong, or lack what the format needs.
    """
    from gtahead.scoring.submissions import export_predictions

    report = export_predictions(
        predictions, out, format=form, data=data, split=split, threshold=threshold
    )
    from dataclasses import asdict

    if for_people({**asdict(report), "out": str(report.out)}):
        least = f", at {report.threshold:g} or more" if report.threshold is not None else ""
        echo(
            f"{report.out}: {number_of(report.images, 'image')}, {report.heads:,.10g} heads{least}"
        )
    return 0
