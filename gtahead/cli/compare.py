"""`gtahead compare`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, output_options, print_json


@click.command("compare")
@click.argument("results", nargs=-1, required=True)
@click.option(
    "--group",
    metavar="FIELD",
    help="Results with the same value of this key under `method` are one arm's runs, one a seed.",
)
@output_options
def command(
    results: tuple[str, ...],
    group: str | None,
    *,
    quiet: bool,
    debug: bool,
    as_json: bool,
) -> int:
    """Compare the first of several RESULTS with each other one: same data, same sequences.

    A difference has an interval of 95 % and a test that exchanges the two methods' outputs sequence
    by sequence. Results of different data, or of different versions of the metrics, are refused.
    """
    del debug
    from gtahead.scoring import compare

    found = compare(results, group=group)
    if as_json:
        print_json(found.as_dict())
        return 0
    if quiet:
        return 0
    from gtahead.cli.score_tables import comparison_lines

    for line in comparison_lines(found):
        echo(line)
    return 0
