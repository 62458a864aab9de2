"""`gtahead benchmark`: predictions against a ground truth, to metrics with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead._version import __version__
from gtahead.arrays import Floats, Ints, Ragged
from gtahead.dataset import MANIFEST, Dataset
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings
from gtahead.ingest.model import LabelOptions
from gtahead.metrics import definitions
from gtahead.metrics.detection import Detections, ap_metrics
from gtahead.metrics.evaluation import Evaluation
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.metrics.intervals import FEW, LEVEL, MIN_UNITS, Interval, enough, spread_of, students
from gtahead.metrics.matching import Matching
from gtahead.predictions import Predictions, arrange, geometry_hints, read_predictions
from gtahead.predictions.checking import Missing, check_dataset
from gtahead.scoring import baselines, breakdown, curves, thresholds
from gtahead.scoring.ground_truth import open_ground_truth
from gtahead.scoring.readings import note_other_readings
from gtahead.scoring.thresholds import Chosen, choose, declared
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

RESULT = "gtahead-result"
RESULT_VERSION = 1

COCO_CAP = 100
"""Boxes of an image that COCO's evaluation looks at."""

MAX_CLUSTERS_KEPT = 64
"""Clusters whose curves a result file holds, so that AP can be compared."""


@dataclass(repr=False)
class Score:
    """What a prediction file scored.

    Attributes:
        document: the result as one JSON object; see the schema `result`.
        findings: what was noticed in the file; with errors in it, nothing was scored.
        ground_truth: what was to be found.
        predictions: in the order of its images; None where nothing was scored.
        matching: of points within the larger radius, or within 8 px where heads have none.
        radius: within which they were matched.
        states: (F,) states of each image by name.
        points_xy: (P, 2) found points from the threshold on.
        by_image: which of them are of which image.
        detections: what became of each box; None where there are none.
    """

    document: dict[str, Any]
    findings: Findings
    ground_truth: GroundTruth
    predictions: Predictions | None = None
    matching: Matching | None = None
    radius: str = "8px"
    states: dict[str, Floats] = field(default_factory=dict)
    points_xy: Floats = field(default_factory=lambda: np.empty((0, 2)))
    by_image: Ragged = field(default_factory=lambda: Ragged.from_counts([]))
    detections: Detections | None = None

    def __repr__(self) -> str:
        if not self.document:
            return f"Score(nothing: {self.findings.summed})"
        shown = {"mae": "MAE", "f1_large": "F1", "f1_8px": "F1", "ap50": "AP50"}
        known = {title: self.value.get(name) for name, title in reversed(shown.items())}
        parts = [
            f"{title} {known[title]:.{1 if title == 'MAE' else 2}f}"
            for title in dict.fromkeys(shown.values())
            if known[title] is not None
        ]
        return f"Score({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Show the metrics in a notebook, with their intervals."""
        rows = []
        for name, entry in (self.document or {"metrics": {}})["metrics"].items():
            if entry["value"] is None:
                continue
            span = definitions.format_interval(name, entry)
            title = escape(definitions.title_of(name))
            shown = escape(definitions.format_metric(name, entry["value"]))
            rows.append(f"<tr><td>{title}</td><td>{shown}</td><td>{span}</td></tr>")
        if not rows:
            said = "".join(f"<li>{escape(str(one))}</li>" for one in self.findings)
            return f"<p><b>{escape(repr(self))}</b></p><ul>{said}</ul>"
        head = "<tr><th>metric</th><th>value</th><th>95 % interval</th></tr>"
        table = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
        return f"<p><b>{escape(repr(self))}</b></p>{table}"

    @property
    def value(self) -> dict[str, float]:
        """Metrics by name.

        Raises:
            InputError: nothing was scored, since the predictions are wrong.
        """
        if not self.document:
            remedy = "`findings` says what is wrong with the predictions"
            raise InputError("nothing was scored", value=self.findings.summed, remedy=remedy)
        return {name: entry["value"] for name, entry in self.document["metrics"].items()}


def _named(predictions: StrPath | Predictions) -> Path:
    """Return the path of a prediction file, or a name for what never was in one."""
    if isinstance(predictions, Predictions):
        return Path(str(predictions.method.get("name", "predictions")))
    return Path(predictions)


def check_predictions(
    predictions: StrPath | Predictions, ground_truth: GroundTruth, missing: Missing = "error"
) -> tuple[Predictions, Findings]:
    """Read a prediction file and compare it with the images, without looking at any head.

    Returns:
        Predictions in the order of the images, and all that is wrong or odd.

    Raises:
        InputError: the file can't be read.
    """
    path = _named(predictions)
    findings = Findings()
    findings.merge(ground_truth.findings)
    if isinstance(predictions, Predictions):
        read = predictions
    else:
        read = read_predictions(path, findings, ground_truth.categories, ground_truth.images)
    check_dataset(
        read.dataset,
        split=ground_truth.split,
        fingerprints=list(ground_truth.fingerprints.values()),
        findings=findings,
        file=path.name,
    )
    arranged = arrange(read, ground_truth.images, findings, path.name, missing)
    geometry_hints(arranged, ground_truth.images, findings, path.name)
    arranged = arranged.within(ground_truth.regions)
    if ground_truth.regions and np.isfinite(arranged.counts).any():
        findings.add("counts-of-whole-images", Where(path.name))
    return arranged, findings


@resolve_urls(reads=["predictions", "data"], labels=["data"])
def benchmark(
    predictions: StrPath | Predictions,
    data: StrPath | Dataset = "dataset",
    *,
    split: str | None = None,
    by: Sequence[str] = (),
    missing: Missing = "error",
    validation: StrPath | Predictions | None = None,
    threshold: float | None = None,
    coco_compat: bool = False,
    sweep: bool = False,
    intervals: bool = True,
    ceilings: bool = True,
    builtin: bool = False,
    head_class: str | None = None,
    labels_orientation: str | None = None,
) -> Score:
    """Score predictions.

    Args:
        predictions: a file: gtahead's JSON, JSON Lines or Parquet, COCO's list of results, lists of
            counts or points as NWPU-Crowd takes them, MOT text; packed by gzip or not. Or density
            maps, a file or a folder of them, or what `Predictions.of` made of arrays.
        data: a dataset, a part of one, or its path; a folder that `gtahead build` reads, a COCO
            file, or a list of points.
        split: of a dataset; "test" unless said otherwise.
        by: how metrics are broken down; see `gtahead.scoring.breakdown.GROUPINGS`.
        missing: whether an image without prediction is an error, or scored as empty ("zero").
        validation: predictions of the same method on the validation split, on which the threshold
            is chosen.
        threshold: of scores from which on a head counts; the file's own unless given.
        coco_compat: whether to give the metrics of COCO's evaluation with its cap, too.
        sweep: whether to match within 1 to 100 px, too, as is done for UCF-QNRF.
        intervals: whether to compute intervals.
        ceilings: whether to compute what a perfect method could reach.
        builtin: whether to score the bundled detector on the same images, as a baseline: about a
            second each.
        head_class: name or number of the class of heads, where there are several.
        labels_orientation: `upright` or `stored`, as of `build`.

    Raises:
        InputError: a file can't be read.
        UsageError: an option doesn't fit.
    """
    ground_truth = open_ground_truth(data, split, LabelOptions(head_class, labels_orientation))
    groupings = breakdown.parse(by, ground_truth)
    own = _with_images(data) if builtin else None
    arranged, findings = check_predictions(predictions, ground_truth, missing)
    if any(finding.severity == "error" for finding in findings):
        return Score({}, findings, ground_truth)
    chosen = _threshold(
        arranged, threshold, validation, data, ground_truth, findings, _named(predictions)
    )
    run = Evaluation(ground_truth, arranged, chosen.threshold)
    document = {
        **_about(run, chosen, findings, _named(predictions)),
        **_metrics(run, findings, _named(predictions).name, intervals),
    }
    if chosen.f1_best is not None and run.matching is not None:
        f1 = thresholds.f1_at(ground_truth, arranged, chosen.f1_best, run.radius)
        document["threshold"]["f1_at_f1_best"] = f1
    if sweep and run.located:
        document["sweep"] = thresholds.sweep(ground_truth, run.points_xy, run.by_image)
    if run.scored:
        document["curve"] = thresholds.threshold_curve(ground_truth, arranged)
    document["baselines"] = baselines.trivial(ground_truth)
    if own is not None:
        document["baselines"]["builtin"] = _builtin(ground_truth, own, run.radius)
    if ceilings:
        document["ceilings"] = baselines.ceilings(ground_truth)
    if coco_compat and run.detections is not None:
        document["coco_compat"] = _capped(run)
    if groupings:
        document["by"] = {
            name: breakdown.table(ground_truth, grouping, run.states, run.matching)
            for name, grouping in groupings.items()
        }
    document["clusters"] = _clusters(run, *ground_truth.clusters)
    document["findings"] = dict(sorted(findings.totals.items()))
    return _score_of(run, document, findings)


def _with_images(data: StrPath | Dataset) -> Dataset:
    """Open the dataset whose images the bundled detector is to look at.

    Raises:
        UsageError: it's another ground truth, or has no images.
    """
    opened = data if isinstance(data, Dataset) else None
    if opened is None and (Path(data) / MANIFEST).is_file():
        opened = Dataset.open(data)
    if opened is None or not opened.manifest.document["statistics"].get("images"):
        remedy = "give a gtahead dataset with images; `gtahead build` makes one"
        raise UsageError("there are no images for the bundled detector", remedy=remedy)
    return opened


def _builtin(ground_truth: GroundTruth, dataset: Dataset, radius: str) -> dict[str, float]:
    """Score the bundled detector on the same images."""
    from gtahead.counting import count, load_model
    from gtahead.counting.models import MIN_SCORE

    detector = load_model()
    rows = {}
    for name in ground_truth.images.ids:
        found = count(dataset[name].image(), model=detector, threshold=MIN_SCORE)
        rows[str(name)] = {"boxes": found.boxes_xyxy, "scores": found.scores}
    arranged, _ = check_predictions(Predictions.of(rows), ground_truth)
    values = Evaluation(ground_truth, arranged, detector.threshold).values()
    wanted = ("mae", "rmse", f"f1_{radius}", "ap50", "ap")
    return {
        name: float(values[name]) for name in wanted if name in values and np.isfinite(values[name])
    }


def _score_of(run: Evaluation, document: dict[str, Any], findings: Findings) -> Score:
    """Return the result, with all that it was computed from."""
    return Score(
        document,
        findings,
        run.ground_truth,
        run.predictions,
        run.matching,
        run.radius,
        run.states,
        run.points_xy,
        run.by_image,
        run.detections,
    )


def _about(run: Evaluation, chosen: Chosen, findings: Findings, path: Path) -> dict[str, Any]:
    """Return what was scored, on which data, and at which threshold."""
    return {
        "format": RESULT,
        "version": RESULT_VERSION,
        "gtahead": __version__,
        "metric_version": definitions.METRIC_VERSION,
        "data": _about_data(run.ground_truth),
        "predictions": {
            "file": path.name,
            "sha256": run.predictions.sha256,
            "kind": run.predictions.kind,
            "missing": "zero" if "scored-as-empty" in findings.totals else "none",
        },
        "method": _about_method(run.predictions, path),
        "threshold": chosen.as_dict(),
    }


def _metrics(run: Evaluation, findings: Findings, file: str, intervals: bool) -> dict[str, Any]:
    """Return the metrics with their intervals, and why others are undefined."""
    _note_shift(run, findings, file)
    note_other_readings(run, findings, file)
    clusters, of_frames = run.ground_truth.clusters
    values = run.values()
    spans: dict[str, Interval] = {}
    about: dict[str, Any] = {
        "level": LEVEL,
        "clusters": len(clusters),
        "clustered_by": "sequence" if run.ground_truth.in_sequences else "image",
    }
    if intervals:
        states = definitions.summed(run.states, of_frames, len(clusters))
        spread = spread_of(states["ground_truth"] / states["images"])
        spans = _intervals(run, values, states, of_frames, findings)
        held = [n for n in spans if enough(definitions.METRICS[n].tail, len(clusters), spread)]
        about |= {"spread": round(spread, 3), "withheld": [n for n in spans if n not in held]}
        spans = {name: spans[name] for name in held}
    return {
        "metrics": {name: _entry(value, spans.get(name)) for name, value in values.items()},
        "intervals": about,
        "undefined": run.undefined(),
    }


def _about_method(predictions: Predictions, path: Path) -> dict[str, Any]:
    """Return what the file says about the method without its threshold, which is reported apart."""
    reported = {k: v for k, v in predictions.method.items() if not k.startswith("threshold")}
    name = path.name.removesuffix(".gz")
    return {"name": name[: -len(Path(name).suffix)] if Path(name).suffix else name, **reported}


def _about_data(ground_truth: GroundTruth) -> dict[str, Any]:
    clusters, _ = ground_truth.clusters
    return {
        "name": ground_truth.name,
        "split": ground_truth.split,
        "policy": ground_truth.policy,
        "fingerprints": ground_truth.fingerprints,
        "images": len(ground_truth),
        "heads": int((~ground_truth.ignored).sum()),
        "ignored": int(ground_truth.ignored.sum()),
        "sequences": len(clusters) if ground_truth.in_sequences else None,
    }


def _threshold(
    arranged: Predictions,
    given: float | None,
    validation: StrPath | Predictions | None,
    data: StrPath | Dataset,
    ground_truth: GroundTruth,
    findings: Findings,
    path: Path,
) -> Chosen:
    """Choose the threshold: the one asked for, chosen on validation, declared, or 0.5."""
    _, scores, _ = arranged.heads()
    if given is not None and validation is not None:
        raise UsageError("--threshold and --validation are both given", remedy="give one of them")
    if given is not None:
        if not 0 <= given <= 1:
            raise UsageError("the threshold must be from 0 to 1", value=given, remedy="such as 0.5")
        return Chosen(given, "asked for", None)
    if validation is not None:
        if ground_truth.split in (None, "validation"):
            what = "--validation needs a dataset, and another split of it to score"
            raise UsageError(what, remedy="score the test split of a gtahead dataset")
        others = replace(open_ground_truth(data, "validation"), categories=ground_truth.categories)
        read, wrong = check_predictions(validation, others)
        if any(finding.severity == "error" for finding in wrong):
            raise InputError(
                "the predictions of the validation split can't be scored",
                where=Where(str(validation)),
                value=wrong.summed,
                remedy="`gtahead benchmark --split validation --check-only` lists what is wrong",
            )
        return choose(others, read)
    chosen, on = declared(arranged), arranged.selected_on
    if chosen.threshold is None:
        if len(scores) and arranged.kind in ("gtahead", "coco"):
            findings.add("scores-equal", Where(path.name), float(scores[0]))
    elif chosen.how != "declared":
        findings.add("no-threshold", Where(path.name, field="/method/threshold"))
    elif on is not None and on == ground_truth.split and on != "validation":
        findings.add("threshold-from-test", Where(path.name, field="/method/threshold_selected_on"))
    return chosen


MIN_SHIFT_PX = 0.25
MIN_PAIRS = 200


def _note_shift(run: Evaluation, findings: Findings, file: str) -> None:
    """Note found heads that lie beside the true ones, all to the same side."""
    if run.matching is None or run.matching.hits.sum() < MIN_PAIRS:
        return
    hits = run.matching.hits
    off = run.points_xy[hits] - run.ground_truth.points_xy[run.matching.head_of[hits]]
    middle = np.median(off, axis=0)
    spread = np.subtract(*np.quantile(off, [0.75, 0.25], axis=0)) / 1.349
    error = 1.2533 * spread / np.sqrt(len(off))
    if ((np.abs(middle) >= MIN_SHIFT_PX) & (np.abs(middle) > 5 * error)).any():
        reported = f"the median is {middle[0]:+.2f}, {middle[1]:+.2f} px of {len(off):,} hits"
        findings.add("systematic-shift", Where(file), detail=reported)


def _entry(value: float, span: Interval | None) -> dict[str, float | None]:
    if not np.isfinite(value):
        return {"value": None}
    if span is None:
        return {"value": value}
    return {"value": value, "low": span.low, "high": span.high}


def _intervals(
    run: Evaluation,
    values: Mapping[str, float],
    states: Mapping[str, Floats],
    of_frames: Ints,
    findings: Findings,
) -> dict[str, Interval]:
    """Return intervals of all metrics that can have one, whether or not they hold."""
    clusters = len(states["images"])
    location = Where(sequence=None)
    if not run.ground_truth.in_sequences:
        findings.add("resampled-by-image", location)
    if clusters < FEW:
        findings.add("few-clusters", location, clusters)
    if clusters < MIN_UNITS:
        return {}
    wanted = definitions.defined(states)
    sums = definitions.statistic_of(states, wanted)
    found = students(sums, {metric.name: metric.scale for metric in wanted}, clusters)
    if run.detections is not None and run.misses is not None:
        gathered = curves.curves_of(run.detections, run.misses, of_frames, clusters)
        scales = {name: definitions.METRICS[name].scale for name in curves.DETECTION}
        found |= students(curves.statistic(gathered), scales, clusters, centres=values)
    return {name: span for name, span in found.items() if span is not None}


def _capped(run: Evaluation) -> dict[str, Any]:
    """Return what COCO's evaluation prints: the best 100 boxes of each image."""
    sizes = run.predictions.boxes_by_image.counts
    return {
        "max_detections": COCO_CAP,
        "boxes_cut": int(np.maximum(sizes - COCO_CAP, 0).sum()),
        "images_cut": int((sizes > COCO_CAP).sum()),
        **ap_metrics(run.match(COCO_CAP)),
    }


def _clusters(run: Evaluation, names: list[str], of_frames: Ints) -> dict[str, Any]:
    """Return the states of sequences, with which another result is compared."""
    states = definitions.summed(run.states, of_frames, len(names))
    kept: dict[str, Any] = {
        "names": names,
        "states": {name: values.tolist() for name, values in states.items()},
    }
    if run.detections and run.misses and len(names) <= MAX_CLUSTERS_KEPT:
        gathered = curves.curves_of(run.detections, run.misses, of_frames, len(names))
        kept["curves"] = gathered.as_dict()
    return kept


def write_result(path: StrPath, document: Mapping[str, Any]) -> None:
    """Write a result file.

    Raises:
        ResourceError: it can't be written.
    """
    target = Path(path)
    with storage.naming_os_errors(target):
        storage.write_json(target, document)
