"""`gtahead annotate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gtahead.cli.common import (
    echo,
    for_people,
    print_findings,
    progress_bar,
    short,
    split_options,
    splits_table,
    table,
    working_options,
)


@click.command("annotate")
@click.argument("dataset", default="./dataset")
@click.option(
    "--boxes",
    metavar="RULE",
    help="Pseudo boxes: auto, captured, joints, camera, ground, perspective, crowd, knn, fixed; "
    "parameters as knn:k=3.  [default: as they are]",
)
@click.option(
    "--sigma",
    metavar="RULE",
    help="Sigmas of the Gaussians in maps: box[:ratio=R], fixed:PX, knn[:k=3,beta=0.3], "
    "radius[:iou=0.7].  [default: as they are]",
)
@split_options("as they are")
@click.option(
    "--evaluate",
    is_flag=True,
    help="Change nothing: compare every box rule with the true boxes of DATASET.",
)
@click.option(
    "--image",
    metavar="PNG",
    help="With --evaluate: draw every rule's boxes over the true ones, on one frame.",
)
@working_options
def command(
    dataset: str,
    boxes: str | None,
    sigma: str | None,
    split: str | None,
    split_by: str | None,
    image: str | None,
    *,
    evaluate: bool,
    **options: Any,
) -> int:
    """Give DATASET other boxes, sigmas or splits, in place.  [default: ./dataset]

    Points, count flags and images stay as they are, and so do their fingerprints; `labels`
    changes, and with --split the fingerprints of each split. The result is the same as from a
    build with these options. A run that is stopped leaves the dataset as it was, or the next run
    finishes it.

    With --evaluate: show how far each rule's boxes are from the captured ones, on the
    heads that count. Errors are of the side, the square root of a box's area: bias is the median
    error, median and 90 % are of its absolute value. Rules that fit no head are left out.
    """  # noqa: D415
    if evaluate:
        if any(one is not None for one in (boxes, sigma, split, split_by)):
            msg = "--evaluate changes nothing and measures every rule: leave the others out"
            raise click.UsageError(msg)
        return _evaluate(dataset, image, **options)
    if image is not None:
        raise click.UsageError("--image needs --evaluate")
    from gtahead.building import annotate

    with progress_bar("annotating") as show:
        report = annotate(
            dataset,
            boxes=boxes,
            sigma=sigma,
            split=split,
            split_by=split_by,
            on_progress=show,
            **options,
        )
    if for_people(report.as_dict()):
        print_findings(report.findings)
        document = report.as_dict()
        echo(f"{dataset}: " + ("annotated" if report.changed else "nothing to do"))
        echo(f"  boxes {document['boxes']}, sigma {document['sigma']}")
        sources = ", ".join(f"{name} {count:,}" for name, count in document["box_sources"].items())
        echo(f"  boxes by: {sources or 'none'}")
        if split is not None or split_by is not None:
            echo(splits_table(report.manifest["statistics"]))
        if report.changed:
            echo(f"  fingerprint {short(report.before)}, as it was")
        echo(f"  fingerprint {short(document['fingerprint'])}")
    return 0


def _evaluate(dataset: str, image: str | None, **options: Any) -> int:
    from gtahead.annotation.rule_errors import evaluate

    if image is not None:
        from gtahead.drawing import check_png

        check_png(image, [dataset])
    with progress_bar("evaluating") as show:
        found = evaluate(dataset, on_progress=show, **options)
    if image is not None:
        from gtahead.dataset import Dataset
        from gtahead.drawing import write_png
        from gtahead.viewing.rules import draw_rules

        write_png(image, draw_rules(Dataset.open(dataset)))
    if for_people(found.as_dict()):
        echo(f"{dataset}: {found.heads:,} counted heads with a true box")
        if found.without:
            echo(f"  {found.without:,} counted heads have none, or one of another point")
        rows = [["rule", "heads", "bias", "median", "90 %", "mean IoU"]]
        rows += [_row(rule, reported["all"]) for rule, reported in found.rules.items()]
        echo(table(rows))
        for quantity in ("distance", "density", "pitch"):
            echo(_banded(quantity, found.rules))
        if image is not None:
            echo(f"  {image}: every rule's boxes on one frame, true boxes in white")
    return 0


def _row(name: str, reported: Mapping[str, Any]) -> list[str]:
    errors = [
        f"{100 * reported['bias']:+.1f} %",
        *(f"{100 * reported[k]:.1f} %" for k in ("median", "p90")),
    ]
    return [name, f"{reported['heads']:,}", *errors, f"{reported['mean_iou']:.3f}"]


def _banded(quantity: str, rules: Mapping[str, Any]) -> str:
    """Lay out mean IoU, with a row per rule and a column per band."""
    from gtahead.annotation.rule_errors import bands_of

    there = {band for reported in rules.values() for band in reported["by"].get(quantity, ())}
    bands = [name for name, _, _ in bands_of(quantity) if name in there]
    if not bands:
        return f"  mean IoU by {quantity}: not known"
    rows = [[f"mean IoU by {quantity}", *bands]]
    for rule, reported in rules.items():
        by = reported["by"].get(quantity, {})
        rows.append([rule, *(f"{by[b]['mean_iou']:.3f}" if b in by else "" for b in bands)])
    return table(rows)
