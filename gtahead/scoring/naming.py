"""Figures for people: their names, and how many digits are worth reading."""

from __future__ import annotations

from math import isfinite

from gtahead.scoring.metrics import METRICS

DETECTION_TITLES = {
    "ap": "AP .50:.95",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar": "AR",
    "mr2": "MR⁻²",
    "ji_best": "JI, best threshold (oracle)",
}


def title_of(name: str) -> str:
    """Name a figure.

    Example:
        >>> title_of("rmse")
        'RMSE (papers: "MSE")'
    """
    return DETECTION_TITLES.get(name) or METRICS[name].title


def figure(value: float | None) -> str:
    """Write a figure with four digits that count, or as a dash where it isn't defined.

    Example:
        >>> figure(0.123456), figure(1234.5), figure(None)
        ('0.1235', '1,234.50', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
