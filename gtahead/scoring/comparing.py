"""Two methods on the same data: is the difference larger than the choice of sequences explains?

In each sequence the two methods' outputs are exchanged or not, and the metric is computed anew from
the summed states: were the methods alike, the difference seen would be one of these by chance. All
2^K patterns are tried up to K = 14 sequences, 10,000 seeded ones beyond. Several comparisons are
corrected by Holm's method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Floats
from gtahead.errors import InputError, UsageError, Where
from gtahead.metrics import definitions
from gtahead.metrics.intervals import Interval, Statistic, enough, spread_of, students
from gtahead.scoring import curves
from gtahead.scoring.curves import Curves
from gtahead.values import StrPath, number_of

EXHAUSTIVE = 14
"""Sequences up to which all patterns of exchange are tried."""

PATTERNS = 10_000
"""Of exchange, beyond."""

SEED = 20221221
"""Of the patterns."""

MIN_FOR_TEST = 6
"""Sequences below which no pattern is rarer than 0.05: 2 of 2^5 are 0.06."""


@dataclass(frozen=True, eq=False)
class Entrant:
    """One side of a comparison: a result, or the results of one arm with several seeds.

    Attributes:
        name: of the method or arm.
        states: (K,) sums of each sequence by name.
        curves: of detection, None where there are none.
        entries: the metrics, as result files have them.
        files: of the results.
    """

    name: str
    states: dict[str, Floats]
    curves: Curves | None
    entries: Mapping[str, Any]
    files: list[str]

    @property
    def values(self) -> dict[str, float]:
        """Metrics by name, of those that are defined."""
        listed = self.entries.items()
        return {name: float(one["value"]) for name, one in listed if one["value"] is not None}


@dataclass(frozen=True)
class MetricDifference:
    """How two methods differ in one metric.

    Attributes:
        metric: its name.
        first: metric of the first.
        second: metric of the second.
        interval: of first minus second; None where none holds often enough.
        p: how likely exchanging reaches such a difference; None where it isn't known.
        p_holm: the same, corrected for several comparisons.
        smallest: the smallest difference that this data can tell from none: half the interval.
    """

    metric: str
    first: float
    second: float
    interval: Interval | None
    p: float | None
    p_holm: float | None

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second

    @property
    def smallest(self) -> float | None:
        """Half the interval's width."""
        return None if self.interval is None else (self.interval.high - self.interval.low) / 2

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        span = self.interval
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "low": None if span is None else span.low,
            "high": None if span is None else span.high,
            "p": self.p,
            "p_holm": self.p_holm,
            "smallest": self.smallest,
        }


@dataclass(frozen=True, repr=False)
class Comparison:
    """The first method compared with each of the others.

    Attributes:
        first: its name.
        others: the name and the differences of each other method.
        sequences: how many there are.
        clustered_by: sequence or image.
        methods: names of all, the first one first, and their metrics as result files have them; of
            arms the means, without intervals.
    """

    first: str
    others: list[tuple[str, list[MetricDifference]]]
    sequences: int
    clustered_by: str
    methods: list[tuple[str, Mapping[str, Any]]]

    def __repr__(self) -> str:
        others = ", ".join(repr(name) for name, _ in self.others)
        unit = number_of(self.sequences, self.clustered_by)
        return f"Comparison({self.first!r} against {others}, {unit})"

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as one JSON object."""
        return {
            "first": self.first,
            "clusters": self.sequences,
            "clustered_by": self.clustered_by,
            "others": [
                {"name": name, "differences": [one.as_dict() for one in differences]}
                for name, differences in self.others
            ],
        }


def read_result(path: StrPath) -> dict[str, Any]:
    """Read a result file.

    Raises:
        InputError: it can't be read, or isn't one.
    """
    source = Path(path)
    data = storage.read_input(source)
    document = schemas.parse_json(data, source.name)
    remedy = "give what `gtahead benchmark --out` wrote"
    if not isinstance(document, dict) or document.get("format") != "gtahead-result":
        raise InputError("not a result file", where=Where(str(source)), remedy=remedy)
    for pointer, message in schemas.faults(document, "result"):
        where = Where(str(source), field=pointer)
        raise InputError("the result file is damaged", where=where, value=message, remedy=remedy)
    return dict(document)


def compare(results: Sequence[StrPath], *, group: str | None = None) -> Comparison:
    """Compare the first of several results with each of the others.

    Args:
        results: result files of the same data.
        group: a key under `method`: results that share its value are runs of one arm, one a seed,
            and arms are compared; each has to have the same seeds.

    Raises:
        InputError: results of different data, of different versions of the metrics, or damaged.
        UsageError: fewer than two.
    """
    documents = [read_result(path) for path in results]
    if len(documents) < 2:
        raise UsageError("one result alone can't be compared", remedy="give two or more")
    names = [str(path) for path in results]
    for document, name in zip(documents, names, strict=True):
        if document["metric_version"] != definitions.METRIC_VERSION:
            raise InputError(
                "the result is of another version of the metrics",
                where=Where(name, field="/metric_version"),
                value=f"{document['metric_version']}, not {definitions.METRIC_VERSION}",
                remedy="score the predictions again, with this gtahead",
            )
    for document, name in zip(documents[1:], names[1:], strict=True):
        _refuse_to_mix(documents[0], document, names[0], name)
    entrants = _arms(documents, names, group) if group else _singles(documents, names)
    if len(entrants) < 2:
        raise UsageError("there is only one arm", value=group, remedy="give runs of two or more")
    first, *others = entrants
    clusters = len(documents[0]["clusters"]["names"])
    compared = [(other.name, _differences(first, other, clusters)) for other in others]
    return Comparison(
        first.name,
        _holm(compared),
        clusters,
        documents[0]["intervals"]["clustered_by"],
        [(entrant.name, entrant.entries) for entrant in entrants],
    )


def _refuse_to_mix(one: Mapping[str, Any], other: Mapping[str, Any], first: str, file: str) -> None:
    def refuse(what: str, key: str, left: object, right: object) -> None:
        if left != right:
            raise InputError(
                what,
                where=Where(file, field=key),
                value=f"{right}, and {left} in {first}",
                remedy="score both again, with the same gtahead on the same data",
            )

    what = "results of different data can't be compared"
    for key in ("fingerprints", "policy", "split", "images", "heads"):
        refuse(what, f"/data/{key}", one["data"][key], other["data"][key])
    refuse(what, "/clusters/names", one["clusters"]["names"], other["clusters"]["names"])


def _entrant(name: str, document: Mapping[str, Any], file: str) -> Entrant:
    kept = document["clusters"]
    count = len(kept["names"])
    states = {key: np.array(values, np.float64) for key, values in kept["states"].items()}
    odd = [key for key, values in states.items() if values.shape != (count,)]
    if odd:
        where = Where(file, field=f"/clusters/states/{odd[0]}")
        raise InputError("not one number per sequence", where=where, remedy="score it again")
    gathered = None
    if "curves" in kept:
        try:
            gathered = Curves.from_dict(kept["curves"])
        except (ValueError, TypeError, OverflowError) as error:
            where = Where(file, field="/clusters/curves")
            raise InputError("not curves", where=where, remedy="score it again") from error
        if len(gathered) != count:
            where = Where(file, field="/clusters/curves")
            raise InputError("not one curve per sequence", where=where, remedy="score it again")
    if not definitions.defined(states):
        where = Where(file, field="/clusters/states")
        raise InputError("no metric can be computed", where=where, remedy="score it again")
    return Entrant(name, states, gathered, document["metrics"], [file])


def _singles(documents: Sequence[Mapping[str, Any]], files: Sequence[str]) -> list[Entrant]:
    titles = [str(document["method"]["name"]) for document in documents]
    if len(set(titles)) < len(titles):
        titles = list(files)
    return [_entrant(t, d, f) for t, d, f in zip(titles, documents, files, strict=True)]


def _arms(
    documents: Sequence[Mapping[str, Any]], files: Sequence[str], group: str
) -> list[Entrant]:
    """Join runs of one arm: their states are summed, so each seed weighs the same."""
    arms: dict[str, dict[str, Entrant]] = {}
    for document, file in zip(documents, files, strict=True):
        method = document["method"]
        for key in (group, "seed"):
            if key not in method:
                where = Where(file, field=f"/method/{key}")
                remedy = "write it into the prediction file, under `method`"
                raise InputError("the result has no such key", where=where, remedy=remedy)
        runs = arms.setdefault(str(method[group]), {})
        seed = str(method["seed"])
        if seed in runs:
            where = Where(file, field="/method/seed")
            raise InputError("the arm has two runs of this seed", where=where, value=seed)
        runs[seed] = _entrant(str(method[group]), document, file)
    seeds = {name: sorted(runs) for name, runs in arms.items()}
    first = next(iter(seeds.values()))
    for name, listed in seeds.items():
        if listed != first:
            raise InputError(
                f"arm {name} has different seeds from the first one",
                value=", ".join(listed),
                remedy=f"runs are paired by seed; the first has {', '.join(first)}",
            )
    return [_joined(name, list(runs.values())) for name, runs in arms.items()]


def _joined(name: str, runs: Sequence[Entrant]) -> Entrant:
    keys = set.intersection(*(set(run.states) for run in runs))
    states = {key: np.sum([run.states[key] for run in runs], axis=0) for key in sorted(keys)}
    common = set.intersection(*(set(run.values) for run in runs))
    values = {key: float(np.mean([run.values[key] for run in runs])) for key in common}
    sums = definitions.totals(states)
    values |= {key: float(value) for key, value in definitions.values_of(sums).items()}
    entries = {key: {"value": value} for key, value in values.items()}
    return Entrant(name, states, None, entries, [file for run in runs for file in run.files])


def _differences(first: Entrant, second: Entrant, clusters: int) -> list[MetricDifference]:
    out = []
    spread = spread_of(first.states["ground_truth"] / first.states["images"])
    sums = _sum_statistics(first, second)
    both = [
        (sums, [name for name in definitions.COMPARED if name in sums[0](np.ones((1, clusters)))])
    ]
    if first.curves is not None and second.curves is not None:
        drawn = _curve_statistics(first.curves, second.curves)
        both.append((drawn, [name for name in definitions.COMPARED if name in curves.DETECTION]))
    for (one, other, exchanged), names in both:
        if not names:
            continue
        spans = paired_difference(one, other, names, clusters)
        chances = _exchange(exchanged, names, clusters)
        for name in names:
            left, right = first.values.get(name), second.values.get(name)
            if left is not None and right is not None and np.isfinite([left, right]).all():
                p = chances[name]
                held = enough(definitions.METRICS[name].tail, clusters, spread)
                span = _centred(spans[name], left - right) if held else None
                out.append(MetricDifference(name, left, right, span, p, p))
    return sorted(out, key=lambda one: definitions.COMPARED.index(one.metric))


def _centred(span: Interval | None, difference: float) -> Interval | None:
    """Centre an interval on the difference: curves only approximate the metrics."""
    if span is None:
        return None
    half = (span.high - span.low) / 2
    return Interval(difference - half, difference + half)


def _sum_statistics(first: Entrant, second: Entrant) -> tuple[Statistic, Statistic, Statistic]:
    """Return metrics of the first, of the second, and of both together as 2 K sequences."""
    names = sorted(set(first.states) & set(second.states))
    wanted = definitions.defined(dict.fromkeys(names))
    tables = [np.stack([e.states[n] for n in names], axis=1) for e in (first, second)]

    def of(table: Floats) -> Statistic:
        def figures(weights: Floats) -> Mapping[str, Floats]:
            total = weights @ table
            return definitions.values_of({n: total[:, k] for k, n in enumerate(names)}, wanted)

        return figures

    return of(tables[0]), of(tables[1]), of(np.concatenate(tables))


def _curve_statistics(one: Curves, other: Curves) -> tuple[Statistic, Statistic, Statistic]:
    """Return what `_sum_statistics` does, from curves whose cuts are matched by rank."""
    cuts = max(one.hits.shape[2], other.hits.shape[2])
    one, other = one.with_cuts(cuts), other.with_cuts(cuts)
    both = Curves(
        np.concatenate([one.hits, other.hits]),
        np.concatenate([one.false, other.false]),
        np.concatenate([one.positives, other.positives]),
        np.concatenate([one.images, other.images]),
    )
    return curves.statistic(one), curves.statistic(other), curves.statistic(both)


def _exchange(statistic: Statistic, names: Sequence[str], clusters: int) -> dict[str, float | None]:
    """Return for each metric how likely exchanged outputs differ at least as much."""
    if clusters < MIN_FOR_TEST:
        return dict.fromkeys(names)
    if clusters <= EXHAUSTIVE:
        numbers = np.arange(2**clusters)[:, None]
        kept = 1.0 - ((numbers >> np.arange(clusters)) & 1)
    else:
        rng = np.random.default_rng([SEED, clusters, 2])
        kept = rng.integers(0, 2, (PATTERNS, clusters)).astype(np.float64)
        kept[0] = 1  # the pattern that was seen
    one = statistic(np.concatenate([kept, 1 - kept], axis=1))
    other = statistic(np.concatenate([1 - kept, kept], axis=1))
    chances: dict[str, float | None] = {}
    for name in names:
        off = np.abs(one[name] - other[name])
        seen = off[0]
        chances[name] = float((off >= seen * (1 - 1e-9)).mean()) if np.isfinite(seen) else None
    return chances


def _holm(
    compared: Sequence[tuple[str, list[MetricDifference]]],
) -> list[tuple[str, list[MetricDifference]]]:
    """Correct each metric's p-values for the number of methods that are compared."""
    corrected: dict[tuple[int, str], float] = {}
    for metric in {one.metric for _, listed in compared for one in listed}:
        chances = [
            (one.p, row)
            for row, (_, listed) in enumerate(compared)
            for one in listed
            if one.metric == metric and one.p is not None
        ]
        worst = 0.0
        for rank, (chance, row) in enumerate(sorted(chances)):
            worst = max(worst, min(1.0, chance * (len(chances) - rank)))
            corrected[row, metric] = worst
    return [
        (
            name,
            [
                MetricDifference(
                    one.metric,
                    one.first,
                    one.second,
                    one.interval,
                    one.p,
                    corrected.get((row, one.metric)),
                )
                for one in listed
            ],
        )
        for row, (name, listed) in enumerate(compared)
    ]


def paired_difference(
    first: Statistic, second: Statistic, names: Sequence[str], clusters: int
) -> dict[str, Interval | None]:
    """Return intervals of differences, first minus second, where both are of the same sequences."""

    def difference(weights: Floats) -> dict[str, Floats]:
        one, other = first(weights), second(weights)
        return {name: one[name] - other[name] for name in names}

    return students(difference, dict.fromkeys(names, "linear"), clusters)
