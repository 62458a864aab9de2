"""`gtahead info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gtahead.cli.common import echo, for_people, json_options, short, splits_table, table
from gtahead.errors import as_size
from gtahead.values import number_of


@click.command("info")
@click.argument("path", default="./dataset")
@json_options
def command(path: str) -> int:
    """Show what PATH contains: a capture or a dataset, and how much.  [default: ./dataset]"""  # noqa: D415
    from gtahead.inspection import info

    found = info(path)
    if for_people(found.as_dict()):
        show = _print_dataset if found.kind == "dataset" else _print_capture
        show(path, found.details)
    return 0


def _print_dataset(path: str, details: Mapping[str, Any]) -> None:
    from gtahead.inspection import sizes_in_words

    statistics = details["statistics"]
    heads, spread = statistics["heads"], statistics["heads_per_frame"]
    echo(f"{path}: a gtahead dataset, origin {details['origin']}")
    facts = [
        ["sequences", f"{statistics['sequences']:,}"],
        [
            "frames",
            f"{statistics['frames']:,}, {statistics['frames_without_heads']:,} without heads",
        ],
        [
            "heads",
            ", ".join(f"{heads[status]:,} {status}" for status in ("counted", "ignored", "absent")),
        ],
        [
            "heads per frame",
            f"{spread['least']:,} to {spread['most']:,}, mean {spread['mean']:,}, "
            f"median {spread['median']:,}",
        ],
        ["count policy", f"{details['policy']} (visibility {details['visibility']})"],
        *(["boxes", line] for line in details["boxes"]),
        ["sizes", sizes_in_words(statistics["sizes"])],
        [
            "on disk",
            f"{number_of(statistics['images'], 'image')} of {as_size(statistics['image_bytes'])}, "
            f"tables of {as_size(details['table_bytes'])}",
        ],
        ["splits", _splits_line(details["splits"])],
        *([["regions", _regions_line(details)]] if details["options"].get("roi") else []),
        ["fingerprint", short(details["fingerprint"])],
    ]
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        echo(f"  {name.ljust(width)}  {text}")
    echo(splits_table(statistics))
    levels = [["heads per frame", "frames"]]
    levels += [[k, f"{v:,}"] for k, v in statistics["frames_by_density"].items()]
    echo(table(levels))
    _print_findings(details["findings"])


def _splits_line(splits: Mapping[str, Any]) -> str:
    line = f"{splits['how']}, by {splits['unit']}"
    balance = splits.get("balance")
    if balance is None:
        return line
    off = ", ".join(
        f"{name} {100 * balance['off'][name]:.1f} %"
        for name in ("heads", "frames", "sequences")
        if name in balance["off"]
    )
    return f"{line}; largest deviation from the target shares: {off}"


def _regions_line(details: Mapping[str, Any]) -> str:
    named = details["options"]["roi"]
    of_all = ", one of them of all images" if "*" in named else ""
    return f"of interest, by {len(named)} names{of_all}: heads outside are ignored"


def _print_capture(path: str, details: Mapping[str, Any]) -> None:
    from gtahead.captures import CAPTURES
    from gtahead.inspection import sizes_in_words

    statistics = details["statistics"]
    reader = details["reader"]
    kind = f"a {reader} capture" if reader in CAPTURES else f"a dataset in the format {reader}"
    echo(f"{path}: {kind}, origin {details['origin']} ({details['reason']})")
    sizes = sizes_in_words(statistics["sizes"])
    echo(
        f"  {number_of(statistics['sequences'], 'sequence')}, "
        f"{number_of(statistics['frames'], 'frame')}, "
        f"{number_of(statistics['heads'], 'head')}; {sizes or 'no frames'}"
    )
    rows = [["sequence", "frames", "heads", "images", "weather", "hour", "location"]]
    for row in details["sequences"]:
        if not row["readable"]:
            rows.append([row["sequence"], "unreadable", "", "", "", "", ""])
            continue
        optional = [
            "" if row[key] is None else str(row[key]) for key in ("weather", "hour", "location")
        ]
        images = "yes" if row["images"] else "no"
        rows.append([row["sequence"], f"{row['frames']:,}", f"{row['heads']:,}", images, *optional])
    echo(table(rows))
    _print_findings(details["findings"])


def _print_findings(totals: Mapping[str, int]) -> None:
    if totals:
        listed = ", ".join(f"{code} {count:,}" for code, count in totals.items())
        echo(f"  findings: {listed}")
