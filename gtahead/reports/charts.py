"""What pages draw: charts as SVG, and plots as rows of a table; both take the page's colours.

Everything is laid out here and only written by the templates, so that pages need no script and no
library, and can be read by a screen reader, printed and narrowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log10

import numpy as np

from gtahead.arrays import Floats

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 18, 44
BINS = 32
"""Of a histogram, at most."""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two limits.

    Example:
        >>> ticks(0, 97)
        [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    step = 10.0 ** np.floor(np.log10(rough))
    step *= next((k for k in (1, 2, 2.5, 5, 10) if k * step >= rough * 0.999), 10)
    first = np.ceil(low / step - 1e-9)
    return [float(n * step) + 0.0 for n in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20, ... between two positive limits; only powers of ten where many.

    Example:
        >>> log_ticks(3, 60)
        [5.0, 10.0, 20.0, 50.0]
    """
    powers = range(int(np.floor(log10(low))), int(np.ceil(log10(high))) + 1)
    steps = (1, 2, 5) if high / low < 500 else (1,)
    listed = (step * 10.0**power for power in powers for step in steps)
    return [value for value in listed if low * 0.999 <= value <= high * 1.001]


class Chart:
    """Axes, and what is drawn between them, in pixels of the drawing; a template writes it as SVG.

    Attributes:
        title: of the chart.
        note: a sentence below the title.
        y: name of the upright axis.
        grid: left, y, and right end of each line across.
        texts: x, y, text, and its class: where it is anchored.
        bars: left, top, width, height, and what the mouse shows.
        lines: class (`line`, `second`, `guide` or `tick`) and points.
        dots: x, y, and what the mouse shows.
    """

    width, height, middle = WIDTH, HEIGHT, (HEIGHT - BOTTOM + TOP) / 2

    def __init__(
        self,
        title: str,
        x: str,
        y: str,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        *,
        note: str = "",
        log_x: bool = False,
    ) -> None:
        self.title, self.note, self.y = title, note, y
        self.log_x = log_x
        self.x_range, self.y_range = _widened(x_range), _widened(y_range)
        heights = [(value, self._at(self.x_range[0], value)[1]) for value in ticks(*self.y_range)]
        self.grid = [(LEFT, down, WIDTH - RIGHT) for _, down in heights]
        self.texts: list[tuple[float, float, str, str]] = [
            ((WIDTH + LEFT - RIGHT) / 2, HEIGHT - 8, x, "middle"),
            *((LEFT - 6, down + 4, f"{value:,g}", "end") for value, down in heights),
        ]
        for value in log_ticks(*self.x_range) if log_x else ticks(*self.x_range):
            place = self._at(value, self.y_range[0])[0], HEIGHT - BOTTOM + 16
            self.texts.append((*place, f"{value:,g}", "middle"))
        self.bars: list[tuple[float, float, float, float, str]] = []
        self.lines: list[tuple[str, str]] = []
        self.dots: list[tuple[float, float, str]] = []

    def _at(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        if self.log_x:
            x, x0, x1 = log10(x), log10(x0), log10(x1)
        across = LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / (x1 - x0)
        down = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / (y1 - y0)
        return round(across, 1), round(down, 1)

    def add_dots(self, xs: Sequence[float], ys: Sequence[float], names: Sequence[str]) -> None:
        """Draw points; a name shows where the mouse rests on one."""
        self.dots += [(*self._at(x, y), name) for x, y, name in zip(xs, ys, names, strict=True)]

    def add_line(self, xs: Sequence[float], ys: Sequence[float], kind: str = "line") -> None:
        """Draw a line; `kind` is its class, `line`, `second`, `guide` or `tick`."""
        points = [self._at(x, y) for x, y in zip(xs, ys, strict=True)]
        self.lines.append((kind, " ".join(f"{x},{y}" for x, y in points)))

    def add_bars(self, edges: Floats, values: Sequence[float], names: Sequence[str]) -> None:
        """Draw a bar between each two edges."""
        for low, high, value, name in zip(edges[:-1], edges[1:], values, names, strict=True):
            (left, top), (right, base) = self._at(low, value), self._at(high, self.y_range[0])
            self.bars.append(
                (left, top, round(max(0.5, right - left - 1), 1), round(base - top, 1), name)
            )

    def say(self, x: float, y: float, words: str, *, below: bool = False) -> None:
        """Write words at a point of the chart, to whichever side has room."""
        across, down = self._at(x, y)
        room_right = across + 6.5 * len(words) < WIDTH - RIGHT  # a letter is 6.5 pixels wide
        place = across + (6 if room_right else -6), down + (14 if below else -5)
        self.texts.append((*place, words, "said start" if room_right else "said end"))


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return (low, high) if high > low else (low, low + 1)


def histogram(
    title: str, x: str, y: str, values: Floats, *, log: bool = True, whole: bool = False
) -> Chart | None:
    """Return a histogram with its median marked; None where there is nothing to count.

    Args:
        title: of the chart.
        x: name and unit of the values.
        y: what is counted.
        values: (N,); above 0 where the axis is logarithmic.
        log: whether the axis of the values is logarithmic.
        whole: values are whole numbers, which no bin is narrower than.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if log:
        low, high = low / 1.06, max(high, low * 1.2) * 1.06
        edges = np.geomspace(low, high, BINS + 1)
    else:
        edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
    if whole:
        edges = np.unique(np.floor(edges) + 0.5)
        edges = np.concatenate([[max(edges[0] - 1, 0.5)], edges[edges > edges[0]]])
        edges[0], edges[-1] = min(edges[0], max(low, 0.5)), max(edges[-1], high + 0.5)
    counts, _ = np.histogram(values, edges)
    shares = counts / np.diff(np.log(edges) if log else edges)  # bins of whole numbers differ
    shares = shares / shares.max() * counts.max() if whole else counts.astype(np.float64)
    top = float(shares.max()) * 1.12
    chart = Chart(title, x, y, (float(edges[0]), float(edges[-1])), (0, top), log_x=log)
    names = [
        f"{low:,.3g} to {high:,.3g}: {count:,}"
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]
    chart.add_bars(edges, shares.tolist(), names)
    median = float(np.median(values))
    chart.add_line([median, median], [0, top], "tick")
    chart.say(median, top * 0.97, f"median {median:,.4g}", below=True)
    return chart


@dataclass(frozen=True)
class PlotRow:
    """A row of a plot: lengths and places are percent of the track.

    Attributes:
        label: of the row.
        said: its value, in words.
        length: of a bar.
        at: where a dot is.
        low: where its interval begins, None where there is none.
        width: of the interval.
        note: beside the value.
    """

    label: str
    said: str
    length: float = 0.0
    at: float = 0.0
    low: float | None = None
    width: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot whose rows are rows of a table.

    Attributes:
        title: of the plot.
        what: is plotted.
        rows: from top to bottom.
        note: a sentence above them.
        zero: where zero is, in percent of the track; None where it's its left end.
        after: sentences below them.
    """

    title: str
    what: str
    rows: list[PlotRow]
    note: str = ""
    zero: float | None = None
    after: list[str] = field(default_factory=list)


def bar_plot(
    title: str,
    what: str,
    rows: Iterable[tuple[str, float, str, str]],
    *,
    note: str = "",
    most: float | None = None,
    after: Sequence[str] = (),
) -> Plot:
    """Return a plot of bars from (label, value, value in words, note) of each row."""
    listed = list(rows)
    top = most if most is not None else max((value for _, value, _, _ in listed), default=1) or 1
    made = [
        PlotRow(label, said, length=100 * min(1.0, value / top), note=beside)
        for label, value, said, beside in listed
    ]
    return Plot(title, what, made, note, after=list(after))


def dot_plot(
    title: str,
    what: str,
    rows: Iterable[tuple[str, float, tuple[float, float] | None, str, str]],
    *,
    note: str = "",
    limits: tuple[float, float] | None = None,
    after: Sequence[str] = (),
) -> Plot:
    """Return a plot of dots from (label, value, interval, value in words, note) of each row."""
    listed = list(rows)
    ends = [0.0, *(value for _, value, _, _, _ in listed)]
    ends += [end for _, _, span, _, _ in listed if span is not None for end in span]
    low, high = _widened(limits or (min(ends), max(ends) * 1.02))

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    made = []
    for label, value, span, said, beside in listed:
        begin = None if span is None else place(span[0])
        width = 0.0 if span is None else round(place(span[1]) - place(span[0]), 2)
        made.append(PlotRow(label, said, at=place(value), low=begin, width=width, note=beside))
    zero = place(0) if low < 0 < high else None
    return Plot(title, what, made, note, zero, list(after))


@dataclass(frozen=True)
class StackRow:
    """Something divided among the splits.

    Attributes:
        label: what is divided.
        shares: of each split, in percent.
        targets: where the splits should end, in percent from the left.
        off: by how many points the share that is farthest from its target misses it; None where
            there are no targets.
    """

    label: str
    shares: list[float]
    targets: list[float]
    off: float | None = None

    @property
    def said(self) -> str:
        """The shares in words."""
        return " / ".join(f"{share:.0f}" for share in self.shares)
