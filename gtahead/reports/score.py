"""A score as one self-contained page: metrics, charts, parts, faults and the worst images."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtahead import storage
from gtahead.dataset import Dataset
from gtahead.errors import GtaheadError
from gtahead.images.reading import ImageError, decode_upright, read_bytes
from gtahead.reports.charts import Chart
from gtahead.scoring import breakdown, metrics
from gtahead.scoring.detection import FALSE, HIT
from gtahead.scoring.error_types import faults, fixed_boxes
from gtahead.scoring.metrics import format_metric, title_of

if TYPE_CHECKING:
    from gtahead.scoring.evaluator import Score

STYLE = """
:root { color-scheme: light dark; --ground: #fdfcfb; --text: #1c1b1a; --line: #8884;
  --soft: #8882; --ink: #1d4f91; --hit: #1a7f37;
  --miss: #b3261e; --false: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ground: #15161a; --text: #ecebe8;
  --ink: #8ab4f8; --hit: #7ee2a8; --miss: #ff8a80;
  --false: #ffcc66 } }
body { background: var(--ground); color: var(--text) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .25rem } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p { margin: .4rem 0; max-width: 46rem }
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)) }
figure { margin: 0 } figcaption { font-weight: 600; font-size: .95rem }
svg { width: 100%; height: auto; display: block }
svg text { fill: currentColor; font: 11px system-ui, sans-serif } .middle { text-anchor: middle }
.end { text-anchor: end } .grid { stroke: var(--line) } .axis { opacity: .85 }
.dot { fill: var(--ink); opacity: .6 } .bar { fill: var(--ink); opacity: .75 }
.line { fill: none; stroke: var(--ink); stroke-width: 2 }
.guide { fill: none; stroke: currentColor; stroke-dasharray: 4 4; opacity: .5 }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .95rem }
td, th { text-align: right; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; white-space: nowrap }
td:first-child, th:first-child { text-align: left } .part th { padding-top: .8rem }
.shots { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)) }
.shots svg { background: var(--soft) } .shots circle { fill: none; stroke-width: 1.5;
  vector-effect: non-scaling-stroke } .hit { stroke: var(--hit); color: var(--hit) }
.miss { stroke: var(--miss); color: var(--miss) }
.false { stroke: var(--false); color: var(--false); stroke-dasharray: 3 2 }
.key { font-weight: 600 } .stale { opacity: .5 }
"""

WORST = 6
"""Images that are drawn."""

IMAGE_PX = 960
"""Longest side of an image on the page."""


def page(title: str, body: str, script: str = "") -> bytes:
    """Put a page together."""
    code = f"<script>{script}</script>" if script else ""
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main>{code}</body></html>\n"
    )
    return text.encode("utf-8", "replace")


def write_page(target: Path, score: Score, dataset: Path | None = None) -> None:
    """Write the page of a score; everything that comes from data is escaped.

    Args:
        target: the file.
        score: what `benchmark` gave.
        dataset: where the images are; None draws heads without them.

    Raises:
        ResourceError: it can't be written.
    """
    with storage.naming_os_errors(target):
        storage.write_bytes(target, page(_title(score), _body(score, dataset)))


def _title(score: Score) -> str:
    document = score.document
    return f"{document['method']['name']} on {document['data']['name']}"


def _body(score: Score, dataset: Path | None) -> str:
    document = score.document
    data = document["data"]
    split = f", {data['split']} split" if data["split"] else ""
    more = f", {data['sequences']:,} sequences" if data["sequences"] else ""
    threshold = document["threshold"]
    least = (
        f"{threshold['value']:g}, {threshold['how']}" if "value" in threshold else threshold["how"]
    )
    notes = "".join(f"<li>{escape(str(finding))}</li>" for finding in score.findings)
    parts = [
        f"<h1>{escape(document['method']['name'])}</h1>",
        f"<p>{escape(data['name'])}{split}: {data['images']:,} images, {data['heads']:,} heads"
        f"{more}. Heads that count: {escape(data['policy'])}. Threshold: {escape(least)}.</p>",
        f"<h2>Noticed</h2><ul>{notes}</ul>" if notes else "",
        "<h2>Metrics</h2>",
        _figures(document),
        f'<h2>Charts</h2><div class="charts">{_charts(score)}</div>',
        _faults(score),
        _parts(document),
        _worst(score, dataset),
        "<h2>Where this comes from</h2><p>"
        f"gtahead {escape(document['gtahead'])}, version {document['metric_version']} of the "
        f"metrics. Predictions: <code>{escape(document['predictions']['file'])}</code>, sha256 "
        f"<code>{document['predictions']['sha256'][:16]}…</code>. "
        + " ".join(
            f"Fingerprint of {kind}: <code>{value[:16]}…</code>."
            for kind, value in data["fingerprints"].items()
        )
        + "</p>",
    ]
    return "".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{table}</div>'


def _figures(document: dict[str, Any]) -> str:
    rows = []
    for name, entry in document["metrics"].items():
        span = (
            f"{format_metric(entry['low'])} … {format_metric(entry['high'])}"
            if "low" in entry
            else "–"
        )
        rows.append([title_of(name), format_metric(entry["value"]), span])
    reported = "".join(
        f"<p>No {escape(part)}: {escape(why)}.</p>" for part, why in document["undefined"].items()
    )
    names = {
        "train_mean": "guessing the training images' mean count",
        "sequence_mean": "guessing each sequence's own mean count",
        "own_mean": "guessing these images' own mean count",
    }
    beside = [
        [names[n], format_metric(v["mae"]), "–", "–"] for n, v in document["baselines"].items()
    ]
    ceilings = document.get("ceilings", {})
    for row in ceilings.get("decode", []):
        f1 = next((value for key, value in row.items() if key.startswith("f1")), None)
        title = f"a perfect heatmap of stride {row['stride']}"
        beside.append([title, format_metric(row["mae"]), format_metric(f1), "–"])
    if "pseudo_boxes" in ceilings:
        title = "boxes as good as the pseudo boxes are"
        beside.append([title, "–", "–", format_metric(ceilings["pseudo_boxes"]["ap"])])
    if "coco_compat" in document:
        capped = document["coco_compat"]
        title = f"with COCO's cap of 100 boxes ({capped['boxes_cut']:,} boxes cut)"
        beside.append([title, "–", "–", format_metric(capped["ap"])])
    return (
        _table(["", "metric", "95 % interval"], rows)
        + reported
        + "<h2>What they are worth</h2>"
        + _table(["", "MAE", "F1", "AP"], beside)
    )


def _charts(score: Score) -> str:
    states, ground_truth = score.states, score.ground_truth
    real, found, ids = states["ground_truth"], states["found"], ground_truth.images.ids
    most = float(max(real.max(initial=1), found.max(initial=1)))
    rows = _thinned(len(real))
    names = [f"{ids[row]}: {real[row]:g} heads, {found[row]:g} counted" for row in rows]
    counts = Chart("Counted against true heads", "true heads", "counted", (0, most), (0, most))
    counts.line([0, most], [0, most], "guide")
    counts.dots(real[rows].tolist(), found[rows].tolist(), names)
    error = states["error"]
    reach = float(max(1, np.abs(error).max(initial=1)))
    off = Chart("Error against density", "true heads", "counted − true", (0, most), (-reach, reach))
    off.line([0, most], [0, 0], "guide")
    off.dots(real[rows].tolist(), error[rows].tolist(), names)
    return "".join([counts.svg(), off.svg(), *_precision(score), *_recall(score), *_curve(score)])


def _thinned(count: int) -> list[int]:
    """Choose images for a chart: all, or evenly many."""
    return (
        np.unique(np.linspace(0, count - 1, min(count, 1500)).astype(int)).tolist() if count else []
    )


def _precision(score: Score) -> list[str]:
    if score.detections is None or not len(score.detections.scores):
        return []
    chart = Chart(
        "Precision and recall, IoU 0.5 and (dashed) 0.75", "recall", "precision", (0, 1), (0, 1)
    )
    total = max(1, int(score.detections.positives.sum()))
    for level, kind in ((0, "line"), (5, "guide")):
        outcome = score.detections.outcomes[level]
        hits, false = np.cumsum(outcome == HIT), np.cumsum(outcome == FALSE)
        rows = np.unique(np.linspace(0, len(hits) - 1, 200).astype(int))
        precision = hits[rows] / np.maximum(hits[rows] + false[rows], 1)
        chart.line((hits[rows] / total).tolist(), precision.tolist(), kind)
    return [chart.svg()]


def _recall(score: Score) -> list[str]:
    out = []
    for name, title in (("distance", "distance"), ("side", "side of the box")):
        if score.matching is None or not breakdown.known(name, score.ground_truth):
            continue
        grouping = breakdown.parse([name], score.ground_truth)[name]
        listed = breakdown.table(score.ground_truth, grouping, score.states, score.matching)
        if listed:
            values = [row["metrics"]["recall"] for row in listed]
            chart = Chart(f"Found heads by {title}", "", "recall", (0, len(listed)), (0, 1))
            numbers = [np.nan if value is None else value for value in values]
            chart.bars([row["group"] for row in listed], numbers)
            out.append(chart.svg(ticks_on_x=False))
    return out


def _curve(score: Score) -> list[str]:
    curve = score.document.get("curve")
    if not curve:
        return []
    xs = [row["threshold"] for row in curve]
    errors = [row["mae"] for row in curve]
    chart = Chart("MAE over thresholds", "threshold", "MAE", (0, 1), (0, max(errors)))
    chart.line(xs, errors)
    value = score.document["threshold"].get("value")
    if value is not None:
        chart.line([value, value], [0, max(errors)], "guide")
    out = [chart.svg()]
    if all(row.get("f1") is not None for row in curve):
        chart = Chart("F1 over thresholds", "threshold", "F1", (0, 1), (0, 1))
        chart.line(xs, [row["f1"] for row in curve])
        if value is not None:
            chart.line([value, value], [0, 1], "guide")
        out.append(chart.svg())
    return out


def _faults(score: Score) -> str:
    if score.matching is None:
        return ""
    listed = faults(
        score.ground_truth,
        score.points_xy,
        score.by_image,
        score.states["found"],
        score.matching,
        score.radius,
    )
    rows = [
        [one.name, f"{one.count:,}", format_metric(one.mae), format_metric(one.f1)]
        for one in listed
    ]
    now = format_metric(score.value["mae"]), format_metric(score.value[f"f1_{score.radius}"])
    return (
        "<h2>What fixing would bring</h2><p>MAE and F1 "
        f"({escape(metrics.METRICS[f'f1_{score.radius}'].title)}) if one kind of fault were gone "
        "and all else stayed. False and missed heads cancel in a count, so fixing one kind alone "
        "can make the MAE worse.</p>"
        + _table(["", "heads", "MAE", "F1"], [["as it is", "", *now], *rows])
        + _sizes(score)
    )


def _sizes(score: Score) -> str:
    """Return what better boxes would bring to the heads that are found."""
    found = fixed_boxes(score.ground_truth, score.predictions)
    if found is None:
        return ""
    count, ap50 = found
    return (
        f"<p>{count:,} boxes lie over a head's centre and share less than half with its box: were "
        f"they the heads' own, AP50 would be {format_metric(ap50)}, "
        f"not {format_metric(score.value['ap50'])}.</p>"
    )


def _parts(document: dict[str, Any]) -> str:
    out = []
    for name, listed in document.get("by", {}).items():
        shown = [
            one for one in metrics.BY_GROUP if any(one in row.get("metrics", {}) for row in listed)
        ]
        sizes = [key for key in ("images", "heads") if key in listed[0]]
        rows = []
        for row in listed:
            values = row.get("metrics", {})
            cells = [f"{row[key]:,}" for key in sizes]
            empty = row[sizes[0]] == 0
            cells += ["n = 0" if empty else format_metric(values.get(one)) for one in shown]
            rows.append([row["group"], *cells])
        titles = [title_of(one) for one in shown]
        out.append(f"<h2>By {escape(name)}</h2>" + _table(["", *sizes, *titles], rows))
    return "".join(out)


def _worst(score: Score, dataset: Path | None) -> str:
    if score.matching is None or not (score.ground_truth.images.sizes_wh > 0).all():
        return ""
    order = np.argsort(-score.states["absolute"], kind="stable")
    _, of = score.ground_truth.clusters
    _, first = np.unique(of[order], return_index=True)  # neighbours are alike: one per sequence
    order = order[np.sort(first)][:WORST]
    files = _files(score, dataset)
    shots = "".join(
        _shot(score, int(row), files.get(score.ground_truth.images.ids[row])) for row in order
    )
    return (
        "<h2>The worst counts, one per sequence</h2>"
        '<p><span class="key hit">hits</span>, <span class="key miss">missed heads</span>, '
        '<span class="key false">false heads</span></p>'
        f'<div class="shots">{shots}</div>'
    )


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


def _shot(score: Score, row: int, file: Path | None) -> str:
    ground_truth, matching = score.ground_truth, score.matching
    assert matching is not None
    width, height = ground_truth.images.sizes_wh[row].tolist()
    mine = score.by_image.rows(row)
    heads = ground_truth.by_image.rows(row)
    missed = ~ground_truth.ignored[heads] & ~matching.found(len(ground_truth.points_xy))[heads]
    found = score.points_xy[mine]
    size = max(width, height) / 240
    rings = [("hit", found[matching.hits[mine]]), ("miss", ground_truth.points_xy[heads][missed])]
    rings.append(("false", found[matching.false[mine]]))
    circles = "".join(
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>'
        for kind, points in rings
        for x, y in points.tolist()
    )
    shown = ""
    if file is not None and (image := _embedded(file)) is not None:
        shown = f'<image href="{image}" width="{width}" height="{height}"/>'
    name = ground_truth.images.ids[row]
    reported = (
        f"{score.states['ground_truth'][row]:g} heads, {score.states['found'][row]:g} counted"
    )
    return (
        f"<figure><figcaption>{escape(name)}: {reported}</figcaption>"
        f'<svg role="img" aria-label="{escape(name)}" viewBox="0 0 {width} {height}">'
        f"{shown}{circles}</svg></figure>"
    )


def _embedded(file: Path) -> str | None:
    """Return an image, made smaller, as a data URL; None where it can't be read."""
    try:
        image = decode_upright(read_bytes(file))
    except ImageError:
        return None
    image.thumbnail((IMAGE_PX, IMAGE_PX))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
