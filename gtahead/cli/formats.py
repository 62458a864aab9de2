"""`gtahead formats`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, for_people, json_options


@click.command("formats")
@json_options
def command() -> int:
    """List the formats that `gtahead export` writes and `gtahead build` reads.

    Supports and drops: boxes; points that aren't the centre of their box; ids of persons; ignored
    heads; flags of occlusion; visible shares. Pixels: how the format counts them, and the largest
    error of a coordinate.
    """
    from gtahead.formats import FORMATS

    rows = [one.as_dict() for one in FORMATS.values()]
    for row in rows if for_people({"formats": rows}) else ():
        reads = "written and read" if row["reads"] else "written"
        echo(f"{row['name']}: {row['title']} ({row['kind']}; {reads})")
        echo(f"  supports  {', '.join(row['supports']) or 'only counts'}")
        echo(f"  drops     {', '.join(row['drops']) or 'nothing of these'}")
        error = row["precision_px"]
        exact = "exact" if error == 0 else f"to {error:g} px" if error is not None else "in cells"
        echo(f"  pixels    {row['origin']}; {exact}")
        echo(f"  read by   {row['checked_with']}")
    return 0
