"""One frame with its heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.dataset.notebook import FRAME_PX, frame_image
from gtahead.errors import InputError, Where, require
from gtahead.geometry import Camera
from gtahead.values import number_of

if TYPE_CHECKING:
    from gtahead.density import Border, Map


def camera_of(row: Mapping[str, Any]) -> Camera | None:
    """Return the camera in a row of the table of frames; None where it isn't known."""
    if row["vfov_deg"] is None:
        return None
    position = (row["camera_x_m"], row["camera_y_m"], row["camera_z_m"])
    rotation = (row["pitch_deg"], row["roll_deg"], row["yaw_deg"])
    return Camera(
        row["vfov_deg"],
        None if None in position else position,
        None if None in rotation else rotation,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """One frame with its heads; a frame without heads has arrays of length 0.

    Attributes:
        frame_id: `<sequence>/<frame>`.
        sequence: name of the sequence.
        frame: name of the frame within its sequence.
        split: train, validation or test.
        image_path: path of the image, None in a dataset of labels alone.
        size_wh: width and height in pixels.
        camera: the frame's camera, None where it isn't known.
        weather: as the game names it, or None.
        hour: time of day in hours, or None.
        location: name of the location, or None.
        head_ids: (N,) int64 ids of the persons.
        points_xy: (N, 2) centres of the visible heads, in pixels.
        boxes_xyxy: (N, 4) boxes in pixels, not clipped; NaN where a head has none.
        sigmas_xy: (N, 2) sigmas in maps, in pixels along x and y.
        visibility: (N,) visible share, NaN where unknown.
        status: (N,) text: counted, ignored or absent.
    """

    frame_id: str
    sequence: str
    frame: str
    split: str | None
    image_path: Path | None
    size_wh: tuple[int, int]
    camera: Camera | None
    weather: str | None
    hour: float | None
    location: str | None
    head_ids: Ints
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas_xy: Floats
    visibility: Floats
    status: npt.NDArray[np.object_]

    def __repr__(self) -> str:
        size = "{}×{}".format(*self.size_wh)
        heads = number_of(self.count, "head")
        return f"Frame({self.frame_id!r}: {heads}, {size}, {self.split or 'no split'})"

    def _repr_png_(self) -> bytes | None:
        """Show the frame in a notebook: its image with boxes; None where that can't be drawn."""
        return frame_image(self, FRAME_PX)

    @property
    def counted(self) -> Booleans:
        """(N,) which heads count under the dataset's policy."""
        return np.asarray(self.status == "counted", np.bool_)

    @property
    def count(self) -> int:
        """How many heads count: the number to learn and to score against."""
        return int(self.counted.sum())

    def image(self) -> npt.NDArray[np.uint8]:
        """Read the image: (H, W, 3) RGB uint8, upright.

        Raises:
            InputError: there is none, it can't be read, or it has another size than `size_wh`.
        """
        from gtahead.findings import CODES
        from gtahead.images.reading import ImageError, read_rgb

        where = Where(str(self.image_path) if self.image_path else None, frame=self.frame_id)
        if self.image_path is None:
            raise InputError(
                "the dataset holds labels alone",
                where=where,
                remedy="build it with images: without --images none",
            )
        try:
            return read_rgb(self.image_path, self.size_wh)
        except ImageError as error:
            raise InputError(
                CODES[error.code].what,
                where=where,
                value=error.detail or None,
                remedy="`gtahead validate --images full` finds all that are damaged",
            ) from error

    def to_supervision(self) -> Any:  # noqa: ANN401 - supervision.Detections
        """Return the boxes of the heads that count as `supervision.Detections`, with their ids.

        Raises:
            ResourceError: supervision isn't installed.
        """
        require("supervision", install="supervision")
        from supervision import Detections

        mine = self.counted
        return Detections(
            xyxy=self.boxes_xyxy[mine].astype(np.float32),
            class_id=np.zeros(self.count, np.int64),
            tracker_id=self.head_ids[mine],
            data={"class_name": np.full(self.count, "head")},
        )

    def density(self, stride: int = 1, *, border: Border = "renormalise") -> Map:
        """Render the density map of the heads that count: its sum is their number.

        Under the policy `all`, heads outside the image count as well, but are in no map.

        Args:
            stride: pixels per cell.
            border: what becomes of the part of a kernel beyond the image's edge: it's given back to
                the kernel, or cut off ("clip").

        Returns:
            (ceil(H / stride), ceil(W / stride)) float32.
        """
        from gtahead.density import render_density

        points, sigmas = self.points_xy[self.counted], self.sigmas_xy[self.counted]
        return render_density(points, sigmas, self.size_wh, stride=stride, border=border)

    def heatmap(self, stride: int = 4) -> Map:
        """Render the heatmap of the heads that count: 1 at each head's cell, the larger one wins.

        Args:
            stride: pixels per cell.

        Returns:
            (ceil(H / stride), ceil(W / stride)) float32 in [0, 1].
        """
        from gtahead.density import render_heatmap

        points, sigmas = self.points_xy[self.counted], self.sigmas_xy[self.counted]
        return render_heatmap(points, sigmas, self.size_wh, stride=stride)
