"""What a check found, as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtahead.dataset import MANIFEST, Dataset
from gtahead.errors import GtaheadError
from gtahead.findings import CODES, Finding, Findings
from gtahead.reports.pages import embedded_image, write_page

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation

IMAGE_PX, IMAGE_BYTES = 560, 40_000
THUMBNAILS = 12
"""Codes that have an image: a page stays below 1.5 MB."""


def write_findings(target: Path, checked: Validation, found: Findings) -> None:
    """Write the page of a check.

    Raises:
        ResourceError: it can't be written.
    """
    write_page(
        target,
        "findings",
        path=str(checked.path),
        kind=checked.described,
        verdict=checked.verdict,
        checks=checked.checks,
        counts=found.by_severity(),
        found=found,
        codes=CODES,
        images=_images(checked.path, found),
    )


def _images(path: Path, found: Findings) -> dict[str, dict[str, Any]]:
    """Return an image for each code that a frame of a dataset is an example of."""
    if not (path / MANIFEST).is_file():
        return {}
    try:
        dataset = Dataset.open(path)
    except GtaheadError:
        return {}
    images: dict[str, dict[str, Any]] = {}
    for code, examples in found.by_code():
        if len(images) == THUMBNAILS:
            break
        for example in examples:
            if (image := _image(dataset, example)) is not None:
                images[code] = image
                break
    return images


def _image(dataset: Dataset, finding: Finding) -> dict[str, Any] | None:
    """Return a finding's frame, with its head where it names one; None where it has no frame."""
    where = finding.where
    if where.sequence is None or where.frame is None:
        return None
    try:
        frame = dataset[f"{where.sequence}/{where.frame}"]
    except (GtaheadError, KeyError):
        return None
    if frame.image_path is None:
        return None
    image = embedded_image(frame.image_path, IMAGE_PX, IMAGE_BYTES)
    if image is None:
        return None
    box = None
    rows = [row for row, one in enumerate(frame.head_ids.tolist()) if one == where.head]
    if rows:
        x0, y0, x1, y1 = frame.boxes_xyxy[rows[0]].tolist()
        if x0 == x0:  # noqa: PLR0124 - heads without a box have NaN
            box = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
    width, height = frame.size_wh
    return {"frame": frame.frame_id, "image": image, "width": width, "height": height, "box": box}
