"""MR-2 and JI: equal to CrowdHuman's published evaluation, on integer boxes and ties too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import imported_from

from gtahead import metrics

with imported_from(Path(__file__).parent, "plain_crowdhuman") as (plain,):
    pass


def photos(seed: int) -> list[plain.Photo]:
    """Draw images of crowded boxes: every other seed of whole pixels, scores with many ties."""
    rng = np.random.default_rng(seed)
    whole = seed % 2 == 0
    out = []
    for _ in range(int(rng.integers(1, 7))):
        size = (int(rng.integers(60, 200)), int(rng.integers(60, 200)))

        def boxes(count: int, size: tuple[int, int] = size) -> np.ndarray:
            corner = rng.uniform(-10, np.array(size) + 5, (count, 2))
            drawn = np.concatenate([corner, corner + rng.uniform(8, 40, (count, 2))], axis=1)
            return np.round(drawn) if whole else drawn

        true = boxes(int(rng.integers(1, 25)))
        near = true[rng.integers(0, len(true), int(rng.integers(0, 40)))]
        moved = near + (rng.integers(-4, 5, near.shape) if whole else rng.normal(0, 2, near.shape))
        found = np.concatenate([moved, boxes(int(rng.integers(0, 10)))])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        scores = rng.integers(0, 11, len(found)) / 10 if seed % 4 < 2 else rng.random(len(found))
        ignored = rng.random(len(true)) < 0.2
        out.append(
            plain.Photo(
                size,
                list(zip(map(tuple, true.tolist()), ignored.tolist(), strict=True)),
                list(zip(map(tuple, found.tolist()), scores.tolist(), strict=True)),
            )
        )
    return out


def arguments(drawn: list[plain.Photo]) -> tuple[tuple[list[np.ndarray], ...], dict]:
    def boxes(rows: list[tuple[plain.Box, object]]) -> np.ndarray:
        return np.array([box for box, _ in rows], np.float64).reshape(-1, 4)

    return (
        [boxes(one.found) for one in drawn],
        [np.array([score for _, score in one.found]) for one in drawn],
        [boxes(one.heads) for one in drawn],
    ), {
        "ignored": [np.array([flag for _, flag in one.heads]) for one in drawn],
        "size_wh": [one.size for one in drawn],
    }


MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(60, 400)]


@pytest.mark.parametrize("seed", [*range(60), *MANY])
def test_equal_to_the_published_evaluation(seed: int) -> None:
    drawn = photos(seed)
    given, more = arguments(drawn)
    heads = sum(not ignored for one in drawn for _, ignored in one.heads)
    if heads and any(one.found for one in drawn):
        wanted = plain.miss_rate(drawn)
        assert metrics.miss_rate(*given, **more) == pytest.approx(wanted, abs=1e-9)
    for step in (0, 3, 7):
        threshold = 0.1 * step
        found = metrics.jaccard_index(*given, **more, threshold=threshold)
        assert found == pytest.approx(plain.jaccard_index(drawn, threshold), abs=1e-9, nan_ok=True)
