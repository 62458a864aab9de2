"""Images as files: header, health, colour mode, EXIF; judged from bytes, never from a name.

Images are read whole and decoded from memory, so that any path works. The header is read and the
number of pixels checked before anything is decoded.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from gtahead.errors import as_size
from gtahead.images.listening import give_stderr_back, listening

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 2**27
"""Largest image that is decoded: 134 million pixels, a 16 k by 8 k frame."""

MAX_BYTES = 2**30
"""Largest file that is read as an image: MAX_PIXELS in 8 bytes each."""

DECODE_LIMIT_S = 60.0
"""How long a decoder may take with one image; MAX_PIXELS take a few seconds."""

FLAT_STD = 2.0
"""Grey levels (of 255) of standard deviation below which an image shows nothing."""

EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}
"""Formats that a dataset keeps as they are; the file's name follows its content."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
"""What is read as an image, as Pillow calls it: others start programs (EPS) or are no images."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_ORIENTATION = 0x0112


class ImageError(Exception):
    """The image can't be used; `code` is the finding's code."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Header:
    """What is known about an image before it is decoded.

    Attributes:
        format: JPEG, PNG, WEBP, BMP or another that Pillow knows.
        mode: Pillow's colour mode, such as RGB, L, P, CMYK, I;16.
        size_wh: width and height as stored.
        orientation: EXIF tag 274; 1 where there is none.
        has_exif: whether EXIF data of any kind is there.
    """

    format: str
    mode: str
    size_wh: tuple[int, int]
    orientation: int
    has_exif: bool

    @property
    def is_deep(self) -> bool:
        """Whether a channel has more than 8 bits, as far as the header tells."""
        return self.mode.startswith(("I", "F"))

    @property
    def upright_wh(self) -> tuple[int, int]:
        """Width and height once the orientation is applied."""
        width, height = self.size_wh
        return (height, width) if self.orientation >= 5 else (width, height)


P = ParamSpec("P")
R = TypeVar("R")


def _limited(decode: Callable[P, R]) -> Callable[P, R]:
    """Give a decoder a time limit, and turn a lack of memory into an ImageError.

    It works in a thread of its own. Nothing can stop one that hangs in a library, but its frame is
    set aside and the rest goes on.
    """

    @wraps(decode)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        done: list[R] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                done.append(decode(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(DECODE_LIMIT_S)
        if done:
            return done[0]
        if not failed:
            give_stderr_back()
            raise ImageError("image-unreadable", f"not decoded within {DECODE_LIMIT_S:g} s")
        if isinstance(failed[0], MemoryError):
            raise ImageError("image-unreadable", "too little memory") from failed[0]
        raise failed[0]

    return call


def read_bytes(path: Path) -> bytes:
    """Read a whole file, if it is a regular one.

    Raises:
        ImageError: missing, no regular file (a pipe would be waited for), larger than
            `MAX_BYTES`, or not readable.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ImageError("not-an-image", "not a regular file")
        if about.st_size > MAX_BYTES:
            raise ImageError("image-too-large", f"{as_size(about.st_size)} of file")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("image-missing") from error
    except OSError as error:
        raise ImageError("image-unreadable", error.strerror or "") from error


def _open(data: bytes) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("image-empty")
    try:
        with warnings.catch_warnings():
            # Our own limit is checked right after, from the same header; and a TIFF whose directory
            # lies behind the part that is read at first is opened again.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError("image-too-large") from error
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's plugins on damaged headers
        for signature, kind in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG", "PNG")):
            if data.startswith(signature) and _is_cut_short(data, kind):
                raise ImageError("image-truncated", f"{len(data)} bytes") from error
        if isinstance(error, UnidentifiedImageError):
            raise ImageError("not-an-image") from error
        raise ImageError("image-unreadable", str(error)) from error


PNG_TEXTS = (b"eXIf", b"tEXt", b"iTXt", b"zTXt")
"""Chunks of a PNG that can hold EXIF or XMP."""


def read_header(data: bytes) -> Header:
    """Read an image's header.

    Raises:
        ImageError: empty, not an image, damaged, or beyond `MAX_PIXELS`.
    """
    image = _open(data)
    if image.width * image.height > MAX_PIXELS:
        raise ImageError("image-too-large", f"{image.width} x {image.height}")
    mode = "I;16" if _is_deep_png(data) else image.mode  # Pillow calls 16-bit colour "RGB"
    kind = "JPEG" if image.format == "MPO" else image.format or ""  # a JPEG with more behind it
    if kind == "PNG" and not any(name in data for name in PNG_TEXTS):
        # EXIF may follow the pixels, so that Pillow decodes all of them to look for it.
        return Header(kind, mode, image.size, 1, has_exif=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, KeyError):  # damaged EXIF is EXIF that says nothing
        return Header(kind, mode, image.size, 1, has_exif=True)
    if orientation not in range(1, 9):
        orientation = 1
    has_exif = len(exif) > 0 or bool(image.info.get("exif"))
    return Header(kind, mode, image.size, int(orientation), has_exif)


_ENDS = ((b"\xff\xd8\xff", "JPEG", b"\xff\xd9"), (b"\x89PNG", "PNG", b"IEND"))

PEEKED = 262_144
"""Bytes at the beginning of an image in which its header nearly always is."""


def peek(path: Path) -> Header:
    """Read an image's header without the whole image, and check that the file's end is there.

    Raises:
        ImageError: as `read_header`, or cut short.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("not-an-image", "not a regular file")
        with path.open("rb") as file:
            begin = file.read(PEEKED)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - PEEKED // 4))
            end = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("image-missing") from error
    except OSError as error:
        raise ImageError("image-unreadable", error.strerror or "") from error
    _refuse_cut(begin, end, lambda: read_bytes(path), size)
    if size <= PEEKED:
        return read_header(begin)
    try:
        return read_header(begin)
    except ImageError:  # a header longer than that
        return read_header(read_bytes(path))


def peek_bytes(data: bytes) -> Header:
    """Do for an image in memory what `peek` does for a file.

    Raises:
        ImageError: as `read_header`, or cut short.
    """
    _refuse_cut(data[:PEEKED], data[-(PEEKED // 4) :], lambda: data, len(data))
    return read_header(data)


def _refuse_cut(begin: bytes, end: bytes, whole: Callable[[], bytes], size: int) -> None:
    """Refuse an image that lacks its end.

    Raises:
        ImageError: it was cut short.
    """
    for signature, kind, mark in _ENDS:
        # Something may stand behind the end; then the whole image is asked.
        if begin.startswith(signature) and mark not in end and _is_cut_short(whole(), kind):
            raise ImageError("image-truncated", f"{size} bytes")


def decode_grey(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode an image to grey, (H, W), as it is stored; None where it doesn't decode."""
    import cv2

    return decode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def difference_hash(data: bytes, *, cells: int = 8, reduced: bool = True) -> int:
    """Return an image's difference hash, alike for images that look alike.

    A bit says whether a cell of 8 x 9 is brighter than its left neighbour (N. Krawetz, "Kind of
    like that", 2013).

    Args:
        data: the image's file.
        cells: rows of cells; the hash has the square of it as bits, 64 by default.
        reduced: decode at an eighth of the size: twice as fast for JPEG, yet other formats are made
            smaller in another way, so that an image that was saved as another kind differs more.

    Raises:
        ImageError: it doesn't decode.
    """
    import cv2

    grey = decode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8 if reduced else cv2.IMREAD_GRAYSCALE)
    if grey is None:
        grey = np.asarray(decode_upright(data).convert("L"))
    small = cv2.resize(grey, (cells + 1, cells), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = small[:, 1:] > small[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _is_deep_png(data: bytes) -> bool:
    return data[:4] == b"\x89PNG" and data[24:25] == b"\x10"


def decode(data: bytes, flags: int) -> npt.NDArray[np.uint8] | None:
    """Decode an image with flags of OpenCV's; None where it can't be."""
    return _decoded(data, flags)[0]


@_limited
def _decoded(data: bytes, flags: int) -> tuple[npt.NDArray[np.uint8] | None, list[str]]:
    """Decode an image with flags of OpenCV's; return also what the decoder says about it."""
    import cv2

    with listening() as said:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            pixels = None
    return (None if pixels is None else np.asarray(pixels, np.uint8)), said


def decode_rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image to (H, W, 3), upright, red first; 16 bits are reduced to 8.

    Raises:
        ImageError: it doesn't decode.
    """
    import cv2

    read_header(data)  # refuses what is too large to decode
    pixels = decode(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ImageError("image-unreadable")
    return pixels


def read_rgb(path: Path, size_wh: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Read an image, (H, W, 3), upright, red first.

    Raises:
        ImageError: it is missing, can't be read, or has another size than `size_wh`.
    """
    image = decode_rgb(read_bytes(path))
    found = (image.shape[1], image.shape[0])
    if size_wh is not None and found != size_wh:
        raise ImageError("wrong-size", "{} x {} instead of {} x {}".format(*found, *size_wh))
    return image


def decode_values(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a stencil that was saved as an image: its values as they are, (H, W).

    Raises:
        ImageError: it doesn't decode, or isn't one byte per pixel.
    """
    import cv2

    read_header(data)  # refuses what is too large to decode
    with listening():
        try:
            values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise ImageError("image-unreadable") from error
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise ImageError("image-unreadable")
    return np.asarray(values)


def _is_cut_short(data: bytes, kind: str) -> bool:
    """Return whether a JPEG or PNG lacks its end mark."""
    marks = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
    return kind in marks and data.rfind(marks[kind]) <= len(data) // 2  # not a thumbnail's


_ENDS_EARLY = ("premature end", "Premature end")
"""What libjpeg says where data are missing, although the end mark may be there."""


def check_health(data: bytes, header: Header) -> list[str]:
    """Decode an image at an eighth of its size, and refuse one that is truncated or flat.

    Returns:
        What else the decoder has to say about it; nearly always nothing.

    Raises:
        ImageError: truncated, unreadable, or flat.
    """
    import cv2

    if _is_cut_short(data, header.format):
        # OpenCV may fill what is missing without a word: of a PNG, before version 5 of a JPEG.
        raise ImageError("image-truncated", f"{len(data)} bytes")
    grey, said = _decoded(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
    missing = [line for line in said if any(words in line for words in _ENDS_EARLY)]
    if missing:
        raise ImageError("image-truncated", missing[0])
    if grey is None and header.format not in EXTENSIONS:
        grey = np.asarray(decode_upright(data).convert("L"))
    if grey is None:
        raise ImageError("image-unreadable")
    if float(grey.std()) < FLAT_STD:
        raise ImageError("flat-image", f"grey level {float(grey.mean()):.0f} throughout")
    return said


@_limited
def decode_upright(data: bytes) -> Image.Image:
    """Decode an image in full, turned upright, as 8-bit RGB; deeper values are made to fit.

    Raises:
        ImageError: it doesn't decode.
    """
    from PIL import Image

    turns = Image.Transpose
    # Pillow's own `exif_transpose` writes the EXIF data anew, and fails where they are odd.
    turn = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }.get(read_header(data).orientation)
    image = _open(data)
    try:
        pixels = _to_rgb(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError("image-unreadable", str(error)) from error
    return pixels if turn is None else pixels.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # Pillow would cut them off at 255
        values = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
        span = float(np.ptp(values)) or 1.0
        image = Image.fromarray((255 * (values - values.min()) / span).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, (0, 0, 0))
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return image.convert("RGB")
