"""Pseudo boxes: each head gets a box by a rule, where the capture has none.

The rule is chosen for each *frame*, so that no frame mixes boxes of two kinds. Boxes are centred on
the head point and rounded to 1/256 px, so that no processor's last bit shows in a fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from gtahead.annotation.crowd import crowd_sides
from gtahead.annotation.nearest import nearest_distances
from gtahead.annotation.perspective import fit_sizes
from gtahead.annotation.specs import parse_spec, print_spec
from gtahead.arrays import Booleans, Columns, Floats, Ints, Ragged
from gtahead.geometry import box_sides, boxes_around, snapped
from gtahead.origins import RENDERED

HEAD_SIDE_M = 0.24
"""Side of the square that a public GTA-V head box tool puts around a head, in metres."""

JOINT_RATIO = 1.35
"""Head height over the distance of head_top and neck, measured on a large head of a real frame."""

JOINT_ASPECT = 0.8
"""Width over height of a head seen from the front: heads are taller than wide."""

SIZING = ("scale", "side_m", "ratio")
"""Parameters that sides are in proportion to."""

FLOOR_PX = 2.0
ROLLED_DEG = 1.0


@dataclass(frozen=True)
class BoxRule:
    """A rule and its parameters, as a spec string such as `knn:k=3,scale=0.25`.

    It is printed with all parameters, so that nothing depends on a version's defaults.
    """

    name: str = "auto"
    parameters: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> BoxRule:
        """Read a spec string.

        Raises:
            UsageError: unknown rule or parameter (the nearest match is named), or a bad number.

        Example:
            >>> str(BoxRule.parse("fixed:side=32"))
            'fixed:side=32'
        """
        name, given = parse_spec(text, "box rule", RULES)
        return cls(name, {key: float(value) for key, value in given.items()})

    def __str__(self) -> str:
        return print_spec(self.name, self.of(self.name))

    def of(self, rule: str) -> dict[str, float]:
        """Return a rule's parameters: as given if it is this rule, else its defaults."""
        return {**RULES[rule], **(self.parameters if rule == self.name else {})}


@dataclass(frozen=True)
class HeadFrames:
    """The heads of frames of one size, with what the rules need to know about those frames.

    Attributes:
        heads: columns of (N,) as in the canonical table, with `frame_index`, sorted by it.
        frames: F, how many frames there are; frames without heads count.
        heights_px: (F,) heights of the images, as the heads' pixels mean them.
        focal_px: (F,) focal lengths in pixels, NaN where unknown.
        pitch_deg: (F,) the cameras' pitch, NaN where unknown.
        camera: (F,) codes; frames of one camera, that doesn't move, share one. None: each frame
            has its own.
        roll_deg: (F,) the cameras' roll, NaN where unknown; None: unknown.
        origin: where the images come from; crowds of photographs stand closer than a game's.
    """

    heads: Columns
    frames: int
    heights_px: Floats
    focal_px: Floats
    pitch_deg: Floats
    camera: Ints | None = None
    roll_deg: Floats | None = None
    origin: str = "unknown"

    def column(self, name: str) -> Floats:
        """Return a column; all NaN if it is missing."""
        missing = np.full(len(self.heads["head_id"]), np.nan)
        return np.asarray(self.heads.get(name, missing), np.float64)

    @property
    def points_xy(self) -> Floats:
        """(N, 2) head centres in pixels."""
        return np.stack([self.heads["x"], self.heads["y"]], axis=1)

    def in_every_head(self, good: Booleans) -> Booleans:
        """Return for each frame whether all its heads are good; true for frames without heads."""
        bad = np.bincount(self.heads["frame_index"][~good], minlength=self.frames)
        return np.asarray(bad == 0, np.bool_)

    @property
    def heads_per_frame(self) -> Ints:
        """(F,) number of heads in each frame."""
        return np.bincount(self.heads["frame_index"], minlength=self.frames)


@dataclass(frozen=True)
class PseudoBoxes:
    """The boxes of N heads, and the rules that gave them.

    Attributes:
        boxes_xyxy: (N, 4) pixels, not clipped to the image.
        source: (N,) int8 index into `ORDER`.
        error_px: (N,) half the 10-90 % range of the side's error, NaN where it isn't known.
        fell_back: how many frames with heads lacked what the wanted rule needs.
    """

    boxes_xyxy: Floats
    source: npt.NDArray[np.int8]
    error_px: Floats
    fell_back: int


def give_boxes(scene: HeadFrames, rule: BoxRule) -> PseudoBoxes:
    """Compute a box for every head.

    A head keeps the box that was captured. A wanted rule that a frame can't serve (a head without
    depth, a lone head for `knn`) hands the frame's other heads to the first rule of `auto` that
    can; `fixed` always can. No heads: empty arrays.
    """
    frame = scene.heads["frame_index"]
    wanted = [rule.name] if rule.name != "auto" else []
    wanted += [name for name, one in BOX_RULES.items() if one.variant_of == rule.name]
    order = [*wanted, *(name for name in ORDER if name not in wanted)]
    boxes = np.full((len(frame), 4), np.nan)
    source = np.full(len(frame), -1, np.int8)
    error = np.full(len(frame), np.nan)
    for name in order:
        without = source < 0
        if not without.any():
            break
        kind = BOX_RULES[name]
        usable, compute = kind.apply(scene, rule.of(kind.variant_of or name))
        rows = without & usable[frame]
        if rows.any():
            found = compute(rows)
            boxes[rows] = found if name == "captured" else snapped(found)
            given = rows & np.isfinite(boxes).all(axis=1)
            source[given] = ORDER.index(name)
            error[given] = _errors(name, rule, boxes[given], scene.origin)
    others = ~np.isin(source, [ORDER.index(name) for name in wanted])
    fell_back = len(np.unique(frame[others])) if wanted else 0
    return PseudoBoxes(boxes, source, snapped(error), fell_back)


Compute = Callable[[Booleans], Floats]
"""Gives (n, 4) boxes of the heads where a mask is true."""


def _captured(scene: HeadFrames, _: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Use the captured boxes of heads that have one.

    Where the point was moved, a box of that size is centred on it.
    """
    boxes = np.stack([scene.column(f"captured_{c}") for c in ("x0", "y0", "x1", "y1")], axis=1)
    whole = np.asarray(np.isfinite(boxes).all(axis=1), np.bool_)
    moved = np.isfinite(scene.column("raw_x"))
    sizes = boxes[moved, 2:] - boxes[moved, :2]
    boxes[moved] = boxes_around(scene.points_xy[moved], sizes[:, 0], sizes[:, 1])
    boxes[~whole] = np.nan
    some = np.bincount(scene.heads["frame_index"][whole], minlength=scene.frames) > 0
    return some, lambda rows: boxes[rows]


def _joints(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Derive the head's height from the distance between joints in space and the head's depth."""
    focal = scene.focal_px[scene.heads["frame_index"]]
    with np.errstate(invalid="ignore"):
        heights = parameters["ratio"] * scene.column("top_neck_m") * focal / scene.column("depth_m")
    return scene.in_every_head(heights > 0), _tall(scene, heights, parameters["aspect"])


def _joints2d(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Derive the head's height from the distance between joints in pixels and the pitch."""
    dx = scene.column("top_x") - scene.column("neck_x")
    dy = scene.column("top_y") - scene.column("neck_y")
    pitch = np.where(np.isnan(scene.pitch_deg), 0.0, scene.pitch_deg)
    foreshortened = np.maximum(np.cos(np.radians(pitch)), 0.25)[scene.heads["frame_index"]]
    tallest = scene.heights_px[scene.heads["frame_index"]] / 4
    heights = np.minimum(parameters["ratio"] * np.hypot(dx, dy) / foreshortened, tallest)
    return scene.in_every_head(heights > 0), _tall(scene, heights, parameters["aspect"])


def _camera(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    focal = scene.focal_px[scene.heads["frame_index"]]
    with np.errstate(invalid="ignore"):
        sides = parameters["side_m"] * focal / scene.column("depth_m")
    return scene.in_every_head(sides > 0), _square(scene, sides)


def _ground(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Derive the side from the depth of somebody standing on the ground; see `ground`."""
    focal = scene.focal_px[scene.heads["frame_index"]]
    with np.errstate(invalid="ignore"):
        sides = parameters["side_m"] * focal / scene.column("ground_depth_m")
    return scene.in_every_head(sides > 0), _square(scene, sides)


def _knn(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Derive the side from the distance to the nearest other heads."""
    usable = scene.heads_per_frame >= 2
    return usable, lambda rows: _square(scene, _knn_sides(scene, parameters, rows))(rows)


def _knn_sides(scene: HeadFrames, parameters: Mapping[str, float], rows: Booleans) -> Floats:
    """Return the sides by `knn` in frames with a wanted head; NaN for lone heads and elsewhere."""

    def of_frame(points_xy: Floats, height_px: float) -> Floats:
        raw = parameters["scale"] * nearest_distances(points_xy, int(parameters["k"]))
        raw = np.clip(raw, FLOOR_PX, max(FLOOR_PX, parameters["cap"] * height_px))
        sides: Floats = np.minimum(raw, max(FLOOR_PX, 3 * float(np.median(raw))))
        return sides

    return _frame_by_frame(scene, rows, of_frame)


def _frame_by_frame(
    scene: HeadFrames, rows: Booleans, sides_of: Callable[[Floats, float], Floats]
) -> Floats:
    """Return (N,) sides that depend on all heads of a frame, in frames with a wanted head.

    Args:
        scene: the heads.
        rows: (N,) which heads are wanted; NaN in frames without any.
        sides_of: given a frame's (n, 2) points and its height, (n,) sides.
    """
    frame = scene.heads["frame_index"]
    sides = np.full(len(frame), np.nan)
    by_frame = Ragged.from_index(frame, scene.frames)
    for index in np.unique(frame[rows]):
        part = by_frame.rows(index)
        sides[part] = sides_of(scene.points_xy[part], float(scene.heights_px[index]))
    return sides


def _perspective(scene: HeadFrames, _: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Fit sizes over the image to those heads of the same camera whose size is known."""
    return _fitted(scene, _known_sides(scene))


def _perspective_of_knn(
    scene: HeadFrames, parameters: Mapping[str, float]
) -> tuple[Booleans, Compute]:
    """Fit sizes over the image to those that `knn` gives, where nothing better is known."""
    rule = {**RULES["knn"], "scale": parameters["scale"]}
    return _fitted(scene, _knn_sides(scene, rule, np.ones(len(scene.heads["x"]), np.bool_)))


def _crowd(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    """Derive the side from the spacing of the whole image's heads; see `crowd`."""

    def of_frame(points_xy: Floats, height_px: float) -> Floats:
        raw = parameters["scale"] * crowd_sides(points_xy, height_px, scene.origin)
        sides: Floats = np.clip(raw, FLOOR_PX, max(FLOOR_PX, height_px / 4))
        return sides

    usable = scene.heads_per_frame >= 2
    return usable, lambda rows: _square(scene, _frame_by_frame(scene, rows, of_frame))(rows)


def _known_sides(scene: HeadFrames) -> Floats:
    """Return each head's side by the first measuring rule that gives one, else NaN."""
    sides = np.full(len(scene.heads["head_id"]), np.nan)
    everybody = np.ones(len(sides), np.bool_)
    for kind in BOX_RULES.values():
        if not kind.measures:
            continue
        boxes = kind.apply(scene, kind.defaults)[1](everybody)
        sides = np.where(np.isnan(sides), box_sides(boxes), sides)
    return sides


def _fitted(scene: HeadFrames, sides: Floats) -> tuple[Booleans, Compute]:
    """Fit a plane of sizes to each camera; frames of a camera without a fit aren't served."""
    frame = scene.heads["frame_index"]
    camera = np.arange(scene.frames) if scene.camera is None else scene.camera
    fitted = np.full(len(sides), np.nan)
    points, served = scene.points_xy, []
    order = np.argsort(camera[frame], kind="stable")  # once: each frame may have its own camera
    codes, starts = np.unique(camera[frame][order], return_index=True)
    for code, mine in zip(codes, np.split(order, starts[1:]), strict=True):
        known = mine[np.isfinite(sides[mine])]
        first = int(frame[mine[0]])
        roll = np.nan if scene.roll_deg is None else scene.roll_deg[first]
        height = float(scene.heights_px[first])
        plane = fit_sizes(points[known], sides[known], height, rolled=abs(roll) > ROLLED_DEG)
        if plane is not None:
            fitted[mine] = plane.at(points[mine])
            served.append(code)
    highest = np.maximum(FLOOR_PX, scene.heights_px[frame] / 4)
    return np.isin(camera, served), _square(scene, np.clip(fitted, FLOOR_PX, highest))


def _fixed(scene: HeadFrames, parameters: Mapping[str, float]) -> tuple[Booleans, Compute]:
    sides = np.full(len(scene.heads["head_id"]), parameters["side"])
    return np.ones(scene.frames, np.bool_), _square(scene, sides)


def _tall(scene: HeadFrames, heights: Floats, aspect: float) -> Compute:
    tall = np.maximum(heights, FLOOR_PX)
    return lambda rows: boxes_around(scene.points_xy[rows], aspect * tall[rows], tall[rows])


def _square(scene: HeadFrames, sides: Floats) -> Compute:
    floored = np.maximum(sides, FLOOR_PX)
    return lambda rows: boxes_around(scene.points_xy[rows], floored[rows], floored[rows])


@cache
def calibration() -> Mapping[str, Any]:
    """Return the committed table of each rule's relative error of the side (made by `tools/`)."""
    data = (resources.files("gtahead.annotation") / "calibration.json").read_bytes()
    table: dict[str, Any] = orjson.loads(data)
    return table


def measured_on(name: str, origin: str) -> str:
    """Return on what a rule's errors were measured that hold for images of an origin.

    Rules that were measured on rendered people alone have those errors everywhere.
    """
    on_photographs = origin not in RENDERED and name in calibration()["photographs"]["rules"]
    return "photographs" if on_photographs else "rendered"


def error_range(name: str, rule: BoxRule, origin: str) -> tuple[float, float] | None:
    """Return how far sides by a rule are off: the 10 and 90 % quantiles of their relative error.

    Errors were measured with the rule's usual parameters. Where others make all boxes larger or
    smaller, the errors follow; of what else they do nothing is known.

    Args:
        name: of the rule that gave the boxes.
        rule: the dataset's, with its parameters.
        origin: of the images.

    Returns:
        None where it isn't known.
    """
    row = calibration()[measured_on(name, origin)]["rules"].get(name)
    named = BOX_RULES[name].variant_of or name
    usual = BOX_RULES[named].defaults
    changed = {
        key: value / usual[key] for key, value in rule.of(named).items() if value != usual[key]
    }
    if row is None or set(changed) - {*SIZING}:
        return None
    factor = float(np.prod(list(changed.values())))
    return (1 + row["p10"]) * factor - 1, (1 + row["p90"]) * factor - 1


def _errors(name: str, rule: BoxRule, boxes_xyxy: Floats, origin: str) -> Floats:
    """Return half the 10-90 % range of the rule's relative error, times the side."""
    row = calibration()[measured_on(name, origin)]["rules"].get(name)
    sides = box_sides(boxes_xyxy)
    if name == "captured":
        return np.zeros(len(sides))
    if row is None or error_range(name, rule, origin) is None:
        return np.full(len(sides), np.nan)
    errors: Floats = sides * (row["p90"] - row["p10"]) / 2
    return errors


@dataclass(frozen=True)
class RuleKind:
    """A box rule: how it computes boxes, its defaults, and what it is used for.

    Attributes:
        apply: given a scene and the rule's parameters, (F,) the frames that it can serve, and what
            computes (n, 4) boxes of the heads where a mask is true, NaN for those it has none for.
        defaults: of its parameters; users may set them.
        variant_of: the rule whose name and parameters it shares, applied where less is
            known; users don't name it.
        measures: whether its sides are measured rather than guessed, so that others may be fitted.
        words: how its boxes come about, after its name.
        estimates: whether `annotate --evaluate` compares it with true boxes.
    """

    apply: Callable[[HeadFrames, Mapping[str, float]], tuple[Booleans, Compute]]
    words: str
    defaults: Mapping[str, float] = field(default_factory=dict)
    variant_of: str | None = None
    measures: bool = False
    estimates: bool = True


BOX_RULES: Mapping[str, RuleKind] = {
    "captured": RuleKind(_captured, "as they came", measures=True, estimates=False),
    "joints": RuleKind(
        _joints, "from joints", {"ratio": JOINT_RATIO, "aspect": JOINT_ASPECT}, measures=True
    ),
    "camera": RuleKind(_camera, "from depth", {"side_m": HEAD_SIDE_M}, measures=True),
    "ground": RuleKind(_ground, "from the ground", {"side_m": HEAD_SIDE_M}, measures=True),
    "joints2d": RuleKind(_joints2d, "from joints in pixels", variant_of="joints"),
    "perspective": RuleKind(_perspective, "fitted to known sizes", {"scale": 0.25}),
    "crowd": RuleKind(_crowd, "from the crowd's spacing", {"scale": 1.0}),
    "perspective:knn": RuleKind(
        _perspective_of_knn, "fitted to distances", variant_of="perspective"
    ),
    "knn": RuleKind(_knn, "from the nearest heads", {"k": 3, "scale": 0.25, "cap": 0.125}),
    "fixed": RuleKind(_fixed, "all of one size", {"side": 24.0}, estimates=False),
}
"""All rules, in the order in which `auto` tries them on a frame; the last one always works.

This is the one place to add a rule; its error is measured by `tools/calibrate_boxes.py`.
"""

ORDER = tuple(BOX_RULES)

RULES: Mapping[str, Mapping[str, float]] = {
    "auto": {},
    **{name: kind.defaults for name, kind in BOX_RULES.items() if kind.variant_of is None},
}
"""Rules by the name that a user gives, with their parameters' defaults."""
