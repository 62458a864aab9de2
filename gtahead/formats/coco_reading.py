"""COCO files into columns: ours with all that they hold, other people's with what COCO has.

Heads are the annotations of the category `head`, or of the only category that there is. A file of
hundreds of megabytes is read by a compiled loop; whatever that loop doesn't expect is read again by
the plain way, which also says what is wrong and where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas
from gtahead.dataset.captured import Reader
from gtahead.dataset.tables import CAPTURED
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.reading import (
    HeadsRead,
    LabelledPicture,
    Listing,
    about_of,
    is_safe_name,
    reader_of,
    sequence_of,
    split_word,
)
from gtahead.formats.textrows import Engine, Ints

SNIFFED = 65_536
"""Bytes at either end of a file in which the keys of a COCO file are looked for."""

MOST_COMPILED = 2**33
"""Bytes of the largest file that is read at all."""

MOST_PLAIN = 10**9
"""Bytes of the largest file that is read the plain way, which takes ten times as much memory."""

HAS_AREA, HAS_ISCROWD = 1, 2
"""Keys that an annotation has, which COCO's own evaluation can't do without."""

NO_ID = -(2**62)
"""Stands for an annotation's id that isn't there, or is no whole number."""

_REMEDY = "mend the file, or export it again"


@dataclass(frozen=True, eq=False)
class CocoFile:
    """A COCO file, read.

    Attributes:
        images: as they stand.
        categories: as they stand.
        info: as it stands; empty where there is none.
        annotations: columns of (N,): `id` (`NO_ID` where it's no whole number), `image_id`,
            `category_id`, `keys` (`HAS_AREA`, `HAS_ISCROWD`), `crowd`, `head_id` (-1 where there is
            none), `visibility` (NaN), `occluded` (-1); `bbox` (N, 4) as x, y, width, height and
            `point` (N, 2), NaN where there is none.
    """

    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    info: Mapping[str, Any]
    annotations: Columns


def read_coco(path: Path, file: str | None = None, *, engine: Engine = "auto") -> CocoFile:
    """Read a COCO file.

    Args:
        path: of the file.
        file: its name in messages.
        engine: "plain" makes Python's objects of everything; "compiled" is a loop of numba's.

    Raises:
        InputError: not JSON, or not COCO; with the place.
    """
    name = file or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        what = error.strerror or str(error)
        raise InputError("the file can't be read", where=Where(name), value=what) from error
    if len(data) > MOST_COMPILED:
        remedy = "cut it into parts"
        raise InputError("the file is too large", where=Where(name), remedy=remedy)
    large = len(data) > 4_000_000
    if engine == "compiled" or (engine == "auto" and large):
        try:
            from gtahead.formats.coco_scanning import scan
        except ImportError:
            if engine == "compiled":
                raise
        else:
            found = scan(data)
            if found is not None:
                rest, columns = found
                return _checked({**rest, "annotations": []}, name, columns)
            if engine == "compiled":
                msg = "the compiled loop doesn't take this file"
                raise ValueError(msg)
    if len(data) > MOST_PLAIN:
        raise InputError(
            "something in the file isn't as COCO has it, and it's too large to be searched for it",
            where=Where(name),
            value=f"{len(data):,} bytes",
            remedy="cut it into parts of less than 1 GB, or mend its writer",
        )
    return _checked(schemas.parse_json(data, name), name, None)


def _checked(document: Any, name: str, columns: Columns | None) -> CocoFile:  # noqa: ANN401 - JSON
    if not isinstance(document, dict):
        raise InputError("not a COCO file: no object", where=Where(name), remedy=_REMEDY)
    for key in ("images", "annotations", "categories"):
        rows = document.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(
                f"not a COCO file: {key} isn't a list of objects",
                where=Where(name, field=f"/{key}"),
                remedy="a COCO file has images, annotations and categories",
            )
    for index, image in enumerate(document["images"]):
        if not _is_id(image.get("id")) or not isinstance(image.get("file_name"), str):
            raise InputError(
                "an image has no id or no file_name",
                where=Where(name, field=f"/images/{index}"),
                remedy=_REMEDY,
            )
    info = document.get("info")
    return CocoFile(
        document["images"],
        document["categories"],
        info if isinstance(info, dict) else {},
        _plain_columns(document["annotations"], name) if columns is None else columns,
    )


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62


def _plain_columns(rows: list[dict[str, Any]], name: str) -> Columns:
    count = len(rows)
    out: Columns = {
        "id": np.full(count, NO_ID),
        "image_id": np.empty(count, np.int64),
        "category_id": np.empty(count, np.int64),
        "keys": np.zeros(count, np.int8),
        "crowd": np.zeros(count, np.int8),
        "head_id": np.full(count, -1, np.int64),
        "visibility": np.full(count, np.nan),
        "occluded": np.full(count, -1, np.int8),
        "bbox": np.full((count, 4), np.nan),
        "point": np.full((count, 2), np.nan),
    }
    for index, row in enumerate(rows):
        for key in ("image_id", "category_id"):
            if not _is_id(row.get(key)):
                raise InputError(
                    f"an annotation's {key} is no whole number",
                    where=Where(name, field=f"/annotations/{index}/{key}"),
                    value=row.get(key),
                    remedy=_REMEDY,
                )
            out[key][index] = row[key]
        if _is_id(row.get("id")):
            out["id"][index] = row["id"]
        out["keys"][index] = HAS_AREA * ("area" in row) | HAS_ISCROWD * ("iscrowd" in row)
        out["crowd"][index] = bool(row.get("iscrowd") or row.get("ignore"))
        if row.get("bbox") is not None:
            out["bbox"][index] = _numbers(row["bbox"], 4, name, f"/annotations/{index}/bbox")
        if row.get("keypoints"):
            place = f"/annotations/{index}/keypoints"
            out["point"][index] = _numbers(row["keypoints"][:3], 3, name, place)[:2]
        ours = row.get("gtahead")
        if isinstance(ours, dict):
            _take_ours(ours, out, index, name)
    return out


def _take_ours(ours: dict[str, Any], out: Columns, index: int, name: str) -> None:
    place = f"/annotations/{index}/gtahead"
    if "head" in ours:
        if not _is_id(ours["head"]):
            where = Where(name, field=f"{place}/head")
            raise InputError("no whole number", where=where, value=ours["head"], remedy=_REMEDY)
        out["head_id"][index] = ours["head"]
    if "point" in ours:
        out["point"][index] = _numbers(ours["point"], 2, name, f"{place}/point")
    if "visibility" in ours:
        out["visibility"][index] = _numbers([ours["visibility"]], 1, name, f"{place}/visibility")[0]
    if "occluded" in ours:
        out["occluded"][index] = bool(ours["occluded"])


def _numbers(values: Any, count: int, name: str, place: str) -> list[float]:  # noqa: ANN401 - JSON
    fine = (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    )
    if not fine:
        raise InputError(
            f"not {count} numbers", where=Where(name, field=place), value=values, remedy=_REMEDY
        )
    return [float(value) for value in values]


def coco_files(root: Path, prefix: str) -> list[Path]:
    """Find COCO files; those whose name begins with `prefix` alone, where there are some."""
    found = []
    for folder in (root / "annotations", root):
        if folder.is_dir():
            found += [path for path in sorted(folder.glob("*.json")) if looks_like_coco(path)]
    wanted = [path for path in found if path.name.startswith(prefix)]
    return wanted or (found if prefix == INSTANCES else [])


def looks_like_coco(path: Path) -> bool:
    """Say whether a file has the keys of a COCO file near its ends."""
    try:
        with path.open("rb") as file:
            ends = file.read(SNIFFED)
            file.seek(max(0, path.stat().st_size - SNIFFED))
            ends += file.read(SNIFFED)
    except OSError:
        return False
    return sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"')) >= 2


INSTANCES = "instances"


def coco_reader(name: str, title: str, prefix: str) -> Reader:
    """Make a reader of COCO files whose names begin with `prefix`."""

    def recognise(root: Path) -> str | None:
        files = coco_files(root, prefix)
        return f"{files[0].relative_to(root).as_posix()} is a COCO file" if files else None

    def scan(root: Path) -> Listing:
        return _scan(root, coco_files(root, prefix))

    return reader_of(name, title, recognise, scan)


def head_category(categories: Sequence[Mapping[str, Any]], name: str) -> int:
    """Say which category the heads are.

    Raises:
        InputError: there are several, and none is called head.
    """
    heads = [c for c in categories if str(c.get("name", "")).lower() in ("head", "heads")]
    chosen = heads or list(categories)
    if len(chosen) == 1 and _is_id(chosen[0].get("id")):
        return int(chosen[0]["id"])
    names = ", ".join(str(c.get("name")) for c in categories) or "none"
    raise InputError(
        "no category is called head",
        where=Where(name, field="/categories"),
        value=names,
        remedy="name one `head`, or leave only one in the file",
    )


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file's heads, in the order of their pictures."""

    file: str
    image_ids: Ints
    columns: Columns
    starts: Mapping[int, tuple[int, int]]
    first_key: tuple[int, int] | None
    dangling: int
    others: int


def _scan(root: Path, files: list[Path]) -> Listing:
    pictures: list[LabelledPicture] = []
    loaded: list[_Loaded] = []
    simulated = False
    if not files:
        raise InputError("no COCO file is there", where=Where(str(root)), remedy=_REMEDY)
    for number, path in enumerate(files):
        file = path.relative_to(root).as_posix()
        coco = read_coco(path, file)
        simulated |= coco.info.get("simulated") is True
        _check_ids(coco, file)
        base = _pictures_base(root, [image["file_name"] for image in coco.images])
        for image in coco.images:
            pictures.append(_picture(image, base, path, number))
        keys = [picture for picture in pictures if picture.key[0] == number]
        first = min(keys, key=lambda one: (one.sequence, one.frame)).key if keys else None
        loaded.append(_sorted_heads(coco, file, first))

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        return _load(loaded, wanted, findings, ledger, where)

    about = {"tool": "COCO", "simulated": simulated}
    return Listing(pictures, files, load, about)


def _check_ids(coco: CocoFile, file: str) -> None:
    ids = Counter(image["id"] for image in coco.images)
    twice = [one for one, count in ids.items() if count > 1]
    if twice:
        raise InputError(
            "two images have one id: nobody knows whose heads they are",
            where=Where(file, field="/images"),
            value=twice[0],
            remedy="number images uniquely; `gtahead validate` lists all such ids",
        )


def _picture(image: Mapping[str, Any], base: str, path: Path, number: int) -> LabelledPicture:
    file_name = image["file_name"].replace("\\", "/")
    ours = image.get("gtahead")
    ours = ours if isinstance(ours, dict) else {}
    folder, _, name = file_name.rpartition("/")
    size = image.get("width"), image.get("height")
    whole = all(_is_id(side) and 0 < side < 10**6 for side in size)  # type: ignore[operator]
    return LabelledPicture(
        sequence=str(ours.get("sequence") or sequence_of(folder, path.stem)),
        frame=str(ours.get("frame") or Path(name).stem),
        split=split_word(path.stem),
        file=f"{base}{file_name}" if is_safe_name(file_name) else file_name,
        size_wh=size if whole else None,  # type: ignore[arg-type]
        key=(number, int(image["id"])),
        about=about_of(ours),
    )


def _pictures_base(root: Path, names: Sequence[str]) -> str:
    """Find what to put before the file names: pictures lie in many places."""
    folders = ["", "images/"]
    folders += [f"{p.name}/" for p in sorted(root.iterdir()) if p.is_dir() and p.name != "images"]
    images = root / "images"
    if images.is_dir():
        folders += [f"images/{p.name}/" for p in sorted(images.iterdir()) if p.is_dir()]
    some = [name.replace("\\", "/") for name in names[:: max(1, len(names) // 5)]]
    some = [name for name in some if is_safe_name(name)]
    hits = {folder: sum((root / (folder + name)).is_file() for name in some) for folder in folders}
    best = max(folders, key=lambda folder: (hits[folder], folder == "images/"))
    return best if hits[best] else "images/"


def _sorted_heads(coco: CocoFile, file: str, first: tuple[int, int] | None) -> _Loaded:
    """Put a file's heads into the order of their images, so that each image is a slice."""
    columns = coco.annotations
    category = head_category(coco.categories, file) if len(columns["image_id"]) else 0
    mine = columns["category_id"] == category
    others = int((~mine).sum())
    order = np.flatnonzero(mine)
    order = order[np.argsort(columns["image_id"][order], kind="stable")]
    if len(order) != len(mine) or (np.diff(order) != 1).any():
        columns = {name: values[order] for name, values in columns.items()}
    ids, starts, counts = np.unique(columns["image_id"], return_index=True, return_counts=True)
    known = {int(image["id"]) for image in coco.images}
    slices = {
        int(i): (int(s), int(s + c))
        for i, s, c in zip(ids, starts, counts, strict=True)
        if int(i) in known
    }
    dangling = int(counts.sum()) - sum(stop - start for start, stop in slices.values())
    return _Loaded(file, columns["image_id"], columns, slices, first, dangling, others)


def _load(
    loaded: Sequence[_Loaded],
    wanted: Sequence[LabelledPicture],
    findings: Findings,
    ledger: Ledger,
    where: Where,
) -> HeadsRead:
    rows: dict[int, list[Ints]] = {}
    frames: dict[int, list[Ints]] = {}
    for index, picture in enumerate(wanted):
        number, image = picture.key
        start, stop = loaded[number].starts.get(image, (0, 0))
        rows.setdefault(number, []).append(np.arange(start, stop))
        frames.setdefault(number, []).append(np.full(stop - start, index))
        if picture.key == loaded[number].first_key:  # what is of no image is told once
            _tell_the_rest(loaded[number], findings, ledger, where)
    parts = []
    for number, taken in rows.items():
        chosen = np.concatenate(taken)
        part = {name: values[chosen] for name, values in loaded[number].columns.items()}
        part["frame_index"] = np.concatenate(frames[number])
        parts.append(part)
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(together["frame_index"], kind="stable")
    together = {name: values[order] for name, values in together.items()}
    ledger.heads.came += len(order)
    return HeadsRead(as_heads(together))


def _tell_the_rest(one: _Loaded, findings: Findings, ledger: Ledger, where: Where) -> None:
    place = Where(one.file, where.sequence)
    if one.dangling:
        ledger.heads.came += one.dangling
        ledger.heads.drop("head-without-frame", one.dangling)
        findings.add("head-without-frame", place, detail=f"{one.dangling:,} annotations")
    if one.others:
        findings.add("other-class", place, detail=f"{one.others:,} annotations")


def read_pictures(path: Path) -> tuple[list[LabelledPicture], Columns, bool]:
    """Read one COCO file: its pictures by their numbers, and the heads in them.

    Returns:
        Pictures, whose `key[1]` is the number; columns as `as_heads` gives them, sorted by
        `frame_index`; and whether the sequences are those of a capture, as in files of ours.
        Annotations of no picture, and of other classes, are left out.

    Raises:
        InputError: not COCO, or two images have one id.
    """
    coco = read_coco(path, path.name)
    _check_ids(coco, path.name)
    pictures = [_picture(image, "", path, 0) for image in coco.images]
    pictures.sort(key=lambda one: one.key)
    heads = _sorted_heads(coco, path.name, None)
    spans = [heads.starts.get(picture.key[1], (0, 0)) for picture in pictures]
    chosen = np.concatenate([np.arange(0), *(np.arange(*span) for span in spans)])
    columns = {name: values[chosen] for name, values in heads.columns.items()}
    sizes = [last - first for first, last in spans]
    columns["frame_index"] = np.repeat(np.arange(len(pictures)), sizes)
    return pictures, as_heads(columns), all(isinstance(i.get("gtahead"), dict) for i in coco.images)


def as_heads(columns: Columns) -> Columns:
    """Turn COCO's columns into a build's: corners, the box's centre where no point is given."""
    bbox, point = columns["bbox"], columns["point"]
    corners = np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], axis=1)
    centre = bbox[:, :2] + bbox[:, 2:] / 2
    xy = np.where(np.isnan(point), centre, point)
    index = columns["frame_index"]
    found: Columns = {
        "frame_index": index,
        "x": xy[:, 0],
        "y": xy[:, 1],
        "ignore": columns["crowd"].astype(np.int8),
        "occluded": columns["occluded"],
        "visibility": columns["visibility"],
        **{name: corners[:, k] for k, name in enumerate(CAPTURED)},
    }
    ids = columns["head_id"]
    if len(ids) and (ids >= 0).all():
        found["head_id"] = ids
    return found
