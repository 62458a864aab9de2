"""`gtahead count`."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtahead.cli.common import echo, for_people, is_quiet, output_options, progress_bar
from gtahead.errors import InputError, UsageError, Where, printable
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.counting import Counted
    from gtahead.counting.models import Image


@click.command("count")
@click.argument("paths", nargs=-1, required=True, metavar="IMAGE|FOLDER|FILM...")
@click.option(
    "-o", "--out", metavar="PATH", help="Draw what was found: a PNG, or a new folder of them."
)
@click.option("--csv", "table", metavar="FILE", help="Also write a row per image.")
@click.option(
    "--threshold",
    type=float,
    metavar="SCORE",
    help="Count heads from this score on.  [default: the model's]",
)
@click.option(
    "--model",
    default="builtin",
    show_default=True,
    metavar="FILE.onnx",
    help="Another model: what `gtahead export-model` wrote.",
)
@click.option(
    "--search/--no-search", default=True, help="Look again, closer, where heads are small."
)
@click.option(
    "--every",
    type=float,
    default=1.0,
    show_default=True,
    metavar="S",
    help="Films: a frame every S seconds.",
)
@output_options
def command(
    paths: tuple[str, ...],
    out: str | None,
    table: str | None,
    threshold: float | None,
    model: str,
    every: float,
    *,
    search: bool,
) -> int:
    """Count the heads in images, folders of images, and films.

    Needs the extra: pip install 'gtahead[onnx]'. The bundled detector has only seen simulated
    crowds. The range after each count held the true number for eight in ten of the test
    photographs; a note says how an image differs from them, if it does.

    \b
    gtahead count photo.jpg --out found.png
    gtahead count ./photographs --csv counts.csv
    gtahead count crowd.mp4 --every 0.5

    Exit 0: counted. 1: no such image, or no model. 3: done, but some images can't be read.
    """
    from gtahead import storage
    from gtahead.counting import count, load_model
    from gtahead.counting.films import check_step
    from gtahead.counting.models import checked_threshold

    checked_threshold(threshold)
    check_step(every)
    # Each once, however often it is given.
    shots = list({shot.path.absolute(): shot for shot in _listed(paths)}.values())
    if table is not None:
        storage.prepare_file(Path(table), "the table", (*paths, model, out))
    target = _target(out, shots, paths, model)
    detector = load_model(model)
    rows: list[dict[str, Any]] = []
    broken: list[str] = []
    shown = len(shots) > 1 and not sys.stdout.isatty()  # there, each count is a line
    try:
        with progress_bar("counting", shown=shown) as show:
            for done, shot in enumerate(shots, 1):
                try:
                    for name, image in shot.images(every):
                        counted = count(image, model=detector, threshold=threshold, search=search)
                        rows.append({"image": name, **counted.as_dict()})
                        _report(name, counted)
                        if target is not None:
                            _draw(target.file_of(shot, name), image, counted, name)
                except InputError as error:
                    if len(shots) == 1 and not rows:
                        raise
                    broken.append(shot.name)
                    echo(f"error: {error}", err=True)
                if show is not None:
                    show(done, len(shots), shot.name)
    finally:  # what was counted isn't lost with what can't be
        if table is not None and rows:
            with storage.naming_os_errors(Path(table)):
                storage.write_bytes(Path(table), _as_csv(rows))
    least = detector.threshold if threshold is None else threshold
    if for_people({"images": rows, "broken": broken, "threshold": least}) and len(rows) > 1:
        counts = [row["count"] for row in rows]
        mean = sum(counts) / len(counts)
        echo(f"{number_of(len(rows), 'image')}: mean {mean:.1f}, most {max(counts):,}")
    return 3 if broken else 0


SHORT_S = 0.02
"""Films' frames that are closer are named by more decimals of their second."""


@dataclass(frozen=True)
class _Shot:
    """An image, or a film: its path, as it was given, and its own name."""

    path: Path
    name: str
    own: str
    film: bool

    def images(self, every: float) -> Iterator[tuple[str, Image]]:
        """Yield names and pixels."""
        from gtahead.counting.counting import read_image
        from gtahead.counting.films import frames_of

        if not self.film:
            yield self.name, read_image(self.path)
            return
        decimals = 2 if every >= SHORT_S else 4  # so that no two frames have one name
        for second, image in frames_of(self.path, every):
            yield f"{self.name} {second:.{decimals}f} s", image


def _listed(paths: tuple[str, ...]) -> Iterator[_Shot]:
    """Yield images and films, those of folders by their paths within them.

    Raises:
        InputError: something isn't there.
        UsageError: an empty name, or a folder without images.
    """
    from gtahead.counting.films import FILMS
    from gtahead.images.folders import images_below

    for given in paths:
        if not given:
            raise UsageError("an image has no name", value=given, remedy="name it, or a folder")
        path = Path(given)
        if path.is_dir():
            for one in images_below(path):
                yield _Shot(one.path, f"{path.as_posix()}/{one.name}", one.name, film=False)
        elif not path.is_file():
            raise InputError(
                "no such image, folder or film", where=Where(given), remedy="check its name"
            )
        else:
            film = path.suffix.lower() in FILMS
            yield _Shot(path, path.as_posix(), path.name, film=film)


@dataclass(frozen=True)
class _Target:
    """Where images are drawn: a file, or a new folder with a name for each image."""

    path: Path
    stems: dict[str, str] | None

    def file_of(self, shot: _Shot, name: str) -> Path:
        """Return the file of an image, or of a film's frame."""
        if self.stems is None:
            return self.path
        second = name.removeprefix(shot.name).replace(" ", "_")
        return self.path / f"{self.stems[shot.name]}{second}.png"


def _target(
    out: str | None, shots: list[_Shot], paths: tuple[str, ...], model: str
) -> _Target | None:
    """Check, before the work begins, whether images can be written there.

    Raises:
        InputError: there is no folder for it, or it holds something already.
        UsageError: the name doesn't fit.
    """
    if out is None:
        return None
    from gtahead import storage
    from gtahead.drawing import check_png

    target = Path(out)
    if len(paths) == 1 and not Path(paths[0]).is_dir() and not shots[0].film:
        check_png(target, (*paths, model))
        return _Target(target, None)
    if target.suffix.lower() == ".png":
        remedy = "name a new folder for --out"
        raise UsageError("several images don't go into one", value=target.name, remedy=remedy)
    storage.refuse_overwriting(target, "the folder of images", (*paths, model))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        remedy = "name a new folder, or an empty one"
        raise InputError("files are there already", where=Where(out), remedy=remedy)
    storage.make_folder(target)
    return _Target(target, _stems(shots))


def _stems(shots: list[_Shot]) -> dict[str, str]:
    """Name what is drawn: by images' own names, whole paths where two have one, else a number."""
    own = Counter(shot.own for shot in shots)
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for shot in shots:
        name = shot.own if own[shot.own] == 1 else shot.name
        stem = plain = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("_.")[-120:] or "image"
        number = 2
        while stem.lower() in taken:
            stem, number = f"{plain}-{number}", number + 1
        taken.add(stem.lower())
        stems[shot.name] = stem
    return stems


def _report(name: str, counted: Counted) -> None:
    """Print a count with its range, and in what the image is unlike those that were tested."""
    if is_quiet():
        return
    echo(f"{printable(name)}: {counted.in_words}")
    for reason in counted.outside:
        echo(f"  unlike what the model was tested on: {reason}", err=True)


def _draw(target: Path, image: Image, counted: Counted, name: str) -> None:
    """Draw the heads that were found."""
    from gtahead.counting.drawing import drawn
    from gtahead.drawing import write_png

    write_png(target, drawn(name, image, counted))


def _as_csv(rows: list[dict[str, Any]]) -> bytes:
    """Lay out a row per image; no spreadsheet computes a name."""
    from gtahead.storage import csv_cell

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "count", "low", "high", "unlike"])
    for row in rows:
        span = ["" if row[end] is None else row[end] for end in ("low", "high")]
        writer.writerow([csv_cell(row["image"]), row["count"], *span, "; ".join(row["outside"])])
    return text.getvalue().encode("utf-8", "backslashreplace")
