"""Scores: counting, localisation and detection, with intervals, and what to compare them with."""

from gtahead.scoring.comparing import Comparison, compare, read_result
from gtahead.scoring.evaluator import Score, benchmark, check_predictions, write_result

__all__ = [
    "Comparison",
    "Score",
    "benchmark",
    "check_predictions",
    "compare",
    "read_result",
    "write_result",
]
