"""Simulated sequences on disk: in gtahead's own format, or as a capture tool would leave them.

A layout takes a sequence frame by frame, so that memory is bounded by a frame's image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from gtahead import storage
from gtahead.arrays import Columns
from gtahead.captures import jta_mods
from gtahead.captures.gcc_part import BATCH, write_part_info, write_ped_info
from gtahead.captures.joints.model import JOINTS_A_PERSON, Joints
from gtahead.captures.jta_mods import COORDS, CoordsWriter
from gtahead.captures.native import write_sequence
from gtahead.geometry import Camera, project
from gtahead.ingest.model import SIMULATION
from gtahead.simulation.planning import FPS, SequencePlan
from gtahead.simulation.scene import Scene, Seen, ground_corners, wedge_of
from gtahead.simulation.skeleton import BONE

LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class Moment:
    """One frame of a simulated sequence.

    Attributes:
        number: of the frame, from 0.
        seen: who is there, far ones first.
        scene: of the sequence.
        heads: rows of heads.csv.
    """

    number: int
    seen: Seen
    scene: Scene
    heads: Columns

    def write_image(self, path: Path, seen: Seen | None = None) -> str:
        """Write the image with some of the people in the format of its suffix; return its sha256.

        Light, weather and noise are the frame's, whoever is in it; by default everybody is.
        """
        image = self.scene.image(self.number, seen)
        lossy = path.suffix in (".jpg", ".jpeg")
        options = [cv2.IMWRITE_JPEG_QUALITY, self.scene.lens.quality] if lossy else []
        done, data = cv2.imencode(path.suffix, image, options)
        if not done:
            raise AssertionError(f"OpenCV can't encode {path.suffix}")
        path.write_bytes(data.tobytes())
        return hashlib.sha256(data.tobytes()).hexdigest()


class Layout(Protocol):
    """Writes one sequence into a folder that exists."""

    LAST_FILES: int
    """How many files `finish` writes."""

    def __init__(self, folder: Path, plan: SequencePlan, tool: str, *, images: bool) -> None: ...

    def add(self, moment: Moment) -> None:
        """Write a frame."""

    def finish(self, counts: Mapping[str, int]) -> None:
        """Write what comes after the last frame."""


def _about(plan: SequencePlan, tool: str, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "simulated": True,
        "tool": tool,
        "seed": plan.seed[0],
        "licence": LICENCE,
        "simulation": dict(counts),
    }


def _camera_as_dict(camera: Camera) -> dict[str, Any]:
    return {
        "vfov_deg": camera.vfov_deg,
        "position_m": list(camera.position_m or ()),
        "rotation_deg": list(camera.rotation_deg or ()),
    }


class NativeLayout:
    """gtahead's own format, with everything that the simulator knows."""

    LAST_FILES = 2

    def __init__(self, folder: Path, plan: SequencePlan, tool: str, *, images: bool) -> None:
        self._folder, self._plan, self._tool, self._images = folder, plan, tool, images
        self._rows: list[dict[str, Any]] = []
        self._heads: dict[str, list[Any]] = {}
        if images:
            (folder / "frames").mkdir()

    def add(self, moment: Moment) -> None:
        """Write a frame's image and keep its heads."""
        file = sha256 = None
        if self._images:
            file = f"frames/{moment.number:06d}.jpg"
            sha256 = moment.write_image(self._folder / file)
        for name, values in moment.heads.items():
            self._heads.setdefault(name, []).append(values)
        row: dict[str, Any] = {"frame": moment.number, "file": file, "sha256": sha256}
        if self._plan.pan_deg and not self._plan.distortion:
            row["camera"] = _camera_as_dict(moment.scene.camera(moment.number))
        self._rows.append(row)

    def finish(self, counts: Mapping[str, int]) -> None:
        """Write sequence.json and heads.csv."""
        plan = self._plan
        heads: Columns = {name: np.concatenate(parts) for name, parts in self._heads.items()}
        order = np.lexsort((heads["ped_id"], heads["frame"]))
        document = {
            **_about(plan, self._tool, counts),
            "width": plan.size_wh[0],
            "height": plan.size_wh[1],
            "fps": FPS,
            # A pinhole's projection is another one than that of a lens that distorts.
            "camera": None if plan.distortion else _camera_as_dict(plan.camera),
            "weather": plan.weather,
            "hour": plan.hour,
            "location": plan.location,
            **({} if plan.split is None else {"split": plan.split}),
            "images": self._images,
            "frames": self._rows,
        }
        heads = {name: values[order] for name, values in heads.items()}
        write_sequence(self._folder, document, heads)


class JtaModsLayout:
    """JTA-Mods' coords.csv and numbered images; visible shares and boxes are dropped."""

    LAST_FILES = 1
    STEP = round(jta_mods.FPS / FPS)
    """The tool counts the game's frames, which are shorter than ours: ours are each 15th."""

    def __init__(self, folder: Path, plan: SequencePlan, tool: str, *, images: bool) -> None:
        self._folder, self._plan, self._tool, self._images = folder, plan, tool, images
        self._coords = CoordsWriter(folder / COORDS)

    def add(self, moment: Moment) -> None:
        """Write a frame's image and its joints."""
        number = moment.number * self.STEP
        if self._images:
            moment.write_image(self._folder / f"{number}.jpeg")
        self._coords.add(_joints(moment, number), moment.scene.camera(moment.number))

    def finish(self, counts: Mapping[str, int]) -> None:
        """Close coords.csv and mark the sequence as simulated."""
        self._coords.close()
        storage.write_json(self._folder / SIMULATION, _about(self._plan, self._tool, counts))


_JOINT_BONES = (
    *("clavicle_r", "upperarm_r", "lowerarm_r", "hand_r"),
    *("clavicle_l", "upperarm_l", "lowerarm_l", "hand_l"),
    *("spine_03", "spine_03", "spine_02", "spine_01", "pelvis"),
    *("thigh_r", "calf_r", "foot_r", "thigh_l", "calf_l", "foot_l"),
)
"""At which bones JTA's joints lie, below the neck."""


def _joints(moment: Moment, number: int) -> Joints:
    """Make JTA's 22 joints for everybody in a frame of this number, from their bones."""
    seen, heads, plan = moment.seen, moment.heads, moment.scene.plan
    camera = moment.scene.camera(moment.number)
    order = np.argsort(heads["ped_id"], kind="stable")
    top, neck = seen.world_m[order], seen.neck_m[order]
    bones = seen.joints_m[order][:, [BONE[name] for name in _JOINT_BONES]]
    head = np.stack([top, (top + neck) / 2, neck], axis=1)
    positions = np.concatenate([head, bones], axis=1)
    count = len(order)
    flat = positions.reshape(-1, 3)
    pixels, _ = project(flat, camera, plan.size_wh)

    def each(values: Any) -> Any:  # noqa: ANN401 - an array of any type
        return np.repeat(values[order], JOINTS_A_PERSON)

    return Joints(
        frame=np.full(count * JOINTS_A_PERSON, number, np.int64),
        person=each(heads["ped_id"]),
        kind=np.tile(np.arange(JOINTS_A_PERSON), count),
        xy=pixels,
        xyz=flat,
        occluded=np.maximum(each(heads["occluded"]), 0).astype(np.int8),
        self_occluded=each(heads["self_occluded"]),
        lines=np.zeros(count * JOINTS_A_PERSON, np.int64),
    )


class GccLayout:
    """GCC's collector: 180 people per shot, far ones first; of a head only SKEL_Head is kept."""

    LAST_FILES = 1
    FIRST = 1_500_000_000
    """Unix time of a sequence's first image."""

    PERSON = 17
    """What the stencil has for people out of doors."""

    def __init__(self, folder: Path, plan: SequencePlan, tool: str, *, images: bool) -> None:
        self._folder, self._plan, self._tool, self._images = folder, plan, tool, images
        wedge = wedge_of(plan.camera, plan.size_wh)
        write_part_info(folder, plan.camera, 0.0, ground_corners(plan.camera, wedge))

    def add(self, moment: Moment) -> None:
        """Write the folder of one image."""
        plan, seen = self._plan, moment.seen
        shot = self._folder / str(self.FIRST + moment.number)
        shot.mkdir()
        bones, _ = project((seen.world_m + seen.neck_m) / 2, plan.camera, plan.size_wh)
        write_ped_info(shot, bones, plan.size_wh, plan.weather, plan.hour)
        for first in range(0, max(len(seen.who), 1), BATCH) if self._images else ():
            batch, nobody = seen.take(slice(first, first + BATCH)), seen.take(slice(0))
            moment.write_image(shot / f"part_{first}_1.bmp", batch)
            moment.write_image(shot / f"part_{first}_0.bmp", nobody)
            stencil = moment.scene.stencil(moment.number, batch, self.PERSON)
            (shot / f"part_{first}.raw").write_bytes(stencil.tobytes())

    def finish(self, counts: Mapping[str, int]) -> None:
        """Mark the sequence as simulated."""
        storage.write_json(self._folder / SIMULATION, _about(self._plan, self._tool, counts))


LAYOUTS: Mapping[str, type[Layout]] = {
    "native": NativeLayout,
    "jta-mods": JtaModsLayout,
    "gcc": GccLayout,
}
