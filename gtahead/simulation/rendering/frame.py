"""A frame: what is seen of people in a place, their heads' boxes and shares, and the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.simulation.cast import LEVELS, load_cast
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering import shadows, visibility
from gtahead.simulation.rendering.clothing import shade_people
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.rendering.keeping import keep_pixels, remember, touched
from gtahead.simulation.rendering.lighting import develop, film_curve, light_fragments
from gtahead.simulation.rendering.noise import noise_levels
from gtahead.simulation.rendering.paints import PAINTS
from gtahead.simulation.rendering.posing import Crowd, bone_matrices
from gtahead.simulation.rendering.stage import Stage, View
from gtahead.simulation.rendering.surroundings import NIGHT, shade_ground_and_sky, shade_scenery

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

LEVEL_PX = (420.0, 95.0, 38.0)
"""A figure that is taller than this, in pixels, is drawn in level 0, 1, 2."""

FIGURE_M = 1.8
CROWD_CELLS_A_METRE = 4.0
_CLEAR_M = 1.2  # how far from its middle a figure reaches, arms included


@dataclass
class Drawn:
    """What is seen where, in a frame.

    Attributes:
        codes: (2H, 2W) of samples.
        nearest: (2H, 2W) 1/depth.
        levels: (P,) of detail.
        seen: (n,) people who can be in the image, the nearest first.
        depths_m: (P,) along the camera's axis, of everybody's middle.
        first_vertex: (P,) of each person in the following.
        world: (V, 3) metres.
        normals: (V, 3).
        screen: (V, 3) in samples, and 1/depth.
        traffic: (V, 3) metres, of what drives.
        below: (N, 2) where that darkens the ground.
    """

    codes: I32
    nearest: F32
    levels: I64
    seen: I64
    depths_m: Floats
    first_vertex: I64
    world: F32
    normals: F32
    screen: F32
    traffic: F32
    below: F32


@dataclass
class Heads:
    """The heads of a frame.

    Attributes:
        who: (n,) people whose head is before the camera.
        boxes_xyxy: (n, 4) pixels, exact, also beyond the image.
        centres_m: (n, 3) middles of the heads.
        samples: (n, 2) how many samples of each are seen, and would be, were nothing before it.
    """

    who: I64
    boxes_xyxy: Floats
    centres_m: Floats
    samples: I64

    @property
    def shares(self) -> Floats:
        """Return the visible share of each head, (n,); nothing of one without any sample."""
        return self.samples[:, 0] / np.maximum(self.samples[:, 1], 1)


@dataclass
class _Bare:
    """The place without people, from one camera."""

    view: F32
    codes: I32
    nearest: F32
    image: U8 | None = None
    sun_cells: I32 = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    crowd_cells: I32 = field(default_factory=lambda: np.zeros((0, 0), np.int32))


class Renderer:
    """Draws frames of one place with one set of figures."""

    def __init__(self, stage: Stage, figures: Figures) -> None:
        self._stage, self.figures = stage, figures
        self._noise = noise_levels()
        self._poses = load_cast().poses
        self._sun = self._sun_axes()
        side = stage.map_side
        self._sun_bare = np.full((side, side), shadows.FAR, np.float32)
        figure = int(figures.vertex_counts.max(initial=1))
        largest = max(len(stage.places), len(stage.traffic.places), figure)
        self._room = np.zeros((largest, 3), np.float32)
        self._cast_shadow(stage.places, stage.triangles, self._sun, self._sun_bare)
        reach = stage.reach_m * 1.2
        cells = int(2 * reach * CROWD_CELLS_A_METRE) + 1
        corner = [stage.middle_m[0] - reach, stage.middle_m[1] - reach, CROWD_CELLS_A_METRE]
        self._corner = np.array(corner, np.float32)
        self._crowd_bare = np.zeros((cells, cells), np.float32)
        shadows.crowd_ground(self._crowd_bare, self._corner, stage.crowded)
        self._bare: _Bare | None = None
        self._lamp_maps: F32 | None = None

    def _sun_axes(self) -> F32:
        stage = self._stage
        sun = stage.sun
        across = np.array([-sun[1], sun[0], 0.0])
        length = np.sqrt(across[0] ** 2 + across[1] ** 2)
        across = across / length if length > 1e-6 else np.array([1.0, 0, 0])
        down = np.cross(sun, across)
        middle = np.array([*stage.middle_m, 0.0])
        scale = stage.map_side / 2 / stage.reach_m
        offsets = [float((middle * axis).sum()) for axis in (across, down)]
        parts = [*across, *down, *sun, scale, *offsets, 0.0, 0.0]
        return (np.round(np.array(parts) * 2**20) / 2**20).astype(np.float32)

    def draw(self, crowd: Crowd, view: View, seconds: float = 0.0) -> Drawn:
        """Draw what is seen where.

        Args:
            crowd: who is there.
            view: the camera.
            seconds: since the sequence began; where cars are hangs on it.
        """
        array = view.array
        bare = self._bare_of(view, array)
        figures = self.figures
        middle = crowd.stances[:, :3].astype(np.float64) + [0, 0, FIGURE_M / 2]
        away = middle - array[:3]
        depths = away[:, 0] * array[9] + away[:, 1] * array[10] + away[:, 2] * array[11]
        far = np.maximum(depths, 0.3)
        tall = FIGURE_M * view.focal_px / far
        aside = np.abs(away[:, 0] * array[3] + away[:, 1] * array[4] + away[:, 2] * array[5])
        above = np.abs(away[:, 0] * array[6] + away[:, 1] * array[7] + away[:, 2] * array[8])
        width, height = view.size_wh
        inside = (depths > -_CLEAR_M) & (aside * view.focal_px / far < width / 2 + 1.2 * tall)
        inside &= above * view.focal_px / far < height / 2 + 1.2 * tall
        levels = np.full(len(tall), LEVELS - 1, np.int64)
        for level in reversed(range(LEVELS - 1)):
            levels[tall > LEVEL_PX[level]] = level
        counts = figures.vertex_counts[crowd.figures, levels]
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        world = np.empty((int(ends[-1]), 3), np.float32)
        world_normals = np.empty_like(world)
        screen = np.empty_like(world)
        matrices = bone_matrices(self._poses, figures.persons[crowd.figures], crowd)
        for person in range(len(crowd.figures)):
            first = figures.first_vertex[crowd.figures[person]]
            visibility.skin(
                figures.places[first:],
                figures.normals[first:],
                figures.bones[first:],
                figures.weights[first:],
                matrices[person],
                counts[person],
                crowd.stances[person],
                world,
                world_normals,
                ends[person],
            )
        visibility.project(world, array, screen)
        order = np.argsort(depths, kind="stable")
        seen = order[inside[order]]
        codes, nearest = bare.codes.copy(), bare.nearest.copy()
        stage = self._stage
        traffic, below = stage.traffic.at(seconds)
        driving, first = stage.traffic.triangles, len(stage.triangles)
        self._draw_scenery(array, traffic, driving, nearest, codes, first)
        drawn = Drawn(
            *(codes, nearest, levels, seen, depths, ends[:-1], world, world_normals, screen),
            *(traffic, below),
        )
        first_triangle, triangle_counts = self._triangles(crowd, levels)
        visibility.draw_people(
            seen,
            screen,
            drawn.first_vertex,
            first_triangle,
            triangle_counts,
            figures.triangles,
            figures.two_sided,
            nearest,
            codes,
        )
        return drawn

    def _triangles(self, crowd: Crowd, levels: I64) -> tuple[I64, I64]:
        figures = self.figures
        return (
            figures.first_triangle[crowd.figures, levels],
            figures.triangle_counts[crowd.figures, levels],
        )

    def _bare_of(self, view: View, array: F32) -> _Bare:
        if self._bare is not None and np.array_equal(self._bare.view, array):
            return self._bare
        width, height = view.size_wh
        shape = (height * visibility.SAMPLES, width * visibility.SAMPLES)
        codes = np.full(shape, visibility.NOTHING, np.int32)
        nearest = np.zeros(shape, np.float32)
        self._draw_scenery(array, self._stage.places, self._stage.triangles, nearest, codes, 0)
        self._bare = _Bare(array, codes, nearest)
        return self._bare

    def _draw_scenery(
        self, view: F32, places: F32, triangles: I32, nearest: F32, codes: I32, first: int
    ) -> None:
        screen = np.empty_like(places)
        visibility.project(places, view, screen)
        visibility.draw_scenery(places, view, triangles, first, screen, nearest, codes)

    def heads(
        self, crowd: Crowd, drawn: Drawn, bent: Callable[[Floats], Floats] | None = None
    ) -> Heads:
        """Measure the heads of a frame: the boxes from their vertices, the shares from samples.

        Args:
            crowd: who is there.
            drawn: of this crowd.
            bent: where the lens shows points, (n, 2) pixels; None shows them where they are.
        """
        figures = self.figures
        first_triangle, triangle_counts = self._triangles(crowd, drawn.levels)
        counts = np.zeros((len(crowd.figures), 2), np.int64)
        visibility.count_heads(
            drawn.seen,
            drawn.screen,
            drawn.first_vertex,
            first_triangle,
            triangle_counts,
            figures.triangles,
            figures.two_sided,
            figures.of_head,
            drawn.codes,
            counts,
        )
        who, boxes, centres = [], [], []
        for person in np.sort(drawn.seen).tolist():
            head = figures.head_vertices[crowd.figures[person]][drawn.levels[person]]
            at = drawn.screen[drawn.first_vertex[person] + head]
            if (at[:, 2] <= 0).any():
                continue
            xy = at[:, :2] / np.float32(visibility.SAMPLES)
            if bent is not None:
                xy = bent(xy)
            who.append(person)
            boxes.append(np.concatenate([xy.min(axis=0), xy.max(axis=0)]))
            place = drawn.world[drawn.first_vertex[person] + head]
            centres.append((place.min(axis=0) + place.max(axis=0)) / 2)
        numbers = np.array(who, np.int64)
        return Heads(
            numbers,
            np.array(boxes, np.float64).reshape(-1, 4),
            np.array(centres, np.float64).reshape(-1, 3),
            counts[numbers],
        )

    def shade(self, crowd: Crowd, drawn: Drawn, view: View, *, keep: bool = False) -> U8:
        """Return the image of a frame that was drawn, (H, W, 3), red first.

        Args:
            crowd: who is there.
            drawn: of this crowd and view.
            view: the camera.
            keep: whether the camera stands still: then the place is shaded once, and later frames
                copy what looks the same, with the same bytes as without.
        """
        sun_map, grid = self._sun_bare.copy(), self._crowd_bare.copy()
        shadows.crowd_ground(grid, self._corner, np.ascontiguousarray(crowd.stances[:, :2]))
        shadows.crowd_ground(grid, self._corner, drawn.below)
        lights = self._lights_with_shadows()
        lamp_maps = self._cast_shadows(crowd, drawn, sun_map, lights)
        width, height = view.size_wh
        image = np.zeros((height, width, 3), np.uint8)
        kept = np.zeros((height, width), np.uint8)
        bare = self._bare_of(view, view.array)
        if keep and not len(lights):
            if bare.image is None:
                self._shade_bare(bare, view)
            assert bare.image is not None
            sun_touched = np.zeros(sun_map.shape, np.uint8)
            crowd_touched = np.zeros(grid.shape, np.uint8)
            touched(self._sun_bare, sun_map, 1, 2, sun_touched)
            touched(self._crowd_bare, grid, 0, 1, crowd_touched)
            keep_pixels(
                *(drawn.codes, len(self._stage.triangles), bare.sun_cells, bare.crowd_cells),
                *(sun_touched, crowd_touched, kept),
            )
            image[:] = bare.image
        self._shade_bands(crowd, drawn, view, sun_map, grid, lamp_maps, lights, kept, image)
        return image

    def _cast_shadows(self, crowd: Crowd, drawn: Drawn, sun_map: F32, lights: F32) -> F32:
        """Draw people and traffic into the sun's map, and all into those of lamps: the result."""
        stage, figures = self._stage, self.figures
        levels = np.minimum(np.maximum(drawn.levels, 1) + 1, LEVELS - 1)
        first_triangle, triangle_counts = self._triangles(crowd, levels)
        vertices = np.minimum(
            figures.vertex_counts[crowd.figures, levels],
            figures.vertex_counts[crowd.figures, drawn.levels],
        )
        lamp_maps = self._lamps_bare(lights).copy()
        sunny = float(stage.lights[:3].sum()) > 0.001
        maps = [(sun_map, self._sun)] if sunny else []
        driving = stage.traffic.triangles
        for depths, light in [*maps, *zip(lamp_maps, lights, strict=True)]:
            self._cast_shadow(drawn.traffic, driving, light, depths)
            shadows.draw_people_into_map(
                np.arange(len(crowd.figures)),
                drawn.world,
                drawn.first_vertex,
                vertices,
                figures.triangles,
                first_triangle,
                triangle_counts,
                light,
                depths,
                self._room,
            )
        return lamp_maps

    def _lamps_bare(self, lights: F32) -> F32:
        """Return the maps of lamps without people, (L, S, S), which are drawn once."""
        if self._lamp_maps is None:
            stage = self._stage
            maps = np.full((len(lights), LAMP_SIDE, LAMP_SIDE), shadows.FAR, np.float32)
            for depths, light in zip(maps, lights, strict=True):
                self._cast_shadow(stage.places, stage.triangles, light, depths)
            self._lamp_maps = maps
        return self._lamp_maps

    def _cast_shadow(self, places: F32, triangles: I32, light: F32, depths: F32) -> None:
        shadows.draw_into_map(
            *(places, 0, len(places), triangles, 0, len(triangles), light, depths, self._room)
        )

    def _shade_bare(self, bare: _Bare, view: View) -> None:
        """Shade the place without people, and remember what each pixel hangs on."""
        width, height = view.size_wh
        nobody = Crowd(*(np.zeros(0, np.int64),) * 2, *_NOTHING)
        drawn = Drawn(
            bare.codes,
            bare.nearest,
            *(np.zeros(0, np.int64),) * 2,
            np.zeros(0),
            np.zeros(0, np.int64),
            *(np.zeros((0, 3), np.float32),) * 4,
            np.zeros((0, 2), np.float32),
        )
        bare.image = np.zeros((height, width, 3), np.uint8)
        bare.sun_cells = np.empty((height, width), np.int32)
        bare.crowd_cells = np.empty((height, width), np.int32)
        self._shade_bands(
            nobody,
            drawn,
            view,
            self._sun_bare,
            self._crowd_bare,
            np.zeros((0, LAMP_SIDE, LAMP_SIDE), np.float32),
            np.zeros((0, 14), np.float32),
            np.zeros((height, width), np.uint8),
            bare.image,
            remembered=bare,
        )

    def _shade_bands(
        self,
        crowd: Crowd,
        drawn: Drawn,
        view: View,
        sun_map: F32,
        grid: F32,
        lamp_maps: F32,
        lights: F32,
        kept: U8,
        image: U8,
        *,
        remembered: _Bare | None = None,
    ) -> None:
        """Shade all pixels that aren't kept, band by band, into the image."""
        stage, figures, array = self._stage, self.figures, view.array
        first_triangle, _ = self._triangles(crowd, drawn.levels)
        headings = np.ascontiguousarray(crowd.stances[:, 4:6])
        first_texture = figures.first_vertex[crowd.figures]
        width, height = view.size_wh
        room = f.ROWS * width * f.MOST
        columns = np.empty((room, f.COLUMNS), np.float32)
        owners, pixels = np.empty(room, np.int32), np.empty(room, np.int32)
        curve = film_curve()
        for row in range(0, height, f.ROWS):
            count = f.gather(
                drawn.codes,
                drawn.nearest,
                row,
                min(f.ROWS, height - row),
                first_triangle,
                figures.parts,
                kept,
                columns,
                owners,
                pixels,
            )
            shade_people(
                *(count, columns, owners, array, drawn.screen, drawn.world, drawn.normals),
                *(drawn.first_vertex, first_triangle, first_texture),
                *(figures.triangles, figures.parts, figures.textures),
                *(crowd.paints, headings, grid, self._corner, self._noise),
            )
            shade_scenery(count, columns, owners, array, stage.materials, stage.air, self._noise)
            shade_ground_and_sky(
                *(count, columns, owners, array, stage.zones, stage.ground),
                *(grid, self._corner, stage.air, self._noise),
            )
            if remembered is not None:
                remember(
                    *(count, columns, owners, pixels, row, self._sun, len(sun_map)),
                    *(grid.shape, self._corner, remembered.sun_cells, remembered.crowd_cells),
                )
            light_fragments(
                *(count, columns, array, self._sun, sun_map, stage.lights, stage.lamps),
                *(lamp_maps, lights, stage.air),
            )
            develop(count, columns, pixels, row, curve, image)

    def _lights_with_shadows(self) -> F32:
        """Return the lamps as lights that cast shadows, (L, 14); none by day."""
        stage = self._stage
        if not len(stage.lamps) or stage.air[NIGHT] <= 0:
            return np.zeros((0, 14), np.float32)
        found = []
        for x, y, z in stage.lamps[:, :3].astype(np.float64):
            # Straight down, and 60 degrees to all sides.
            scale = LAMP_SIDE / 2 / 1.73
            found.append([1, 0, 0, 0, 1, 0, 0, 0, 1, scale, x, y, z, 1])
        return np.array(found, np.float32)


LAMP_SIDE = 512
"""Cells of a lamp's map along a side."""

_NOTHING = (
    np.zeros((0, 6), np.float32),
    np.zeros((0, PAINTS), np.float32),
    np.zeros((0, 2), np.float32),
)
