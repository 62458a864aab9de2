"""`gtahead formats`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import echo, for_people, json_options, table

_TITLES = {
    "boxes": "boxes",
    "points": "points",
    "ids": "ids",
    "ignored": "ignored",
    "occluded": "occluded",
    "visibility": "visible",
}


@click.command("formats")
@json_options
def command() -> int:
    """List the formats that `gtahead export` writes and `gtahead build` reads.

    Columns: whether gtahead reads it; whether it holds boxes; points that aren't the centre of
    their box; ids of persons; ignored heads; flags of occlusion; visible shares. The last one is
    the largest error of a coordinate. `--json` and docs/formats.md say more.
    """
    from gtahead.formats import FORMATS

    rows = [one.as_dict() for one in FORMATS.values()]
    if not for_people({"formats": rows}):
        return 0
    lines = [["format", "read", *_TITLES.values(), "error"]]
    for row in rows:
        held = ["yes" if name in row["supports"] else "–" for name in _TITLES]
        lines.append([row["name"], "yes" if row["reads"] else "–", *held, _error(row)])
    echo(table(lines, indent=""))
    return 0


def _error(row: dict[str, Any]) -> str:
    error = row["precision_px"]
    return "exact" if error == 0 else f"{error:g} px" if error is not None else "cells"
