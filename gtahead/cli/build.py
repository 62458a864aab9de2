"""`gtahead build`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import (
    as_json,
    echo,
    for_people,
    label_options,
    ledger_table,
    print_findings,
    print_json,
    progress_bar,
    short,
    split_options,
    splits_table,
    working_options,
)
from gtahead.origins import ORIGINS
from gtahead.values import number_of


@click.command("build")
@click.option(
    "--raw",
    required=True,
    metavar="DIR",
    help="Folder that holds the captures, or another dataset.",
)
@click.option(
    "-o", "--out", default="./dataset", show_default=True, metavar="DIR", help="The dataset."
)
@click.option(
    "--from",
    "reader",
    default="auto",
    show_default=True,
    metavar="KIND",
    help="Kind: auto, native, jta, jta-mods, motsynth, mta, gcc, rgbdsyn, gta-event, "
    "gta-human, gta-im; or a format that `gtahead formats` says is read.",
)
@click.option(
    "--boxes",
    default="auto",
    show_default=True,
    metavar="RULE",
    help="Pseudo boxes: auto, captured, joints, camera, ground, perspective, crowd, knn, fixed; "
    "parameters as knn:k=3.",
)
@click.option(
    "--sigma",
    default="box",
    show_default=True,
    metavar="RULE",
    help="Sigmas of the Gaussians in maps: box[:ratio=R], fixed:PX, knn[:k=3,beta=0.3], "
    "radius[:iou=0.7].",
)
@click.option(
    "--count-policy",
    default="visible:0.25",
    show_default=True,
    metavar="POLICY",
    help="Which heads count: visible[:SHARE], in-frame, all.",
)
@click.option(
    "--images",
    type=click.Choice(["link", "copy", "none"]),
    default="link",
    show_default=True,
    help="Hard-link images (copy where links aren't possible), copy them, or keep only labels.",
)
@click.option(
    "--every", type=click.IntRange(1), default=1, metavar="N", help="Keep every N-th frame."
)
@label_options
@click.option(
    "--origin",
    type=click.Choice(list(ORIGINS)),
    help="Where the images come from; cards, splits and boxes follow it.  [default: by KIND]",
)
@split_options("those given, the rest designed")
@click.option(
    "--roi",
    metavar="FILE",
    help="JSON of polygons by image, sequence or location, or GeoJSON: heads outside are ignored.",
)
@click.option("--strict", is_flag=True, help="Stop with exit 1 if anything would be set aside.")
@click.option("--fresh", is_flag=True, help="Build anew, then replace the dataset at --out.")
@working_options
def command(raw: str, out: str, **options: Any) -> int:
    """Build a dataset from captures, or from another dataset's labels and images.

    Reads and checks every sequence, gives each head a box, splits by sequence and location, links
    the images and writes tables, manifest and fingerprints. A build that was stopped goes on
    when the same command runs again; new sequences are added to the dataset.

    Exit 0: clean. 3: done, with items set aside (they are listed). 1: no dataset. 4: disk or lock.
    """
    from gtahead.building import BuildStopped, build

    try:
        with progress_bar("building") as show:
            report = build(raw, out, on_progress=show, **options)
    except BuildStopped as stopped:
        if as_json():
            print_json({**stopped.report.as_dict(), "stopped": str(stopped)})
        print_findings(stopped.report.findings)
        raise
    if for_people(report.as_dict()):
        print_findings(report.findings)
        _summary(report)
    return report.exit_code


def _summary(report: Any) -> None:
    from gtahead.inspection import boxes_in_words

    document = report.manifest
    statistics = document["statistics"]
    heads = statistics["heads"]
    echo(f"{report.out}: a dataset made from {report.reader} ({report.reason})")
    unknown = "; --origin says where the images come from" * (document["origin"] == "unknown")
    echo(f"  origin: {document['origin']}{unknown}")
    built = number_of(report.built, "sequence")
    echo(f"  {built} built now, {report.reused:,} there before")
    echo(ledger_table(document["ledger"]))
    echo(
        f"  heads by count policy {document['policy']}: {heads['counted']:,} counted, "
        f"{heads['ignored']:,} ignored, {heads['absent']:,} absent"
    )
    for line in boxes_in_words(document):
        echo(f"  boxes: {line}")
    if document["visibility"] == "unknown":
        echo("  visibility: unknown; every head in the frame counts")
    echo(splits_table(statistics))
    echo(f"  fingerprint {short(document['fingerprint'])}")
