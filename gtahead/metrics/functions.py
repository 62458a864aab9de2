"""Metrics of arrays: of NumPy, or tensors of PyTorch; lists of one array per image.

Counting and localisation take points, (N, 2) x and y in pixels, detection takes boxes, (N, 4) x0,
y0, x1, y1. `gtahead benchmark` computes its metrics by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Array, Booleans, Floats, Ints, Ragged, as_array, numbers_of, rows_of
from gtahead.density import cell_sums
from gtahead.metrics import crowdhuman, definitions
from gtahead.metrics.detection import ap_metrics, match_boxes
from gtahead.metrics.matching import match_points

Images = Sequence[Array]
"""One array for each image."""


def as_counts(values: Array, what: str) -> Floats:
    """Return counts, (F,) of images; `what` names them in errors."""
    counts = numbers_of(values, what)
    if counts.ndim > 2 or (counts.ndim == 2 and counts.shape[1] != 1):
        raise ValueError(f"{what} have the shape {counts.shape} instead of (F,)")
    if not np.isfinite(counts).all():
        raise ValueError(f"{what} aren't all finite")
    return counts.reshape(-1)


def _counting(pred: Array, true: Array, name: str) -> float:
    found, real = as_counts(pred, "predicted counts"), as_counts(true, "true counts")
    if len(found) != len(real):
        raise ValueError(f"{len(found)} predicted counts and {len(real)} true ones")
    if name == "r2" and len(real):  # about a count of theirs, so that no digit is lost
        real, found = real - real[0], found - real[0]
    sums = definitions.totals(definitions.counting_states(real, found))
    formula = definitions.METRICS[name].formula
    assert formula is not None
    return float(formula(sums))


def mae(pred: Array, true: Array) -> float:
    """Return the mean absolute error of counts, (1/F) Σ |pred - true|.

    Args:
        pred: (F,) predicted counts of F images.
        true: (F,) true counts.

    Returns:
        The error in heads per image; NaN without images.

    Raises:
        ValueError: of different lengths, or not finite.

    Example:
        >>> mae([10, 20], [12, 16])
        3.0
    """
    return _counting(pred, true, "mae")


def rmse(pred: Array, true: Array) -> float:
    """Return the root of the mean squared error of counts, which papers on crowds print as "MSE".

    sqrt((1/F) Σ (pred - true)²); arguments, result and errors as for `mae`.

    Example:
        >>> rmse([10, 20], [13, 16])
        3.5355339059327378
    """
    return _counting(pred, true, "rmse")


def nae(pred: Array, true: Array) -> float:
    """Return the normalised absolute error, the mean of |pred - true| / true.

    Images without heads are left out, as the evaluation of NWPU-Crowd does; otherwise as `mae`.

    Example:
        >>> nae([10, 20, 5], [8, 16, 0])
        0.25
    """
    return _counting(pred, true, "nae")


def bias(pred: Array, true: Array) -> float:
    """Return the mean error of counts, (1/F) Σ (pred - true): above 0 where too many are found.

    Arguments and errors as for `mae`.

    Example:
        >>> bias([10, 20], [12, 16])
        1.0
    """
    return _counting(pred, true, "bias")


def r2(pred: Array, true: Array) -> float:
    """Return the share of the counts' variance that is explained.

    1 - Σ (pred - true)² / Σ (true - mean)².

    NaN where all true counts are equal; otherwise as `mae`.

    Example:
        >>> r2([10, 20, 30], [12, 20, 28])
        0.9375
    """
    return _counting(pred, true, "r2")


def _images(values: Array) -> list[npt.NDArray[Any]]:
    """Return a list of one array per image; a single array is one image's."""
    if isinstance(values, list | tuple) and (len(values) == 0 or _is_image(values[0])):
        return [as_array(one) for one in values]
    array = as_array(values)
    return list(array) if array.ndim == 3 else [array]


def _is_image(first: Array) -> bool:
    """Return whether the first of a list is an image's array, and not a point or box of one."""
    array = as_array(first)
    return array.ndim >= 2 or array.size == 0


def _pairs(pred: Array, true: Array) -> tuple[list[npt.NDArray[Any]], list[npt.NDArray[Any]]]:
    """Return predictions and ground truth by image; an empty list beside one image is its own.

    Raises:
        ValueError: of different numbers of images.
    """
    found, real = _images(pred), _images(true)
    if {len(found), len(real)} == {0, 1}:
        found, real = found or [np.empty(0)], real or [np.empty(0)]
    if len(found) != len(real):
        raise ValueError(f"predictions of {len(found)} images, ground truth of {len(real)}")
    return found, real


def _sizes(size_wh: object, images: int) -> Floats:
    """Return (F, 2) widths and heights, of each image or one for all.

    Raises:
        ValueError: of another number of images, or less than a pixel.
    """
    sizes = np.asarray(size_wh, np.float64).reshape(-1, 2)
    sizes = np.repeat(sizes, images, axis=0) if len(sizes) == 1 else sizes
    if len(sizes) != images:
        raise ValueError(f"sizes of {len(sizes)} images for {images}")
    if not (sizes >= 1).all():
        raise ValueError("a size is less than a pixel")
    return sizes


def _rows(arrays: Iterable[npt.NDArray[Any]], columns: int, what: str) -> tuple[Floats, Ragged]:
    """Put the rows of all images into one array."""
    parts = [rows_of(one, columns, f"{what} of image {at}") for at, one in enumerate(arrays)]
    whole = np.concatenate([np.empty((0, columns)), *parts])
    return whole, Ragged.from_counts([len(part) for part in parts])


def _flat(values: Array, by_image: Ragged, what: str) -> Floats:
    """Put one value for each row of all images into one array; a flat list is a single image's."""
    nested = isinstance(values, list | tuple) and len(values) and np.ndim(as_array(values[0]))
    single = len(by_image) == 1 and not nested
    parts = [as_array(one).reshape(-1) for one in ([values] if single else values)]
    sizes = [len(part) for part in parts]
    if sizes != by_image.counts.tolist():
        raise ValueError(f"{what} of {sizes} for {by_image.counts.tolist()} rows")
    return np.asarray(np.concatenate([np.empty(0), *parts]), np.float64)


def game(
    pred: Array | Images,
    true_points: Array | Images,
    size_wh: tuple[int, int] | Sequence[tuple[int, int]],
    level: int = 3,
    stride: int | None = None,
) -> float:
    """Return GAME(L), the grid average mean absolute error.

    Each image is cut into 2^L x 2^L equal cells; the absolute errors of the cells' counts are
    summed, and averaged over images. GAME(0) is the MAE.

    Source: Guerrero-Gomez-Olmo et al., Extremely Overlapping Vehicle Counting, IbPRIA 2015.

    Args:
        pred: found points, (P, 2), or a density map, (h, w), whose sum is the count; a list of them
            for several images. What lies in one cell of a map is spread evenly over it. Two columns
            are points, unless a stride says that they are a map.
        true_points: (N, 2) points of the heads, or a list of them. Points outside the image are
            counted in the nearest cell, as predicted ones are.
        size_wh: width and height of the image, or of each, pixels.
        level: L, from 0 to 10.
        stride: pixels per cell of maps, as `frame.density(stride)` has them: the last cells may
            reach beyond the image. None for points, and for maps that cover the image exactly.

    Raises:
        ValueError: shapes or numbers of images that don't fit, or values that aren't finite; maps
            whose cells don't divide the image, without a stride; a level out of range.

    Example:
        >>> game([[10, 10], [90, 90]], [[10, 10], [20, 20]], (100, 100), level=1)
        2.0
    """
    found, real = _pairs(pred, true_points)
    sizes = _sizes(size_wh, len(found))
    if level not in range(11):
        raise ValueError(f"a level of {level}, not a whole number from 0 to 10")
    if stride is not None and stride < 1:
        raise ValueError(f"a stride of {stride} pixels")
    cells = 2**level
    off = []
    for one, points, size in zip(found, real, sizes, strict=True):
        is_map = one.ndim == 2 and one.size and (stride is not None or one.shape[1] != 2)
        cells_found = (
            cell_sums(one, cells, (size[0], size[1]), stride)
            if is_map
            else _cells_of_points(_rows([one], 2, "points")[0], size, cells)
        )
        heads = _cells_of_points(_rows([points], 2, "points")[0], size, cells)
        off.append(np.abs(cells_found - heads).sum())
    return float(np.mean(off)) if off else float("nan")


def _cells_of_points(points_xy: Floats, size_wh: Floats, cells: int) -> Floats:
    """Count points in cells, (cells, cells)."""
    one = np.zeros(len(points_xy), np.int64)
    return definitions.cell_counts(points_xy, one, size_wh[None], cells).reshape(cells, cells)


@dataclass(frozen=True)
class Localisation:
    """How well heads were found.

    Attributes:
        precision: share of found points that are hits; NaN where none was found.
        recall: share of heads that were hit; NaN where there is none.
        f1: their harmonic mean; NaN where there was nothing to be found and nothing was.
        hits: pairs of a found point and a head.
        false: found points that belong to no head.
        missed: heads that weren't found.
    """

    precision: float
    recall: float
    f1: float
    hits: int
    false: int
    missed: int


def localisation(
    pred: Array | Images,
    true: Array | Images,
    radius: float | Array | Images,
    *,
    ignored: Array | Images | None = None,
) -> Localisation:
    """Match found points one to one with heads, as many as possible, and count hits and misses.

    Source: the evaluation of NWPU-Crowd (Wang et al., 2020), whose radii are those of `hit_radii`.

    Args:
        pred: (P, 2) found points in pixels, or a list of them for several images.
        true: (N, 2) points of the heads, or a list of them.
        radius: how far off a hit may be, in pixels, inclusive: one number, or (N,) of each head,
            such as a column of `hit_radii`.
        ignored: (N,) heads that are neither hit nor missed; a point on one isn't false.

    Raises:
        ValueError: shapes or numbers of images that don't fit, values that aren't finite, or a
            negative radius.

    Example:
        >>> found = localisation([[10, 10], [50, 50]], [[12, 10], [90, 90]], radius=4)
        >>> found.hits, found.false, found.missed, found.f1
        (1, 1, 1, 0.5)
    """
    found, real = _pairs(pred, true)
    points, by_image = _rows(found, 2, "found points")
    heads, heads_by_image = _rows(real, 2, "true points")
    if not isinstance(radius, list | tuple) and as_array(radius).ndim == 0:
        radii = np.full(len(heads), float(as_array(radius)))
    else:
        radii = _flat(radius, heads_by_image, "radii")
    if not (radii >= 0).all():
        raise ValueError("a radius isn't a number from 0")
    flags = _flags(ignored, heads_by_image)
    matching = match_points(points, by_image.offsets, heads, radii, heads_by_image.offsets, flags)
    hits, false = int(matching.hits.sum()), int(matching.false.sum())
    missed = int((~flags).sum()) - hits
    sums = {"hits_r": hits, "false_r": false, "missed_r": missed}
    states = {name: np.array(value, np.float64) for name, value in sums.items()}
    precision, recall, f1 = (
        float(definitions.share("r", kind)(states)) for kind in ("precision", "recall", "f1")
    )
    return Localisation(precision, recall, f1, hits, false, missed)


def _flags(ignored: Array | Images | None, by_image: Ragged) -> Booleans:
    if ignored is None:
        return np.zeros(by_image.total, np.bool_)
    flags = _flat(ignored, by_image, "flags of ignored heads")
    if not np.isin(flags, (0, 1)).all():
        raise ValueError("ignored heads are given by flags, not by their numbers")
    return flags.astype(np.bool_)


@dataclass(frozen=True, eq=False)
class _Boxes:
    boxes_xyxy: Floats
    scores: Floats
    by_image: Ragged
    heads_xyxy: Floats
    heads_by_image: Ragged
    ignored: Booleans

    @classmethod
    def of(cls, pred: Any, scores: Any, true: Any, ignored: Any) -> _Boxes:  # noqa: ANN401
        found, real = _pairs(pred, true)
        boxes, by_image = _rows(found, 4, "found boxes")
        heads, heads_by_image = _rows(real, 4, "true boxes")
        flags = _flags(ignored, heads_by_image)
        given = _flat(scores, by_image, "scores")
        if not np.isfinite(given).all():
            raise ValueError("scores aren't all finite")
        return cls(boxes, given, by_image, heads, heads_by_image, flags)

    def clipped(self, size_wh: Any) -> _Boxes:  # noqa: ANN401 - sizes in any form
        """Return them clipped to images of these sizes, if any are given."""
        if size_wh is None:
            return self
        sizes = _sizes(size_wh, len(self.by_image))
        boxes = crowdhuman.clipped(self.boxes_xyxy, self.by_image, sizes)
        heads = crowdhuman.clipped(self.heads_xyxy, self.heads_by_image, sizes)
        return replace(self, boxes_xyxy=boxes, heads_xyxy=heads)

    @property
    def heads(self) -> tuple[Floats, Ints, Booleans]:
        """Boxes of the heads, where each image's begin, and which are ignored."""
        return self.heads_xyxy, self.heads_by_image.offsets, self.ignored


def average_precision(
    pred: Array | Images,
    scores: Array | Images,
    true: Array | Images,
    *,
    ignored: Array | Images | None = None,
    cap: int | None = None,
) -> dict[str, float]:
    """Return average precision as COCO defines it, but for its cap of 100 boxes per image.

    Source: pycocotools' cocoeval: IoU thresholds 0.50 to 0.95, 101 points of recall.

    Args:
        pred: (B, 4) found boxes in pixels, or a list of them for several images.
        scores: (B,) their scores, likewise.
        true: (N, 4) boxes of the heads, likewise.
        ignored: (N,) heads that are neither hit nor missed.
        cap: only the best `cap` boxes of each image are evaluated; None for all, COCO takes 100.

    Returns:
        `ap` (mean over the thresholds), `ap50`, `ap75` and `ar`; NaN where there is no head.

    Raises:
        ValueError: shapes or numbers of images that don't fit, scores that aren't finite, or a cap
            below 1.

    Example:
        >>> round(average_precision([[0, 0, 10, 10]], [0.9], [[0, 0, 10, 10]])["ap"], 6)
        1.0
    """
    if cap is not None and (cap < 1 or cap != int(cap)):
        raise ValueError(f"a cap of {cap} boxes")
    given = _Boxes.of(pred, scores, true, ignored)
    starts = given.by_image.offsets
    return ap_metrics(match_boxes(given.boxes_xyxy, given.scores, starts, *given.heads, cap=cap))


def miss_rate(
    pred: Array | Images,
    scores: Array | Images,
    true: Array | Images,
    *,
    ignored: Array | Images | None = None,
    size_wh: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
) -> float:
    """Return MR⁻², the log-average miss rate of 10⁻² to 1 false boxes per image, IoU above 0.5.

    Source: the evaluation of CrowdHuman (Shao et al., 2018) that CrowdDet has published, to the
    digit, but for its NaN where no box was found at all: that is 1. The toolbox of Dollár et al.
    (Pedestrian Detection, TPAMI 2012), where the metric is from, takes other anchors and the last
    box with at most so many false ones. Otherwise as `average_precision`.

    Args:
        pred: found boxes.
        scores: of theirs.
        true: boxes of the heads.
        ignored: heads that are neither hit nor missed.
        size_wh: width and height of the image, or of each, to which boxes are clipped first.

    Example:
        >>> round(miss_rate([[0, 0, 10, 10]], [0.9], [[0, 0, 10, 10], [50, 50, 60, 60]]), 4)
        0.5
    """
    given = _Boxes.of(pred, scores, true, ignored).clipped(size_wh)
    starts = given.by_image.offsets
    found = match_boxes(given.boxes_xyxy, given.scores, starts, *given.heads, rule=crowdhuman.RULE)
    return crowdhuman.miss_rate(found)


def jaccard_index(
    pred: Array | Images,
    scores: Array | Images,
    true: Array | Images,
    *,
    ignored: Array | Images | None = None,
    size_wh: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
    threshold: float = 0.0,
) -> float:
    """Return JI, the mean over images of pairs / (boxes + heads - pairs), of an IoU over 0.5.

    Source and arguments as of `miss_rate`. CrowdHuman prints the best of the thresholds 0, 0.1 to
    0.9.

    Args:
        pred: found boxes.
        scores: of theirs.
        true: boxes of the heads.
        ignored: heads that are neither hit nor missed.
        size_wh: of the images, to which boxes are clipped first.
        threshold: boxes of a higher score are looked at.

    Example:
        >>> round(jaccard_index([[0, 0, 10, 10]], [0.9], [[0, 0, 10, 10], [50, 50, 60, 60]]), 4)
        0.5
    """
    given = _Boxes.of(pred, scores, true, ignored).clipped(size_wh)
    overlaps = crowdhuman.overlaps_of(given.boxes_xyxy, given.by_image.offsets, *given.heads)
    index = crowdhuman.jaccard_index(overlaps, given.scores > threshold)
    there = ~np.isnan(index)
    sums = definitions.totals({"jaccard": index[there], "jaccard_images": there.astype(np.float64)})
    formula = definitions.METRICS["ji"].formula
    assert formula is not None
    return float(formula(sums))
