"""GCC, the crowd counting tool: captures as its collector and as its labeler leave them.

The collector's folders are `part_<scene>_<camera>`, see `gcc_part`; the labeler's `scene_<a>_<b>`,
see `gcc_scene`. Heads are points, of the bone SKEL_Head.
"""

from __future__ import annotations

from pathlib import Path

from gtahead.captures import gcc_part, gcc_scene
from gtahead.captures.gcc_part import EYE_INFO, PART, PED_INFO
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import CapturedSequence, Reader, SequenceSource
from gtahead.ingest.names import folders_in


def _parts(root: Path) -> list[Path]:
    return [folder for folder in folders_in(root) if PART.fullmatch(folder.name)]


def _scenes(root: Path) -> list[Path]:
    return [folder for folder in gcc_scene.scenes(root) if not gcc_scene.has_boxes(folder)]


def _recognise(root: Path) -> str | None:
    for folder in _parts(root):
        if (folder / EYE_INFO).is_file() or any(folder.glob(f"*/{PED_INFO}")):
            return f"{folder.name}/ holds {EYE_INFO} or {PED_INFO}"
    scenes = _scenes(root)
    return f"{scenes[0].name}/ holds {gcc_scene.labels_of(scenes[0])}" if scenes else None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    gcc_scene.note_unlabelled(root, findings)
    found = [*_parts(root), *_scenes(root)]
    return [SequenceSource("gcc", root, folder.name, folder.name) for folder in found]


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    if PART.fullmatch(source.name):
        return gcc_part.inputs(source)
    return gcc_scene.inputs(source.root / source.path)


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    if PART.fullmatch(source.name):
        return gcc_part.read(source, findings, ledger)
    return gcc_scene.read(source, findings, ledger)


GCC = Reader(
    name="gcc",
    title="GCC captures (part_<scene>_<camera> or scene_<a>_<b>)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
