"""`gtahead pull`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, output_options, print_json


@click.command("pull")
@click.argument("source", metavar="REPO_ID|DIR")
@click.option("--out", default="./dataset", show_default=True, metavar="DIR", help="Where to.")
@click.option("--revision", metavar="NAME", help="Branch, tag or commit on the hub.")
@click.option(
    "--images",
    type=click.Choice(["original", "none"]),
    default="original",
    show_default=True,
    help="With the images that are in it, or labels alone.",
)
@click.option("--overwrite", is_flag=True, help="Replace a dataset at --out.")
@output_options
def command(
    source: str,
    out: str,
    revision: str | None,
    images: str,
    *,
    overwrite: bool,
    quiet: bool,
    debug: bool,
    as_json: bool,
) -> int:
    """Make a dataset of a release on the hub, or in a folder.

    It has the same fingerprints as the dataset that was published. Every file and every image is
    compared with its hash. A download that was stopped goes on with the same command.

    Exit 0: made. 1: not a release of gtahead's, or a damaged one. 4: no network, no right, disk.
    """
    del debug
    import sys

    from gtahead.publishing import pull
    from gtahead.publishing.hub import client_bars

    with client_bars(shown=sys.stderr.isatty() and not (quiet or as_json)):
        report = pull(source, out, revision=revision, images=images, overwrite=overwrite)
    if as_json:
        print_json(report.as_dict())
    elif not quiet:
        statistics = report.manifest["statistics"]
        echo(f"{report.out}: {report.repo} {report.version}")
        echo(
            f"  {statistics['frames']:,} frames, {statistics['heads']['counted']:,} heads, "
            f"{report.images:,} images"
        )
        echo(f"  fingerprint {report.manifest['fingerprint']}")
    return 0
