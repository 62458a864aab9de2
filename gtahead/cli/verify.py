"""`gtahead verify`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, for_people, output_options, print_findings, progress_bar, short
from gtahead.errors import as_size


@click.command("verify")
@click.argument("path", default="./dataset")
@output_options
def command(path: str) -> int:
    """Check every file of a dataset or a release at PATH against its hash.  [default: ./dataset]

    Compares only bytes: `gtahead validate` checks the contents.

    Exit 0: all as the manifest says. 1: files are missing, changed or unexpected.
    """  # noqa: D415
    from gtahead.publishing.checking import verify

    with progress_bar("hashing") as show:
        report = verify(path, on_progress=show)
    if for_people(report.as_dict()):
        echo(f"{report.path}: a {report.kind}, {report.files:,} files, {as_size(report.bytes)}")
        echo(f"  fingerprint {short(report.fingerprint)}")
        echo(f"  {report.findings.summed}")
        print_findings(report.findings)
    return 1 if report.findings.totals else 0
