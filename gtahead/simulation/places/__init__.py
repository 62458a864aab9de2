"""Places that people are in: a plaza, a street, a park, a stand, rooms; built for a camera's view.

What is seen of the ground is a wedge: from near to far, widening with the distance. A place fills
it, and what lies behind and beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gtahead.simulation.chance import Chance
from gtahead.simulation.places.model import Place, Wedge
from gtahead.simulation.places.outdoors import (
    demonstration,
    market,
    park,
    plaza,
    road,
    stadium,
    street,
)
from gtahead.simulation.places.rooms import classroom, hall, office, station

__all__ = ["INDOORS", "OUTDOORS", "PLACES", "Place", "Wedge"]

OUTDOORS: Mapping[str, Callable[[Chance, Wedge], Place]] = {
    "plaza": plaza,
    "street": street,
    "road": road,
    "park": park,
    "market": market,
    "demonstration": demonstration,
    "stadium": stadium,
}
INDOORS: Mapping[str, Callable[[Chance, Wedge], Place]] = {
    "station": station,
    "classroom": classroom,
    "office": office,
    "hall": hall,
}
PLACES = {**OUTDOORS, **INDOORS}
"""Places by name."""
