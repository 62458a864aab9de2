"""Images made ready for a dataset: upright, in RGB, without EXIF where they were turned."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image
from gtahead.images.reading import EXTENSIONS, PNG_TEXTS, Header, ImageError, decode_upright

_JPEG_QUALITY = 95


@dataclass(frozen=True)
class PreparedImage:
    """An image ready for a dataset.

    Attributes:
        header: of the image as it came.
        sha256: of the bytes that the dataset gets.
        extension: of the file that the dataset gets.
        new_bytes: None where the file that came is used as it is, else what replaces it.
        changes: finding codes that say what was changed.
    """

    header: Header
    sha256: str
    extension: str
    new_bytes: bytes | None
    changes: tuple[str, ...]


def _encode(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "JPEG":
        image.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def prepare(data: bytes, header: Header) -> PreparedImage:
    """Make an image fit for a dataset: upright, 8-bit RGB, without EXIF, in a common format.

    An image that already is all that keeps its bytes unchanged. EXIF data alone is cut out without
    touching the pixels; only a turned image, another colour mode or a rare format is encoded
    anew.

    Raises:
        ImageError: more than 8 bits a channel, or not decodable.
    """
    if header.is_deep:
        raise ImageError("deep-colour", f"mode {header.mode}")
    if header.format not in EXTENSIONS:
        _refuse_deep(data)
    changes = []
    if header.orientation != 1:
        changes.append("exif-orientation")
    if header.mode != "RGB" or header.format not in EXTENSIONS:
        changes.append("colour-converted")
    if changes:
        kind = "JPEG" if header.format == "JPEG" else "PNG"
        new_bytes = _encode(decode_upright(data), kind)
        return _prepared(header, new_bytes, EXTENSIONS[kind], changes)
    if header.has_exif:
        cut = _without_exif(data, header.format)
        if cut is None:  # no lossless way: the pixels go through a lossless format
            cut, extension = _encode(decode_upright(data), "PNG"), ".png"
        else:
            extension = EXTENSIONS[header.format]
        return _prepared(header, cut, extension, ["exif-removed"])
    digest = hashlib.sha256(data).hexdigest()
    return PreparedImage(header, digest, EXTENSIONS[header.format], None, ())


def _refuse_deep(data: bytes) -> None:
    """Refuse a rare format with 16-bit colour, which Pillow silently reads as 8-bit."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is not None and pixels.dtype != np.uint8:
        raise ImageError("deep-colour", f"{pixels.dtype} values")


def _prepared(
    header: Header, new_bytes: bytes, extension: str, changes: list[str]
) -> PreparedImage:
    digest = hashlib.sha256(new_bytes).hexdigest()
    return PreparedImage(header, digest, extension, new_bytes, tuple(changes))


def _without_exif(data: bytes, kind: str) -> bytes | None:
    """Cut EXIF (and XMP) out of a file, its pixels untouched; None where we don't know how."""
    if kind == "JPEG":
        return _jpeg_without_app1(data)
    if kind == "PNG":
        return _png_without_exif(data)
    return None


def _jpeg_without_app1(data: bytes) -> bytes | None:
    kept, position = [data[:2]], 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xDA:  # the scan begins: pixels from here on
            return b"".join([*kept, data[position:]])
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker != 0xE1:
            kept.append(data[position:end])
        position = end
    return None


def _png_without_exif(data: bytes) -> bytes | None:
    kept, position = [data[:8]], 8
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        if name not in PNG_TEXTS:  # EXIF also travels in text chunks
            kept.append(data[position:end])
        if name == b"IEND":
            return b"".join(kept)
        position = end
    return None
