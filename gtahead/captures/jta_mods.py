"""JTA-Mods, the tool behind JTA: a folder per sequence, with coords.csv and numbered images.

Layout: `JTA/seq_<n>/coords.csv` and `<frame>.jpeg`, frames counted from 0. Three generations of
the header exist, so columns go by name. A row is one of a person's 22 joints.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from gtahead.arrays import Columns, Floats
from gtahead.captures.image_files import note_strange_images, numbered_images
from gtahead.captures.joints.checks import printed_step
from gtahead.captures.joints.csv_file import JointCsv, read_joint_file
from gtahead.captures.joints.csv_sequence import read_sequence
from gtahead.captures.joints.model import Joints
from gtahead.errors import Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera
from gtahead.ingest.model import (
    SIMULATION,
    CapturedSequence,
    Reader,
    SequenceSource,
    mark_simulated,
)
from gtahead.ingest.names import folders_in
from gtahead.tables.csv import write_csv

COORDS = "coords.csv"
FPS = 30.0
LAYOUT = JointCsv(
    ids=("frame", "pedestrian_id", "joint_type"),
    pixels=("2D_x", "2D_y"),
    metres=("3D_x", "3D_y", "3D_z"),
    flags=("occluded", "self_occluded"),
    camera=("cam_3D_x", "cam_3D_y", "cam_3D_z", "cam_rot_x", "cam_rot_y", "cam_rot_z", "fov"),
)


def _recognise(root: Path) -> str | None:
    if (root / COORDS).is_file():
        return f"it holds {COORDS}"
    for folder in folders_in(root):
        if (folder / COORDS).is_file():
            return f"{printable(folder.name)}/ holds {COORDS}"
    return None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    if (root / COORDS).is_file():
        root = root.resolve()
        return [SequenceSource("jta-mods", root.parent, root.name, root.name)]
    found = []
    for folder in folders_in(root):
        if (folder / COORDS).is_file():
            found.append(SequenceSource("jta-mods", root, folder.name, folder.name))
        elif folder.name.startswith("seq_") or numbered_images(folder):
            findings.add("no-labels-file", Where(printable(folder.name)), detail=COORDS)
    return found


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    folder = source.root / source.path
    labels = [folder / COORDS, folder / SIMULATION]
    images = list(numbered_images(folder).values())
    return [path for path in labels if path.is_file()], images


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    folder = source.root / source.path
    where = Where(f"{source.path}/{COORDS}", source.name)
    file = read_joint_file(folder / COORDS, LAYOUT, where, findings, ledger)
    images = numbered_images(folder)
    note_strange_images(folder, Where(source.path, source.name), findings)
    sequence = read_sequence(source, file, LAYOUT, images, findings, ledger)
    sequence.fps = FPS
    sequence.about = {"tool": "JTA-Mods"}
    mark_simulated(sequence, folder)
    return sequence


class CoordsWriter:
    """Writes a coords.csv as the tool's latest version does, some joints at a time.

    Columns in the third order, floats of six digits, lines that end in CR LF.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        names = (*LAYOUT.ids, *LAYOUT.pixels, *LAYOUT.metres, *LAYOUT.flags, *LAYOUT.camera)
        self._file.write(",".join(names).encode() + b"\r\n")

    def add(self, joints: Joints, camera: Camera) -> None:
        """Append joints that one camera sees, in their order."""
        position = (*(camera.position_m or ()), *(camera.rotation_deg or ()), camera.vfov_deg)
        columns: Columns = dict(
            zip(LAYOUT.ids, (joints.frame, joints.person, joints.kind), strict=True)
        )
        columns |= dict(zip(LAYOUT.pixels, _as_printed(joints.xy).T, strict=True))
        columns |= dict(zip(LAYOUT.metres, _as_printed(joints.xyz).T, strict=True))
        columns |= dict(zip(LAYOUT.flags, (joints.occluded, joints.self_occluded), strict=True))
        seen_from = np.tile(_as_printed(np.array(position)), (len(joints), 1))
        columns |= dict(zip(LAYOUT.camera, seen_from.T, strict=True))
        text = io.BytesIO()
        write_csv(text, columns, header=False)
        self._file.write(text.getvalue().replace(b"\n", b"\r\n"))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _as_printed(values: Floats) -> Floats:
    """Round to the six digits that the tool prints."""
    step = printed_step(values)
    rounded: Floats = np.round(values / step) * step
    return np.round(rounded, 9)  # 0.30000000000000004 isn't what anybody prints


JTA_MODS = Reader(
    name="jta-mods",
    title="JTA-Mods captures (seq_<n>/coords.csv and <frame>.jpeg)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
