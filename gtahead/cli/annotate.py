"""`gtahead annotate`."""

from __future__ import annotations

import click

from gtahead.cli.common import print_findings, print_json, progress_bar, working_options


@click.command("annotate")
@click.argument("dataset", default="./dataset")
@click.option(
    "--boxes",
    metavar="RULE",
    help="Pseudo boxes: auto, captured, joints, camera, ground, perspective, knn, fixed; "
    "parameters as knn:k=3.  [default: as they are]",
)
@click.option(
    "--sigma",
    metavar="RULE",
    help="Sigmas of the Gaussians in maps: box[:ratio=R], fixed:PX, knn[:k=3,beta=0.3], "
    "radius[:iou=0.7].  [default: as they are]",
)
@working_options
def command(
    dataset: str,
    boxes: str | None,
    sigma: str | None,
    workers: int | None,
    scheduler: str | None,
    *,
    quiet: bool,
    debug: bool,
    as_json: bool,
) -> int:
    """Give the heads of DATASET boxes or sigmas by another rule.  [default: ./dataset]

    Points, count flags and pictures stay as they are, and so do their fingerprints; `labels`
    changes. The result is the same as of a build with these rules. A run that is stopped leaves the
    data set as it was, or is finished by the next one.
    """  # noqa: D415
    del debug
    from gtahead.building import annotate

    with progress_bar("annotating", quiet=quiet or as_json) as show:
        report = annotate(
            dataset,
            boxes=boxes,
            sigma=sigma,
            workers=workers,
            scheduler=scheduler,
            on_progress=show,
        )
    if as_json:
        print_json(report.as_dict())
    elif not quiet:
        print_findings(report.findings)
        told = report.as_dict()
        click.echo(f"{dataset}: " + ("annotated" if report.changed else "nothing to do"))
        click.echo(f"  boxes {told['boxes']}, sigma {told['sigma']}")
        sources = ", ".join(f"{name} {count:,}" for name, count in told["box_sources"].items())
        click.echo(f"  boxes by: {sources or 'none'}")
        if report.changed:
            click.echo(f"  fingerprint {report.before}, as it was")
        click.echo(f"  fingerprint {told['fingerprint']}")
    return 0
