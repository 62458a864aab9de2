"""Write DATASET_CARD.md, the example of a card, from the simulated dataset.

python tools/make_card.py          # simulates, builds, stages, and takes the card
python tools/make_card.py --check  # exit 1 where it has fallen behind
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import gtahead

CARD = Path(__file__).resolve().parents[1] / "DATASET_CARD.md"


def example() -> str:
    """Make the card of the dataset that `gtahead simulate` gives."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        gtahead.simulate(root / "captures", workers=1)
        gtahead.build(root / "captures", root / "dataset", workers=1)
        return card_of(root / "dataset", root / "release")


def card_of(dataset: Path, release: Path) -> str:
    """Stage a dataset as the example, and return its card."""
    gtahead.stage(
        dataset,
        release,
        repo="your-name/simulated-crowds",
        name="Simulated crowds",
        creator="The gtahead authors",
        date="2026-11-25",
        changes="The example of `gtahead publish`.",
        workers=1,
    )
    return (release / "README.md").read_text(encoding="utf-8")


def main() -> None:
    """Write or check the card."""
    parser = argparse.ArgumentParser(description="Write the example of a dataset's card")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = example()
    if not check:
        CARD.write_text(text, encoding="utf-8")
    elif CARD.read_text(encoding="utf-8") != text:
        sys.exit("DATASET_CARD.md has fallen behind: run python tools/make_card.py")


if __name__ == "__main__":
    main()
