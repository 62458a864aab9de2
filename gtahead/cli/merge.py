"""`gtahead merge`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import derived_options, derived_summary, for_people, progress_bar


@click.command("merge")
@click.argument("datasets", nargs=-1, required=True)
@derived_options
def command(datasets: tuple[str, ...], out: str, **options: Any) -> int:
    """Put DATASETS together, two or more.

    A sequence whose name several have is called <dataset>-<sequence>. Images that are there twice,
    or look alike in different splits, are noted. Datasets have to count heads by one policy.

    Exit 0: made. 1: no dataset, a damaged one, or different policies.
    """
    from gtahead.building import merge

    with progress_bar("merging") as show:
        report = merge(datasets, out, on_progress=show, **options)
    if for_people(report.as_dict()):
        derived_summary(report)
    return report.exit_code
