from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import image, turned
from PIL import Image, ImageOps

from gtahead.images import reading
from gtahead.images.prepare import PreparedImage, prepare


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, shape, np.uint8), mode)


def exif(orientation: int | None = None) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E] = "a description"
    if orientation is not None:
        tags[0x0112] = orientation
    return tags


def prepared(data: bytes) -> PreparedImage:
    return prepare(data, reading.read_header(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_fine_image_keeps_its_bytes(kind: str) -> None:
    data = encoded(noise(), kind)
    header = reading.read_header(data)
    assert (header.format, header.mode, header.size_wh, header.orientation) == (
        kind,
        "RGB",
        (40, 24),
        1,
    )
    reading.check_health(data, header)
    ready = prepare(data, header)
    assert ready.new_bytes is None
    assert ready.extension == reading.EXTENSIONS[kind]
    assert ready.changes == ()


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_turned_image_is_written_upright_once(kind: str, orientation: int) -> None:
    data = encoded(noise(), kind, exif=exif(orientation))
    header = reading.read_header(data)
    assert header.upright_wh == ((24, 40) if orientation >= 5 else (40, 24))
    ready = prepare(data, header)
    assert ready.changes == ("exif-orientation",)
    assert ready.new_bytes is not None
    again = reading.read_header(ready.new_bytes)
    assert (again.size_wh, again.orientation, again.has_exif) == (header.upright_wh, 1, False)
    upright = reading.decode_upright(ready.new_bytes)
    if kind == "PNG":
        assert np.array_equal(np.asarray(upright), np.asarray(reading.decode_upright(data)))
    assert prepared(ready.new_bytes).new_bytes is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_odd_exif_turns_an_image_all_the_same(orientation: int) -> None:
    """As Pillow turns it where its tags are in order: all eight ways."""
    plain = encoded(noise(), "JPEG", exif=exif(orientation))
    with Image.open(io.BytesIO(plain)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    stored = encoded(noise(), "JPEG")
    assert np.array_equal(np.asarray(reading.decode_upright(turned(stored, orientation))), wanted)
    data = turned(stored, orientation)
    ready = prepare(data, reading.read_header(data))
    assert ready.changes == (("exif-orientation",) if orientation > 1 else ("exif-removed",))


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_values_are_made_to_fit(mode: str) -> None:
    ramp = np.tile(np.linspace(100, 60_000, 64), (48, 1))
    kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    out = io.BytesIO()
    Image.fromarray(ramp.astype(kinds[mode])).save(out, "TIFF")
    shown = np.asarray(reading.decode_upright(out.getvalue()))
    assert (shown.min(), shown.max()) == (0, 255)
    assert shown.mean() == pytest.approx(127, abs=2)


def test_values_that_are_none_are_dark() -> None:
    values = np.full((48, 64), 7.0, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    out = io.BytesIO()
    Image.fromarray(values).save(out, "TIFF")
    shown = np.asarray(reading.decode_upright(out.getvalue()))
    assert (shown[0, :3].max(), shown[1:].min()) == (0, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_alone_is_cut_without_touching_pixels(kind: str) -> None:
    data = encoded(noise(), kind, exif=exif())
    ready = prepared(data)
    assert ready.changes == ("exif-removed",)
    assert ready.new_bytes is not None
    assert len(ready.new_bytes) < len(data)
    assert not reading.read_header(ready.new_bytes).has_exif
    before, after = (np.asarray(Image.open(io.BytesIO(d))) for d in (data, ready.new_bytes))
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    "data",
    [
        encoded(noise("L"), "JPEG"),
        encoded(noise("CMYK"), "JPEG"),
        encoded(noise("RGBA"), "PNG"),
        encoded(noise().quantize(16), "PNG"),
        encoded(noise(), "TIFF"),
    ],
    ids=["grey", "cmyk", "alpha", "palette", "tiff"],
)
def test_other_colour_modes_become_rgb(data: bytes) -> None:
    reading.check_health(data, reading.read_header(data))
    ready = prepared(data)
    assert ready.changes == ("colour-converted",)
    assert ready.new_bytes is not None
    header = reading.read_header(ready.new_bytes)
    assert (header.mode, header.size_wh) == ("RGB", (40, 24))
    assert header.format in ("JPEG", "PNG")


def test_sixteen_bits_are_refused_in_every_format() -> None:
    deep = np.arange(24 * 40 * 3, dtype=np.uint16).reshape(24, 40, 3) * 20
    for kind in (".png", ".tiff", ".ppm"):
        data = bytes(cv2.imencode(kind, deep)[1])
        with pytest.raises(reading.ImageError) as caught:
            prepared(data)
        assert caught.value.code == "deep-colour"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_behind_a_whole_image_are_no_damage(kind: str) -> None:
    data = encoded(noise(), kind) + bytes(200)
    reading.check_health(data, reading.read_header(data))
    assert prepared(data).new_bytes is None


def test_a_jpeg_with_more_behind_it_stays_a_jpeg() -> None:
    data = encoded(noise(), "MPO", save_all=True, append_images=[noise()])
    assert prepared(data).extension == ".jpg"


def png_header(width: int, height: int) -> bytes:
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT\x35\xaf\x06\x1e"


@pytest.mark.parametrize("size", [(12_000, 12_000), (30_000, 30_000), (65_000, 65_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(reading.ImageError) as caught:
        reading.read_header(png_header(*size))
    assert caught.value.code == "image-too-large"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image-empty"),
        (b"hello", "not-an-image"),
        (b"\xff\xd8\xff", "image-truncated"),
        (image()[:700], "image-truncated"),
        (encoded(noise(), "PNG")[:-20], "image-truncated"),
    ],
)
def test_what_is_no_image(data: bytes, code: str) -> None:
    with pytest.raises(reading.ImageError) as caught:
        reading.check_health(data, reading.read_header(data))
    assert caught.value.code == code


@pytest.mark.parametrize("position", range(20, 1200, 59))
def test_damage_never_raises_anything_else(position: int) -> None:
    data = bytearray(encoded(noise(size=(64, 64)), "JPEG"))
    data[position : position + 30] = b"\x00\xff" * 15
    with suppress(reading.ImageError):
        header = reading.read_header(bytes(data))
        reading.check_health(bytes(data), header)
        prepare(bytes(data), header)


@pytest.mark.filterwarnings("error")
def test_a_tiff_with_its_directory_at_the_end(tmp_path: Path) -> None:
    """Only the first part is read at first, where the directory isn't: nothing is said of that."""
    noise = np.random.default_rng(3).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.tiff")
    header = reading.peek(tmp_path / "a.tiff")
    assert (header.format, header.size_wh) == ("TIFF", (600, 600))


@pytest.mark.parametrize("behind", [False, True])
def test_exif_of_a_png_is_found_before_and_behind_its_pixels(behind: bool) -> None:
    data = encoded(noise(), "PNG")
    tags = exif(6).tobytes().removeprefix(b"Exif\0\0")
    body = b"eXIf" + tags
    chunk = struct.pack(">I", len(tags)) + body + struct.pack(">I", zlib.crc32(body))
    position = data.index(b"IEND" if behind else b"IDAT") - 4
    assert reading.read_header(data).orientation == 1
    assert reading.read_header(data[:position] + chunk + data[position:]).orientation == 6


def test_a_plain_png_is_not_decoded_for_its_header() -> None:
    data = encoded(noise(), "PNG")
    header = reading.read_header(data[: data.index(b"IDAT") + 20])
    assert (header.size_wh, header.orientation, header.has_exif) == ((40, 24), 1, False)
