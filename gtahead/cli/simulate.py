"""`gtahead simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gtahead.cli.common import echo, for_people, progress_bar, working_options
from gtahead.errors import UsageError
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.simulation import SimulationReport


class _Pair(click.ParamType):  # type: ignore[type-arg] # it takes none before click 8.4
    """Two whole numbers with a separator between them."""

    def __init__(self, sign: str, name: str) -> None:
        self._sign, self.name = sign, name

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        first, sign, second = str(value).lower().partition(self._sign)
        if not (sign and first.isdecimal() and second.isdecimal()):
            self.fail(f"{value!r} is not of the form {self.name}.", param, ctx)
        return int(first), int(second)


@click.command("simulate")
@click.option(
    "-o", "--out", default="./captures", show_default=True, metavar="DIR", help="The captures."
)
@click.option(
    "--preset",
    default="tiny",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="tiny: 7 x 8 frames; small: 12 x 30; gta-head: the 35 sequences, 5,096 frames and "
    "1.73 million heads of GTA_Head's shape; mfl-lab: 60 x 10 small frames to train on; "
    "mfl-dense: 96 x 4 of dense crowds; heads: 240 x 2, of a new place each, for detectors that "
    "work on photographs; crowds: 120 x 2 like them, dense and outdoors; street: 16 x 40; "
    "stadium: 8 x 20. Or a file of your own.",
)
@click.option("--sequences", type=int, metavar="N", help="How many; crowds are spread as before.")
@click.option("--frames", type=int, metavar="N", help="Frames of each sequence.")
@click.option("--size", "size_wh", type=_Pair("x", "WxH"), help="Image size, such as 1280x720.")
@click.option(
    "--heads",
    type=_Pair(":", "MIN:MAX"),
    help="Counted heads per frame, on average: sequences are spread from MIN to MAX.",
)
@click.option(
    "--weather",
    type=click.Choice(
        ["CLEAR", "EXTRASUNNY", "CLOUDS", "OVERCAST", "RAIN", "FOGGY", "THUNDER", "SNOW"],
        case_sensitive=False,
    ),
    metavar="NAME",
    help="For all sequences: clear, extrasunny, clouds, overcast, rain, foggy, thunder or snow.",
)
@click.option("--hour", type=float, metavar="H", help="Hour of all sequences, from 0 to under 24.")
@click.option(
    "--distortion",
    type=float,
    metavar="D",
    help="Of wide-angle lenses: how much nearer to the middle corners are seen, 0 to 0.5.",
)
@click.option(
    "--layout",
    type=click.Choice(["native", "jta-mods", "gcc"]),
    default="native",
    show_default=True,
    help="Write them as this capture tool would; only native holds all that is known.",
)
@click.option("--no-images", is_flag=True, help="Write only labels, the same as with images.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N"
)
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False),
    metavar="FILE.png",
    help="Draw 12 of the frames, each with and without boxes.",
)
@click.option("--overwrite", is_flag=True, help="Replace what another run simulated at --out.")
@working_options
def command(
    out: str,
    preset: str,
    layout: str,
    seed: int,
    contact_sheet: str | None,
    *,
    no_images: bool,
    **options: Any,
) -> int:
    """Draw crowd scenes and write them as captures.

    They stand in for captures of the game, to try gtahead out, test and train. Boxes, joints,
    depths and visible shares are exact. Everything written is marked as simulated.
    """
    from gtahead.simulation import simulate

    if contact_sheet is not None:
        if no_images or layout != "native":
            raise UsageError(
                "a contact sheet needs images and boxes",
                remedy="leave out --no-images and --layout, or --contact-sheet",
            )
        from gtahead.drawing import check_png

        check_png(contact_sheet)
    with progress_bar("simulating") as show:
        report = simulate(
            out,
            preset=preset,
            layout=layout,
            seed=seed,
            images=not no_images,
            on_progress=show,
            **options,
        )
    if contact_sheet is not None:
        from gtahead.drawing import write_png
        from gtahead.viewing.contact_sheet import draw_contact_sheet

        write_png(contact_sheet, draw_contact_sheet(report.out, list(report.sequences)))
    if for_people(report.as_dict()):
        tool = "" if layout == "native" else f", layout {layout}"
        echo(f"{report.out}: simulated captures, preset {report.preset}, seed {seed}{tool}")
        drawn = number_of(report.written, "sequence")
        echo(f"  {drawn} drawn now, {report.reused:,} there before")
        echo(
            f"  {number_of(len(report.sequences), 'sequence')}, "
            f"{number_of(report.frames, 'frame')}, {number_of(report.heads, 'head')}, "
            f"{report.counted:,} of them counted (visible:0.25)"
        )
        if report.short:
            echo(f"  {_few(report)}")
        if contact_sheet is not None:
            echo(f"  contact sheet: {contact_sheet}")
        echo(f"  next: gtahead build --raw {report.out}")
    return 0


def _few(report: SimulationReport) -> str:
    """Name the sequences that hold far fewer heads than were wanted."""
    shown = []
    for name, wanted in [*report.short.items()][:3]:
        row = report.sequences[name]
        shown.append(f"{name} {row['counted'] / row['frames']:.3g} of {wanted:.3g}")
    more = ", …" if len(report.short) > len(shown) else ""
    return (
        f"under half of the heads that were wanted are in sight in "
        f"{number_of(len(report.short), 'sequence')}, per frame: {', '.join(shown)}{more}; "
        "larger images hold more, and so do smaller heads"
    )
