"""Scores of methods as a table for papers and spreadsheets: LaTeX, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from gtahead.errors import UsageError, printable
from gtahead.metrics.definitions import COMPARED, METRICS, format_metric, title_of

Form = Literal["markdown", "latex", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class TableRow:
    """One method.

    Attributes:
        name: of the method.
        metrics: metrics by name, as result files have them: `value`, and `low` and `high` where
            there is an interval.
        ranked: whether it may be the best of a column.
        cells: of further columns, by their titles.
    """

    name: str
    metrics: Mapping[str, Mapping[str, float | None]]
    ranked: bool = True
    cells: Mapping[str, str] = field(default_factory=dict)


def scores_table(rows: Sequence[TableRow], form: Form, columns: Sequence[str] | None = None) -> str:
    """Lay out a row for each method; the best of each column is bold, with its interval beside it.

    CSV has the numbers in full, an interval's ends in columns of their own, and nothing is bold.

    Args:
        rows: the methods, in order.
        form: `markdown`, `latex` (for the package booktabs) or `csv`.
        columns: metrics, in order; those that comparisons show and some method has, unless given.

    Raises:
        UsageError: no such form.
    """
    if form not in FORMS:
        raise UsageError("no such format", value=form, remedy=f"one of {', '.join(FORMS)}")
    if columns is None:
        columns = [name for name in COMPARED if any(_value(row, name) is not None for row in rows)]
    more = list(dict.fromkeys(title for row in rows for title in row.cells))
    if form == "csv":
        return _csv(rows, columns, more)
    best = {name: best_of((row.metrics for row in rows if row.ranked), name) for name in columns}
    text = markdown_text if form == "markdown" else latex_text
    lines = [["method", *(text(title_of(name)) for name in columns), *map(text, more)]]
    for row in rows:
        cells = [_cell(row, name, form, best[name]) for name in columns]
        lines.append([text(row.name), *cells, *(text(row.cells.get(one, "")) for one in more)])
    return _markdown(lines, len(columns)) if form == "markdown" else _latex(lines, len(columns))


def _value(row: TableRow, name: str) -> float | None:
    return row.metrics.get(name, {}).get("value")


def distance_from_best(value: float, name: str) -> float:
    """Return a metric as a number of which less is better."""
    return {"less": value, "more": -value, "zero": abs(value)}[METRICS[name].better]


def best_of(methods: Iterable[Mapping[str, Any]], name: str) -> float | None:
    """Return the best value of a metric; None where there is nothing to be better than."""
    known = [metrics.get(name, {}).get("value") for metrics in methods]
    values = [float(value) for value in known if value is not None]
    if len(values) < 2:
        return None
    return min(values, key=lambda value: distance_from_best(value, name))


def _cell(row: TableRow, name: str, form: Form, best: float | None) -> str:
    value = _value(row, name)
    if value is None:
        return "–" if form == "markdown" else "--"
    entry = row.metrics[name]
    shown, span = format_metric(name, value), ""
    if entry.get("low") is not None:
        ends = ", ".join(format_metric(name, entry[key]) for key in ("low", "high"))
        span = f" [{ends}]"
    bold = row.ranked and value == best
    if form == "markdown":
        return (f"**{shown}**" if bold else shown) + span
    small = f" {{\\scriptsize{span}}}" if span else ""
    return (f"\\textbf{{{shown}}}" if bold else shown) + small


def markdown_text(text: str) -> str:
    """Keep a text from being anything but text in Markdown: no image, no HTML, no formula."""
    shown = printable(text).replace("&", "&amp;")
    return re.sub(r"([\\`*_{}\[\]()<>#|!~$])", r"\\\1", shown).replace("\\<", "&lt;")


_LATEX: Mapping[str, str] = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"},
    **{"²": "$^2$", "⁻": "$^-$", "–": "--", "…": "\\dots{}", '"': "''"},
}


def latex_text(text: str) -> str:
    """Keep a text from being anything but text in LaTeX, also at the beginning of a row."""
    signs = (_LATEX.get(sign, sign) for sign in printable(text))
    shown = "".join(signs).replace("$^-$$^2$", "$^{-2}$")
    shown = re.sub(r"''(.*?)''", r"``\1''", shown)  # quotes open and close
    return f"{{}}{shown}" if shown[:1] in ("*", "[") else shown


def _markdown(lines: Sequence[Sequence[str]], metrics: int) -> str:
    rules = ["---", *["---:"] * metrics, *["---"] * (len(lines[0]) - metrics - 1)]
    listed = [lines[0], rules, *lines[1:]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in listed)


def _latex(lines: Sequence[Sequence[str]], metrics: int) -> str:
    kinds = "l" + "r" * metrics + "l" * (len(lines[0]) - metrics - 1)
    head, *body = (" & ".join(cells) + " \\\\" for cells in lines)
    inner = [f"\\begin{{tabular}}{{{kinds}}}", "\\toprule", head, "\\midrule", *body]
    return "\n".join([*inner, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _csv(rows: Sequence[TableRow], columns: Sequence[str], more: Sequence[str]) -> str:
    """Write numbers in full; a name that a spreadsheet would compute has a quote before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [[name, f"{name}_low", f"{name}_high"] for name in columns]
    writer.writerow(["method", *(title for three in ends for title in three), *more])
    for row in rows:
        cells: list[Any] = [_plain(row.name)]
        for name in columns:
            entry = row.metrics.get(name, {})
            cells += [entry.get(key) for key in ("value", "low", "high")]
        writer.writerow([*cells, *(_plain(row.cells.get(one, "")) for one in more)])
    return out.getvalue()


def _plain(text: str) -> str:
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
