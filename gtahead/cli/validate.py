"""`gtahead validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtahead import storage
from gtahead.cli.common import (
    as_json,
    echo,
    for_people,
    label_options,
    print_findings,
    print_json,
    progress_bar,
    working_options,
)
from gtahead.errors import UsageError
from gtahead.findings import CODES

if TYPE_CHECKING:
    from gtahead.findings import Findings
    from gtahead.validation import Validation


@click.command("validate")
@click.argument("path", default="./dataset")
@click.option(
    "--from",
    "reader",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="What PATH is: auto, capture, dataset, predictions, or a name that `build --from` takes.",
)
@click.option(
    "--images",
    type=click.Choice(["quick", "full", "none"]),
    default="quick",
    show_default=True,
    help="Images: read headers; decode them, and look for duplicates across splits; or skip them.",
)
@click.option("--against", metavar="DATASET", help="PATH is an export: compare it with DATASET.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="Exit with 1 where there is a finding of this severity or worse.",
)
@click.option(
    "--baseline", metavar="FILE", help="Output of an earlier --json: findings in it don't count."
)
@click.option("--html", metavar="FILE", help="Also write the report as an HTML page.")
@click.option("--explain", metavar="CODE", help="Explain a finding's code, and exit.")
@label_options
@working_options
def command(
    path: str,
    fail_on: str,
    baseline: str | None,
    html: str | None,
    explain: str | None,
    **options: Any,
) -> int:
    """Check PATH: a capture, dataset, export, or labels.  [default: ./dataset]

    Everything is checked before the verdict: exit 0 where nothing is wrong, 1 where something is.
    At most 20 findings of a kind are printed; totals are always exact.
    """  # noqa: D415
    if explain is not None:
        _explain(explain)
        return 0
    from gtahead.validation import validate
    from gtahead.validation.waivers import read_baseline, without_known

    if html is not None:
        storage.prepare_file(Path(html), "the page", (path, baseline, options.get("against")))
    known = None if baseline is None else read_baseline(Path(baseline))
    with progress_bar("checking") as show:
        checked = validate(path, on_progress=show, **options)
        found = checked.finish()
    if known is not None:
        found = without_known(found, known)
    report = checked.as_dict()
    if known is not None:
        report["new"] = found.as_dict()
    if html is not None:
        from gtahead.reports.findings import write_findings

        write_findings(Path(html), checked, found)
    failed = found.reach(fail_on)
    if for_people(report):
        _print(checked, found, baseline=known is not None, failed=failed)
        if html is not None:
            echo(f"wrote {html}")
    return 1 if failed else 0


def _explain(code: str) -> None:
    if code not in CODES:
        import difflib

        close = difflib.get_close_matches(code, CODES, n=1)
        remedy = f"did you mean {close[0]}?" if close else "docs/findings.md has all"
        raise UsageError("no such code", value=code, remedy=remedy)
    kind = CODES[code]
    if as_json():
        print_json({"code": code, **vars(kind)})
        return
    away = f"; a build sets the {kind.sets_aside} aside" if kind.sets_aside else ""
    echo(f"{code}: {kind.severity}{away}")
    echo(f"  what: {kind.what}\n  cause: {kind.cause}\n  remedy: {kind.remedy}")


def _print(checked: Validation, found: Findings, *, baseline: bool, failed: bool) -> None:
    echo(f"{checked.path}: {checked.described}")
    if checked.largest_error_px is not None:
        echo(f"  largest coordinate error: {checked.largest_error_px:.4f} px")
    from gtahead.cli.styles import counted, passed

    print_findings(found, err=False)
    if checked.kind == "file" and checked.reason in ("coco", "points", "nwpu"):
        echo("  the file alone: give its folder to check images and frames as well")
    if found.totals:
        click.echo("new: " * baseline + counted(found))
    if not failed:
        news = ", nothing new" if baseline and not found.totals else ""
        click.echo(passed(f"passed{news}: {checked.verdict}"))
