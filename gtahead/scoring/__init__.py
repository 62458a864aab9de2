"""Scores: counting, localisation and detection, with intervals, and what they are worth."""

from gtahead.scoring.board import Leaderboard, leaderboard
from gtahead.scoring.comparing import Comparison, compare, read_result
from gtahead.scoring.scorer import Score, benchmark, check_predictions, write_result

__all__ = [
    "Comparison",
    "Leaderboard",
    "Score",
    "benchmark",
    "check_predictions",
    "compare",
    "leaderboard",
    "read_result",
    "write_result",
]
