"""A score as one self-contained page: metrics, charts, groups, errors and the worst images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtahead import storage
from gtahead.dataset import Dataset
from gtahead.errors import GtaheadError
from gtahead.metrics import definitions
from gtahead.metrics.definitions import format_metric, title_of
from gtahead.metrics.detection import FALSE, HIT
from gtahead.reports.charts import Chart
from gtahead.reports.pages import embedded_jpeg, write_page
from gtahead.scoring import breakdown
from gtahead.scoring.error_types import faults, fixed_boxes

if TYPE_CHECKING:
    from gtahead.scoring.evaluator import Score

WORST = 6
"""Images that are drawn."""

IMAGE_PX = 960
"""Longest side of an image on the page."""

DOTS = 1500
"""Most dots of a chart."""

_BASELINES = {
    "train_mean": "guessing the training images' mean count",
    "sequence_mean": "guessing each sequence's own mean count",
    "own_mean": "guessing these images' own mean count",
}


def write_score(target: Path, score: Score, dataset: Path | None = None) -> None:
    """Write the page of a score.

    Args:
        target: the file.
        score: what `benchmark` gave.
        dataset: where the images are; None draws heads without them.

    Raises:
        ResourceError: it can't be written.
    """
    document = score.document
    threshold = document["threshold"]
    value = f"{threshold['value']:g}, " if "value" in threshold else ""
    write_page(
        target,
        "score",
        title=f"{document['method']['name']} on {document['data']['name']}",
        document=document,
        data=document["data"],
        threshold=value + threshold["how"],
        findings=[str(finding) for finding in score.findings],
        metrics=[_metric(name, entry) for name, entry in document["metrics"].items()],
        references=list(_references(document)),
        charts=list(_charts(score)),
        errors=_errors(score),
        groups=list(_groups(document)),
        worst=list(_worst(score, dataset)),
    )


def _metric(name: str, entry: dict[str, Any]) -> list[str]:
    known = "low" in entry
    span = f"{format_metric(entry['low'])} … {format_metric(entry['high'])}" if known else "–"
    return [title_of(name), format_metric(entry["value"]), span]


def _references(document: dict[str, Any]) -> Iterator[list[str]]:
    """Yield what metrics are to be compared with: name, MAE, F1, AP."""
    for name, values in document["baselines"].items():
        yield [_BASELINES[name], format_metric(values["mae"]), "–", "–"]
    ceilings = document.get("ceilings", {})
    for row in ceilings.get("decode", []):
        f1 = next((value for key, value in row.items() if key.startswith("f1")), None)
        title = f"a perfect heatmap of stride {row['stride']}"
        yield [title, format_metric(row["mae"]), format_metric(f1), "–"]
    if "pseudo_boxes" in ceilings:
        ap = format_metric(ceilings["pseudo_boxes"]["ap"])
        yield ["boxes as good as the pseudo boxes", "–", "–", ap]
    if "coco_compat" in document:
        capped = document["coco_compat"]
        title = f"with COCO's cap of 100 boxes ({capped['boxes_cut']:,} boxes cut)"
        yield [title, "–", "–", format_metric(capped["ap"])]


def _charts(score: Score) -> Iterator[Chart]:
    states, ground_truth = score.states, score.ground_truth
    real, found, ids = states["ground_truth"], states["found"], ground_truth.images.ids
    most = float(max(real.max(initial=1), found.max(initial=1)))
    rows = _thinned(len(real), DOTS)
    names = [f"{ids[row]}: {real[row]:g} heads, {found[row]:g} counted" for row in rows]
    counts = Chart("Counted against true heads", "true heads", "counted", (0, most), (0, most))
    counts.add_line([0, most], [0, most], "guide")
    counts.add_dots(real[rows].tolist(), found[rows].tolist(), names)
    error = states["error"]
    reach = float(max(1, np.abs(error).max(initial=1)))
    off = Chart("Error against density", "true heads", "counted − true", (0, most), (-reach, reach))
    off.add_line([0, most], [0, 0], "guide")
    off.add_dots(real[rows].tolist(), error[rows].tolist(), names)
    yield from (counts, off)
    yield from _precision(score)
    yield from _recall(score)
    yield from _curve(score)


def _thinned(count: int, most: int) -> list[int]:
    """Choose rows for a chart: all, or at most so many, evenly spaced."""
    rows: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return rows


def _precision(score: Score) -> Iterator[Chart]:
    if score.detections is None or not len(score.detections.scores):
        return
    title = "Precision and recall, IoU 0.5 and (dashed) 0.75"
    chart = Chart(title, "recall", "precision", (0, 1), (0, 1))
    total = max(1, int(score.detections.positives.sum()))
    for level, kind in ((0, "line"), (5, "guide")):
        outcome = score.detections.outcomes[level]
        hits, false = np.cumsum(outcome == HIT), np.cumsum(outcome == FALSE)
        rows = _thinned(len(hits), 200)
        precision = hits[rows] / np.maximum(hits[rows] + false[rows], 1)
        chart.add_line((hits[rows] / total).tolist(), precision.tolist(), kind)
    yield chart


def _recall(score: Score) -> Iterator[Chart]:
    for name, title in (("distance", "distance"), ("side", "side of the box")):
        if score.matching is None or not breakdown.known(name, score.ground_truth):
            continue
        grouping = breakdown.parse([name], score.ground_truth)[name]
        listed = breakdown.table(score.ground_truth, grouping, score.states, score.matching)
        if listed:
            span = (0, len(listed))
            chart = Chart(f"Found heads by {title}", "", "recall", span, (0, 1), ticks_on_x=False)
            values = [row["metrics"]["recall"] for row in listed]
            numbers = [np.nan if value is None else value for value in values]
            chart.add_bars([row["group"] for row in listed], numbers)
            yield chart


def _curve(score: Score) -> Iterator[Chart]:
    curve = score.document.get("curve")
    if not curve:
        return
    chosen = score.document["threshold"].get("value")
    for key, title in (("mae", "MAE"), ("f1", "F1")):
        values = [row.get(key) for row in curve]
        if any(value is None for value in values):
            continue
        top = 1 if key == "f1" else max(values)
        chart = Chart(f"{title} over thresholds", "threshold", title, (0, 1), (0, top))
        chart.add_line([row["threshold"] for row in curve], values)
        if chosen is not None:
            chart.add_line([chosen, chosen], [0, top], "guide")
        yield chart


def _errors(score: Score) -> dict[str, Any] | None:
    """Return what fixing each kind of error would bring, and what better boxes would."""
    if score.matching is None:
        return None
    name = f"f1_{score.radius}"
    listed = faults(
        score.ground_truth,
        score.points_xy,
        score.by_image,
        score.states["found"],
        score.matching,
        score.radius,
    )
    rows = [["as it is", "", format_metric(score.value["mae"]), format_metric(score.value[name])]]
    rows += [
        [one.name, f"{one.count:,}", format_metric(one.mae), format_metric(one.f1)]
        for one in listed
    ]
    boxes = None
    if (found := fixed_boxes(score.ground_truth, score.predictions)) is not None:
        count, ap50 = found
        now = format_metric(score.value["ap50"])
        boxes = {"count": count, "fixed": format_metric(ap50), "now": now}
    return {"radius": definitions.METRICS[name].title, "rows": rows, "boxes": boxes}


def _groups(document: dict[str, Any]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield the tables by group: name, header, rows."""
    for name, listed in document.get("by", {}).items():
        shown = [
            one
            for one in definitions.BY_GROUP
            if any(one in row.get("metrics", {}) for row in listed)
        ]
        sizes = [key for key in ("images", "heads") if key in listed[0]]
        rows = []
        for row in listed:
            values = row.get("metrics", {})
            empty = row[sizes[0]] == 0
            cells = [f"{row[key]:,}" for key in sizes]
            cells += ["n = 0" if empty else format_metric(values.get(one)) for one in shown]
            rows.append([row["group"], *cells])
        yield name, ["", *sizes, *(title_of(one) for one in shown)], rows


def _worst(score: Score, dataset: Path | None) -> Iterator[dict[str, Any]]:
    if score.matching is None or not (score.ground_truth.images.sizes_wh > 0).all():
        return
    order = np.argsort(-score.states["absolute"], kind="stable")
    _, of = score.ground_truth.clusters
    _, first = np.unique(of[order], return_index=True)  # neighbours are alike: one per sequence
    files = _files(score, dataset)
    for row in order[np.sort(first)][:WORST].tolist():
        yield _shot(score, row, files.get(score.ground_truth.images.ids[row]))


def _files(score: Score, dataset: Path | None) -> dict[str, Path]:
    if dataset is None:
        return {}
    try:
        opened = Dataset.open(dataset).select(split=score.ground_truth.split)
    except GtaheadError:
        return {}
    frames = opened.frames(["frame_id", "file"])
    return {
        name: opened.folder / file
        for name, file in zip(frames["frame_id"], frames["file"], strict=True)
        if file is not None and storage.is_safe_relative(file)
    }


def _shot(score: Score, row: int, file: Path | None) -> dict[str, Any]:
    ground_truth, matching = score.ground_truth, score.matching
    assert matching is not None
    width, height = ground_truth.images.sizes_wh[row].tolist()
    mine = score.by_image.rows(row)
    heads = ground_truth.by_image.rows(row)
    missed = ~ground_truth.ignored[heads] & ~matching.found(len(ground_truth.points_xy))[heads]
    found = score.points_xy[mine]
    kinds = {
        "hit": found[matching.hits[mine]],
        "miss": ground_truth.points_xy[heads][missed],
        "false": found[matching.false[mine]],
    }
    return {
        "name": ground_truth.images.ids[row],
        "heads": f"{score.states['ground_truth'][row]:g}",
        "counted": f"{score.states['found'][row]:g}",
        "width": width,
        "height": height,
        "image": None if file is None else embedded_jpeg(file, IMAGE_PX, (80,)),
        "rings": [(kind, *xy) for kind, points in kinds.items() for xy in points.tolist()],
        "radius": max(width, height) / 240,
    }
