"""MATLAB's .mat files: ShanghaiTech's and UCF-QNRF's points, as their own programs left them."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.dataset.captured import Reader
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.format import Batch, ExportFrame, Format
from gtahead.formats.numbered import padded
from gtahead.formats.reading import (
    HeadsRead,
    Index,
    LabelledPicture,
    Listing,
    gathered,
    pictures_below,
    reader_of,
    split_word,
)
from gtahead.geometry import Floats

_HEADER = b"MATLAB 5.0 MAT-file, written by gtahead".ljust(116)
_ORIGIN = (
    "0-based as every loader takes them; MATLAB's own count from 1, and nobody says which was meant"
)
_SHANGHAI_FOLDERS = {"train": "train_data", "validation": "val_data", "test": "test_data"}
_QNRF_FOLDERS = {"train": "Train", "validation": "Val", "test": "Test"}


def _save(path: Path, variables: dict[str, Any]) -> None:
    """Write a MAT v5 file without the date and the platform that scipy puts into it."""
    from scipy.io import savemat

    out = io.BytesIO()
    savemat(out, variables, format="5", do_compression=True)
    path.write_bytes(_HEADER + out.getvalue()[len(_HEADER) :])


def _points(points_xy: Floats, size_wh: tuple[int, int]) -> Floats:
    """Give (N, 2) doubles as they are; empty ones keep their two columns."""
    del size_wh
    return np.ascontiguousarray(points_xy, np.float64).reshape(-1, 2)


def _write_shanghaitech(batch: Batch) -> None:
    for frame, heads in batch:
        points = _points(heads.points_xy, frame.size_wh)
        info = np.empty((1, 1), object)
        struct = np.empty((1, 1), dtype=[("location", object), ("number", object)])
        struct[0, 0] = (points, np.array([[float(len(points))]]))
        info[0, 0] = struct
        folder = _SHANGHAI_FOLDERS[batch.split]
        path = batch.path(folder, "ground-truth", f"GT_IMG_{frame.number}.mat")
        _save(path, {"image_info": info})


def _write_qnrf(batch: Batch) -> None:
    for frame, heads in batch:
        path = batch.path(_QNRF_FOLDERS[batch.split], f"img_{padded(frame)}_ann.mat")
        _save(path, {"annPoints": _points(heads.points_xy, frame.size_wh)})


def _shanghaitech_picture(split: str, frame: ExportFrame) -> str:
    return f"{_SHANGHAI_FOLDERS[split]}/images/IMG_{frame.number}{frame.extension}"


def _qnrf_picture(split: str, frame: ExportFrame) -> str:
    return f"{_QNRF_FOLDERS[split]}/img_{padded(frame)}{frame.extension}"


# Reading


def _read_variable(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Read one variable of a MAT file.

    Raises:
        ValueError: unreadable, or no such variable; with the reason.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        data = path.read_bytes()
        if not data:
            msg = "the file is empty"
            raise ValueError(msg)
        if data.startswith(b"MATLAB 7.3"):
            msg = "MATLAB 7.3 files (HDF5) aren't read: save it with -v7"
            raise ValueError(msg)
        found = loadmat(io.BytesIO(data), variable_names=[name])
    except (OSError, MatReadError, TypeError, KeyError, IndexError, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    except (NotImplementedError, MemoryError, OverflowError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if name not in found:
        msg = f"there is no variable {name}"
        raise ValueError(msg)
    return found[name]


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Open cells and structs of one element, however they are nested, down to the locations."""
    for _ in range(10):
        if not isinstance(value, np.ndarray | np.void):
            break
        names = value.dtype.names
        if names and "location" in names:
            value = value["location"]
        elif value.dtype == object and value.size == 1:
            value = value.reshape(-1)[0]
        else:
            break
    return value


def _as_points(value: Any) -> Floats:  # noqa: ANN401 - whatever MATLAB wrote
    """Give (N, 2) points.

    Raises:
        ValueError: it's something else.
    """
    try:
        points = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        msg = "the points are no numbers"
        raise ValueError(msg) from error
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] < 2:
        msg = f"the points have the shape {points.shape} instead of (N, 2)"
        raise ValueError(msg)
    return points[:, :2]


def shanghaitech_points(path: Path) -> Floats:
    """Read the (N, 2) heads of a ShanghaiTech file.

    Raises:
        ValueError: it can't be read, with the reason.
    """
    return _as_points(_unwrapped(_read_variable(path, "image_info")))


def qnrf_points(path: Path) -> Floats:
    """Read the (N, 2) heads of a UCF-QNRF file.

    Raises:
        ValueError: it can't be read, with the reason.
    """
    return _as_points(_unwrapped(_read_variable(path, "annPoints")))


def load_points(
    root: Path, read: Callable[[Path], Floats]
) -> Callable[[Sequence[LabelledPicture], Findings, Ledger, Where], HeadsRead]:
    """Make what reads a file of points a picture; a file that can't be read sets it aside."""

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            points = np.empty((0, 2))
            place = Where(picture.labels, where.sequence, picture.frame)
            if picture.labels is None or not (root / picture.labels).is_file():
                findings.add("labels-missing", place)
                faults[index] = "labels-missing"
            else:
                try:
                    points = read(root / picture.labels)
                except (ValueError, OSError) as error:
                    findings.add("bad-frame-labels", place, detail=str(error))
                    faults[index] = "bad-frame-labels"
            parts.append((index, {"x": points[:, 0], "y": points[:, 1]}))
        found = gathered(parts, ["x", "y"])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load


_SHANGHAI = re.compile(r"GT_(.+)\.mat")
_GROUND_TRUTH = ("ground-truth", "ground_truth")


def _shanghai_folders(root: Path) -> list[Path]:
    """Find folders of labels, at most three levels down: the set, a part, or a split of it."""
    found = []
    for pattern in ("", "*/", "*/*/"):
        for name in _GROUND_TRUTH:
            found += [path for path in sorted(root.glob(f"{pattern}{name}")) if path.is_dir()]
    return found


def _recognise_shanghaitech(root: Path) -> str | None:
    for folder in _shanghai_folders(root):
        if any(_SHANGHAI.fullmatch(path.name) for path in folder.iterdir()):
            return f"{folder.relative_to(root).as_posix()} holds GT_*.mat"
    return None


def _scan_shanghaitech(root: Path) -> Listing:
    index = Index.of(root)
    pictures = []
    for folder in _shanghai_folders(root):
        home = folder.parent
        parts = [root.name, *home.relative_to(root).parts]
        split = split_word(*parts)
        sequence = "__".join(home.relative_to(root).parts) or root.name
        there = pictures_below(home / "images")
        prefix = (home / "images").relative_to(root).as_posix()
        labels = {
            match[1]: path.relative_to(root).as_posix()
            for path in sorted(folder.iterdir())
            if (match := _SHANGHAI.fullmatch(path.name))
        }
        for stem in sorted(set(labels) | set(there)):
            file = f"{prefix}/{there.get(stem, stem + '.jpg')}"
            labels_file = labels.get(stem)
            pictures.append(index.picture(file, sequence, split=split, labels=labels_file))
    about = {"tool": "ShanghaiTech"}
    return Listing(pictures, [], load_points(root, shanghaitech_points), about)


_QNRF = re.compile(r"(.+)_ann\.mat")


def _qnrf_folders(root: Path) -> list[Path]:
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    return [f for f in folders if any(_QNRF.fullmatch(path.name) for path in f.iterdir())]


def _recognise_qnrf(root: Path) -> str | None:
    folders = _qnrf_folders(root)
    if not folders:
        return None
    return f"{folders[0].relative_to(root).as_posix()} holds *_ann.mat"


def _scan_qnrf(root: Path) -> Listing:
    index = Index.of(root)
    pictures = []
    for folder in _qnrf_folders(root):
        name = folder.relative_to(root).as_posix()
        prefix = "" if name == "." else f"{name}/"
        split = split_word(root.name, folder.name)
        there = pictures_below(folder)
        labels = {m[1]: path.name for path in folder.iterdir() if (m := _QNRF.fullmatch(path.name))}
        for stem in sorted(set(labels) | {s for s in there if "/" not in s}):
            file = f"{prefix}{there.get(stem, stem + '.jpg')}"
            own = f"{prefix}{labels[stem]}" if stem in labels else None
            sequence = root.name if name == "." else name
            pictures.append(index.picture(file, sequence, split=split, labels=own))
    return Listing(pictures, [], load_points(root, qnrf_points), {"tool": "UCF-QNRF"})


SHANGHAITECH_READER: Reader = reader_of(
    "shanghaitech",
    "ShanghaiTech (ground-truth/GT_*.mat)",
    _recognise_shanghaitech,
    _scan_shanghaitech,
)
QNRF_READER: Reader = reader_of("qnrf", "UCF-QNRF (*_ann.mat)", _recognise_qnrf, _scan_qnrf)

SHANGHAITECH = Format(
    name="shanghaitech",
    title="ShanghaiTech, .mat a picture",
    kind="points",
    origin=_ORIGIN,
    precision_px=0.0,
    holds=frozenset({"points"}),
    layout=(
        "<train|val|test>_data/images/IMG_1.jpg\n"
        "<train|val|test>_data/ground-truth/GT_IMG_1.mat   image_info{1,1}.location, .number\n"
        "frames.csv"
    ),
    notes=(
        "MAT v5 files without date and platform. Read too: part A and part B as they are, "
        "grey pictures, and `image_info` however MATLAB nested it. Nobody says whether "
        "the points count from 0 or from 1: they are taken as they stand, as every loader "
        "does."
    ),
    checked_with="scipy, as CSRNet's loaders do",
    write=_write_shanghaitech,
    picture=_shanghaitech_picture,
    reader=SHANGHAITECH_READER,
)

QNRF = Format(
    name="qnrf",
    title="UCF-QNRF, .mat a picture",
    kind="points",
    origin=_ORIGIN,
    precision_px=0.0,
    holds=frozenset({"points"}),
    layout=(
        "<Train|Val|Test>/img_0001.jpg\n<Train|Val|Test>/img_0001_ann.mat   annPoints\nframes.csv"
    ),
    notes=("Points are taken as they stand, as every loader does."),
    checked_with="scipy, as IIM's loaders do",
    write=_write_qnrf,
    picture=_qnrf_picture,
    reader=QNRF_READER,
)
