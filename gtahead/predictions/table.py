"""Predictions as columns: all points of all images in one array, all boxes in another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Array, Booleans, Floats, Ints, Ragged, numbers_of, rows_of
from gtahead.regions import inside_any
from gtahead.tables.splits import SPLITS_BY_WORD
from gtahead.values import number_of

ImageKey = str | int | tuple[str, int]
"""An image as a file names it: by name, by number, or as the n-th frame of a sequence (from 1)."""


MAP_GRID = 8
"""Cells along each side of an image, in which heads of density maps are kept: those of GAME(3)."""

FOUND = ("points", "boxes", "scores", "count", "labels")
"""Names in a row of what was found in an image."""


@dataclass(frozen=True, eq=False)
class FoundHeads:
    """What was found in one image.

    Attributes:
        points: (P, 2) pixels, None where boxes alone are given.
        boxes: (P, 4) pixels, None likewise.
        scores: (P,) from 0 to 1.
        count: that was given, NaN where none was.
    """

    points: Floats | None
    boxes: Floats | None
    scores: Floats
    count: float = np.nan

    @classmethod
    def of(cls, row: Mapping[str, Array]) -> FoundHeads:
        """Take a row: `points` (P, 2) or `boxes` (P, 4) or both, `scores` (P,), or a `count`.

        Raises:
            ValueError: shapes that don't fit, values out of range, or unknown names.
        """
        unknown = sorted(set(row) - set(FOUND))
        if unknown:
            raise ValueError(f"a prediction has {unknown[0]!r}; known are {', '.join(FOUND)}")
        points = rows_of(row["points"], 2, "points") if "points" in row else None
        boxes = rows_of(row["boxes"], 4, "boxes") if "boxes" in row else None
        count = _one_count(row["count"]) if "count" in row else np.nan
        if "count" in row and not (np.isfinite(count) and count >= 0):
            raise ValueError(f"a count of {count:g}")
        if points is None and boxes is None and np.isnan(count):
            raise ValueError("a prediction has neither points, boxes nor a count")
        if points is not None and boxes is not None and len(points) != len(boxes):
            raise ValueError(f"{len(points)} points and {len(boxes)} boxes of the same heads")
        heads = len(points if points is not None else boxes if boxes is not None else ())
        scores = numbers_of(row.get("scores", np.ones(heads)), "scores").reshape(-1)
        if len(scores) != heads:
            raise ValueError(f"{len(scores)} scores of {heads} heads")
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("a score isn't from 0 to 1")
        return cls(points, boxes, scores, count)


def _one_count(value: Array) -> float:
    counts = numbers_of(value, "counts").reshape(-1)
    if len(counts) != 1:
        raise ValueError(f"{len(counts)} counts of one image")
    return float(counts[0])


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """What a method found.

    Attributes:
        kind: of file: gtahead, coco, counts, points, boxes, mot, maps.
        images: (F,) images as the file names them.
        counts: (F,) heads per image, NaN where no count is given.
        has_points: (F,) whether points are given, be it an empty list.
        has_boxes: (F,) likewise of boxes.
        points_xy: (P, 2) pixels, image after image.
        point_scores: (P,) from 0 to 1; 1 in files without scores.
        points_by_image: which points are of which of the F images.
        boxes_xyxy: (B, 4) pixels.
        box_scores: (B,) from 0 to 1.
        boxes_by_image: which boxes are of which of the F images.
        grids: (F, 8, 8) heads in equal cells of each image, of density maps; NaN where there is no
            map or no size, and None where there are no maps at all.
        locations: (F,) where in the file each image stands, for messages.
        lists_empty: whether such a file names images in which nothing was found. A list of
            detections can't: there an image that isn't named is one without detections.
        header: `dataset` and `method` as the file gives them; empty where it doesn't.
        sha256: of the file as it was read.
    """

    kind: str
    images: list[ImageKey]
    counts: Floats
    has_points: Booleans
    has_boxes: Booleans
    points_xy: Floats
    point_scores: Floats
    points_by_image: Ragged
    boxes_xyxy: Floats
    box_scores: Floats
    boxes_by_image: Ragged
    grids: Floats | None = None
    locations: list[str] = field(default_factory=list)
    lists_empty: bool = True
    header: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        heads = max(len(self.points_xy), len(self.boxes_xyxy))
        return f"Predictions({number_of(len(self), 'image')}, {number_of(heads, 'head')})"

    @classmethod
    def of(
        cls,
        found: Mapping[str, Mapping[str, Array] | FoundHeads],
        *,
        method: str = "predictions",
        threshold: float | None = None,
    ) -> Predictions:
        """Take what a method found from arrays or tensors.

        Args:
            found: by frame id a row: `points` (P, 2) or `boxes` (P, 4) x0, y0, x1, y1 or both, in
                pixels of the image, and `scores` (P,) from 0 to 1; or a `count`.
            method: its name, for tables.
            threshold: of scores from which on a head counts; without one, `benchmark` takes 0.5.

        `labels` in a row are ignored: leave out what isn't a head.

        Raises:
            ValueError: shapes that don't fit, values out of range, or unknown names.

        Example:
            >>> Predictions.of({"seq_00/000000": {"points": [[10, 20]], "scores": [0.9]}})
            Predictions(1 image, 1 head)
        """
        given: object = found  # whatever the caller's types are
        if not isinstance(given, Mapping):
            kind = type(given).__name__
            raise ValueError(f"predictions are a dict by frame id, not a {kind}")
        rows = []
        for name, row in found.items():
            if not isinstance(name, str):
                raise ValueError(f"predictions are named by frame ids, as text, not {name!r}")
            try:
                rows.append(row if isinstance(row, FoundHeads) else FoundHeads.of(row))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        named: dict[str, Any] = {"name": method}
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise ValueError(f"the threshold is {threshold}, not from 0 to 1")
            named["threshold"] = float(threshold)
        points, points_by_image = _together([row.points for row in rows], 2)
        boxes, boxes_by_image = _together([row.boxes for row in rows], 4)
        scores = {
            kind: np.concatenate(
                [np.empty(0), *(row.scores for row in rows if getattr(row, kind) is not None)]
            )
            for kind in ("points", "boxes")
        }
        digest = hashlib.sha256("\n".join(found).encode())
        for values in (points, boxes, *scores.values()):
            digest.update(np.ascontiguousarray(values).tobytes())
        return cls(
            kind="gtahead",
            images=list(found),
            counts=np.array([row.count for row in rows], np.float64),
            has_points=np.array([row.points is not None for row in rows], np.bool_),
            has_boxes=np.array([row.boxes is not None for row in rows], np.bool_),
            points_xy=points,
            point_scores=scores["points"],
            points_by_image=points_by_image,
            boxes_xyxy=boxes,
            box_scores=scores["boxes"],
            boxes_by_image=boxes_by_image,
            locations=list(found),
            header={"method": named},
            sha256=digest.hexdigest(),
        )

    @classmethod
    def from_supervision(cls, found: Mapping[str, Any], **about: Any) -> Predictions:  # noqa: ANN401
        """Take `supervision.Detections` by frame id; `about` as for `of`."""
        return cls.of(
            {
                name: {"boxes": one.xyxy}
                | ({} if one.confidence is None else {"scores": one.confidence})
                for name, one in found.items()
            },
            **about,
        )

    @classmethod
    def from_ultralytics(cls, found: Mapping[str, Any], **about: Any) -> Predictions:  # noqa: ANN401
        """Take `ultralytics.engine.results.Results` by frame id; `about` as for `of`."""
        rows = {n: {"boxes": one.boxes.xyxy, "scores": one.boxes.conf} for n, one in found.items()}
        return cls.of(rows, **about)

    @classmethod
    def from_transformers(cls, found: Mapping[str, Any], **about: Any) -> Predictions:  # noqa: ANN401
        """Take what `post_process_object_detection` of transformers gives, by frame id.

        torchvision's detection models give the same: `boxes` in pixels, `scores`, `labels`. `about`
        as for `of`.
        """
        rows = {n: {"boxes": one["boxes"], "scores": one["scores"]} for n, one in found.items()}
        return cls.of(rows, **about)

    @classmethod
    def from_coco(
        cls,
        found: Sequence[Mapping[str, Any]],
        names: Mapping[int, str],
        *,
        category: int | None = None,
        **about: Any,  # noqa: ANN401 - as of `of`
    ) -> Predictions:
        """Take COCO's list of results: `image_id`, `bbox` as x, y, width, height, and `score`.

        Args:
            found: the results, such as those that `pycocotools` takes.
            names: the frame id of each image's number, of all images that were looked at.
            category: the number of heads, where there are results of other categories.
            about: as for `of`.

        Raises:
            ValueError: an image that has no name, what isn't a box with a score, or several
                categories without one of them being named.
        """
        if len(set(names.values())) < len(names):
            raise ValueError("two images have the same name")
        kinds = {one.get("category_id") for one in found} if category is None else set()
        if len(kinds) > 1:
            raise ValueError(f"results of several categories: {', '.join(map(str, kinds))}")
        there = {one.get("category_id", category) for one in found}
        if found and category is not None and category not in there:
            listed = ", ".join(map(str, sorted(there, key=str)))
            raise ValueError(f"no result is of category {category}; there are {listed}")
        rows: dict[str, list[list[float]]] = {name: [] for name in names.values()}
        for number, one in enumerate(found):
            if category is not None and one.get("category_id", category) != category:
                continue
            if one.get("image_id") not in names:
                raise ValueError(f"result {number}: image {one.get('image_id')!r} has no name")
            try:
                x, y, width, height, score = (float(v) for v in (*one["bbox"], one["score"]))
            except (KeyError, TypeError, ValueError) as error:
                what = f"result {number}: not a bbox of 4 numbers and a score"
                raise ValueError(what) from error
            if not (width > 0 and height > 0):
                raise ValueError(f"result {number}: a box without area")
            rows[names[one["image_id"]]].append([x, y, x + width, y + height, score])
        tables = {name: np.array(listed).reshape(-1, 5) for name, listed in rows.items()}
        return cls.of(
            {name: {"boxes": one[:, :4], "scores": one[:, 4]} for name, one in tables.items()},
            **about,
        )

    @property
    def method(self) -> dict[str, Any]:
        """What the file says about the method: name, threshold, threshold_selected_on."""
        return dict(self.header.get("method") or {})

    @property
    def selected_on(self) -> str | None:
        """The split on which the file says that its threshold was chosen, by its own name."""
        told = self.method.get("threshold_selected_on")
        return SPLITS_BY_WORD.get(str(told), told)

    @property
    def dataset(self) -> dict[str, Any]:
        """What the file says about the data: name, split, fingerprint."""
        return dict(self.header.get("dataset") or {})

    def taken(self, rows: Ints) -> Predictions:
        """Return some images in another order; -1 stands for one in which nothing was found."""
        there = rows >= 0
        safe = np.where(there, rows, 0) if len(self) else np.zeros(len(rows), np.int64)
        points, points_by_image = self.points_by_image.take(rows)
        boxes, boxes_by_image = self.boxes_by_image.take(rows)

        def of_images(values: npt.NDArray[Any], fill: float | bool) -> npt.NDArray[Any]:
            if not len(self):
                return np.full(len(rows), fill, values.dtype)
            return np.where(there, values[safe], values.dtype.type(fill))

        return replace(
            self,
            images=[self.images[row] if row >= 0 else "" for row in rows.tolist()],
            counts=of_images(self.counts, np.nan),
            has_points=of_images(self.has_points, False),
            has_boxes=of_images(self.has_boxes, not self.lists_empty),
            points_xy=self.points_xy[points],
            point_scores=self.point_scores[points],
            points_by_image=points_by_image,
            boxes_xyxy=self.boxes_xyxy[boxes],
            box_scores=self.box_scores[boxes],
            boxes_by_image=boxes_by_image,
            grids=None if self.grids is None else self._grids_of(rows),
            locations=[self.locations[row] if row >= 0 else "" for row in rows.tolist()],
        )

    def _grids_of(self, rows: Ints) -> Floats:
        """Return the grids of some images; one without a map has no head anywhere."""
        assert self.grids is not None
        taken = np.zeros((len(rows), *self.grids.shape[1:]))
        taken[rows >= 0] = self.grids[rows[rows >= 0]]
        return taken

    def within(self, regions: Sequence[Sequence[Floats]]) -> Predictions:
        """Leave out points, and boxes by their centres, outside their image's region of interest.

        Args:
            regions: (F,) polygons of each image, of one without any everything stays; or empty.
        """
        if not regions:
            return self

        def kept(points_xy: Floats, by_image: Ragged) -> tuple[Booleans, Ragged]:
            keep = np.ones(len(points_xy), np.bool_)
            for row, polygons in enumerate(regions):
                rows = by_image.rows(row)
                keep[rows] = inside_any(points_xy[rows], polygons)
            return keep, by_image.where(keep)

        points, points_by_image = kept(self.points_xy, self.points_by_image)
        centres = (self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2
        boxes, boxes_by_image = kept(centres, self.boxes_by_image)
        return replace(
            self,
            points_xy=self.points_xy[points],
            point_scores=self.point_scores[points],
            points_by_image=points_by_image,
            boxes_xyxy=self.boxes_xyxy[boxes],
            box_scores=self.box_scores[boxes],
            boxes_by_image=boxes_by_image,
        )

    def heads(self) -> tuple[Floats, Floats, Ragged]:
        """Return one point for each head that was found: given points, else the centres of boxes.

        Returns:
            (N, 2) pixels, (N,) scores, and which are of which image.
        """
        if not self.has_boxes.any() or self.has_points.all():
            return self.points_xy, self.point_scores, self.points_by_image
        centres = (self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2
        if not self.has_points.any():
            return centres, self.box_scores, self.boxes_by_image
        points, boxes = self.points_by_image, self.boxes_by_image
        by_image = Ragged.from_counts(np.where(self.has_points, points.counts, boxes.counts))
        xy, scores = np.empty((by_image.total, 2)), np.empty(by_image.total)
        for row, given in enumerate(self.has_points.tolist()):
            into = by_image.rows(row)
            if given:
                part = points.rows(row)
                xy[into], scores[into] = self.points_xy[part], self.point_scores[part]
            else:
                part = boxes.rows(row)
                xy[into], scores[into] = centres[part], self.box_scores[part]
        return xy, scores, by_image


def _together(parts: Sequence[Floats | None], columns: int) -> tuple[Floats, Ragged]:
    there = [part if part is not None else np.empty((0, columns)) for part in parts]
    whole = np.concatenate([np.empty((0, columns)), *there])
    return whole, Ragged.from_counts([len(part) for part in there])
