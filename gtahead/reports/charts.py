"""Small charts as SVG: they take the page's colours, light or dark, and need nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 44


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


class Chart:
    """Axes, and what is drawn between them, in pixels of the drawing; a template writes it as SVG.

    Attributes:
        title: of the chart.
        y: name of the upright axis.
        grid: left, y, and right end of each line across.
        texts: x, y, text, and where it is anchored.
        bars: left, top, width, height, and what the mouse shows.
        lines: class (`line` or `guide`) and points.
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
        ticks_on_x: bool = True,
    ) -> None:
        self.title, self.y = title, y
        self.x_range, self.y_range = _widened(x_range), _widened(y_range)
        heights = [(value, self._at(0, value)[1]) for value in ticks(*self.y_range)]
        self.grid = [(LEFT, down, WIDTH - RIGHT) for _, down in heights]
        self.texts: list[tuple[float, float, str, str]] = [
            ((WIDTH + LEFT - RIGHT) / 2, HEIGHT - 8, x, "middle"),
            *((LEFT - 6, down + 4, f"{value:g}", "end") for value, down in heights),
        ]
        for value in ticks(*self.x_range) if ticks_on_x else []:
            self._label(value, f"{value:g}")
        self.bars: list[tuple[float, float, float, float, str]] = []
        self.lines: list[tuple[str, str]] = []
        self.dots: list[tuple[float, float, str]] = []

    def _at(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        across = LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / (x1 - x0)
        down = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / (y1 - y0)
        return round(across, 1), round(down, 1)

    def _label(self, x: float, text: str) -> None:
        self.texts.append((self._at(x, 0)[0], HEIGHT - BOTTOM + 15, text, "middle"))

    def add_dots(self, xs: Sequence[float], ys: Sequence[float], names: Sequence[str]) -> None:
        """Draw points; a name shows where the mouse rests on one."""
        self.dots += [(*self._at(x, y), name) for x, y, name in zip(xs, ys, names, strict=True)]

    def add_line(self, xs: Sequence[float], ys: Sequence[float], kind: str = "line") -> None:
        """Draw a line; `kind` is its class, `line` or `guide`."""
        points = [self._at(x, y) for x, y in zip(xs, ys, strict=True)]
        self.lines.append((kind, " ".join(f"{x},{y}" for x, y in points)))

    def add_bars(self, labels: Sequence[str], values: Sequence[float]) -> None:
        """Draw a bar for each label, evenly spread over x from 0 to their number."""
        for position, (label, value) in enumerate(zip(labels, values, strict=True)):
            self._label(position + 0.5, label)
            if np.isfinite(value):
                left, top = self._at(position + 0.15, value)
                right, base = self._at(position + 0.85, self.y_range[0])
                size = round(right - left, 1), round(max(0.0, base - top), 1)
                self.bars.append((left, top, *size, f"{label}: {value:.4g}"))


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return (low, high) if high > low else (low, low + 1)
