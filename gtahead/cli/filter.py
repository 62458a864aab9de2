"""`gtahead filter`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import derived_options, derived_summary, for_people, progress_bar


@click.command("filter")
@click.argument("dataset", default="./dataset")
@click.option(
    "--where",
    metavar="CONDITION",
    help="On columns of frames: \"num_heads > 100 and weather == 'RAIN'\".",
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="So many of them, at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice.")
@derived_options
def command(dataset: str, out: str, **options: Any) -> int:
    """Make a dataset of those frames of DATASET that meet a condition.

    Columns are those of the table of frames: split, sequence, num_heads, width, height, weather,
    hour, location, pitch_deg and others; docs/dataset.md has them. Comparisons are joined by and,
    or, not and in. DATASET is ./dataset unless given.

    Exit 0: made. 1: no dataset, or a damaged one. 2: no frame meets the condition.
    """
    from gtahead.building import filter

    with progress_bar("filtering") as show:
        report = filter(dataset, out, on_progress=show, **options)
    if for_people(report.as_dict()):
        derived_summary(report)
    return report.exit_code
