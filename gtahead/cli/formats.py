"""`gtahead formats`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, print_json


@click.command("formats")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(*, debug: bool, as_json: bool) -> int:
    """List the formats that `gtahead export` writes and `gtahead build` reads.

    Holds and loses: boxes; points that aren't the centre of their box; ids of persons; ignored
    heads; flags of occlusion; visible shares. Pixels: how the format counts them, and the largest
    error of a coordinate.
    """
    del debug
    from gtahead.formats import FORMATS

    rows = [one.as_dict() for one in FORMATS.values()]
    if as_json:
        print_json({"formats": rows})
        return 0
    for row in rows:
        reads = "written and read" if row["reads"] else "written"
        echo(f"{row['name']}: {row['title']} ({row['kind']}; {reads})")
        echo(f"  holds   {', '.join(row['supports']) or 'counts alone'}")
        echo(f"  loses   {', '.join(row['drops']) or 'nothing of these'}")
        error = row["precision_px"]
        exact = "exact" if error == 0 else f"to {error:g} px" if error is not None else "in cells"
        echo(f"  pixels  {row['origin']}; {exact}")
        echo(f"  read by {row['checked_with']}")
    return 0
