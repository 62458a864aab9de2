"""One simulated sequence, staged: its place, light, people and camera, and how frames look.

Everything is drawn in the place's metres: the point below the camera is the origin, y goes where
the camera looks at first, x to its right. Labels are in the world's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Columns, Floats, Ints
from gtahead.dataset import CountPolicy
from gtahead.geometry import Camera, focal_px, inside
from gtahead.simulation.atmosphere import LAMP_LIGHT, Atmosphere, atmosphere_of, room_light
from gtahead.simulation.chance import Chance
from gtahead.simulation.crowds import People, gather
from gtahead.simulation.distortion import Distortion
from gtahead.simulation.lens import Lens, Photograph
from gtahead.simulation.places import PLACES, Place, Wedge
from gtahead.simulation.planning import FPS, MIN_PX, SequencePlan
from gtahead.simulation.rendering.frame import Drawn, Renderer
from gtahead.simulation.rendering.posing import Crowd, posed_joints
from gtahead.simulation.rendering.stage import Stage, View
from gtahead.simulation.rendering.visibility import NOTHING, SAMPLES, TRIANGLE_BITS
from gtahead.simulation.skeleton import BONE
from gtahead.tables.canonical import COUNTED

Image = npt.NDArray[np.uint8]

HEAD_M = 0.235
NECKS_LENGTH = 1.3
"""How far below the head the game's neck lies, in distances to the cast's."""
_TRIES = 5  # to find the number of people that leaves the target number of heads in sight
MAX_PEOPLE = 200_000
"""Of one sequence: no more have a number of their own in what is drawn."""

_SHUTTER_S = 0.02
# Each kind of chance has its own stream, so that labels don't depend on images.
_PLACE, _LIGHT, _PEOPLE, _LENS, _FRAMES = range(5)


@dataclass(frozen=True)
class Seen:
    """The heads of one frame that are before the camera, (n,) each.

    Attributes:
        who: numbers of people.
        heads_xy: (n, 2) the heads' middles, pixels.
        boxes_xyxy: (n, 4) exact boxes, pixels, also beyond the image.
        depth_m: along the optical axis.
        world_m: (n, 3) the heads' middles.
        neck_xy: (n, 2) pixels.
        neck_m: (n, 3) the necks.
        joints_m: (n, 20, 3) where the bones begin.
        shares: visible share of each head's samples; those outside the image count as unseen.
        covered: 1 where something else covers the head's middle, -1 where that is outside.
        away: whether the face looks away from the camera.
    """

    who: Ints
    heads_xy: Floats
    boxes_xyxy: Floats
    depth_m: Floats
    world_m: Floats
    neck_xy: Floats
    neck_m: Floats
    joints_m: Floats
    shares: Floats
    covered: npt.NDArray[np.int8]
    away: Booleans

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: slice) -> Seen:
        """Return some of them, by a slice."""
        return Seen(*(getattr(self, field.name)[rows] for field in fields(self)))


def wedge_of(
    camera: Camera,
    size_wh: tuple[int, int],
    pan_deg: float = 0.0,
    min_px: float = MIN_PX,
    field_wh: tuple[int, int] | None = None,
) -> Wedge:
    """Find the ground on which a camera sees people at a size that matters.

    Args:
        camera: with position and rotation.
        size_wh: of the image.
        pan_deg: by how much the camera turns to either side.
        min_px: nobody stands so far that their head is smaller.
        field_wh: of what is seen, where distortion makes it more than the image.
    """
    wide, high = field_wh or size_wh
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    height = camera.position_m[2]
    down = math.radians(-camera.rotation_deg[0])
    focal = focal_px(camera.vfov_deg, size_wh[1])
    half = math.atan(high / 2 / focal)
    near = max(height - 1.7, 0.5) / math.tan(min(down + half, math.radians(89)))
    near = max(near, 1.5)
    reach = HEAD_M * focal / min_px
    lowest = down - half
    far = reach if lowest <= 0 else (height - 1.0) / math.tan(lowest)
    far = max(min(far, reach), near + 1.0)
    side = math.atan(wide / 2 / focal * 1.05) + math.radians(pan_deg)
    return Wedge(*(round(value, 6) for value in (near, far, math.tan(side), height)))


def in_the_world(places_m: Floats, camera: Camera) -> Floats:
    """Return points of a place, (..., 3), in the world of the camera that it was built for."""
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    yaw = math.radians(camera.rotation_deg[2])
    x, y = places_m[..., 0], places_m[..., 1]
    return np.stack(
        [
            camera.position_m[0] + x * math.cos(yaw) - y * math.sin(yaw),
            camera.position_m[1] + x * math.sin(yaw) + y * math.cos(yaw),
            places_m[..., 2],
        ],
        axis=-1,
    )


def ground_corners(camera: Camera, wedge: Wedge) -> Floats:
    """Return the corners of the ground that is seen, (4, 2) in the world."""
    near, far, slope = wedge.near_m, wedge.far_m, wedge.slope
    corners = [[-near * slope, near], [near * slope, near], [far * slope, far], [-far * slope, far]]
    return in_the_world(np.column_stack([corners, np.zeros(4)]), camera)[:, :2]


class Scene:
    """Everything that determines a sequence's frames.

    Attributes:
        plan: of the sequence.
        distortion: of the lens, if any.
        wedge: of the ground that is seen.
        place: where it is.
        atmosphere: the light.
        people: everybody.
    """

    def __init__(self, plan: SequencePlan) -> None:
        self.plan = plan
        self.distortion = Distortion(plan.size_wh, plan.distortion) if plan.distortion else None
        self._field_wh = self.distortion.field_wh if self.distortion else plan.size_wh
        self.wedge = wedge_of(plan.camera, plan.size_wh, plan.pan_deg, plan.min_px, self._field_wh)
        self.place: Place = PLACES[plan.place](self._chance(_PLACE), self.wedge)
        light = self._chance(_LIGHT)
        self.atmosphere: Atmosphere = (
            room_light(light)
            if self.place.indoors
            else atmosphere_of(plan.weather, plan.hour, plan.bearing, light)
        )
        self._stage = self._staged()
        self._drawn: tuple[int, Crowd, View, Drawn] | None = None  # of the last frame
        self.people, self._renderer = self._crowd()

    def _chance(self, *stream: int) -> Chance:
        return Chance(*self.plan.seed, *stream)

    def _staged(self) -> Stage:
        scenery, air, wedge = self.place.scenery, self.atmosphere, self.wedge
        corners, triangles, materials = scenery.arrays()
        traffic, paints = self.place.traffic.arrays()
        lamps = [(*lamp, *LAMP_LIGHT) for lamp in scenery.lamps] if air.night > 0 else []
        lamps += [(x, y, z, g, 0.95 * g, 0.85 * g) for x, y, z, g in self.place.lights]
        width = self.plan.size_wh[0]
        return Stage(
            places=corners,
            triangles=triangles,
            materials=np.concatenate([materials, paints]),
            zones=np.array(scenery.zones, np.float32).reshape(-1, 6),
            ground=self.place.ground,
            sun=air.sun,
            lights=air.lights.astype(np.float32),
            lamps=np.array(lamps, np.float32).reshape(-1, 6),
            air=air.air.astype(np.float32),
            middle_m=np.array([0, round((wedge.near_m + wedge.far_m) / 2, 3)]),
            reach_m=min(max(8.0, (wedge.far_m - wedge.near_m) * 0.7 + 3), 70.0),
            crowded=scenery.standing(),
            map_side=2048 if width >= 1000 else (1024 if width >= 500 else 512),
            traffic=traffic,
        )

    def camera(self, frame: int) -> Camera:
        """Return the camera of a frame: one that pans turns to and fro."""
        plan = self.plan
        if plan.pan_deg == 0:
            return plan.camera
        assert plan.camera.rotation_deg is not None
        pitch, roll, yaw = plan.camera.rotation_deg
        turned = plan.pan_deg * math.sin(2 * math.pi * frame / FPS / plan.pan_s)
        return replace(plan.camera, rotation_deg=(pitch, roll, round(yaw + turned, 3)))

    def view(self, frame: int) -> View:
        """Return the camera of a frame in the place's metres, without distortion."""
        first, now = self.plan.camera.rotation_deg, self.camera(frame).rotation_deg
        assert first is not None
        assert now is not None
        pitch, turn = math.radians(now[0]), math.radians(now[2] - first[2])
        # Yaw turns counter-clockwise, seen from above.
        forward = np.array(
            [-math.cos(pitch) * math.sin(turn), math.cos(pitch) * math.cos(turn), math.sin(pitch)]
        )
        right = np.array([math.cos(turn), math.sin(turn), 0.0])
        up = np.array(
            [
                right[1] * forward[2] - right[2] * forward[1],
                right[2] * forward[0] - right[0] * forward[2],
                right[0] * forward[1] - right[1] * forward[0],
            ]
        )
        focal = focal_px(self.plan.camera.vfov_deg, self.plan.size_wh[1])
        eye = np.array([0.0, 0.0, self.wedge.height_m])
        return View(eye, right, up, forward, focal, self._field_wh)

    def world(self, places_m: Floats) -> Floats:
        """Return points of the place, (..., 3), in the world."""
        return in_the_world(places_m, self.plan.camera)

    def look(self, frame: int) -> Seen:
        """Return the heads of a frame."""
        return self._look(self._renderer, self._present(frame), frame)

    def _present(self, frame: int) -> Crowd:
        """Return who is there in a frame."""
        crowd = self.people.at(frame / FPS)
        return crowd.none() if frame < self.plan.empty_frames else crowd

    def _look(self, renderer: Renderer, crowd: Crowd, frame: int) -> Seen:
        view = self.view(frame)
        drawn = renderer.draw(crowd, view, frame / FPS)
        self._drawn = (frame, crowd, view, drawn)
        if self._beyond is not None:  # in the field, not in the image: heads there aren't seen
            drawn = replace(drawn, codes=np.where(self._beyond, np.int32(NOTHING), drawn.codes))
        heads = renderer.heads(crowd, drawn, self._bent)
        joints, facing = posed_joints(crowd, renderer.figures)
        who = heads.who
        # A head's point is the middle of its box, at the depth of the head's own middle.
        depth = ((heads.centres_m - view.eye_m) * view.forward).sum(axis=1)
        xy = (heads.boxes_xyxy[:, :2] + heads.boxes_xyxy[:, 2:]) / 2
        field_xy = xy if self.distortion is None else self.distortion.straight(xy)
        middle = _unprojected(field_xy, depth, view)
        neck = middle + (joints[who, BONE["neck_01"]] - middle) * NECKS_LENGTH
        towards = view.eye_m - middle
        # Far ones first, as everything that draws or lists people has them.
        order = np.argsort(-depth, kind="stable")
        return Seen(
            who=who[order],
            heads_xy=xy[order],
            boxes_xyxy=heads.boxes_xyxy[order],
            depth_m=depth[order],
            world_m=self.world(middle)[order],
            neck_xy=self._bent(_projected(neck, view)[0])[order],
            neck_m=self.world(neck)[order],
            joints_m=self.world(joints[who])[order],
            shares=heads.shares[order],
            covered=_covered(drawn.codes, who, field_xy, inside(xy, self.plan.size_wh))[order],
            away=((facing[who] * towards).sum(axis=1) < 0)[order],
        )

    def _bent(self, field_xy: Floats) -> Floats:
        """Return where points of the image without distortion, (n, 2), are seen."""
        return field_xy if self.distortion is None else self.distortion.bent(field_xy)

    @cached_property
    def _beyond(self) -> Booleans | None:
        """Which samples aren't in the image; None where all are."""
        return None if self.distortion is None else self.distortion.beyond(SAMPLES)

    def _crowd(self) -> tuple[People, Renderer]:
        """Find the people who leave the target number of heads in sight, and who draws them."""
        plan = self.plan
        target = plan.heads * plan.frames / max(plan.frames - plan.empty_frames, 1)
        number = round(1.1 * target)
        policy = CountPolicy()
        best: tuple[float, People, Renderer] | None = None
        for _ in range(_TRIES):
            people = gather(
                number,
                self.place,
                self.wedge,
                self._chance(_PEOPLE),
                behaviour=plan.behaviour,
                spacing_m=plan.spacing_m,
                rain=self.atmosphere.rain > 0,
            )
            renderer = Renderer(self._stage, people.figures)
            counts = []
            for frame in {0, plan.frames // 2, plan.frames - 1}:
                seen = self._look(renderer, people.at(frame / FPS), frame)
                status = policy.status(inside(seen.heads_xy, plan.size_wh), seen.shares, None)
                counts.append(int((status == COUNTED).sum()))
            found = float(np.mean(counts))
            miss = target / max(found, 1e-9) if found < target else found / max(target, 1e-9) - 0.04
            if best is None or miss < best[0]:
                best = (miss, people, renderer)
            if number == 0 or target <= found <= 1.06 * target:
                break
            number = max(round(number * min(1.03 * target / max(found, 1), 3.0)), 1)
            number = min(number, MAX_PEOPLE)
        assert best is not None
        self._drawn = None
        return best[1:]

    @cached_property
    def lens(self) -> Lens:
        """The lens through which the images are taken."""
        kind = Photograph if self.plan.photographs else Lens
        return kind(self.plan.size_wh, self.atmosphere, self._chance(_LENS))

    def image(self, frame: int, seen: Seen | None = None) -> Image:
        """Render a frame and develop it: (H, W, 3), blue first.

        Args:
            frame: its number.
            seen: the people who are to be in it; None for all.
        """
        if seen is not None or self._drawn is None or self._drawn[0] != frame:
            crowd, view = self._present(frame), self.view(frame)
            if seen is not None:
                crowd = crowd.take(np.sort(seen.who))
            drawn = self._renderer.draw(crowd, view, frame / FPS)
        else:
            _, crowd, view, drawn = self._drawn
        keep = self.plan.pan_deg == 0
        image = self._renderer.shade(crowd, drawn, view, keep=keep)
        if self.distortion is not None:
            image = self.distortion.image_of(image)
        bgr = np.ascontiguousarray(image[..., ::-1])
        return self.lens.develop(bgr, self._motion_px(frame), self._chance(_FRAMES, frame))

    def stencil(self, frame: int, seen: Seen, value: int) -> Image:
        """Return where some of the people are seen, (H, W), as a game's stencil buffer has them."""
        crowd = self.people.at(frame / FPS).take(np.sort(seen.who))
        drawn = self._renderer.draw(crowd, self.view(frame), frame / FPS)
        codes = drawn.codes[::SAMPLES, ::SAMPLES]
        return np.where(codes >= 0, value, 0).astype(np.uint8)

    def _motion_px(self, frame: int) -> float:
        """Return by how much the image moves while the shutter is open."""
        plan = self.plan
        if plan.pan_deg == 0:
            return 0.0
        turn = 2 * math.pi / plan.pan_s
        speed = math.radians(plan.pan_deg) * turn * math.cos(turn * frame / FPS)
        return speed * _SHUTTER_S * focal_px(plan.camera.vfov_deg, plan.size_wh[1])


def head_rows(number: int, seen: Seen) -> Columns:
    """Make a frame's rows of heads.csv: pixels to 0.01, metres to the millimetre."""
    boxes = np.round(seen.boxes_xyxy, 2)
    away = seen.world_m - seen.neck_m
    return {
        "frame": np.full(len(seen), number, np.int64),
        "ped_id": seen.who + 1,
        "x": np.round(seen.heads_xy[:, 0], 2),
        "y": np.round(seen.heads_xy[:, 1], 2),
        "depth_m": np.round(seen.depth_m, 3),
        "world_x_m": np.round(seen.world_m[:, 0], 3),
        "world_y_m": np.round(seen.world_m[:, 1], 3),
        "world_z_m": np.round(seen.world_m[:, 2], 3),
        "top_x": np.round(seen.heads_xy[:, 0], 2),
        "top_y": np.round(seen.heads_xy[:, 1], 2),
        "neck_x": np.round(seen.neck_xy[:, 0], 2),
        "neck_y": np.round(seen.neck_xy[:, 1], 2),
        "top_neck_m": np.round(np.sqrt((away * away).sum(axis=1)), 4),
        "box_x0": boxes[:, 0],
        "box_y0": boxes[:, 1],
        "box_x1": boxes[:, 2],
        "box_y1": boxes[:, 3],
        "occluded": seen.covered,
        "self_occluded": seen.away.astype(np.int8),
        "visibility": np.round(seen.shares, 3),
    }


def _projected(places_m: Floats, view: View) -> tuple[Floats, Floats]:
    """Project points of the place, (n, 3): (n, 2) pixels and (n,) depths."""
    away = places_m - view.eye_m
    depth = (away * view.forward).sum(axis=1)
    far = np.maximum(depth, 1e-6)
    x = view.size_wh[0] / 2 + view.focal_px * (away * view.right).sum(axis=1) / far
    y = view.size_wh[1] / 2 - view.focal_px * (away * view.up).sum(axis=1) / far
    return np.stack([x, y], axis=1), depth


def _unprojected(pixels_xy: Floats, depth_m: Floats, view: View) -> Floats:
    """Return the places, (n, 3), that are seen at some pixels at some depths."""
    across = (pixels_xy[:, :1] - view.size_wh[0] / 2) / view.focal_px
    above = (view.size_wh[1] / 2 - pixels_xy[:, 1:]) / view.focal_px
    ways = view.forward + across * view.right + above * view.up
    return np.asarray(view.eye_m + ways * depth_m[:, None])


def _covered(
    codes: npt.NDArray[np.int32], who: Ints, field_xy: Floats, here: Booleans
) -> npt.NDArray[np.int8]:
    """Return as `Seen.covered`, (n,), given where the heads' middles lie, and if in the image."""
    column, row = np.floor(field_xy * SAMPLES).astype(np.int64).T
    covered = np.full(len(who), -1, np.int8)
    found = codes[row[here], column[here]]
    covered[here] = (found < 0) | (found >> TRIANGLE_BITS != who[here])
    return covered
