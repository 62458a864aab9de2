"""How scores and comparisons are laid out for people, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gtahead.cli.common import table
from gtahead.errors import printable
from gtahead.metrics.definitions import METRICS, PARTS, format_interval, format_metric, title_of
from gtahead.scoring import Comparison, Score
from gtahead.scoring.breakdown import laid_out
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.reports.ranking import Leaderboard


def summary(score: Score) -> str:
    """Lay out a result for people."""
    document = score.document
    data = document["data"]
    where = f"{data['name']}, {data['split']} split" if data["split"] else data["name"]
    name = printable(str(document["method"]["name"]))
    lines = [
        f"{name} on {printable(where)}: {number_of(data['images'], 'image')}, "
        f"{number_of(data['heads'], 'head')}"
        + (f" and {data['ignored']:,} ignored ones" if data["ignored"] else "")
        + (f", {number_of(data['sequences'], 'sequence')}" if data["sequences"] else ""),
        _threshold_line(document["threshold"]),
    ]
    with_intervals = any("low" in entry for entry in document["metrics"].values())
    rows = [["", "metric", *["95 % interval"] * with_intervals]]
    entries = document["metrics"]
    for part in PARTS:
        named = [name for name, metric in METRICS.items() if metric.part == part]
        found = [_row(name, entries[name]) for name in named if name in entries]
        if found:
            rows += [[part, "", ""], *found]
    lines.append(table([row[: len(rows[0])] for row in rows]))
    lines += [f"  no {part}: {why}" for part, why in document["undefined"].items()]
    lines += _withheld(document["intervals"])
    lines += _beside(document)
    for name, listed in document.get("by", {}).items():
        lines += ["", *_breakdown(name, listed)]
    return "\n".join(lines)


def _withheld(about: Mapping[str, Any]) -> list[str]:
    """Name the metrics whose interval is withheld, and why."""
    if not about.get("withheld"):
        return []
    titles = ", ".join(title_of(name) for name in about["withheld"])
    units = f"{about['clusters']:,} {about['clustered_by']}s"
    why = f"crowds of {units} differ too much in size (spread {about['spread']:g}) for one to hold"
    return [f"  no interval of {titles}: {why}; see docs/scores.md"]


def _row(name: str, entry: Mapping[str, Any]) -> list[str]:
    value = format_metric(name, entry["value"])
    return [f"  {title_of(name)}", value, format_interval(name, entry)]


def _threshold_line(threshold: Mapping[str, Any]) -> str:
    if "value" not in threshold:
        return f"threshold: none, {threshold['how']}"
    on = f" on {threshold['selected_on']}" if "selected_on" in threshold else ""
    how = threshold["how"] if "validation" in threshold["how"] else f"{threshold['how']}{on}"
    return f"threshold: {threshold['value']:g}, {how}"


def _beside(document: Mapping[str, Any]) -> list[str]:
    """Lay out the baselines and ceilings to compare the metrics with."""
    lines = []
    names = {
        "train_mean": "the training images' mean count",
        "sequence_mean": "each sequence's own mean count",
        "own_mean": "these images' own mean count",
    }
    for name, values in document["baselines"].items():
        mae = format_metric("mae", values["mae"])
        if name in names:
            lines.append(f"  guessing {names[name]}: MAE {mae}")
        else:
            parts = [f"F1 {format_metric(key, one)}" for key, one in values.items() if "f1" in key]
            parts += [f"AP {format_metric('ap', values['ap'])}"] if "ap" in values else []
            lines.append(f"  the bundled detector: {', '.join([f'MAE {mae}', *parts])}")
    ceilings = document.get("ceilings", {})
    for row in ceilings.get("decode", []):
        mae = format_metric("mae", row["mae"])
        known = [f"F1 {format_metric(key, value)}" for key, value in row.items() if "f1" in key]
        lines.append(
            f"  perfect heatmap of stride {row['stride']}: {', '.join([f'MAE {mae}', *known])}"
        )
    if (boxes := ceilings.get("pseudo_boxes")) and boxes["ap"] < 1:
        lines.append(
            f"  boxes as good as these pseudo boxes: AP {format_metric('ap', boxes['ap'])}"
        )
    if "curve" in document:
        best = min(document["curve"], key=lambda row: float(row["mae"]))
        own = document["metrics"]["mae"]["value"]
        if float(best["mae"]) < own:
            mae, less = (format_metric("mae", one) for one in (best["mae"], own - best["mae"]))
            lines.append(
                f"  threshold with the lowest MAE on these images: {best['threshold']:g}, "
                f"MAE {mae} ({less} less): an oracle, not to be reported"
            )
    if "f1_at_f1_best" in document["threshold"]:
        reported = document["threshold"]
        f1 = format_metric("f1", reported["f1_at_f1_best"])
        lines.append(f"  at {reported['f1_best']:g}, where F1 is best on validation: F1 {f1}")
    if "sweep" in document:
        means = [
            format_metric(n, document["sweep"][f"mean_{n}"]) for n in ("precision", "recall", "f1")
        ]
        lines.append(
            f"  mean over 1–100 px: precision {means[0]}, recall {means[1]}, F1 {means[2]}"
        )
    if "coco_compat" in document:
        capped = document["coco_compat"]
        lines.append(
            f"  with COCO's cap of 100 boxes per image: AP {format_metric('ap', capped['ap'])}; "
            f"{capped['boxes_cut']:,} boxes of {number_of(capped['images_cut'], 'image')} are cut"
        )
    return lines


def _breakdown(name: str, listed: list[dict[str, Any]]) -> list[str]:
    shown = laid_out(name, listed)
    rows = [["", *shown.head], *([printable(row[0]), *row[1:]] for row in shown.rows)]
    nothing = [f"nothing in {', '.join(map(printable, shown.empty))}"] if shown.empty else []
    return [f"by {shown.title}", table(rows, indent=""), *nothing]


def comparison_lines(found: Comparison) -> Iterator[str]:
    """Lay out a comparison: a table for each other method, whose empty columns are left out."""
    yield f"A: {printable(found.first)}"
    for other, differences in found.others:
        yield f"B: {printable(other)}"
        rows = [["", "A", "B", "A − B", "95 % interval", "p", "least"]]
        for one in differences:
            span, chance, least = one.interval, one.p_holm, one.smallest
            rows.append(
                [
                    _short_title(one.metric),
                    format_metric(one.metric, one.first),
                    format_metric(one.metric, one.second),
                    format_metric(one.metric, one.difference),
                    "" if span is None else format_interval(one.metric, vars(span)),
                    "" if chance is None else f"{chance:.4f}",
                    "" if least is None else format_metric(one.metric, least),
                ]
            )
        filled = [at for at in range(len(rows[0])) if any(row[at] for row in rows[1:])]
        head, *body = ([row[at] for at in filled] for row in rows)
        yield table([head, *([cell or "–" for cell in row] for row in body)], indent="")
    unit = "sequences" if found.clustered_by == "sequence" else "images"
    if found.sequences < 6:
        yield f"no intervals and no tests: {found.sequences} {unit} can't reach p = 0.05"
        return
    several = ", corrected by Holm's method" * (len(found.others) > 1)
    yield f"{found.sequences:,} {unit}; p: share of exchanged outputs that differ as much{several}"
    yield "least: the smallest difference that this data can tell from zero"


_ON_BOARD = ("mae", "rmse", "nae", "bias", "f1_large", "ap50")


def board_lines(board: Leaderboard) -> Iterator[str]:
    """Lay out a leaderboard's main metrics; the other forms of the table have all."""
    shown = [name for name in board.columns if name in (*_ON_BOARD, board.sort)]
    rows = [["rank", *map(_short_title, shown)]]
    for row in board.rows:
        values = (row.metrics.get(name, {}).get("value") for name in shown)
        cells = (format_metric(name, value) for name, value in zip(shown, values, strict=True))
        rows.append([str(row.rank or "–"), *cells])
    names = [f"{row.name} ({row.stale})" if row.stale else row.name for row in board.rows]
    yield printable(board.title)
    for line, name in zip(table(rows).splitlines(), ["method", *names], strict=True):
        yield f"{line}  {printable(name)}"


def _short_title(name: str) -> str:
    return title_of(name).partition(" (")[0]
