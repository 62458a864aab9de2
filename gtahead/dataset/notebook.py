"""How frames and datasets show themselves in a notebook."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from gtahead.errors import InputError, Where
from gtahead.tables.splits import SPLITS

if TYPE_CHECKING:
    from gtahead.dataset.dataset import Dataset
    from gtahead.dataset.frame import Frame

FRAME_PX, THUMBNAIL_PX = 1280, 240
"""Widths of what is shown."""

BAR_PX = 160


def frame_image(frame: Frame, width: int, ending: str = ".png") -> bytes | None:
    """Draw a frame's image with its boxes, as PNG or JPEG; None where that can't be done."""
    from gtahead import drawing  # OpenCV takes a fifth of a second to import

    if frame.image_path is None:
        return None
    width = min(width, max(frame.size_wh[0], width // 2))
    try:
        image = drawing.decoded_image(frame.image_path.read_bytes(), Where(frame=frame.frame_id))
    except (InputError, OSError):
        return None
    return drawing.with_boxes(image, frame.boxes_xyxy, frame.status.tolist(), width, ending)


def dataset_html(dataset: Dataset) -> str:
    """Return what a dataset holds, by split, and three of its frames, from few heads to many."""
    columns = dataset.frames(["sequence", "split", "num_heads"])
    total = max(1, len(dataset))
    rows = []
    for name in SPLITS:
        mine = [i for i, split in enumerate(columns["split"]) if split == name]
        sequences = len({columns["sequence"][i] for i in mine})
        heads = sum(columns["num_heads"][i] for i in mine)
        width = round(len(mine) / total * BAR_PX)
        bar = f'<div style="background:#4a7fb5;height:0.7em;width:{width}px"></div>'
        cells = (name, f"{sequences:,}", f"{len(mine):,}", f"{heads:,}", bar)
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    names = ("split", "sequences", "frames", "heads", "share of the frames")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    manifest = dataset.manifest
    return (
        f"<p><b>{escape(repr(dataset))}</b><br>count policy <code>{escape(manifest.policy)}"
        f"</code>, fingerprint <code>{manifest.fingerprint[:16]}…</code></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{''.join(_thumbnails(dataset, columns['num_heads']))}"
    )


def _thumbnails(dataset: Dataset, counts: list[int]) -> list[str]:
    order = sorted(range(len(counts)), key=lambda row: counts[row])
    chosen = [order[len(order) * part // 6] for part in (1, 3, 5)] if order else []
    shown = []
    for row in dict.fromkeys(chosen):
        frame = dataset[row]
        data = frame_image(frame, THUMBNAIL_PX, ".jpg")
        if data is not None:
            title = escape(f"{frame.frame_id}: {frame.count:,} heads")
            source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
            shown.append(
                f'<figure style="display:inline-block;margin:0 8px 0 0"><img src="{source}" '
                f'width="{THUMBNAIL_PX}" alt=""><figcaption>{title}</figcaption></figure>'
            )
    return shown
