"""Intervals of the metrics that are functions on arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal

import numpy as np

from gtahead.arrays import Array, Floats, Ints, as_array
from gtahead.metrics import definitions
from gtahead.metrics.functions import (
    Images,
    as_counts,
    average_precision,
    bias,
    game,
    jaccard_index,
    localisation,
    mae,
    miss_rate,
    nae,
    r2,
    rmse,
)
from gtahead.metrics.intervals import Interval, enough, spread_of, students

_SCALE_OF = {mae: "mae", rmse: "rmse", nae: "nae", bias: "bias", r2: "r2", game: "game1"}
_SCALE_OF |= {miss_rate: "mr2", jaccard_index: "ji", average_precision: "ap"}
_SCALE_OF |= {localisation: "f1_large"}
"""Of functions: a metric of `definitions.METRICS` that varies as theirs does."""


def interval(
    metric: Callable[..., Any],
    *arrays: Array | Images,
    value: str | None = None,
    clusters: Sequence[object] | Array | None = None,
    scale: Literal["log", "logit", "rest", "linear"] | None = None,
    **options: Any,  # noqa: ANN401 - the metric's own
) -> Interval | None:
    """Return a metric's 95 % interval: Student's, with a jackknife's error over units.

    A unit is an image, or a sequence of them, whose images are alike.

    Source: Tukey, Bias and confidence in not-quite large samples, 1958.

    Args:
        metric: such as `mae`: it's called without each unit in turn.
        arrays: what it takes, with F entries each, one for each image.
        value: which one of what the metric returns: `f1` of `localisation`, `ap50` of
            `average_precision`.
        clusters: (F,) sequences of the images, which are then left out as a whole.
        scale: on which the metric varies evenly: `log` for errors, `logit` for shares, `rest` for
            what is missing to 1 as in R², `linear`. By default what suits a metric of this module,
            and `linear` for others.
        options: the metric's other arguments, the same for all images.

    Returns:
        None where no interval would hold: for fewer than six units; where the metric isn't defined
        without one of them; and, for metrics of this module, where crowds differ so much in size
        that so few units can't show how the metric varies, as `gtahead benchmark` gives none then.

    Raises:
        ValueError: of different lengths, no such `value`, or none where the metric has several; or
            clusters that aren't one name for each image.

    Example:
        >>> found = interval(mae, [11, 22, 30, 42, 57, 60], [10, 20, 33, 40, 50, 61])
        >>> round(found.low, 2), round(found.high, 2)
        (0.97, 7.34)
    """
    if not arrays:
        raise ValueError("there are no arrays")
    # By position, as the metrics themselves take them: a column of pandas goes by labels.
    arrays = tuple(one.to_numpy() if hasattr(one, "to_numpy") else one for one in arrays)
    units: Any = range(len(arrays[0])) if clusters is None else _names(clusters)
    names = list(dict.fromkeys(units))
    of = np.array([names.index(unit) for unit in units], np.int64)
    if any(len(one) != len(of) for one in arrays):
        sizes = ", ".join(str(len(one)) for one in (*arrays, of))
        raise ValueError(f"arrays and clusters of different lengths: {sizes}")
    known = definitions.METRICS.get(_SCALE_OF.get(metric, ""))
    if known is not None and not _enough(metric, known.tail, arrays, of, len(names)):
        return None
    chosen = scale or (known.scale if known is not None else "linear")

    def statistic(weights: Floats) -> dict[str, Floats]:
        kept = [np.flatnonzero(row[of] > 0).tolist() for row in weights]
        parts = [[[one[at] for at in rows] for one in arrays] for rows in kept]
        return {"": np.array([_valued(metric(*part, **options), value) for part in parts])}

    return students(statistic, {"": chosen}, len(names))[""]


def _names(clusters: Sequence[object] | Array) -> list[object]:
    """Return what each image's cluster is called; tensors and arrays as plain values."""
    plain = hasattr(clusters, "detach") or any(hasattr(one, "detach") for one in clusters)
    names: list[object] = as_array(clusters).tolist() if plain else list(clusters)
    if isinstance(clusters, set | frozenset) or not all(isinstance(n, Hashable) for n in names):
        raise ValueError("clusters are one name for each image, in their order")
    return names


def _valued(found: Any, value: str | None) -> float:  # noqa: ANN401 - whatever a metric returns
    names = [*found] if isinstance(found, dict) else [*getattr(found, "__dataclass_fields__", ())]
    if value is not None and value in names:
        return float(found[value] if isinstance(found, dict) else getattr(found, value))
    if names or value is not None:
        raise ValueError(f"the metric returns several values: value= one of {', '.join(names)}")
    return float(found)


def _enough(
    metric: Callable[..., Any], tail: int, arrays: Sequence[Array], of: Ints, units: int
) -> bool:
    """Return whether there are enough units for how much their crowds differ in size."""
    boxes = metric in (average_precision, miss_rate, jaccard_index)
    if len(arrays) <= (2 if boxes else 1) or not units:
        return True
    true = arrays[2] if boxes else arrays[1]
    counting = metric in (mae, rmse, nae, bias, r2)
    counts = as_counts(true, "true counts") if counting else np.array([len(one) for one in true])
    means = np.bincount(of, counts, units) / np.bincount(of, minlength=units)
    return enough(tail, units, spread_of(means))
