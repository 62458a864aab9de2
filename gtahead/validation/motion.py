"""Captures over time: speeds, jumps of the count, and labels that lag behind the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.ingest.model import CapturedFrame, CapturedSequence
from gtahead.tables.canonical import CAPTURED

FASTEST_M_S = 15.0
"""No person runs faster: the world record's top speed is 12.4 m/s."""

JUMP_SHARE, JUMP_HEADS = 0.5, 30
"""A count jumps where it changes by more than this share of the larger one and so many heads."""

LAGS = range(-3, 4)

MAX_FRAMES = 40
"""Images of a sequence that are looked at for a lag: consecutive ones, from its middle."""

MAX_PAIRS = 3000
MIN_PAIRS = 30
"""Heads that were followed from one image to the next, for a lag to be reported."""

MIN_FRAMES = 6

BETTER = 0.08
"""By how much the correlation must be better with another lag than without; and by three times its
standard error."""

Image = npt.NDArray[np.uint8]


def numbers_of(frames: Sequence[CapturedFrame]) -> Ints | None:
    """Read the frames' numbers; None where names aren't numbers, or don't rise."""
    if not all(frame.frame.isdigit() and len(frame.frame) < 16 for frame in frames):
        return None
    numbers = np.array([int(frame.frame) for frame in frames], np.int64)
    return numbers if len(numbers) and (np.diff(numbers) > 0).all() else None


def _pairs(captured: CapturedSequence) -> tuple[Ints, Ints]:
    """Return rows of the same person in a frame and in the next one; faulty frames are left out."""
    fine = np.array([one.fault is None for one in captured.frames] or [True])
    frame, head = captured.heads["frame_index"], captured.heads["head_id"]
    order = np.lexsort((frame, head))
    order = order[fine[frame[order]]]
    same = (np.diff(head[order]) == 0) & (np.diff(frame[order]) == 1)
    return order[:-1][same], order[1:][same]


def check_speeds(captured: CapturedSequence, findings: Findings) -> None:
    """Look for persons that move faster than anybody runs; needs world coordinates and fps."""
    heads = captured.heads
    numbers = numbers_of(captured.frames)
    names = ("world_x_m", "world_y_m", "world_z_m")
    if not captured.fps or numbers is None or not all(name in heads for name in names):
        return
    before, after = _pairs(captured)
    world = np.stack([heads[name] for name in names], axis=1)
    metres = np.sqrt(((world[after] - world[before]) ** 2).sum(axis=1))
    seconds = np.diff(numbers)[heads["frame_index"][before]] / captured.fps
    with np.errstate(invalid="ignore"):
        speed = metres / seconds
    fast = np.flatnonzero(speed > FASTEST_M_S)

    def where(row: int) -> Where:
        pair = int(after[row])
        name = captured.frames[int(heads["frame_index"][pair])].frame
        return Where(None, captured.name, name, int(heads["head_id"][pair]))

    findings.add_rows("speed-impossible", fast, where, lambda row: f"{speed[row]:.0f} m/s")


def check_counts(captured: CapturedSequence, in_frame: Booleans, findings: Findings) -> None:
    """Look for jumps of the number of heads between neighbouring frames."""
    numbers = numbers_of(captured.frames)
    if numbers is None or len(numbers) < 3:
        return
    index = captured.heads["frame_index"][in_frame]
    counts = np.bincount(index, minlength=len(numbers))
    step = np.abs(np.diff(counts))
    limit = np.maximum(JUMP_HEADS, JUMP_SHARE * np.maximum(counts[1:], counts[:-1]))
    usual = np.diff(numbers) == np.median(np.diff(numbers))  # over a gap anything may happen
    findings.add_rows(
        "count-jump",
        (step > limit) & usual,
        lambda row: Where(None, captured.name, captured.frames[row + 1].frame),
        lambda row: int(counts[row + 1]),
        lambda row: f"{counts[row]} in the frame before",
    )


@dataclass
class LagEvidence:
    """How well heads are followed through the images, for each lag of the labels.

    Attributes:
        correlations: for each of `LAGS`, the correlation of each head's patch in one image with
            that in the next, where the labels say the head went.
    """

    correlations: dict[int, list[float]] = field(default_factory=lambda: {lag: [] for lag in LAGS})

    def add(self, other: LagEvidence) -> None:
        """Add another sequence's evidence."""
        for lag, values in other.correlations.items():
            self.correlations[lag] += values

    def verdict(self) -> tuple[int, float, float] | None:
        """Return the lag that fits better than no lag, with the correlations of both."""
        means = {lag: float(np.mean(v)) for lag, v in self.correlations.items() if v}
        least = min((len(v) for v in self.correlations.values()), default=0)
        if least < MIN_PAIRS or 0 not in means:
            return None
        best = max(means, key=lambda lag: means[lag])
        error = np.sqrt(
            sum(np.var(self.correlations[lag]) / len(self.correlations[lag]) for lag in (0, best))
        )
        if best == 0 or means[best] - means[0] < max(BETTER, 3 * float(error)):
            return None
        return best, means[best], means[0]


def lag_evidence(
    captured: CapturedSequence, read: Callable[[CapturedFrame], Image | None]
) -> LagEvidence:
    """Follow heads through consecutive images, with labels of frames before and after.

    Args:
        captured: the sequence.
        read: gives a frame's image in grey, None where it can't be read.
    """
    evidence = LagEvidence()
    numbers = numbers_of(captured.frames)
    if numbers is None or len(numbers) < MIN_FRAMES or not captured.images:
        return evidence
    first = max(0, (len(numbers) - MAX_FRAMES) // 2)
    shown = range(first, min(len(numbers), first + MAX_FRAMES))
    before, after = _moving(captured)
    if len(before) < MIN_PAIRS // 3:
        return evidence
    frame = captured.heads["frame_index"][before]
    step = np.diff(numbers)
    usual = int(np.median(step))
    regular = step == usual
    random = np.random.default_rng(0)
    last: Image | None = None
    share = max(1, MAX_PAIRS // max(1, len(shown)))
    for index in shown:
        image = read(captured.frames[index])
        if last is not None and image is not None and last.shape == image.shape:
            for lag in LAGS:
                source = index - 1 + lag
                low, high = min(source, index - 1), max(source, index - 1) + 1
                if source < 0 or high > len(regular) or not regular[low:high].all():
                    continue
                rows = np.flatnonzero(frame == source)
                if len(rows) > share:
                    rows = random.choice(rows, share, replace=False)
                evidence.correlations[lag] += _followed(
                    captured, last, image, before[rows], after[rows]
                )
        last = image
    return evidence


def _moving(captured: CapturedSequence) -> tuple[Ints, Ints]:
    """Return pairs of rows of persons that move enough to tell one frame from the next."""
    heads = captured.heads
    before, after = _pairs(captured)
    if "visibility" in heads:
        seen = ~(heads["visibility"] < 0.5)
        fine = seen[before] & seen[after]
        before, after = before[fine], after[fine]
    points = np.stack([heads["x"], heads["y"]], axis=1)
    moved = np.sqrt(((points[after] - points[before]) ** 2).sum(axis=1))
    far = moved >= np.maximum(2.0, 0.3 * _sides(heads)[before])
    return before[far], after[far]


def _sides(heads: dict[str, Any]) -> Floats:
    """Return the heads' sides in pixels, 12 where unknown."""
    if not all(name in heads for name in CAPTURED):
        return np.full(len(heads["x"]), 12.0)
    x0, y0, x1, y1 = (heads[name] for name in CAPTURED)
    with np.errstate(invalid="ignore"):
        sides = np.sqrt((x1 - x0) * (y1 - y0))
    return np.where(np.isfinite(sides) & (sides > 0), sides, 12.0)


def _followed(
    captured: CapturedSequence, last: Image, image: Image, before: Ints, after: Ints
) -> list[float]:
    """Correlate each head's patch in one image with that at its next location in the next one."""
    import cv2

    heads = captured.heads
    sides = _sides(heads)
    height, width = image.shape
    found = []
    for one, other in zip(before.tolist(), after.tolist(), strict=True):
        side = int(np.clip(round(sides[one]), 7, 33))
        positions = [(float(heads["x"][row]), float(heads["y"][row])) for row in (one, other)]
        half = side / 2
        if not all(half <= x < width - half and half <= y < height - half for x, y in positions):
            continue
        patches = [
            cv2.getRectSubPix(image, (side, side), (x - 0.5, y - 0.5)).astype(np.float64)
            for image, (x, y) in zip((last, image), positions, strict=True)
        ]
        centred = [patch - patch.mean() for patch in patches]
        spread = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
        found.append(float((centred[0] * centred[1]).sum()) / spread if spread > side else 0.0)
    return found
