"""A score as one self-contained page: a verdict, charts, conditions, errors, and all figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtahead import storage
from gtahead.dataset import Dataset
from gtahead.errors import GtaheadError
from gtahead.metrics.definitions import METRICS, PARTS, format_interval, format_metric, title_of
from gtahead.metrics.detection import FALSE, HIT
from gtahead.reports.charts import Chart, Plot, bar_plot, dot_plot
from gtahead.reports.pages import embedded_image, write_page
from gtahead.scoring import breakdown
from gtahead.scoring.error_types import SMALL_PX, ErrorType, faults, fixed_boxes
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.scoring.evaluator import Score

WORST = 6
"""Images that are drawn."""

IMAGE_PX, IMAGE_BYTES = 960, 110_000
"""Longest side of an image on the page, and its most bytes: a page stays below 1.5 MB."""

DOTS = 1000
"""Most dots of a chart."""

ROWS = 12
"""Most rows of a plot; of more, those with the largest errors are shown."""

_BASELINES = {
    "train_mean": "guessing the training images' mean count",
    "sequence_mean": "oracle: each sequence's mean count",
    "own_mean": "oracle: these images' mean count",
    "builtin": "the bundled detector, of simulated crowds alone",
}


_KINDS = {
    "missed, at the border": "at the image's border",
    "missed, hidden": "partly hidden",
    f"missed, small (under {SMALL_PX} px)": f"smaller than {SMALL_PX} px",
    "missed, crowded": "close to another head",
    "false, second on a head": "second ones on a head",
    "false, background": "on the background",
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
    kinds = _kinds_of_errors(score)
    write_page(
        target,
        "score",
        title=f"{document['method']['name']} on {document['data']['name']}",
        document=document,
        data=document["data"],
        threshold=value + threshold["how"],
        findings=list(score.findings),
        tiles=list(_tiles(score)),
        verdict=_verdict(score, kinds),
        metrics=list(_metrics(document)),
        with_intervals=any("low" in entry for entry in document["metrics"].values()),
        references=_without_empty(["reference", "MAE", "F1", "AP"], list(_references(document))),
        charts=list(_charts(score)),
        conditions=list(_conditions(score)),
        heads=list(_recalls(score)),
        errors=_errors(score, kinds),
        groups=[breakdown.laid_out(*one) for one in document.get("by", {}).items()],
        worst=list(_worst(score, dataset)),
    )


def _f1_name(score: Score) -> str:
    return f"f1_{score.radius}"


def _tiles(score: Score) -> Iterator[tuple[str, str, str]]:
    """Yield the figures that decide: value, name, and what to compare it with."""
    document, value = score.document, score.value
    guess = document["baselines"].get("train_mean") or document["baselines"].get("own_mean")
    beside = ""
    if guess and guess["mae"] > 0:
        share = 1 - value["mae"] / guess["mae"]
        how = f"{abs(share):.0%} {'lower' if share >= 0 else 'higher'} than guessing"
        beside = f"{how} the mean count ({guess['mae']:,.1f})"
    yield f"{value['mae']:,.1f}", "MAE", _joined(_span(document, "mae"), beside)
    real = float(score.states["ground_truth"].sum())
    share = float(score.states["error"].sum()) / real if real else 0.0
    yield f"{value['bias']:+,.1f}".replace("-", "−"), "bias", f"{_percent(share)} of all heads"
    if (name := _f1_name(score)) in value and value[name] is not None:
        kinds = ("precision", "recall")
        parts: list[float | None] = [value[f"{kind}_{score.radius}"] for kind in kinds]
        shown = ["–" if part is None else f"{part:.2f}" for part in parts]
        words = f"precision {shown[0]}, recall {shown[1]}"
        yield f"{value[name]:.2f}", title_of(name), _joined(_span(document, name), words)
    if value.get("ap50") is not None:
        words = f"AP .50:.95 {value['ap']:.2f}"
        yield f"{value['ap50']:.2f}", "AP50", _joined(_span(document, "ap50"), words)


def _span(document: dict[str, Any], name: str) -> str:
    entry = document["metrics"][name]
    if "low" not in entry:
        return ""
    decimals = 1 if METRICS[name].decimals == 2 else 2
    return f"95 %: {entry['low']:,.{decimals}f} to {entry['high']:,.{decimals}f}"


def _joined(*words: str) -> str:
    return "; ".join(word for word in words if word)


def _percent(share: float) -> str:
    return f"{share:+.0%}".replace("-", "−")


def _kinds_of_errors(score: Score) -> list[ErrorType]:
    if score.matching is None:
        return []
    return faults(
        score.ground_truth,
        score.points_xy,
        score.by_image,
        score.states["found"],
        score.matching,
        score.radius,
    )


def _verdict(score: Score, kinds: Sequence[ErrorType]) -> str:
    """Return in a sentence or two how the method counts, and its most frequent errors."""
    real = float(score.states["ground_truth"].sum())
    found = float(score.states["found"].sum())
    share = (found - real) / real if real else 0.0
    numbers = f"{found:,.0f} counted, {number_of(round(real), 'head')} are there"
    if abs(share) < 0.02:
        said = f"Over all images the counts are balanced ({numbers})."
    else:
        said = f"{'Overcounts' if share > 0 else 'Undercounts'} by {abs(share):.0%} ({numbers})."
    for sort, words in (("missed", "missed heads"), ("false", "false heads")):
        mine = [kind for kind in kinds if kind.name.startswith(sort)]
        total = sum(kind.count for kind in mine)
        most = max(mine, key=lambda kind: kind.count, default=None)
        if most is None or not total or most.name not in _KINDS:
            continue
        said += f" {most.count:,} of {total:,} {words} are {_KINDS[most.name]}."
    return said


def _metrics(document: dict[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the metrics of each part of the score."""
    for part in PARTS:
        rows = [
            [title_of(name), format_metric(name, entry["value"]), format_interval(name, entry)]
            for name, entry in document["metrics"].items()
            if METRICS[name].part == part
        ]
        if rows:
            yield part, rows


def _references(document: dict[str, Any]) -> Iterator[list[str]]:
    """Yield what metrics are to be compared with: name, MAE, F1, AP."""
    for name, values in document["baselines"].items():
        own = next((format_metric("f1", v) for key, v in values.items() if "f1" in key), "")
        ap = format_metric("ap", values["ap"]) if "ap" in values else ""
        yield [_BASELINES[name], format_metric("mae", values["mae"]), own, ap]
    ceilings = document.get("ceilings", {})
    for row in ceilings.get("decode", []):
        f1 = next((value for key, value in row.items() if key.startswith("f1")), None)
        title = f"ceiling: a perfect heatmap of stride {row['stride']}"
        yield [title, format_metric("mae", row["mae"]), format_metric("f1", f1), ""]
    if (boxes := ceilings.get("pseudo_boxes")) and boxes["ap"] < 1:
        ap = format_metric("ap", boxes["ap"])
        yield ["ceiling: boxes as good as the pseudo boxes", "", "", ap]
    if "coco_compat" in document:
        capped = document["coco_compat"]
        title = f"with COCO's cap of 100 boxes ({capped['boxes_cut']:,} boxes cut)"
        yield [title, "", "", format_metric("ap", capped["ap"])]


def _without_empty(head: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Drop the columns of a table that hold nothing."""
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    return [head[column] for column in kept], [[row[column] for column in kept] for row in rows]


def _charts(score: Score) -> Iterator[Chart]:
    states, ground_truth = score.states, score.ground_truth
    real, found, ids = states["ground_truth"], states["found"], ground_truth.images.ids
    most = float(max(real.max(initial=1), found.max(initial=1)))
    rows = _thinned(len(real), DOTS)
    names = [f"{ids[row]}: {real[row]:g} heads, {found[row]:g} counted" for row in rows]
    error = states["error"]
    reach = float(max(1, np.abs(error).max(initial=1)))
    off = Chart("Error by count", "true heads", "counted − true", (0, most), (-reach, reach))
    off.add_line([0, most], [0, 0], "guide")
    off.add_dots(real[rows].tolist(), error[rows].tolist(), names)
    counts = Chart("Counted and true heads", "true heads", "counted", (0, most), (0, most))
    counts.add_line([0, most], [0, most], "guide")
    counts.add_dots(real[rows].tolist(), found[rows].tolist(), names)
    if len(error):
        worst = int(np.abs(error).argmax())
        off.say(float(real[worst]), float(error[worst]), str(ids[worst]), below=error[worst] > 0)
    counts.say(most * 0.97, most * 0.97, "exact", below=True)
    yield from (off, counts)
    yield from _precision(score)
    yield from _curve(score)


def _thinned(count: int, most: int) -> list[int]:
    """Choose rows for a chart: all, or at most so many, evenly spaced."""
    rows: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return rows


def _precision(score: Score) -> Iterator[Chart]:
    if score.detections is None or not len(score.detections.scores):
        return
    chart = Chart("Precision over recall", "recall", "precision", (0, 1), (0, 1))
    total = max(1, int(score.detections.positives.sum()))
    for level, kind, name in ((0, "line", "ap50"), (5, "second", "ap75")):
        outcome = score.detections.outcomes[level]
        hits, false = np.cumsum(outcome == HIT), np.cumsum(outcome == FALSE)
        rows = _thinned(len(hits), 200)
        precision = hits[rows] / np.maximum(hits[rows] + false[rows], 1)
        recall = hits[rows] / total
        chart.add_line(recall.tolist(), precision.tolist(), kind)
        words = f"IoU {'0.5' if level == 0 else '0.75'}: {score.value[name]:.2f}"
        chart.say(float(recall[-1]), float(precision[-1]), words, below=level > 0)
    yield chart


def _curve(score: Score) -> Iterator[Chart]:
    curve = score.document.get("curve")
    if not curve:
        return
    chosen = score.document["threshold"].get("value")
    xs = [row["threshold"] for row in curve]
    for key, title in (("mae", "MAE"), ("f1", "F1")):
        values = [row.get(key) for row in curve]
        if any(value is None for value in values):
            continue
        top = 1 if key == "f1" else max(values)
        chart = Chart(f"{title} by threshold", "threshold", title, (0, 1), (0, top))
        chart.add_line(xs, values)
        if chosen is not None:
            at = float(np.interp(chosen, xs, values))
            chart.add_line([chosen, chosen], [0, top], "guide")
            chart.say(chosen, at, f"{chosen:g}: {at:.{1 if key == 'mae' else 2}f}")
        yield chart


def _conditions(score: Score) -> Iterator[list[Plot]]:
    """Yield MAE and F1 by each condition of images that has two values or more."""
    before: list[tuple[int, int]] = []
    for name in ("density", "weather", "hour", "location", "sequence"):
        if not breakdown.known(name, score.ground_truth):
            continue
        grouping = breakdown.parse([name], score.ground_truth)[name]
        listed = breakdown.table(score.ground_truth, grouping, score.states, score.matching)
        filled = [row for row, group in enumerate(listed) if group["images"]]
        sizes = sorted((listed[row]["images"], listed[row]["heads"]) for row in filled)
        if len(filled) < 2 or sizes == before:  # each sequence may have a location of its own
            continue
        before = sizes
        empty = [group["group"] for group in listed if not group["images"]]
        after = [f"No images: {', '.join(empty)}."] if empty else []
        if len(filled) > ROWS:
            filled.sort(key=lambda row: -listed[row]["metrics"]["mae"])
            after.append(f"The {ROWS} with the largest MAE, of {len(filled):,}.")
            filled = filled[:ROWS]
        plots = []
        for metric in ("mae", _f1_name(score)):
            if metric not in score.value:
                continue
            spans = breakdown.intervals(score.ground_truth, grouping, score.states, metric)
            rows = []
            for row in filled:
                value = listed[row]["metrics"].get(metric)
                span = spans[row] if row < len(spans) else None
                if value is not None:
                    ends = None if span is None else (span.low, span.high)
                    beside = number_of(listed[row]["images"], "image")
                    shown = format_metric(metric, value)
                    rows.append((str(listed[row]["group"]), value, ends, shown, beside))
            limits = None if metric == "mae" else (0.0, 1.0)
            title = f"{title_of(metric)} by {name}"
            plots.append(dot_plot(title, title_of(metric), rows, limits=limits, after=after))
        yield plots


def _recalls(score: Score) -> Iterator[Plot]:
    """Yield how many heads are found by what is known of heads."""
    titles = {"side": "size of the head", "distance": "distance", "visibility": "visible share"}
    for name, title in titles.items():
        if score.matching is None or not breakdown.known(name, score.ground_truth):
            continue
        grouping = breakdown.parse([name], score.ground_truth)[name]
        listed = breakdown.table(score.ground_truth, grouping, score.states, score.matching)
        rows = [
            (
                row["group"],
                row["metrics"]["recall"],
                f"{row['metrics']['recall']:.2f}",
                number_of(row["heads"], "head"),
            )
            for row in listed
            if row["heads"]
        ]
        empty = [row["group"] for row in listed if not row["heads"]]
        after = [f"No heads: {', '.join(empty)}."] if empty else []
        yield bar_plot(f"Recall by {title}", "recall", rows, most=1.0, after=after)


def _errors(score: Score, kinds: Sequence[ErrorType]) -> dict[str, Any] | None:
    """Return what fixing each kind of error would bring, and what better boxes would."""
    if score.matching is None:
        return None
    name = _f1_name(score)
    rows = [
        [
            "now",
            "",
            format_metric("mae", score.value["mae"]),
            format_metric(name, score.value[name]),
        ]
    ]
    rows += [
        [kind.name, f"{kind.count:,}", format_metric("mae", kind.mae), format_metric(name, kind.f1)]
        for kind in kinds
        if kind.count
    ]
    boxes = None
    if (found := fixed_boxes(score.ground_truth, score.predictions)) is not None:
        count, ap50 = found
        now, fixed = format_metric("ap50", score.value["ap50"]), format_metric("ap50", ap50)
        if ap50 - score.value["ap50"] >= 0.005:
            boxes = {"count": count, "fixed": fixed, "now": now}
    return {"metric": METRICS[name].title, "rows": rows, "boxes": boxes}


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
    """Return an image with its hits, missed and false heads, as paths."""
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
    r = max(width, height) / 190
    shape = {
        "hit": f"a{r:.1f} {r:.1f} 0 1 0 {2 * r:.1f} 0a{r:.1f} {r:.1f} 0 1 0 {-2 * r:.1f} 0",
        "false": f"h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z",
        "miss": f"l{2 * r:.1f} {2 * r:.1f}m{-2 * r:.1f} 0l{2 * r:.1f} {-2 * r:.1f}",
    }
    starts = {"hit": (-r, 0.0), "false": (-r, -r), "miss": (-r, -r)}
    paths = []
    for kind, points in kinds.items():
        dx, dy = starts[kind]
        path = "".join(f"M{x + dx:.1f} {y + dy:.1f}{shape[kind]}" for x, y in points.tolist())
        paths.append((kind, path))
    return {
        "name": ground_truth.images.ids[row],
        "heads": f"{score.states['ground_truth'][row]:g}",
        "counted": f"{score.states['found'][row]:g}",
        "numbers": {kind: len(points) for kind, points in kinds.items()},
        "width": width,
        "height": height,
        "image": None if file is None else embedded_image(file, IMAGE_PX, IMAGE_BYTES),
        "paths": paths,
    }
