"""Small charts as SVG: they take the page's colours, light or dark, and need nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 44


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two.

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
    """Axes, and what is drawn between them."""

    def __init__(
        self,
        title: str,
        x: str,
        y: str,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
    ) -> None:
        self.title, self.x, self.y = title, x, y
        self.x_range, self.y_range = _widened(x_range), _widened(y_range)
        self.parts: list[str] = []

    def _at(self, x: float, y: float) -> tuple[str, str]:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        across = LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / (x1 - x0)
        down = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / (y1 - y0)
        return f"{across:.1f}", f"{down:.1f}"

    def dots(self, xs: Sequence[float], ys: Sequence[float], names: Sequence[str]) -> None:
        """Draw points; a name shows where the mouse rests on one."""
        for x, y, name in zip(xs, ys, names, strict=True):
            across, down = self._at(x, y)
            self.parts.append(
                f'<circle class="dot" cx="{across}" cy="{down}" r="3">'
                f"<title>{escape(name)}</title></circle>"
            )

    def line(self, xs: Sequence[float], ys: Sequence[float], kind: str = "line") -> None:
        """Draw a line; `kind` is its class, `line` or `guide`."""
        positions = " ".join(",".join(self._at(x, y)) for x, y in zip(xs, ys, strict=True))
        self.parts.append(f'<polyline class="{kind}" points="{positions}"/>')

    def bars(self, labels: Sequence[str], values: Sequence[float]) -> None:
        """Draw a bar for each label, evenly spread over x from 0 to their number."""
        for position, (label, value) in enumerate(zip(labels, values, strict=True)):
            if np.isfinite(value):
                left, top = self._at(position + 0.15, value)
                right, base = self._at(position + 0.85, self.y_range[0])
                size = f'width="{float(right) - float(left):.1f}"'
                self.parts.append(
                    f'<rect class="bar" x="{left}" y="{top}" {size} '
                    f'height="{max(0.0, float(base) - float(top)):.1f}">'
                    f"<title>{escape(label)}: {value:.4g}</title></rect>"
                )
            middle, _ = self._at(position + 0.5, 0)
            self.parts.append(
                f'<text x="{middle}" y="{HEIGHT - BOTTOM + 15}" class="tick middle">'
                f"{escape(label)}</text>"
            )

    def svg(self, *, ticks_on_x: bool = True) -> str:
        """Return the image."""
        frame = []
        for value in ticks(*self.y_range):
            across, down = self._at(self.x_range[0], value)
            end, _ = self._at(self.x_range[1], value)
            frame.append(f'<line class="grid" x1="{across}" y1="{down}" x2="{end}" y2="{down}"/>')
            frame.append(
                f'<text class="tick end" x="{LEFT - 6}" y="{float(down) + 4:.1f}">{value:g}</text>'
            )
        for value in ticks(*self.x_range) if ticks_on_x else []:
            across, _ = self._at(value, self.y_range[0])
            frame.append(
                f'<text class="tick middle" x="{across}" y="{HEIGHT - BOTTOM + 15}">'
                f"{value:g}</text>"
            )
        middle = (HEIGHT - BOTTOM + TOP) / 2
        frame.append(
            f'<text class="axis middle" x="{(WIDTH + LEFT - RIGHT) / 2}" y="{HEIGHT - 8}">'
            f"{escape(self.x)}</text>"
            f'<text class="axis middle" transform="translate(14 {middle}) rotate(-90)">'
            f"{escape(self.y)}</text>"
        )
        inside = "".join(frame + self.parts)
        return (
            f'<figure><figcaption>{escape(self.title)}</figcaption><svg role="img" '
            f'aria-label="{escape(self.title)}" viewBox="0 0 {WIDTH} {HEIGHT}">{inside}</svg>'
            "</figure>"
        )


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return (low, high) if high > low else (low, low + 1)
