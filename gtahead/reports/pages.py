"""Pages from templates: self-contained, the same for the same values, all text escaped."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gtahead import storage
from gtahead.images.reading import ImageError, decode_upright, read_bytes
from gtahead.marks import MARKS
from gtahead.metrics.definitions import title_of
from gtahead.templates import environment

if TYPE_CHECKING:
    import jinja2


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


@cache
def _environment() -> jinja2.Environment:
    made = environment(
        Path(__file__).with_name("templates"),
        autoescape=True,
        decimal=_decimal,
        metric_title=title_of,
    )
    made.globals["marks"] = MARKS
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return made


def write_page(target: Path, template: str, **values: object) -> int:
    """Write a page; return its size in bytes.

    Args:
        target: the file.
        template: its name among the templates, without `.html.jinja`.
        values: what the template shows.

    Raises:
        ResourceError: it can't be written.
    """
    text = _environment().get_template(f"{template}.html.jinja").render(values)
    page = text.encode("utf-8", "replace")
    with storage.naming_os_errors(target):
        storage.write_bytes(target, page)
    return len(page)


def as_data_url(kind: str, data: bytes) -> str:
    """Return a file's bytes as a URL, for a page that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def embedded_image(image: Path | bytes, longest_px: int, most_bytes: int) -> str | None:
    """Return an image, made smaller, as a data URL; None where it can't be read.

    Args:
        image: the file, or what it holds.
        longest_px: of its sides, at most.
        most_bytes: of the file: quality goes down first, then size.
    """
    try:
        data = image if isinstance(image, bytes) else read_bytes(image)
        whole = decode_upright(data)
    except ImageError:
        return None
    whole.thumbnail((longest_px, longest_px))
    for share, quality in ((1, 72), (1, 55), (1, 40), (0.75, 40), (0.5, 40), (0.35, 30)):
        out = io.BytesIO()
        small = whole.resize((max(1, int(share * whole.width)), max(1, int(share * whole.height))))
        small.save(out, "WEBP", quality=quality)
        if len(out.getvalue()) <= most_bytes:
            break
    return as_data_url("image/webp", out.getvalue())
