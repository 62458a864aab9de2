"""`gtahead simulate`."""

from __future__ import annotations

import click

from gtahead.cli.common import print_json, progress_bar, working_options


@click.command("simulate")
@click.option("--out", default="./captures", show_default=True, metavar="DIR", help="The captures.")
@click.option(
    "--preset",
    type=click.Choice(["tiny", "small", "gta-head"]),
    default="tiny",
    show_default=True,
    help="tiny: 7 x 8 frames; small: 12 x 30; gta-head: the 35 sequences, 5,096 frames and "
    "1.73 million heads of GTA_Head's shape.",
)
@click.option(
    "--layout",
    type=click.Choice(["native", "jta-mods", "gcc"]),
    default="native",
    show_default=True,
    help="Write them as this capture tool would; only native holds all that is known.",
)
@click.option("--no-images", is_flag=True, help="Labels alone; the same ones as with pictures.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N"
)
@click.option("--overwrite", is_flag=True, help="Replace what another run simulated at --out.")
@working_options
def command(
    out: str,
    preset: str,
    layout: str,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    *,
    no_images: bool,
    overwrite: bool,
    quiet: bool,
    debug: bool,
    as_json: bool,
) -> int:
    """Draw crowd scenes and write them as captures.

    They stand in for the game, to try gtahead, test and train. Boxes, joints, depths and visible
    shares are exact. Everything written says that it is simulated.
    """
    del debug
    from gtahead.simulation import simulate

    with progress_bar("simulating", quiet=quiet or as_json) as show:
        report = simulate(
            out,
            preset=preset,
            seed=seed,
            images=not no_images,
            layout=layout,
            workers=workers,
            scheduler=scheduler,
            overwrite=overwrite,
            on_progress=show,
        )
    if as_json:
        print_json(report.as_dict())
    elif not quiet:
        tool = "" if layout == "native" else f", layout {layout}"
        click.echo(f"{report.out}: simulated captures, preset {preset}, seed {seed}{tool}")
        click.echo(f"  {report.written} sequences drawn now, {report.reused} there before")
        click.echo(
            f"  {len(report.sequences)} sequences, {report.frames:,} frames, "
            f"{report.heads:,} heads, {report.counted:,} of them counted (visible:0.25)"
        )
        click.echo(f"  next: gtahead build --raw {report.out}")
    return 0
