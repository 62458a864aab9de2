"""Compare every box rule with a dataset's true boxes, by distance, density and pitch."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.annotation.boxes import HeadFrames
from gtahead.annotation.evaluation import MEASURED, Deviations, measure_rules, summary
from gtahead.annotation.scene import standing_scene
from gtahead.arrays import Booleans, Floats, Progress
from gtahead.dataset import Dataset
from gtahead.errors import InputError, Where
from gtahead.parallel.pool import run_all
from gtahead.tables import canonical
from gtahead.tables.canonical import COUNTED
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

BANDS: dict[str, tuple[float, ...]] = {
    "distance": (0, 10, 20, 40, np.inf),
    "density": (1, 101, 501, 5001, np.inf),
    "pitch": (-91, -45, -30, -15, 91),
}
"""Edges of the bands, the lower one included: metres along the optical axis, heads in the frame
(NWPU-Crowd's levels), degrees (0 is level, -90 looks straight down)."""

UNITS = {"distance": "m", "density": "heads", "pitch": "deg"}


@dataclass(frozen=True)
class Evaluation:
    """How far each rule is from a dataset's true boxes.

    Attributes:
        dataset: the dataset's folder.
        heads: counted heads that have a true box.
        without: counted heads that have none.
        rules: by rule, a summary (see `annotation.evaluation.summary`) under `all`, and under `by`
            one for each band of distance, density and pitch that has heads.
    """

    dataset: Path
    heads: int
    without: int
    rules: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as one JSON object."""
        return {
            "dataset": str(self.dataset),
            "heads": self.heads,
            "heads_without_true_box": self.without,
            "rules": self.rules,
        }


@dataclass(frozen=True)
class _SequenceTask:
    dataset: Path
    sequence: str


@dataclass(frozen=True)
class _Measured:
    """One sequence: error, IoU and the quantities of `BANDS` by rule, (5, n) float32."""

    heads: int
    without: int
    rules: dict[str, npt.NDArray[np.float32]]


@resolve_urls(reads=["dataset"], labels=["dataset"])
def evaluate(
    dataset: StrPath = "dataset",
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Compare every box rule with the captured boxes, on the heads that count.

    Args:
        dataset: the dataset's folder; nothing in it changes.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        on_progress: called at the start and after each sequence.

    Raises:
        InputError: no dataset, a damaged one, or one without a single captured box.
        ResourceError: a worker died.
    """
    opened = Dataset.open(dataset)
    tasks = [(name, _SequenceTask(opened.folder.absolute(), name)) for name in opened.sequences]
    measured: dict[str, _Measured] = {}
    if on_progress is not None:
        on_progress(0, len(tasks), "")
    results = run_all(
        _measure, tasks, workers=workers, scheduler=scheduler, folders=[opened.folder]
    )
    with closing(results):
        for name, result in results:
            measured[name] = result
            if on_progress is not None:
                on_progress(len(measured), len(tasks), name)
    ordered = [measured[name] for name in opened.sequences]
    heads = sum(one.heads for one in ordered)
    if not heads:
        raise InputError(
            "no head that counts has a true box to compare with",
            where=Where(str(dataset)),
            remedy="the captures must bring boxes of heads; simulated ones do",
        )
    rules = {}
    for rule in MEASURED:
        values = [one.rules[rule] for one in ordered if rule in one.rules]
        if values:
            rules[rule] = _sum_up(np.concatenate(values, axis=1).astype(np.float64))
    return Evaluation(Path(dataset), heads, sum(one.without for one in ordered), rules)


def _measure(task: _SequenceTask) -> _Measured:
    scene = standing_scene(Dataset.open(task.dataset), task.sequence)
    ground_truth, known = true_boxes(scene)
    counts = scene.heads["status"] == COUNTED
    found = measure_rules(scene, ground_truth, counts & known)
    quantities = _quantities(scene)
    return _Measured(
        int((counts & known).sum()),
        int((counts & ~known).sum()),
        {rule: _packed(deviations, quantities) for rule, deviations in found.items()},
    )


def true_boxes(scene: HeadFrames) -> tuple[Floats, Booleans]:
    """Return the (N, 4) captured boxes, and which heads have one that belongs to their point."""
    ground_truth = np.stack([scene.column(name) for name in canonical.CAPTURED], axis=1)
    moved = np.isfinite(scene.column("raw_x"))
    return ground_truth, np.asarray(np.isfinite(ground_truth).all(axis=1) & ~moved, np.bool_)


def _quantities(scene: HeadFrames) -> Floats:
    """Return the (3, N) quantities that are split into bands, NaN where unknown."""
    index = scene.heads["frame_index"]
    counted = np.bincount(index[scene.heads["status"] == COUNTED], minlength=scene.frames)
    return np.stack([scene.column("depth_m"), counted[index], scene.pitch_deg[index]])


def _packed(deviations: Deviations, quantities: Floats) -> npt.NDArray[np.float32]:
    rows = deviations.rows
    values = np.stack([deviations.error, deviations.iou, *quantities[:, rows]])
    return values.astype(np.float32)


def _sum_up(values: Floats) -> dict[str, Any]:
    error, iou = values[:2]
    by: dict[str, dict[str, Any]] = {}
    for position, quantity in enumerate(BANDS, 2):
        for name, low, high in bands_of(quantity):
            rows = (values[position] >= low) & (values[position] < high)
            if rows.any():
                by.setdefault(quantity, {})[name] = summary(error[rows], iou[rows])
    return {"all": summary(error, iou), "by": by}


def bands_of(quantity: str) -> list[tuple[str, float, float]]:
    """Return a quantity's bands: name, lower edge, upper edge.

    Example:
        >>> [name for name, _, _ in bands_of("density")]
        ['1-100 heads', '101-500 heads', '501-5000 heads', '>=5001 heads']
        >>> [name for name, _, _ in bands_of("pitch")]
        ['<-45 deg', '-45 to -30 deg', '-30 to -15 deg', '>=-15 deg']
    """
    unit = UNITS[quantity]
    bands = []
    for low, high in pairwise(BANDS[quantity]):
        if high == BANDS[quantity][-1]:
            name = f">={low:g} {unit}"
        elif low < -90:
            name = f"<{high:g} {unit}"
        elif quantity == "density":
            name = f"{low:g}-{high - 1:g} {unit}"
        else:
            name = f"{low:g} to {high:g} {unit}"
        bands.append((name, low, high))
    return bands
