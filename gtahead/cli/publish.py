"""`gtahead publish`: stage, plan, check, push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gtahead.cli.common import (
    echo,
    for_people,
    is_quiet,
    output_options,
    print_findings,
    progress_bar,
    short,
    table,
    working_options,
)
from gtahead.errors import as_size
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.publishing.checking import CheckReport, UploadPlan
    from gtahead.publishing.hub import PushReport
    from gtahead.publishing.releases import Release


@click.group("publish", no_args_is_help=True)
def command() -> None:
    """Publish a dataset on the Hugging Face hub, so that `datasets.load_dataset` reads it.

    \b
    gtahead publish stage --repo OWNER/NAME --creator "The crowd lab"
    gtahead publish plan                  what will be uploaded, and what will be public
    gtahead publish check                 load it as its users will
    gtahead publish push OWNER/NAME       a dry run; with --yes it uploads and verifies

    Nothing leaves this machine before `push --yes`.
    """


@command.command("stage")
@click.argument("dataset", default="./dataset")
@click.option("--repo", required=True, metavar="OWNER/NAME", help="Name on the hub.")
@click.option("--creator", required=True, help="Person or group responsible for the data.")
@click.option(
    "-o", "--out", default="./release", show_default=True, metavar="DIR", help="Output folder."
)
@click.option("--name", help="Display name of the dataset.  [default: the repository's name]")
@click.option("--version", default="1.0.0", show_default=True, help="MAJOR.MINOR.PATCH.")
@click.option(
    "--licence",
    "--license",
    metavar="NAME",
    help="As the hub calls it, such as cc-by-4.0; `other` with --licence-file.  [default: the "
    "captures' own]",
)
@click.option("--licence-file", metavar="FILE", help="File with the full terms.")
@click.option("--date", metavar="YYYY-MM-DD", help="Date of the release.  [default: today]")
@click.option("--contact", help="Contact address.  [default: the hub's discussions]")
@click.option("--changes", help="What is new in this version, in a sentence.")
@click.option(
    "--images",
    type=click.Choice(["original", "none"]),
    help="Include the images, or only labels and hashes.  [default: original where all are "
    "simulated]",
)
@click.option(
    "--i-have-rights",
    is_flag=True,
    help="Declare that you may redistribute these images; the manifest records it.",
)
@click.option(
    "--annotators",
    metavar="WORD",
    help="Who made the labels: expert-generated, crowdsourced, machine-generated, found, other.  "
    "[default: machine-generated where all images are rendered]",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace a release at --out; its card's edits stay."
)
@working_options
def stage_command(dataset: str, out: str, **options: Any) -> int:
    """Stage a release of DATASET: all that is to be public, in one folder.  [default: ./dataset]

    A folder with Parquet shards, card, licence, Croissant metadata, and hashes of all of it. A run
    that was stopped leaves nothing; the same dataset and options give the same bytes.

    Exit 0: staged. 1: no dataset, or something else at --out. 2: a missing option, or
    images that gtahead didn't simulate without --i-have-rights. 4: disk.
    """  # noqa: D415
    from gtahead.publishing.staging import stage

    with progress_bar("staging") as show:
        release = stage(dataset, out, on_progress=show, **options)
    if for_people({"release": str(release.folder), **release.manifest.document["release"]}):
        _print_staged(release)
    return 0


def _print_staged(release: Release) -> None:
    facts = release.facts
    size = sum(one.bytes for one in release.files)
    echo(f"{release.folder}: {facts.name} {facts.version} for {facts.repo}")
    echo(f"  {number_of(len(release.all_files()), 'file')}, {as_size(size)}")
    images = number_of(release.num_images, "image") if release.num_images else "no images"
    rights = f"; {facts.rights}" if facts.rights else ""
    echo(f"  {images}; licence {facts.licence}{rights}")
    echo("  next: read README.md in it, then `gtahead publish check`")


@command.command("plan")
@click.argument("release", default="./release")
@output_options
def plan_command(release: str) -> int:
    """Show what an upload of RELEASE would send, and what would be public.  [default: ./release]

    Exit 0: within the hub's limits. 1: over one of them, or no release.
    """  # noqa: D415
    from gtahead.publishing.checking import plan

    found = plan(release)
    if for_people(found.as_dict()):
        _print_plan(found)
    print_findings(found.findings)
    return 1 if found.findings.totals else 0


def _print_plan(found: UploadPlan) -> None:
    facts = found.release.facts
    echo(f"{facts.repo}: {facts.name} {facts.version}")
    folder, entries = found.largest_folder
    echo(
        f"  {found.files:,} files, {as_size(found.bytes)}; most entries in one folder: "
        f"{entries:,} in {folder}"
    )
    rows = [["shard", "size", "rows", "row groups", "largest group"]]
    rows += [
        [
            shard.path,
            as_size(shard.bytes),
            f"{shard.rows:,}",
            f"{shard.groups:,}",
            f"{shard.group_rows:,} rows, {as_size(shard.group_bytes)}",
        ]
        for shard in found.shards
    ]
    echo(table(rows))
    echo("  this will be public:")
    for line in found.public:
        echo(f"  - {line}")


@command.command("check")
@click.argument("release", default="./release")
@click.option("--no-load", is_flag=True, help="Check without `datasets` and mlcroissant.")
@click.option(
    "--python", metavar="PATH", help="Load it with the `datasets` of another environment's Python."
)
@output_options
def check_command(release: str, python: str | None, *, no_load: bool) -> int:
    """Check RELEASE as its users will use it.  [default: ./release]

    Checks files and images against their hashes, labels against the manifest, the card and
    croissant.json; `datasets` loads it, plain and streaming, and mlcroissant reads a record of
    each record set.

    Exit 0: ready to publish. 1: not ready. 4: the extra is missing: pip install 'gtahead[hub]'.
    """  # noqa: D415
    from gtahead.publishing.checking import check

    with progress_bar("checking") as show:
        report = check(release, load=not no_load, python=python, on_progress=show)
    if for_people(report.as_dict()):
        _print_check(report)
        print_findings(report.findings)
    return 1 if report.findings.reach("warning") else 0


def _print_check(report: CheckReport) -> None:
    echo(f"{report.release.folder}: {report.release.facts.name}")
    echo(
        f"  {len(report.release.all_files()):,} files, fingerprint "
        f"{short(report.release.manifest.fingerprint)}"
    )
    if report.loaded:
        rows = [[f"datasets {report.datasets}", "mode", "split", "frames", "heads", "ignored"]]
        rows += [
            [name, mode, split, *(f"{sums[key]:,}" for key in ("frames", "heads", "ignored"))]
            for name, modes in report.loaded.items()
            for mode, splits in modes.items()
            for split, sums in splits.items()
        ]
        echo(table(rows))
    if report.records:
        echo(f"  mlcroissant read records of: {', '.join(report.records)}")
    echo(f"  {report.findings.summed}")


@command.command("push")
@click.argument("repo_id")
@click.argument("release", default="./release")
@click.option("--no-load", is_flag=True, help="Check without `datasets` and mlcroissant.")
@click.option("--yes", is_flag=True, help="Upload; without this nothing is sent.")
@click.option("--private", is_flag=True, help="Create the repository as a private one.")
@click.option(
    "--gated",
    type=click.Choice(["auto", "manual"]),
    help="People have to ask for access: granted automatically, or by you.",
)
@click.option("--revision", default="main", show_default=True, help="Branch.")
@click.option("--tag", metavar="NAME", help="Name for this state, such as v1.0.0.")
@click.option(
    "--overwrite", is_flag=True, help="Push even if other content is there; other files stay."
)
@output_options
def push_command(
    repo_id: str, release: str, *, no_load: bool, yes: bool, private: bool, **options: Any
) -> int:
    """Upload RELEASE to REPO_ID on the hub, and verify what arrived.  [default: ./release]

    The token comes from the variable HF_TOKEN, or from `hf auth login`. A push that was stopped
    goes on with the same command: what is there isn't sent again.

    Exit 0: uploaded, or a dry run that found nothing in the way. 1: not ready, or other
    content there. 4: token, permission or network.
    """  # noqa: D415
    import sys

    from gtahead.publishing.hub import client_bars, publish

    load = False if no_load else None
    with (
        client_bars(shown=sys.stderr.isatty() and not is_quiet()),
        progress_bar("checking", shown=not yes) as show,
    ):
        report = publish(
            release, repo_id, yes=yes, private=private, load=load, on_progress=show, **options
        )
    if for_people(report.as_dict()):
        _print_push(report, private=private)
    return 0


def _print_push(report: PushReport, *, private: bool) -> None:
    size = as_size(report.sent_bytes)
    if report.dry:
        kind = "a private repository" if private else "a public repository"
        echo(f"{report.repo}, {report.revision}: a dry run, nothing was sent")
        echo(f"  would upload {len(report.sent):,} files, {size}, to {kind}")
        echo("  to do it: the same command with --yes")
        return
    echo(f"{report.repo}, {report.revision}: {report.verified:,} files verified on the hub")
    echo(f"  sent {len(report.sent):,} files, {size}; removed {len(report.removed):,}")
    if report.commit:
        echo(f"  commit {report.commit}")
    if report.tag:
        echo(f"  tag {report.tag}")
