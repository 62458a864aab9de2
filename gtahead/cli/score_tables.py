"""How scores and comparisons are laid out for people, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gtahead.cli.common import table
from gtahead.errors import printable
from gtahead.scoring import Comparison, Score
from gtahead.scoring.metrics import RADII, figure, title_of

SHOWN = {
    "counting": ("mae", "rmse", "nae", "bias", "r2", "game1", "game2", "game3"),
    "localisation": ("precision_{r}", "recall_{r}", "f1_{r}"),
    "detection": ("ap", "ap50", "ap75", "ar", "mr2", "ji", "ji_best"),
}
"""Figures by part; `{r}` stands for the radii."""


def summary(score: Score) -> str:
    """Lay out a result for people."""
    document = score.document
    data = document["data"]
    where = f"{data['name']}, {data['split']} split" if data["split"] else data["name"]
    name = printable(str(document["method"]["name"]))
    lines = [
        f"{name} on {printable(where)}: {data['pictures']:,} pictures, "
        f"{data['heads']:,} heads"
        + (f" and {data['ignored']:,} ignored ones" if data["ignored"] else "")
        + (f", {data['sequences']:,} sequences" if data["sequences"] else ""),
        _threshold_line(document["threshold"]),
    ]
    rows = [["", "figure", "95 % interval"]]
    for part, names in SHOWN.items():
        found = _named(names, document["metrics"])
        if found:
            rows.append([part, "", ""])
            rows += [_row(name, entry) for name, entry in found]
    lines.append(table(rows))
    lines += [f"  no {part}: {why}" for part, why in document["undefined"].items()]
    lines += _beside(document)
    for name, listed in document.get("by", {}).items():
        lines += ["", f"by {name}", _by_table(listed)]
    return "\n".join(lines)


def _named(names: tuple[str, ...], entries: Mapping[str, Any]) -> list[tuple[str, Any]]:
    wanted = [
        name.format(r=radius) for radius in (RADII if "{r}" in names[0] else [""]) for name in names
    ]
    return [(name, entries[name]) for name in wanted if name in entries]


def _row(name: str, entry: Mapping[str, Any]) -> list[str]:
    span = f"{figure(entry['low'])} … {figure(entry['high'])}" if "low" in entry else ""
    return [f"  {title_of(name)}", figure(entry["value"]), span]


def _threshold_line(threshold: Mapping[str, Any]) -> str:
    if "value" not in threshold:
        return f"threshold: none, {threshold['how']}"
    on = f" on {threshold['selected_on']}" if "selected_on" in threshold else ""
    how = threshold["how"] if "validation" in threshold["how"] else f"{threshold['how']}{on}"
    return f"threshold: {threshold['value']:g}, {how}"


def _beside(document: Mapping[str, Any]) -> list[str]:
    """Say what the figures are worth."""
    lines = []
    names = {
        "train_mean": "the training pictures' mean count",
        "sequence_mean": "each sequence's own mean count",
        "own_mean": "these pictures' own mean count",
    }
    for name, values in document["baselines"].items():
        lines.append(f"  guessing {names[name]}: MAE {figure(values['mae'])}")
    ceilings = document.get("ceilings", {})
    for row in ceilings.get("decode", []):
        f1 = next((f", F1 {figure(value)}" for key, value in row.items() if "f1" in key), "")
        lines.append(f"  perfect heatmap of stride {row['stride']}: MAE {figure(row['mae'])}{f1}")
    if "pseudo_boxes" in ceilings:
        lines.append(
            f"  as good as these pseudo boxes are: AP {figure(ceilings['pseudo_boxes']['ap'])}"
        )
    if "curve" in document:
        best = min(document["curve"], key=lambda row: float(row["mae"]))
        own = document["metrics"]["mae"]["value"]
        if float(best["mae"]) < own:
            lines.append(
                f"  threshold of least MAE on these pictures: {best['threshold']:g}, "
                f"MAE {figure(best['mae'])} ({figure(own - best['mae'])} less): not to be reported"
            )
    if "f1_at_f1_best" in document["threshold"]:
        told = document["threshold"]
        f1 = figure(told["f1_at_f1_best"])
        lines.append(f"  at {told['f1_best']:g}, validation's threshold of best F1: F1 {f1}")
    if "sweep" in document:
        means = [figure(document["sweep"][f"mean_{n}"]) for n in ("precision", "recall", "f1")]
        lines.append(
            f"  mean over 1–100 px: precision {means[0]}, recall {means[1]}, F1 {means[2]}"
        )
    if "coco_compat" in document:
        capped = document["coco_compat"]
        lines.append(
            f"  with COCO's cap of 100 boxes a picture: AP {figure(capped['ap'])}; "
            f"{capped['boxes_cut']:,} boxes of {capped['pictures_cut']:,} pictures are cut"
        )
    return lines


BY_SHOWN = ("mae", "bias", "precision_large", "recall_large", "f1_large", "f1_8px", "recall")


def _by_table(listed: list[dict[str, Any]]) -> str:
    shown = [n for n in BY_SHOWN if any(n in row.get("metrics", {}) for row in listed)]
    titles = ["recall" if name == "recall" else title_of(name) for name in shown]
    pictures = "pictures" in listed[0]
    rows = [["", *(["pictures"] if pictures else []), "heads", *titles]]
    for row in listed:
        empty = row["pictures" if pictures else "heads"] == 0
        cells = [f"{row[key]:,}" for key in ("pictures", "heads") if key in row]
        values = row.get("metrics", {})
        cells += ["n = 0" if empty else figure(values.get(name)) for name in shown]
        rows.append([printable(row["group"]), *cells])
    return table(rows)


def comparison_lines(found: Comparison) -> Iterator[str]:
    """Lay out a comparison."""
    unit = "sequences" if found.clustered_by == "sequence" else "pictures"
    first = printable(found.first)
    for other, differences in found.others:
        name = printable(other)
        yield (f"{first} against {name}, {found.sequences:,} {unit}")
        rows = [["", first, name, "difference", "95 % interval", "p", "can be told from"]]
        for one in differences:
            span = one.interval
            chance = one.p_holm
            rows.append(
                [
                    title_of(one.metric),
                    figure(one.first),
                    figure(one.second),
                    figure(one.difference),
                    "–" if span is None else f"{figure(span.low)} … {figure(span.high)}",
                    "–" if chance is None else f"{chance:.4f}",
                    "–" if one.smallest is None else figure(one.smallest),
                ]
            )
        yield table(rows)
    several = len(found.others) > 1
    if found.sequences < 6:
        yield (f"no intervals and no tests: {found.sequences} {unit} can't reach p = 0.05")
    else:
        told = ", corrected for several comparisons by Holm's method" * several
        yield (
            f"p: of exchanged outputs that differ as much{told}; the last column is the smallest "
            "difference that this data can tell from none"
        )
