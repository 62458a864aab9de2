"""Looking at data: overlays of frames as images, sheets of several, and films of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.drawing import write_png
from gtahead.errors import InputError, UsageError, Where
from gtahead.marks import Canvas
from gtahead.urls import resolve_urls
from gtahead.values import StrPath
from gtahead.viewing.films import FILMS, write_film
from gtahead.viewing.layers import LAYERS, draw
from gtahead.viewing.shots import Album, open_album

__all__ = ["ViewReport", "view"]

DEFAULT_LAYERS = ("boxes",)
DEFAULT_GRID = (3, 2)
SHEET_WIDTH = 640
"""Width of a frame in a sheet, in pixels."""


@dataclass
class ViewReport:
    """What was drawn.

    Attributes:
        frames: ids, in the order in which they were drawn.
        files: that were written.
    """

    frames: list[str]
    files: list[Path] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {"frames": self.frames, "files": [str(path) for path in self.files]}


@resolve_urls(reads=["path", "predictions"], writes=["out"])
def view(
    path: StrPath = "dataset",
    frames: Sequence[str] = (),
    *,
    layers: Sequence[str] | None = None,
    out: StrPath = "view.png",
    grid: tuple[int, int] | None = None,
    video: bool = False,
    fps: float = 8.0,
    reader: str = "auto",
    predictions: StrPath | None = None,
    split: str | None = None,
    on_progress: Progress | None = None,
) -> ViewReport:
    """Draw frames of a dataset, a capture, an export or other people's labels.

    Args:
        path: its folder.
        frames: ids, `<sequence>/<frame>`, or names of sequences; without any, some of all counts.
        layers: of `LAYERS`; boxes by default, or what was found where there are predictions.
        out: a PNG for one frame or a sheet, a folder for several, MP4, WebM or GIF for a film.
        grid: columns and rows of a sheet.
        video: draw the frames as a film; by default those of the first sequence.
        fps: of the film.
        reader: kind of capture or labels, or auto.
        predictions: of a method: hits, misses and false heads are drawn.
        split: of a dataset.
        on_progress: called at the start and after each frame.

    Raises:
        UsageError: an unknown layer, split or frame, or a name for `out` that doesn't fit.
        InputError: nothing that gtahead knows, or an image that doesn't decode.
        ResourceError: it can't be written.
    """
    wanted = DEFAULT_LAYERS if layers is None and predictions is None else tuple(layers or ())
    for name in wanted:
        if name not in LAYERS:
            raise UsageError("no such layer", value=name, remedy=f"one of {', '.join(LAYERS)}")
    target = Path(out)
    if grid is not None and (min(grid) < 1 or grid[0] * grid[1] > 400):
        raise UsageError("no such grid", value=f"{grid[0]}x{grid[1]}", remedy="such as 3x2")
    _check_target(target, path, video=video)
    album = open_album(path, reader=reader, predictions=predictions, split=split)
    names = _chosen(album, frames, path, grid=grid, video=video)
    report = ViewReport(names)
    show = on_progress or (lambda done, total, name: None)
    show(0, len(names), "")
    sheet = not video and (grid is not None or not frames) and len(names) > 1
    width = SHEET_WIDTH if sheet else None

    def drawn() -> Any:  # noqa: ANN401 - images as they come
        for done, shot in enumerate(album.shots(names), 1):
            yield draw(shot, wanted, width=width, small=sheet)
            show(done, len(names), shot.frame_id)

    with storage.naming_os_errors(target):
        if video:
            write_film(target, drawn(), fps)
            report.files = [target]
        elif sheet:
            _write_one(target, _sheet(list(drawn()), grid or DEFAULT_GRID))
            report.files = [target]
        elif len(names) == 1 and target.suffix.lower() == ".png":
            _write_one(target, next(drawn()))
            report.files = [target]
        else:
            report.files = _write_each(target, names, drawn())
    return report


def _check_target(target: Path, source: StrPath, *, video: bool) -> None:
    suffix = target.suffix.lower()
    if video and suffix not in FILMS:
        raise UsageError(
            "videos are written as MP4, WebM or GIF",
            value=target.name,
            remedy="end --out with .mp4, .webm or .gif",
        )
    if not video and suffix in FILMS:
        raise UsageError("that is a video's name", value=target.name, remedy="add --video")
    if not video and suffix not in ("", ".png"):
        raise UsageError(
            "images are written as PNG", value=target.name, remedy="end --out with .png"
        )
    if suffix:
        storage.prepare_file(target, "the film" if video else "the image", [source])
    else:
        storage.refuse_overwriting(target, "the folder of images", [source])


def _chosen(
    album: Album, frames: Sequence[str], path: StrPath, *, grid: tuple[int, int] | None, video: bool
) -> list[str]:
    """Return the frames to draw."""
    if not album.names:
        raise InputError("there are no frames", where=Where(str(path)))
    if not frames:
        if video:
            return album.sequence(album.names[0].rpartition("/")[0])
        columns, rows = grid or DEFAULT_GRID
        return _spread(album, columns * rows)
    known = set(album.names)
    names: list[str] = []
    for one in frames:
        mine = [one] if one in known else album.sequence(one)
        if not mine:
            import difflib

            close = difflib.get_close_matches(one, album.names, n=1)
            remedy = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                "no such frame or sequence",
                value=one,
                remedy=f"{remedy}frames are called <sequence>/<frame>, such as {album.names[0]}",
            )
        names += mine
    return names if grid is None or video else names[: grid[0] * grid[1]]


def _spread(album: Album, count: int) -> list[str]:
    """Choose frames from the emptiest to the densest, of as many sequences as there are."""
    order = np.argsort(np.array(album.counts), kind="stable")
    chosen: list[int] = []
    used: dict[str, int] = {}
    for position in np.linspace(0, len(order) - 1, min(count, len(order))):
        near = sorted(range(len(order)), key=lambda at, position=position: abs(at - position))  # type: ignore[misc]
        near = [int(order[at]) for at in near[: 4 * count]]
        free = [row for row in near if row not in chosen]
        fewest = min(used.get(album.names[row].rpartition("/")[0], 0) for row in free)
        row = next(r for r in free if used.get(album.names[r].rpartition("/")[0], 0) == fewest)
        chosen.append(row)
        owner = album.names[row].rpartition("/")[0]
        used[owner] = used.get(owner, 0) + 1
    return [album.names[row] for row in sorted(chosen, key=lambda row: album.counts[row])]


def _sheet(tiles: list[Canvas], grid: tuple[int, int]) -> Canvas:
    """Lay images out in columns; each row is as high as its highest image."""
    columns = min(grid[0], len(tiles))
    gap = 6
    rows = []
    for start in range(0, len(tiles), columns):
        part = tiles[start : start + columns]
        high = max(tile.shape[0] for tile in part)
        wide = max(tile.shape[1] for tile in tiles)
        row = np.full((high, columns * wide + (columns - 1) * gap, 3), 28, np.uint8)
        for position, tile in enumerate(part):
            left = position * (wide + gap)
            row[: tile.shape[0], left : left + tile.shape[1]] = tile
        rows += [row, np.full((gap, row.shape[1], 3), 28, np.uint8)]
    return np.ascontiguousarray(np.vstack(rows[:-1]), np.uint8)


def _write_one(target: Path, canvas: Canvas) -> None:
    if target.suffix.lower() != ".png":
        raise UsageError("a sheet is one image", value=target.name, remedy="end --out with .png")
    write_png(target, canvas)


def _write_each(target: Path, names: Sequence[str], images: Any) -> list[Path]:  # noqa: ANN401
    """Write an image per frame into a folder."""
    if target.suffix:
        raise UsageError(
            f"{len(names)} frames don't go into one image",
            value=target.name,
            remedy="name a folder for --out, or lay them out with --grid",
        )
    storage.make_folder(target)
    files = []
    for name, canvas in zip(names, images, strict=True):
        path = target / f"{name.replace('/', '_')}.png"
        write_png(path, canvas)
        files.append(path)
    return files
