"""Draw some frames of a data set with their boxes on one sheet.

python tools/preview.py ./dataset --out preview.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from gtahead import Dataset
from gtahead.drawing import draw_boxes


def main() -> None:
    """Draw the sheet: frames spread over the data set by their number of heads."""
    parser = argparse.ArgumentParser(description="Draw frames of a data set with their boxes")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, default=Path("preview.png"))
    parser.add_argument("--grid", default="3x2", help="columns x rows")
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.grid.split("x"))
    dataset = Dataset.open(arguments.dataset)
    counts = np.array(dataset.frames(["num_heads"])["num_heads"])
    order = np.argsort(counts, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, columns * rows).round().astype(int)]
    tiles = []
    for row in chosen:
        picture = draw_boxes(dataset[dataset.frame_ids[row]])
        tiles.append(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA))
    sheet = np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])
    arguments.out.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())
    print(f"{arguments.out}: {columns * rows} of {len(dataset)} frames, from few heads to many")


if __name__ == "__main__":
    main()
