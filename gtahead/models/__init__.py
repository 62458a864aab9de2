"""The detector that ships: a small network that saw simulated crowds alone, and its card."""
