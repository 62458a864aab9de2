"""`gtahead compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtahead import storage
from gtahead.cli.common import echo, for_people, output_options, table_option

if TYPE_CHECKING:
    from gtahead.reports.tables import Form


@click.command("compare")
@click.argument("results", nargs=-1, required=True)
@click.option(
    "--group",
    metavar="FIELD",
    help="Results with the same value of this key under `method` are one arm's runs, one per seed.",
)
@click.option("--html", metavar="FILE", help="Also write the comparison as an HTML page.")
@table_option
@output_options
def command(
    results: tuple[str, ...], group: str | None, html: str | None, form: Form | None
) -> int:
    """Compare the first of several RESULTS with each of the others, on the same sequences.

    A difference has an interval of 95 % and a test that exchanges the two methods' outputs sequence
    by sequence. Results of different data, or of different versions of the metrics, are refused.
    """
    from gtahead.scoring import compare

    if html is not None:
        storage.prepare_file(Path(html), "the page", results)
    found = compare(results, group=group)
    if html is not None:
        from gtahead.reports.comparison import write_comparison

        write_comparison(Path(html), found)
    if not for_people(found.as_dict()):
        return 0
    if form is not None:
        from gtahead.reports.tables import TableRow, scores_table

        rows = [TableRow(name, metrics) for name, metrics in found.methods]
        echo(scores_table(rows, form).rstrip())
    else:
        from gtahead.cli.score_tables import comparison_lines

        for line in comparison_lines(found):
            echo(line)
        if html is not None:
            echo(f"wrote {html}")
    return 0
