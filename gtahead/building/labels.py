"""Give heads what rules decide, boxes and sigmas: the one place for captures and standing sets."""

from __future__ import annotations

import numpy as np

from gtahead.annotation import BoxRule, HeadFrames, SigmaRule, give_boxes, give_sigmas
from gtahead.annotation.boxes import ORDER
from gtahead.dataset import tables


def label(scene: HeadFrames, boxes: BoxRule, sigma: SigmaRule) -> int:
    """Add boxes and sigmas to a scene's heads, in place.

    Captured boxes are dropped where all boxes are just these: no need to keep them twice.

    Returns:
        How many frames with heads lacked what the wanted box rule needs.
    """
    heads = scene.heads
    given = give_boxes(scene, boxes)
    names = sorted({ORDER[code] for code in np.unique(given.source)})
    lookup = np.array([names.index(name) if name in names else -1 for name in ORDER], np.int8)
    heads["box_source"] = lookup[given.source] if len(given.source) else given.source
    heads["box_source_names"] = np.array(names, object)
    heads["box_error_px"] = given.error_px
    if names == ["captured"] and "raw_x" not in heads:
        for name in tables.CAPTURED:
            heads.pop(name, None)
    for place, name in enumerate(tables.BOX):
        heads[name] = given.boxes_xyxy[:, place]
    sigmas = give_sigmas(scene, given.boxes_xyxy, sigma)
    for place, name in enumerate(tables.SIGMA):
        heads[name] = sigmas[:, place]
    return given.fell_back
