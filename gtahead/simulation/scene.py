"""One simulated sequence, staged: its people, things, light and camera, and how frames look."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.dataset import CountPolicy
from gtahead.geometry import Camera, camera_axes, focal_px, inside, vertical_fov_deg
from gtahead.simulation import backdrop, painting
from gtahead.simulation.bodies import Seen, look
from gtahead.simulation.lens import PIECES, Lens, Piece
from gtahead.simulation.light import Light, is_dark, light_of
from gtahead.simulation.people import Ground, People, gather, ground_of
from gtahead.simulation.presets import FPS, SequencePlan
from gtahead.simulation.props import Prop, Shape, look_at_props, place_props
from gtahead.tables.canonical import COUNTED

Image = npt.NDArray[np.uint8]

_TRIES = 5  # to find the number of people that leaves the target number of heads in sight
_SHUTTER_S = 0.02
LAMPS = 5  # at night
# Each kind of chance has its own stream, so that labels don't depend on images.
_PROPS, _PEOPLE, _BACKDROP, _LENS, _FRAMES = range(5)


class Scene:
    """Everything that determines a sequence's frames.

    Attributes:
        plan: of the sequence.
        ground: on which people are.
        props: what else stands there.
        light: of the location.
        people: everybody.
    """

    def __init__(self, plan: SequencePlan) -> None:
        self.plan = plan
        self.ground: Ground = ground_of(plan.camera, plan.size_wh, plan.pan_deg)
        stage = plan.behaviour == "stage"
        lamps = LAMPS if is_dark(plan.hour) else 0
        random = self._random(_PROPS)
        self.props: list[Prop] = place_props(
            plan.props + lamps, self.ground, random, stage=stage, lamps=lamps
        )
        poles = [prop.disc for prop in self.props if prop.kind == "pole"]
        positions = [self.ground.world(disc.ahead_m, disc.aside_m)[:2] for disc in poles]
        self.light: Light = light_of(
            plan.weather, plan.hour, plan.bearing, np.array(positions).reshape(-1, 2)
        )
        self._shapes: tuple[Camera, list[Shape]] | None = None  # of the last camera
        self.people: People = self._crowd()
        self._drawn: list[tuple[Piece, Piece]] = []  # of rain and noise, by frame

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([*self.plan.seed, *stream])

    def camera(self, frame: int) -> Camera:
        """Return the camera of a frame: one that pans turns to and fro."""
        plan = self.plan
        if plan.pan_deg == 0:
            return plan.camera
        assert plan.camera.rotation_deg is not None
        pitch, roll, yaw = plan.camera.rotation_deg
        turned = plan.pan_deg * math.sin(2 * math.pi * frame / FPS / plan.pan_s)
        return replace(plan.camera, rotation_deg=(pitch, roll, round(yaw + turned, 3)))

    def look(self, frame: int) -> Seen:
        """Return the people of a frame."""
        people = self.people.none() if frame < self.plan.empty_frames else self.people
        return self._look(people, frame)

    def _look(self, people: People, frame: int) -> Seen:
        camera = self.camera(frame)
        return look(people, self.ground, camera, self.plan.size_wh, frame / FPS)

    def shapes(self, frame: int) -> list[Shape]:
        """Return the things of a frame, which look the same while the camera stands still."""
        camera = self.camera(frame)
        if self._shapes is None or self._shapes[0] != camera:
            shapes = look_at_props(self.props, self.ground, camera, self.plan.size_wh)
            self._shapes = camera, shapes
        return self._shapes[1]

    def _crowd(self) -> People:
        """Find the people who leave the target number of heads in sight."""
        plan = self.plan
        target = plan.heads * plan.frames / max(plan.frames - plan.empty_frames, 1)
        number = round(1.1 * target)
        policy = CountPolicy()
        best: tuple[float, People] | None = None
        for _ in range(_TRIES):
            crowd = gather(
                number,
                self.ground,
                self._random(_PEOPLE),
                behaviour=plan.behaviour,
                spacing_m=plan.spacing_m,
                closed=[prop.disc for prop in self.props],
            )
            counts = []
            for frame in (0, plan.frames // 2, plan.frames - 1):
                seen = self._look(crowd, frame)
                shares, _ = painting.visible_shares(seen, self.shapes(frame), plan.size_wh)
                status = policy.status(inside(seen.heads_xy, plan.size_wh), shares, None)
                counts.append(int((status == COUNTED).sum()))
            found = float(np.mean(counts))
            miss = target / max(found, 1e-9) if found < target else found / max(target, 1e-9) - 0.04
            if best is None or miss < best[0]:
                best = (miss, crowd)
            if number == 0 or target <= found <= 1.06 * target:
                break
            number = max(round(number * min(1.03 * target / max(found, 1), 3.0)), 1)
        assert best is not None
        return best[1]

    @cached_property
    def lens(self) -> Lens:
        """The lens through which the images are taken."""
        plan = self.plan
        return Lens(plan.size_wh, plan.weather, plan.hour, self._random(_LENS))

    @cached_property
    def _canvas(self) -> tuple[Image, Camera, tuple[int, int]]:
        """Paint the empty location wide enough for a panning camera; return its camera, too."""
        plan = self.plan
        width, height = plan.size_wh
        focal = focal_px(plan.camera.vfov_deg, height)
        if plan.pan_deg:
            frame = round(plan.pan_s * FPS / 4)
            corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
            found = np.abs(_through(corners, self.camera(frame), plan.camera, plan.size_wh))
            width = 2 * math.ceil(found[:, 0].max()) + 4
            height = 2 * math.ceil(found[:, 1].max()) + 4
        camera = replace(plan.camera, vfov_deg=vertical_fov_deg(focal, height))
        canvas = backdrop.paint_backdrop(
            plan.surface, camera, (width, height), self.ground, self.light, self._random(_BACKDROP)
        )
        return canvas, camera, (width, height)

    def _empty(self, camera: Camera) -> Image:
        """Return the empty location as seen by a camera that has turned but not moved."""
        canvas, wide, wide_wh = self._canvas
        if self.plan.pan_deg == 0:
            return canvas.copy()
        width, height = self.plan.size_wh
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
        onto = _through(corners, camera, wide, self.plan.size_wh) + np.array(wide_wh) / 2
        warp = cv2.getPerspectiveTransform(
            (onto - 0.5).astype(np.float32), (corners - 0.5).astype(np.float32)
        )
        seen = cv2.warpPerspective(
            canvas, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(seen, np.uint8)

    def image(self, frame: int, seen: Seen) -> Image:
        """Paint some of the people of a frame and develop the image."""
        camera = self.camera(frame)
        canvas = self._empty(camera)
        painting.paint(canvas, seen, self.shapes(frame), self.people, self.light, camera)
        return self.lens.develop(canvas, self._motion_px(frame), self._pieces(frame))

    def _pieces(self, frame: int) -> tuple[Piece, Piece]:
        """Return a frame's pieces of rain and noise; no two frames share a piece of noise."""
        for number in range(len(self._drawn), frame + 1):
            rain, noise = self.lens.draw(self._random(_FRAMES, number))
            taken = {one for _, one in self._drawn}
            while noise in taken and len(taken) < PIECES:
                noise = self.lens.next_piece(noise)
            self._drawn.append((rain, noise))
        return self._drawn[frame]

    def _motion_px(self, frame: int) -> float:
        """Return by how much the image moves while the shutter is open."""
        plan = self.plan
        if plan.pan_deg == 0:
            return 0.0
        turn = 2 * math.pi / plan.pan_s
        speed = math.radians(plan.pan_deg) * turn * math.cos(turn * frame / FPS)
        return speed * _SHUTTER_S * focal_px(plan.camera.vfov_deg, plan.size_wh[1])


def _through(points_xy: Floats, camera: Camera, onto: Camera, size_wh: tuple[int, int]) -> Floats:
    """Project a camera's pixels into another one at its position, (n, 2) from the axis."""
    right, forward, up = camera_axes(camera)
    focal = focal_px(camera.vfov_deg, size_wh[1])
    across = (points_xy[:, :1] - size_wh[0] / 2) / focal
    above = (size_wh[1] / 2 - points_xy[:, 1:]) / focal
    ways = forward + across * right + above * up
    right, forward, up = camera_axes(onto)
    return focal * np.stack([ways @ right, -(ways @ up)], axis=1) / (ways @ forward)[:, None]
