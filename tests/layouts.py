"""Writers of captures in every tool's own layout and with its quirks, from one known scene.

They share nothing with the library: the camera is made of rotation matrices, numbers are printed as
the tools print them. So what the readers give can be compared with the scene.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import helpers
import numpy as np

from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, focal_px
from gtahead.ingest.model import CapturedSequence
from gtahead.readers import choose_reader

Vector = np.ndarray[Any, np.dtype[np.float64]]

FULL = (1920, 1080)
UNIX = 1_500_000_000


@dataclass(frozen=True)
class Body:
    """One person in one frame: head_top and neck in the world; SKEL_Head lies halfway."""

    ped: int
    top: Vector
    neck: Vector
    occluded: int = 0
    self_occluded: int = 0

    @property
    def bone(self) -> Vector:
        return (self.top + self.neck) / 2


@dataclass
class Scene:
    """Frames 0, 1, 2 ...: their cameras, and who is there."""

    cameras: list[Camera]
    people: list[list[Body]]
    size_wh: tuple[int, int] = FULL
    weather: str = "RAIN"
    hour: int = 11
    minute: int = 42
    extra: dict[str, Any] = field(default_factory=dict)


@cache
def axes(camera: Camera) -> Vector:
    """Rows right, forward, up of the camera in the world: Rz(yaw) Ry(roll) Rx(pitch), transposed."""
    pitch, roll, yaw = (math.radians(a) for a in camera.rotation_deg or ())
    rx = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    ry = [[math.cos(roll), 0, math.sin(roll)], [0, 1, 0], [-math.sin(roll), 0, math.cos(roll)]]
    rz = [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    turned: Vector = (np.array(rz) @ np.array(ry) @ np.array(rx)).T
    return turned


def see(point: Vector, camera: Camera, size_wh: tuple[int, int]) -> tuple[float, float, float]:
    """Pixel and depth; behind the camera mirrored, as the tools do it."""
    right, forward, up = map(float, axes(camera) @ (point - np.array(camera.position_m)))
    focal = size_wh[1] / 2 / math.tan(math.radians(camera.vfov_deg) / 2)
    if forward == 0:
        return math.nan, math.inf, forward
    return (
        size_wh[0] / 2 + focal * right / forward,
        size_wh[1] / 2 - focal * up / forward,
        forward,
    )


def printed(value: float) -> str:
    """As a C++ stream of Windows' runtime prints it."""
    if math.isnan(value):
        return "-nan(ind)"
    return f"{value:.6g}"


@cache
def image(size_wh: tuple[int, int], kind: str, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    return bytes(cv2.imencode(kind, cv2.resize(noise, size_wh))[1])


def _write(path: Path, data: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def joints_of(body: Body) -> list[Vector]:
    """All 22 joints: the head's three, and the rest hanging below the neck."""
    below = [body.neck - np.array([0.0, 0.0, 0.05 * k]) for k in range(1, 20)]
    return [body.top, body.bone, body.neck, *below]


def crowd(seed: int = 3, frames: int = 4, size_wh: tuple[int, int] = FULL) -> Scene:
    """Forty people before a camera near the middle of the map; they stroll; frame 2 is empty."""
    random = np.random.default_rng(seed)
    camera = Camera(50.0, (203.25, -830.5, 31.75), (-14.0, 0.0, 37.5))
    way = axes(camera).T
    starts = []
    for ped in range(1, 41):
        depth = random.uniform(6, 40)
        across, above = random.uniform(-0.7, 0.7), random.uniform(-0.35, 0.35)
        top = np.array(camera.position_m) + way @ (np.array([across, 1, above]) * depth)
        starts.append((ped, top, top - np.array([0.01, 0.02, 0.22])))
    people = []
    for number in range(frames):
        step = np.array([0.04, 0.03, 0.0]) * number
        people.append(
            []
            if number == 2
            else [Body(p, t + step, n + step, int(p % 5 == 0)) for p, t, n in starts]
        )
    return Scene([camera] * frames, people, size_wh)


def small_crowd() -> Scene:
    """The same in small images, for tests of what isn't seen in them."""
    return crowd(size_wh=(320, 180))


def read(root: Path) -> tuple[CapturedSequence, Findings, Ledger]:
    """Read the only sequence of a capture."""
    reader, _ = choose_reader(root)
    findings, ledger = Findings(), Ledger()
    (source,) = reader.list_sequences(root, findings)
    return reader.read(source, findings, ledger), findings, ledger


# native -----------------------------------------------------------------------------------------


def write_native(root: Path, scene: Scene, *, images: bool = True) -> Path:
    folder = root / "native" / "seq_0"
    rows = ["frame,ped_id,x,y,depth_m,top_neck_m,occluded,self_occluded"]
    for number, people in enumerate(scene.people):
        for body in people:
            x, y, depth = see(body.top, scene.cameras[number], scene.size_wh)
            apart = float(np.linalg.norm(body.top - body.neck))
            values = [number, body.ped, x, y, depth, apart, body.occluded, body.self_occluded]
            rows.append(",".join(map(repr, values)))
    document = {
        "format": "gtahead-capture",
        "version": 1,
        "width": scene.size_wh[0],
        "height": scene.size_wh[1],
        "images": images,
        "frames": [
            {
                "frame": number,
                "file": f"frames/{number}.jpg" if images else None,
                "camera": {
                    "vfov_deg": camera.vfov_deg,
                    "position_m": camera.position_m,
                    "rotation_deg": camera.rotation_deg,
                },
            }
            for number, camera in enumerate(scene.cameras)
        ],
    }
    _write(folder / "heads.csv", "\n".join(rows) + "\n")
    _write(folder / "sequence.json", json.dumps(document))
    for number in range(len(scene.people)) if images else ():
        _write(folder / "frames" / f"{number}.jpg", image(scene.size_wh, ".jpg", number))
    return folder.parent


# JTA-Mods ---------------------------------------------------------------------------------------

CAMERA = ["cam_3D_x", "cam_3D_y", "cam_3D_z", "cam_rot_x", "cam_rot_y", "cam_rot_z", "fov"]
SPOT, PIXEL, FLAGS = ["3D_x", "3D_y", "3D_z"], ["2D_x", "2D_y"], ["occluded", "self_occluded"]
GENERATIONS = {1: [*SPOT, *FLAGS], 2: [*SPOT, *PIXEL, *FLAGS], 3: [*PIXEL, *SPOT, *FLAGS]}


def write_jta_mods(
    root: Path, scene: Scene, generation: int = 3, *, images: bool = True, name: str = "seq_0"
) -> Path:
    folder = root / "JTA" / name
    columns = ["frame", "pedestrian_id", "joint_type", *GENERATIONS[generation], *CAMERA]
    lines = [(", " if generation == 1 else ",").join(columns)]
    for number, people in enumerate(scene.people):
        camera = scene.cameras[number]
        position = [*(camera.position_m or ()), *(camera.rotation_deg or ()), camera.vfov_deg]
        for body in people:
            for kind, joint in enumerate(joints_of(body)):
                x, y, _ = see(joint, camera, scene.size_wh)
                cells = dict(zip(SPOT, joint, strict=True)) | {"2D_x": x, "2D_y": y}
                cells |= {"occluded": body.occluded, "self_occluded": body.self_occluded}
                cells |= dict(zip(CAMERA, position, strict=True))
                values = [printed(cells[name]) for name in columns[3:]]
                lines.append(",".join([str(number), str(body.ped), str(kind), *values]))
    _write(folder / "coords.csv", "\r\n".join(lines) + "\r\n")
    _write(folder / "log.txt", "")
    for number in range(len(scene.people)) if images else ():
        _write(folder / f"{number}.jpeg", image(scene.size_wh, ".jpg", number))
    return folder.parent


# JTA --------------------------------------------------------------------------------------------


def camera_axes(point: Vector, camera: Camera) -> tuple[float, float, float]:
    """x right, y down, z forward."""
    right, forward, up = map(float, axes(camera) @ (point - np.array(camera.position_m)))
    return right, -up, forward


def write_jta(root: Path, scene: Scene) -> Path:
    """Frames are counted from 1; the focal length is always 1158."""
    base = root / "JTA-Dataset"
    rows = []
    for number, people in enumerate(scene.people):
        for body in people:
            for kind, joint in enumerate(joints_of(body)):
                x, y, _ = see(joint, scene.cameras[number], scene.size_wh)
                spot = camera_axes(joint, scene.cameras[number])
                flags = [body.occluded, body.self_occluded]
                rows.append([float(number + 1), body.ped, kind, x, y, *spot, *flags])
    _write(base / "annotations" / "train" / "seq_0.json", json.dumps(rows))
    for number in range(len(scene.people)):
        file = base / "frames" / "train" / "seq_0" / f"{number + 1}.jpg"
        _write(file, image(scene.size_wh, ".jpg", number))
    return base


# MOTSynth ---------------------------------------------------------------------------------------


def write_motsynth(root: Path, scene: Scene, *, base: int = 1, world: bool = False) -> Path:
    """Keypoints in whole pixels; `frame_n` begins at `base`; 3-D as the camera sees it, or not."""
    out = root / "MOTSynth"
    images, annotations = [], []
    width, height = scene.size_wh
    for number, people in enumerate(scene.people):
        camera = scene.cameras[number]
        images.append(
            {
                "id": 10_000 + number,
                "file_name": f"frames/000/rgb/{number:04d}.jpg" if base != 3 else "gone",
                "frame_n": number + base,
                "width": width,
                "height": height,
                "cam_world_pos": list(camera.position_m or ()),
                "cam_world_rot": list((camera.rotation_deg or ())[::-1]),
            }
        )
        for body in people:
            flat: list[float] = []
            deep: list[float] = []
            for joint in joints_of(body):
                x, y, _ = see(joint, camera, scene.size_wh)
                spot = list(joint) if world else list(camera_axes(joint, camera))
                flat += [round(x), round(y), 1 if body.occluded else 2]
                deep += [*map(float, spot), 1.0]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": 10_000 + number,
                    "category_id": 1,
                    "bbox": [1, 2, 3, 4],
                    "area": 12,
                    "iscrowd": int(body.ped in scene.extra.get("ignored", ())),
                    "keypoints": flat,
                    "keypoints_3d": deep,
                    "num_keypoints": 22,
                    "ped_id": body.ped,
                }
            )
    focal = height / 2 / math.tan(math.radians(scene.cameras[0].vfov_deg) / 2)
    info = {"seq_name": "000", "fps": 20, "img_width": width, "img_height": height, "fy": focal}
    info |= {"weather": scene.weather, "time": f"{scene.hour:02d}:{scene.minute:02d}:00"}
    document = {"info": info, "images": images, "annotations": annotations}
    _write(out / "annotations" / "000.json", json.dumps(document))
    for number in range(len(scene.people)):
        file = out / "frames" / "000" / "rgb" / f"{number:04d}.jpg"
        _write(file, image(scene.size_wh, ".jpg", number))
    return out


# MTA --------------------------------------------------------------------------------------------

MTA_COLUMNS = (
    "frame_no_gta,frame_no_cam,person_id,appearance_id,joint_type,x_2D_joint,y_2D_joint,"
    "x_3D_joint,y_3D_joint,z_3D_joint,joint_occluded,joint_self_occluded,x_3D_cam,y_3D_cam,z_3D_cam,"
    "x_rot_cam,y_rot_cam,z_rot_cam,fov,x_3D_person,y_3D_person,z_3D_person,x_2D_person,y_2D_person,"
    "ped_type,wears_glasses,yaw_person,hours_gta,minutes_gta,seconds_gta,x_top_left_BB,y_top_left_BB,"
    "x_bottom_right_BB,y_bottom_right_BB"
)


def write_mta(root: Path, scene: Scene, *, camera_number: int = 0, split: str = "train") -> Path:
    base = root / "MTA"
    folder = base / split / f"cam_{camera_number}"
    lines = [MTA_COLUMNS]
    for number, people in enumerate(scene.people):
        camera = scene.cameras[number]
        position = [*(camera.position_m or ()), *(camera.rotation_deg or ()), camera.vfov_deg]
        for body in people:
            kind_of = 28 if body.ped in scene.extra.get("animals", ()) else 4
            for kind, joint in enumerate(joints_of(body)):
                x, y, _ = see(joint, camera, scene.size_wh)
                values = [
                    x,
                    y,
                    *joint,
                    body.occluded,
                    body.self_occluded,
                    *position,
                    *body.top,
                    x,
                    y,
                ]
                values += [
                    kind_of,
                    0,
                    12.5,
                    scene.hour,
                    scene.minute,
                    0,
                    x - 9,
                    y - 9,
                    x + 9,
                    y + 99,
                ]
                ids = [number + 77, number, body.ped, 3, kind]
                lines.append(",".join([*map(str, ids), *map(printed, values)]))
    _write(folder / f"coords_cam_{camera_number}.csv", "\r\n".join(lines) + "\r\n")
    _write(folder / f"coords_fib_cam_{camera_number}.csv", "frame_no_cam,person_id\r\n")
    for number in range(len(scene.people)):
        file = folder / f"image_{number}_{camera_number}.jpg"
        _write(file, image(scene.size_wh, ".jpg", number))
    return base


# GCC --------------------------------------------------------------------------------------------


def ped_info(scene: Scene, number: int) -> str:
    """Not XML: bare attributes, several roots, no space before `minutes`."""
    lines = ["<pedSet>"]
    for body in scene.people[number]:
        x, y, depth = see(body.bone, scene.cameras[number], scene.size_wh)
        x, y = (x / scene.size_wh[0], y / scene.size_wh[1]) if depth > 0 else (-1.0, -1.0)
        lines += [
            f"    <ped id={body.ped}>",
            f"        <SKEL_Head x={x:.6f} y={y:.6f} />",
            "</ped>",
        ]
    lines += ["</pedSet>", f"<weather>{scene.weather}</weather>"]
    return "\n".join([*lines, f"<time hour={scene.hour}minutes={scene.minute} />", ""])


def stencil_of(scene: Scene, number: int, value: int = 17) -> bytes:
    """People where the bones of those who aren't hidden are; scenery elsewhere."""
    width, height = scene.size_wh
    stencil = np.zeros((height, width), np.uint8)
    for body in scene.people[number]:
        x, y, depth = see(body.bone, scene.cameras[number], scene.size_wh)
        if depth > 0 and not body.occluded and 0 <= x < width and 0 <= y < height:
            area = np.s_[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
            stencil[area] = value
    return stencil.tobytes()


GROUND = [(101.5, 20.25), (130.0, -3.5), (90.125, 44.0), (77.0, 12.0), (60.5, 8.0)]


def write_gcc(root: Path, scene: Scene, *, part: str = "part_3_1", shots: bool = True) -> Path:
    folder = root / "gcc" / part
    camera = scene.cameras[0]
    eye = [camera.position_m or (), camera.rotation_deg or (), (camera.vfov_deg,)]
    _write(folder / "eyeInfo.log", "\n".join(" ".join(map(repr, line)) for line in eye) + "\n")
    area = [f"{len(GROUND)}", *(f"{x} {y}" for x, y in GROUND)]
    _write(folder / "areaInfo.log", "\n".join(area) + "\n")
    _write(folder / "levelInfo.log", "0")
    for number in range(len(scene.people)):
        shot = folder / str(UNIX + number)
        _write(shot / "pedInfo.xml", ped_info(scene, number))
        if shots:
            _write(shot / "part_0_1.bmp", image(scene.size_wh, ".bmp", number))
            _write(shot / "part_0_0.bmp", image(scene.size_wh, ".bmp", number))
            _write(shot / "part_0.raw", stencil_of(scene, number))
    return folder.parent


def labelled_points(scene: Scene, number: int) -> list[list[int]]:
    """[row, column] of the bones, rounded and 1 taken off, as the labeler does; hidden ones go."""
    points = []
    width, height = scene.size_wh
    for body in scene.people[number]:
        x, y, depth = see(body.bone, scene.cameras[number], scene.size_wh)
        row, column = round(y) - 1, round(x) - 1
        if depth > 0 and not body.occluded and 0 <= row < height and 0 <= column < width:
            points.append([row, column])
    return points


def scrambled_ground() -> list[tuple[float, float]]:
    flat = [value for pair in GROUND for value in pair]
    return list(zip(flat[: len(GROUND)], flat[len(GROUND) :], strict=True))


def write_gcc_scene(
    root: Path, scene: Scene, *, mats: bool = False, name: str = "scene_3_1"
) -> Path:
    from scipy import io

    folder = root / "labelled" / name
    camera = scene.cameras[0]
    for number in range(len(scene.people)):
        points, time = labelled_points(scene, number), UNIX + number
        _write(folder / "pngs" / f"{time}.png", image(scene.size_wh, ".png", number))
        _write(folder / "segs" / f"{time}.raw", stencil_of(scene, number, 1))
        if not mats:
            document: Mapping[str, Any] = {
                "image_info": points,
                "weather": scene.weather,
                "timeInfo": [scene.hour, scene.minute],
                "roi": scrambled_ground(),
                "camera": {
                    "location": camera.position_m,
                    "rotation": camera.rotation_deg,
                    "fov": camera.vfov_deg,
                },
            }
            _write(folder / "jsons" / f"{time}.json", json.dumps(document))
            continue
        (folder / "mats").mkdir(parents=True, exist_ok=True)
        pair = np.dtype([("location", "O"), ("number", "O")])
        three = [("location", "O"), ("rotation", "O"), ("fov", "O")]
        io.savemat(
            folder / "mats" / f"{time}.mat",
            {
                "image_info": np.array((np.array(points, int), np.array([[len(points)]])), pair),
                "weather_info": np.array([[scene.weather]]),
                "time_info": np.array([[scene.hour, scene.minute]], np.uint8),
                "roi_info": np.array(scrambled_ground()),
                "camera_info": np.array(
                    [
                        [
                            (
                                np.array([camera.position_m]),
                                np.array([camera.rotation_deg]),
                                np.array([[camera.vfov_deg]]),
                            )
                        ]
                    ],
                    three,
                ),
            },
        )
    return folder.parent


# ShanghaiTechRGBDSyn ----------------------------------------------------------------------------


def write_rgbdsyn(root: Path, scene: Scene) -> Path:
    base = write_gcc_scene(root / "rgbd", scene, name="scene_3_1")
    folder = base / "scene_3_1"
    width, height = scene.size_wh
    for number, people in enumerate(scene.people):
        time, camera = UNIX + number, scene.cameras[number]
        buffer = np.full((height, width), 0.001, np.float32)  # 144 m away
        people_seen = np.zeros((height, width), np.uint8)
        boxes = []
        spots = [(body, *see(body.bone, camera, scene.size_wh)) for body in people]
        for _, x, y, depth in sorted(spots, key=lambda spot: -spot[3]):
            if depth > 0:
                reach = round(0.08 * 1483 / depth)
                area = np.s_[
                    max(int(y) - reach, 0) : max(int(y) + reach + 1, 0),
                    max(int(x) - reach, 0) : max(int(x) + reach + 1, 0),
                ]
                buffer[area] = math.log2(1 + 0.1 / depth)
                people_seen[area] = 1
        for body, x, y, depth in spots:
            row, column = round(y) - 1, round(x) - 1
            if depth > 0 and not body.occluded and 0 <= row < height and 0 <= column < width:
                half = int(0.8 * 0.15 * 1483 / depth)
                row -= math.ceil(half * 0.15)
                boxes.append(f"{column - half} {row - half} {column + half} {row + half}\r\n")
        _write(folder / "bbox" / f"{time}.txt", "".join(boxes))
        _write(folder / "depth" / f"{time}.raw", buffer.tobytes())
        _write(folder / "segs" / f"{time}.raw", people_seen.tobytes())
        _write(folder / "point" / f"{time}.json", json.dumps(labelled_points(scene, number)))
    return base


# GTA5Event --------------------------------------------------------------------------------------


def view_matrix(camera: Camera) -> list[float]:
    """16 numbers, column by column: the camera looks along -z, y is up."""
    right, forward, up = axes(camera)
    view = np.eye(4)
    view[:3, :3] = [right, up, -forward]
    view[:3, 3] = -view[:3, :3] @ np.array(camera.position_m)
    return [float(value) for value in view.T.reshape(-1)]


def write_gta_event(root: Path, scene: Scene, *, matrix: bool = True, face: bool = True) -> Path:
    base = root / "event"
    camera = scene.cameras[0]
    x, y, z = camera.position_m or (0, 0, 0)
    pitch, roll, yaw = camera.rotation_deg or (0, 0, 0)
    location: dict[str, Any] = {"LocationName": "pier", "CameraFOV": camera.vfov_deg, "Fps": 30}
    location |= {"CurrentWeather": 6, "CurrentTime": f"{scene.hour:02d}:{scene.minute:02d}:00"}
    if matrix:
        values = {"Values": view_matrix(camera), "ColumnCount": 4, "RowCount": 4}
        location |= {"ViewMatrix": values}
    else:
        location |= {"CameraPosition": {"X": x, "Y": y, "Z": z}}
        location |= {"CameraRotation": {"X": pitch, "Y": roll, "Z": yaw}}
    _write(base / "locations_processed" / "pier.json", json.dumps(location))
    _write(base / "locations" / "pier.json", json.dumps({}))
    for number, people in enumerate(scene.people):
        detections: list[dict[str, Any]] = [
            {"Type": 2, "Handle": 99, "Distance": 5.0, "Bones3D": {}}  # a car
        ]
        for body in people:
            bones = [body.bone, *joints_of(body)[2:]]
            if face:  # a ring of small bones round the middle of the face
                turns = np.linspace(0, 2 * math.pi, 12, endpoint=False)
                ring = [np.array([math.cos(a), math.sin(a), 0.0]) * 0.03 for a in turns]
                bones = [*(body.top + step for step in ring), *bones]
            detections.append(
                {
                    "Type": 1,
                    "Handle": body.ped,
                    "Distance": 1.0,
                    "Bones3D": {
                        str(index): {
                            "Pos": {"X": float(b[0]), "Y": float(b[1]), "Z": float(b[2])},
                            "IsVisible": 0,
                        }
                        for index, b in enumerate(bones)
                    },
                }
            )
        stem = base / "data" / "pier" / f"{number:010d}"
        _write(stem.with_suffix(".json"), json.dumps({"Detections": detections}))
        _write(stem.with_suffix(".tiff"), image(scene.size_wh, ".tiff", number))
        stencil = np.frombuffer(stencil_of(scene, number), np.uint8)
        pixels = stencil.reshape(scene.size_wh[1], scene.size_wh[0])
        _write(stem.with_name(f"{stem.name}-stencil.tiff"), bytes(cv2.imencode(".tiff", pixels)[1]))
    return base


NPZ_SIZE = (192, 108)
NPZ_FRAMES = 3


def hundred_joints(top_m: tuple[float, float, float]) -> np.ndarray[Any, Any]:
    """Return (100, 3) joints as the camera sees them: the head above its neck, the rest below."""
    x, y, z = top_m
    joints = np.full((100, 3), (x, y + 1.0, z))
    joints[:3] = (x, y, z), (x, y + 0.1, z), (x, y + 0.2, z)
    return joints


def in_pixels(joints: np.ndarray[Any, Any], focal: float) -> np.ndarray[Any, Any]:
    return focal * joints[..., :2] / joints[..., 2:] + np.array(NPZ_SIZE) / 2


def write_gta_human(root: Path, people: dict[str, Any], *, seen: bool = True) -> Path:
    """Write a sequence; people by name, each where its head_top is in the first frame."""
    focal = focal_px(50.0, NPZ_SIZE[1])
    folder = root / "annotations" / "seq_00000001"
    folder.mkdir(parents=True)
    for name, top in people.items():
        space = np.stack([hundred_joints((top[0] + 0.1 * n, *top[1:])) for n in range(NPZ_FRAMES)])
        pixels = np.concatenate([in_pixels(space, focal), np.ones((NPZ_FRAMES, 100, 1))], axis=2)
        told = space if seen else space + [100.0, 200.0, 30.0]
        occ = np.zeros((NPZ_FRAMES, 100))
        occ[1, :2] = 1
        np.savez(
            folder / f"{name}.npz",
            keypoints_2d=pixels,
            keypoints_3d=np.concatenate([told, np.ones((NPZ_FRAMES, 100, 1))], axis=2),
            occ=occ,
            self_occ=np.zeros((NPZ_FRAMES, 100)),
            fov=50.0,
            weather="RAIN",
            daytime=np.array([13, 30, 0]),
            location_tag="beach",
            ped_action="walking",
        )
    images = root / "images" / "seq_00000001"
    images.mkdir(parents=True)
    for number in range(NPZ_FRAMES):
        (images / f"{number:08d}.jpeg").write_bytes(helpers.image(number, NPZ_SIZE))
    return root


def write_gta_im(folder: Path, images: int = NPZ_FRAMES) -> Path:
    """Write a sequence whose character goes to the right, 4 m away."""
    folder.mkdir(parents=True)
    focal = focal_px(60.0, NPZ_SIZE[1])
    space = np.stack([hundred_joints((0.2 * n, 0.0, 4.0))[1:22] for n in range(NPZ_FRAMES)])
    np.savez(
        folder / "info_frames.npz",
        joints_2d=in_pixels(space, focal),
        joints_3d_cam=space,
        joints_3d_world=space,
        world2cam_trans=np.tile(np.eye(4), (NPZ_FRAMES, 1, 1)),
        intrinsics=np.tile([[focal, 0, 96], [0, focal, 54], [0, 0, 1]], (NPZ_FRAMES, 1, 1)),
    )
    for number in range(images):
        (folder / f"{number:05d}.jpg").write_bytes(helpers.image(number, NPZ_SIZE))
        (folder / f"{number:05d}.png").write_bytes(b"a depth map")
        (folder / f"{number:05d}_id.png").write_bytes(b"instances")
    return folder


WRITERS: dict[str, Callable[[Path, Scene], Path]] = {
    "jta": write_jta,
    "jta-mods": write_jta_mods,
    "motsynth": write_motsynth,
    "mta": write_mta,
    "gcc": write_gcc,
    "scene": write_gcc_scene,
    "mats": lambda root, scene: write_gcc_scene(root, scene, mats=True),
    "rgbdsyn": write_rgbdsyn,
    "gta-event": write_gta_event,
}
"""Writers of captures of every kind, from a scene."""
