"""Names of crowd counting data sets: pictures are numbered within their split."""

from __future__ import annotations

from gtahead.formats.format import ExportFrame


def padded(frame: ExportFrame, digits: int = 4) -> str:
    """Give a frame's number in its split, with four digits or as many as the split needs.

    The width is the same throughout a split, so that the order of names is the order of frames.
    """
    return f"{frame.number:0{max(digits, frame.digits)}d}"
