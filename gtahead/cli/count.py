"""`gtahead count`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar
from gtahead.errors import InputError, UsageError, Where
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.counting import Counted
    from gtahead.counting.models import Image


@click.command("count")
@click.argument("paths", nargs=-1, required=True, metavar="IMAGE|FOLDER|FILM...")
@click.option(
    "-o", "--out", metavar="PATH", help="Draw what was found: a PNG, or a folder of them."
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

    Needs the extra: pip install 'gtahead[onnx]'. The detector that ships saw simulated crowds
    alone; behind each count stands between which numbers the truth lay, eight times in ten, on the
    photographs that it was measured on. What is unlike them is said.

    \b
    gtahead count photo.jpg --out found.png
    gtahead count ./photographs --csv counts.csv
    gtahead count crowd.mp4 --every 0.5

    Exit 0: counted. 1: no such image, or no model. 3: done, but some images can't be read.
    """
    from gtahead import storage
    from gtahead.counting import count, load_model
    from gtahead.counting.models import check_threshold

    check_threshold(threshold)
    shots = list(_listed(paths))
    if table is not None:
        storage.prepare_file(Path(table), "the table", paths)
    target = _target(out, shots, paths)
    detector = load_model(model)
    rows: list[dict[str, Any]] = []
    broken = 0
    with progress_bar("counting", shown=len(shots) > 1) as show:
        for done, shot in enumerate(shots, 1):
            try:
                for name, image in shot.images(every):
                    counted = count(image, model=detector, threshold=threshold, search=search)
                    rows.append({"image": name, **counted.as_dict()})
                    _report(name, counted)
                    if target is not None:
                        _draw(target, name, image, counted, several=len(shots) > 1 or shot.film)
            except InputError as error:
                if len(shots) == 1:
                    raise
                broken += 1
                echo(f"error: {error}", err=True)
            if show is not None:
                show(done, len(shots), shot.name)
    if table is not None:
        with storage.naming_os_errors(Path(table)):
            storage.write_bytes(Path(table), _as_csv(rows))
    if for_people({"images": rows, "threshold": threshold or detector.threshold}) and len(rows) > 1:
        counts = [row["count"] for row in rows]
        mean = sum(counts) / len(counts)
        echo(f"{number_of(len(rows), 'image')}: mean {mean:.1f}, most {max(counts):,}")
    return 3 if broken else 0


@dataclass(frozen=True)
class _Shot:
    """An image, or a film."""

    path: Path
    name: str
    film: bool

    def images(self, every: float) -> Iterator[tuple[str, Image]]:
        """Yield names and pixels."""
        from gtahead.counting.films import frames_of
        from gtahead.images.reading import ImageError, read_rgb

        if self.film:
            for second, image in frames_of(self.path, every):
                yield f"{self.name} {second:.2f} s", image
            return
        try:
            yield self.name, read_rgb(self.path)
        except ImageError as error:
            where, value = Where(str(self.path)), error.detail or error.code
            raise InputError("the image can't be read", where=where, value=value) from error


def _listed(paths: tuple[str, ...]) -> Iterator[_Shot]:
    """Yield images and films, those of folders by their paths within them.

    Raises:
        InputError: something isn't there, or a folder has no images.
    """
    from gtahead.counting.films import FILMS
    from gtahead.images.folders import images_below

    for given in paths:
        path = Path(given)
        if path.is_dir():
            yield from (_Shot(one.path, one.name, film=False) for one in images_below(path))
        elif not path.is_file():
            raise InputError("no such image, folder or film", where=Where(given))
        else:
            yield _Shot(path, path.name, film=path.suffix.lower() in FILMS)


def _target(out: str | None, shots: list[_Shot], paths: tuple[str, ...]) -> Path | None:
    """Check, before the work begins, whether images can be written there."""
    if out is None:
        return None
    from gtahead import storage
    from gtahead.drawing import check_png

    target = Path(out)
    if len(shots) == 1 and not shots[0].film:
        check_png(target, paths)
    elif target.suffix:
        remedy = "name a folder for --out"
        raise UsageError("several images don't go into one", value=target.name, remedy=remedy)
    else:
        storage.refuse_overwriting(target, "the folder of images", paths)
        storage.make_folder(target)
    return target


def _report(name: str, counted: Counted) -> None:
    """Print a count, between what the truth may lie, and what speaks against it."""
    from gtahead.cli.common import is_quiet

    if is_quiet():
        return
    span = "" if counted.low is None else f" ({counted.low:.0f} to {counted.high:.0f})"
    echo(f"{name}: {number_of(counted.count, 'head')}{span}")
    for reason in counted.outside:
        echo(f"  unlike what the model was tested on: {reason}", err=True)


def _draw(target: Path, name: str, image: Image, counted: Counted, *, several: bool) -> None:
    """Draw the heads that were found."""
    from gtahead.counting.drawing import drawn
    from gtahead.drawing import write_png

    safe = name.replace("/", "_").replace(" ", "_")
    write_png(target / f"{safe}.png" if several else target, drawn(name, image, counted))


def _as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "count", "low", "high", "unlike"])
    for row in rows:
        span = ["" if row[end] is None else row[end] for end in ("low", "high")]
        writer.writerow([row["image"], row["count"], *span, "; ".join(row["outside"])])
    return text.getvalue().encode()
