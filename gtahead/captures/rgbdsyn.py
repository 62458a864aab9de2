"""ShanghaiTechRGBDSyn, made with a fork of the GCC tool that adds depth and head boxes."""

from __future__ import annotations

from pathlib import Path

from gtahead.captures import gcc_scene
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import CapturedSequence, Reader, SequenceSource


def _scenes(root: Path) -> list[Path]:
    return [folder for folder in gcc_scene.scenes(root) if gcc_scene.has_boxes(folder)]


def _recognise(root: Path) -> str | None:
    found = _scenes(root)
    return f"{found[0].name}/ holds bbox" if found else None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    del findings  # other folders are nobody's scene
    return [SequenceSource("rgbdsyn", root, path.name, path.name) for path in _scenes(root)]


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    return gcc_scene.inputs(source.root / source.path)


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    return gcc_scene.read(source, findings, ledger, boxes=True)


RGBDSYN = Reader(
    name="rgbdsyn",
    title="ShanghaiTechRGBDSyn scenes (scene_<a>_<b> with bbox)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
