"""`gtahead pull`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import echo, for_people, is_quiet, output_options, short
from gtahead.values import number_of


@click.command("pull")
@click.argument("source", metavar="REPO_ID|DIR")
@click.option(
    "-o", "--out", default="./dataset", show_default=True, metavar="DIR", help="Output folder."
)
@click.option("--revision", metavar="NAME", help="Branch, tag or commit on the hub.")
@click.option(
    "--images",
    type=click.Choice(["original", "none"]),
    default="original",
    show_default=True,
    help="With the release's images, or only labels.",
)
@click.option("--overwrite", is_flag=True, help="Replace a dataset at --out.")
@output_options
def command(source: str, out: str, **options: Any) -> int:
    """Make a dataset from a release on the hub or in a folder.

    It has the same fingerprints as the dataset that was published. Every file and every image is
    compared with its hash. A download that was stopped goes on with the same command.

    Exit 0: made. 1: not a gtahead release, or a damaged one. 4: network, permission or disk.
    """
    import sys

    from gtahead.publishing.hub import client_bars
    from gtahead.publishing.pulling import pull

    with client_bars(shown=sys.stderr.isatty() and not is_quiet()):
        report = pull(source, out, **options)
    if for_people(report.as_dict()):
        statistics = report.manifest["statistics"]
        echo(f"{report.out}: {report.repo} {report.version}")
        echo(
            f"  {number_of(statistics['frames'], 'frame')}, "
            f"{number_of(statistics['heads']['counted'], 'head')}, "
            f"{number_of(report.images, 'image')}"
        )
        echo(f"  fingerprint {short(report.manifest['fingerprint'])}")
    return 0
