"""`gtahead export-predictions`: predictions as other benchmarks take them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import orjson

from gtahead import storage
from gtahead.arrays import Ints
from gtahead.dataset import Dataset
from gtahead.errors import InputError, UsageError
from gtahead.findings import Findings
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.metrics.definitions import counts_of
from gtahead.predictions import ImageKey, Predictions, read_predictions
from gtahead.scoring.evaluator import check_predictions
from gtahead.scoring.ground_truth import open_ground_truth
from gtahead.scoring.thresholds import declared
from gtahead.urls import resolve_urls
from gtahead.values import StrPath, number_of

DECIMALS = 3
"""Of pixels and counts; scores are written in full, as rounding moves them over thresholds."""

HEAD_CATEGORY = 1


@dataclass(frozen=True, repr=False)
class SubmissionReport(storage.Written):
    """What was written.

    Attributes:
        out: the file.
        images: how many it has.
        heads: how many it has; the sum of counts where the file has only these.
        threshold: from which score on a head counts; None where all are written with their scores.
    """

    out: Path
    images: int
    heads: float
    threshold: float | None


@resolve_urls(reads=["predictions", "data"], writes=["out"])
def export_predictions(
    predictions: StrPath | Predictions,
    out: StrPath,
    *,
    format: str,
    data: StrPath | Dataset | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> SubmissionReport:
    """Write predictions as another benchmark takes them.

    Args:
        predictions: a file that `benchmark` reads, or what `Predictions.of` made.
        out: the file to write.
        format: one of `SUBMISSIONS`: `coco` is COCO's list of results, all boxes with their scores;
            `nwpu` NWPU-Crowd's list of points, `nwpu-counts` and `jhu` a count per image.
        data: the dataset, whose images have to be there, each once, and which numbers them.
        split: of the dataset; "test" unless said otherwise.
        threshold: of scores from which on a head counts; the file's own unless given.

    Raises:
        InputError: predictions that are wrong, or lack what the format needs.
        UsageError: no such format, or a threshold that isn't from 0 to 1.
        ResourceError: the file can't be written.
    """
    if format not in SUBMISSIONS:
        remedy = f"one of {', '.join(SUBMISSIONS)}"
        raise UsageError("no such format of predictions", value=format, remedy=remedy)
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("the threshold must be from 0 to 1", value=threshold, remedy="such as 0.5")
    target = Path(out)
    against = data.folder if isinstance(data, Dataset) else data
    storage.prepare_file(target, "the predictions", (predictions, against))
    found, keys = _opened(predictions, data, split)
    least = declared(found).threshold if threshold is None else threshold
    text, heads = SUBMISSIONS[format](found, keys, least or 0.0)
    with storage.naming_os_errors(target):
        storage.write_bytes(target, text)
    return SubmissionReport(target, len(found), heads, None if format == "coco" else least)


@dataclass(frozen=True)
class _Keys:
    """How images are named: in lists by their ids, in COCO's results as `numbers` has them."""

    ids: list[str]
    numbers: Sequence[ImageKey]


_LISTED = re.compile(r"[^\s,;\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""Names that a list of images and numbers can have: with nothing that ends a name or a line."""


def _opened(
    predictions: StrPath | Predictions, data: StrPath | Dataset | None, split: str | None
) -> tuple[Predictions, _Keys]:
    findings = Findings()
    if data is None:
        found = (
            predictions
            if isinstance(predictions, Predictions)
            else read_predictions(predictions, findings)
        )
        # As they came: COCO's own tools look numbers up as numbers, and names as a whole.
        ids, numbers = [str(key) for key in found.images], list(found.images)
    else:
        true = open_ground_truth(data, split)
        found, findings = check_predictions(predictions, true)
        ids, numbers = true.images.ids, true.images.numbers.tolist()
    if findings.reach("error"):
        first = next(one for one in findings if one.severity == "error")
        raise InputError(
            f"the predictions are wrong: {first}",
            remedy="`gtahead benchmark --check-only` lists all that is wrong",
        )
    return found, _Keys(ids, numbers)


def _listed(ids: Sequence[str]) -> list[str]:
    """Return how a list names images: by their frames alone where these differ.

    Raises:
        InputError: a list can't name one of them.
    """
    whole = [_without_ending(name) for name in ids]
    frames = [name.rpartition("/")[2] for name in whole]
    names = next((tried for tried in (frames, whole, ids) if _differ(tried)), ids)
    wrong = next((name for name in names if not _LISTED.fullmatch(name)), None)
    if wrong is not None or not _differ(names):
        shown = wrong if wrong is not None else Counter(names).most_common(1)[0][0]
        raise InputError("a list can't name such an image", value=shown, remedy="rename it")
    return list(names)


def _without_ending(name: str) -> str:
    """Return an image's name without `.jpg` and the like; other dots are part of it."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in IMAGE_SUFFIXES else name


def _differ(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _coco(found: Predictions, keys: _Keys, _: float) -> tuple[bytes, float]:
    """Write a result for each box; images are numbered as `gtahead export --format coco` does."""
    heads = np.where(np.isnan(found.counts), found.points_by_image.counts, found.counts)
    lacking = ~found.has_boxes & (heads > 0)
    if not found.has_boxes.any() or lacking.any():
        shown = f"{int(lacking.sum()):,} of {len(found):,} images" if lacking.any() else None
        remedy = "COCO's results are boxes: choose another format"
        raise InputError("predictions have no boxes", value=shown, remedy=remedy)
    _refuse_other_counts(found, found.boxes_by_image.counts)
    large = next((one for one in keys.numbers if isinstance(one, int) and abs(one) >= 2**63), None)
    if large is not None:
        raise InputError("an image's number is too large for COCO's tools", value=f"{large:.3g}")
    xywh = found.boxes_xyxy.copy()
    xywh[:, 2:] -= xywh[:, :2]
    rows = zip(
        found.boxes_by_image.index.tolist(),
        xywh.round(DECIMALS).tolist(),
        found.box_scores.tolist(),
        strict=True,
    )
    listed = [
        {"image_id": keys.numbers[row], "category_id": HEAD_CATEGORY, "bbox": box, "score": score}
        for row, box, score in rows
    ]
    return b"[" + b",\n".join(orjson.dumps(one) for one in listed) + b"]\n", float(len(listed))


def _points(found: Predictions, keys: _Keys, threshold: float) -> tuple[bytes, float]:
    """Write `id n x y x y …`, a line per image."""
    lacking = ~(found.has_points | found.has_boxes) & ~(found.counts == 0)
    if lacking.any():
        raise InputError(
            "some predictions are counts alone, which a list of points can't hold",
            value=f"{int(lacking.sum()):,} of {number_of(len(found), 'image')}",
            remedy="choose nwpu-counts",
        )
    xy, scores, by_image = found.heads()
    _refuse_other_counts(found, by_image.counts)
    keep = scores >= threshold
    shown, kept = xy[keep].round(DECIMALS), by_image.where(keep)
    lines = []
    for row, name in enumerate(_listed(keys.ids)):
        values = shown[kept.rows(row)]
        numbers = (f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".") for value in values.ravel())
        lines.append(" ".join([name, str(len(values)), *numbers]))
    return ("\n".join(lines) + "\n").encode(), float(kept.total)


def _refuse_other_counts(found: Predictions, listed: Ints) -> None:
    """Refuse counts beside lists that say otherwise: a list alone would lose them."""
    differ = ~np.isnan(found.counts) & (np.abs(found.counts - listed) > 0.5)
    if differ.any():
        raise InputError(
            "predictions have counts that differ from how many heads they list",
            value=f"{int(differ.sum()):,} of {number_of(len(found), 'image')}",
            remedy="choose nwpu-counts or jhu, or leave the counts out",
        )


def _counts(found: Predictions, keys: _Keys, threshold: float) -> tuple[bytes, float]:
    """Write `id count`, a line per image."""
    counts = np.round(counts_of(found, threshold), DECIMALS)
    lines = [f"{name} {count:.12g}" for name, count in zip(_listed(keys.ids), counts, strict=True)]
    return ("\n".join(lines) + "\n").encode(), float(counts.sum())


SUBMISSIONS: Mapping[str, Callable[[Predictions, _Keys, float], tuple[bytes, float]]] = {
    "coco": _coco,
    "nwpu": _points,
    "nwpu-counts": _counts,
    "jhu": _counts,
}
"""Formats of prediction files, by name."""
