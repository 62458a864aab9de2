"""Presets of one's own, as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec

from gtahead import schemas, storage
from gtahead.errors import InputError, UsageError, Where
from gtahead.simulation.distortion import STRONGEST
from gtahead.simulation.presets import (
    MAX_HEADS,
    MAX_NUMBER,
    PAN_SHARE,
    PRESETS,
    ROOMS,
    SPACING_M,
    TOWN,
    Preset,
    spread,
)
from gtahead.values import StrPath

Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)]
Side = Annotated[int, msgspec.Meta(ge=64, le=8192)]
Heads = Annotated[float, msgspec.Meta(ge=0, le=MAX_HEADS)]
HeadSide = Annotated[float, msgspec.Meta(ge=2, le=1000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


LOW_ROOMS = {*ROOMS} - {"station"}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a file; those of `Preset`, but for sequences that are spread evenly."""

    size: tuple[Side, Side]
    sequences: Number
    frames: Number
    heads: tuple[Heads, Heads]
    locations: Number | None = None
    head_px: tuple[HeadSide, HeadSide] | None = None
    spacing_m: Annotated[float, msgspec.Meta(ge=0.3, le=20)] = SPACING_M
    pan_share: Share = PAN_SHARE
    places: dict[str, Annotated[float, msgspec.Meta(gt=0, le=1e6)]] = msgspec.field(
        default_factory=lambda: {**TOWN}
    )
    photographs: bool = False
    distortion: Annotated[float, msgspec.Meta(ge=0, le=STRONGEST)] | None = None
    splits: (
        dict[Literal["train", "validation", "test"], Annotated[int, msgspec.Meta(ge=1)]] | None
    ) = None


def read_preset(path: Path) -> Preset:
    """Read a preset, whose name is the file's.

    Raises:
        InputError: not TOML, or a key or value that can't be, with its place.
    """
    remedy = "docs/simulation.md lists the keys of a preset"
    data = storage.read_input(path)
    given = schemas.parse_typed_toml(data, _File, str(path), remedy=remedy)
    for name, pair in (("heads", given.heads), ("head_px", given.head_px)):
        if pair is not None and pair[0] > pair[1]:
            raise InputError(
                "a range goes from its smallest to its largest value",
                where=Where(str(path), field=f"/{name}"),
                value=pair,
            )
    if given.splits == {}:
        where = Where(str(path), field="/splits")
        raise InputError("no split is named", where=where, remedy="leave it out, or name some")
    try:
        path.stem.encode()
    except UnicodeEncodeError as error:
        remedy = "give the file a name that is text"
        raise InputError(
            "a preset can't have this name", where=Where(str(path)), remedy=remedy
        ) from error
    try:
        return Preset(
            path.stem,
            given.size,
            (given.frames,) * given.sequences,
            tuple(spread(*given.heads, given.sequences).tolist()),
            given.locations or given.sequences,
            given.head_px,
            given.spacing_m,
            given.pan_share,
            cast("dict[str, int] | None", given.splits),
            given.places,
            given.photographs,
            given.distortion,
        )
    except UsageError as error:
        field = f"/{error.where.field}" if error.where else None
        where = Where(str(path), field=field)
        raise InputError(error.what, where=where, value=error.value, remedy=error.remedy) from error


def preset_of(preset: StrPath | Preset) -> Preset:
    """Return a preset by name or from a TOML file; one that is given as it is.

    Raises:
        UsageError: no such preset.
        InputError: the file is wrong.
    """
    if isinstance(preset, Preset):
        return preset
    if str(preset) in PRESETS:
        return PRESETS[str(preset)]
    if not str(preset).lower().endswith(".toml"):
        raise UsageError(
            "no such preset",
            value=str(preset),
            remedy=f"one of {', '.join(PRESETS)}, or a TOML file of your own",
        )
    return read_preset(Path(preset))
