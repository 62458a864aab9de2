"""`gtahead benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtahead import storage
from gtahead.cli.common import (
    SplitName,
    as_json,
    echo,
    for_people,
    is_quiet,
    label_options,
    output_options,
    print_findings,
    table_option,
)
from gtahead.errors import UsageError

if TYPE_CHECKING:
    from gtahead.ingest.model import LabelOptions
    from gtahead.reports.tables import Form


@click.command("benchmark")
@click.argument("predictions", required=False)
@click.option("--data", metavar="DATASET", help="The dataset to score on.  [default: ./dataset]")
@click.option(
    "--ground-truth",
    metavar="PATH",
    help="Another ground truth: a COCO file, a list as NWPU-Crowd and FIDTM keep it, or a "
    "folder that `gtahead build` reads.",
)
@click.option("--split", type=SplitName(), help="Split of a dataset.  [default: test]")
@click.option(
    "--by",
    metavar="LIST",
    help="Break metrics down: density, weather, hour, location, sequence, side, distance, "
    "visibility, level, or all; with commas between.",
)
@click.option(
    "--missing",
    type=click.Choice(["error", "zero"]),
    default="error",
    show_default=True,
    help="Images without prediction: refuse the file, or score them as empty.",
)
@click.option(
    "--validation",
    metavar="FILE",
    help="Predictions on the validation split: the threshold with the lowest MAE is chosen there.",
)
@click.option(
    "--threshold",
    type=float,
    metavar="SCORE",
    help="Count heads with at least this score.  [default: what the file declares]",
)
@click.option("--coco-compat", is_flag=True, help="Also give AP with COCO's cap of 100 boxes.")
@click.option("--sweep", is_flag=True, help="Also match within 1, 2 … 100 px, as for UCF-QNRF.")
@click.option("--intervals/--no-intervals", default=True, help="Compute 95 % intervals, or not.")
@click.option(
    "--builtin", is_flag=True, help="Also score the bundled detector on these images, to compare."
)
@label_options
@click.option("--check-only", is_flag=True, help="Only check the file; score nothing.")
@click.option(
    "--template", is_flag=True, help="Print a valid file without heads, or write it to --out."
)
@click.option("--html", metavar="FILE", help="Also write the report as an HTML page.")
@click.option("-o", "--out", metavar="FILE", help="Write the result, for `gtahead compare`.")
@table_option
@output_options
def command(
    predictions: str | None,
    data: str | None,
    ground_truth: str | None,
    split: str | None,
    by: str | None,
    missing: Any,
    html: str | None,
    out: str | None,
    form: Form | None,
    *,
    check_only: bool,
    template: bool,
    **options: Any,
) -> int:
    """Score PREDICTIONS: counting, localisation and detection, with 95 % intervals.

    PREDICTIONS is gtahead's own file (JSON, JSON Lines or Parquet), COCO's list of results, a list
    of counts or points as NWPU-Crowd takes it, or MOT text; JSON and text may be packed by gzip.
    Or density maps as .npz, .npy or .h5, a file for each image in a folder, or all in one file.

    All errors in it are reported at once; then nothing is scored, and the exit status is 1.
    """
    from gtahead.ingest.model import LabelOptions
    from gtahead.scoring import benchmark, write_result

    if ground_truth is not None and data is not None:
        raise UsageError("--ground-truth and --data are both given", remedy="give one of them")
    against = ground_truth or data or "./dataset"
    labels = LabelOptions(options["head_class"], options["labels_orientation"])
    if template:
        return _print_template(predictions, against, split, out, labels)
    if predictions is None:
        remedy = "name it; `gtahead benchmark --template` prints an empty one"
        raise UsageError("no prediction file is given", remedy=remedy)
    needed = (predictions, against, options["validation"])
    if html is not None:
        storage.prepare_file(Path(html), "the page", (*needed, out))
    if out is not None:
        storage.prepare_file(Path(out), "the result", needed)
    if check_only:
        return _check(predictions, against, split, missing, labels)
    groups = [name.strip() for name in (by or "").split(",") if name.strip()]
    score = benchmark(predictions, against, split=split, by=groups, missing=missing, **options)
    print_findings(score.findings)
    if not score.document:
        if for_people({"findings": score.findings.as_dict()}):
            echo("nothing was scored: fix the file, and try again", err=True)
        return 1
    with storage.together():
        if out is not None:
            write_result(out, score.document)
        if html is not None:
            from gtahead.reports.score import write_score

            write_score(Path(html), score, None if ground_truth else Path(against))
    if not for_people(score.document):
        return 0
    if form is not None:
        from gtahead.reports.tables import TableRow, scores_table

        row = TableRow(str(score.document["method"]["name"]), score.document["metrics"])
        echo(scores_table([row], form).rstrip())
    else:
        from gtahead.cli.score_tables import summary

        echo(summary(score))
        for name in (out, html):
            if name is not None:
                echo(f"wrote {name}")
    return 0


def _print_template(
    predictions: str | None, against: str, split: str | None, out: str | None, labels: LabelOptions
) -> int:
    """Write a prediction file in which nothing is found, to `out` or stdout."""
    from gtahead.scoring.blank import template_of
    from gtahead.scoring.ground_truth import open_ground_truth

    if predictions is not None:
        raise UsageError("--template takes no predictions", value=predictions, remedy="drop it")
    text = template_of(open_ground_truth(against, split, labels))
    if out is None:
        click.echo(text.decode(), nl=False)
        return 0
    storage.prepare_file(Path(out), "the template", [against])
    with storage.naming_os_errors(Path(out)):
        storage.write_bytes(Path(out), text)
    if not is_quiet():
        echo(f"wrote {out}")
    return 0


def _check(
    predictions: str, against: str, split: str | None, missing: Any, labels: LabelOptions
) -> int:
    """Check a prediction file without scoring it."""
    from gtahead.scoring import check_predictions
    from gtahead.scoring.ground_truth import open_ground_truth

    wanted = open_ground_truth(against, split, labels)
    arranged, findings = check_predictions(predictions, wanted, missing)
    if not as_json():
        print_findings(findings)
    if for_people({"images": len(arranged), "findings": findings.as_dict()}):
        echo(f"{Path(predictions).name}: {findings.summed}")
    return 1 if findings.reach("error") else 0
