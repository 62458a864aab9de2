"""Where a dataset's images come from, and what may be said of them.

A card must not claim of photographs what holds of a game.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gtahead.errors import UsageError


@dataclass(frozen=True)
class Origin:
    """What holds of images of one origin, in words for cards, reports and messages.

    Attributes:
        images: what the images are, after "frames of 3 sequences, ".
        collection: how they came about, a sentence.
        annotation: how points came about, a sentence.
        biases: a sentence.
        people: who is in them, a sentence.
        limits: what to mind when training on them, sentences.
        rights: why they may not be the publisher's, after "the images aren't in a release: ".
        rendered: whether they are drawn by a computer, and so are their labels.
    """

    images: str
    collection: str
    annotation: str
    biases: str
    people: str
    limits: str
    rights: str
    rendered: bool = False


ORIGINS: Mapping[str, Origin] = {
    "game": Origin(
        images="captured in a game",
        collection="Rendered by a game. No real scene.",
        annotation="Head points come from the game's scene.",
        biases="Bodies, clothes, locations, weather and views are those of the game, in the shares "
        "that the manifest gives.",
        people="The people in the game's images are its characters, not real. Their likeness may "
        "be protected.",
        limits="Rendered people are less varied than real ones in age, build, skin, clothes and "
        "gait; what is learned here has to be tested on real images.",
        rights="a game's images may not be yours to publish",
        rendered=True,
    ),
    "simulated": Origin(
        images="drawn by gtahead's crowd simulator, without any game",
        collection="Rendered by gtahead's crowd simulator. No real scene.",
        annotation="Head points come from the simulated scene.",
        biases="Bodies, clothes, locations, weather and views are those of the simulator, in the "
        "shares that the manifest gives.",
        people="The simulated images show no real people.",
        limits="Heads, clothes and houses are drawn simply; a model trained on this alone detects "
        "only some real heads. It is for developing and testing methods, and for comparing them "
        "under known conditions.",
        rights="nobody else's",
        rendered=True,
    ),
    "photographs": Origin(
        images="photographs of real people",
        collection="Photographs or films of real scenes, as labelled by the source.",
        annotation="Head points, and boxes where the source has them, are the source's labels.",
        biases="Places, people, cameras and views are those that the source chose.",
        people="The people in the photographs are real, and some can be identified: their rights "
        "and the law on personal data apply to whoever publishes or uses them.",
        limits="Labels of photographs miss heads and misplace some; far crowds are labelled less "
        "surely than near ones.",
        rights="photographs belong to whoever took them, and show people who have rights too",
    ),
    "unknown": Origin(
        images="images whose origin isn't stated",
        collection="Not stated.",
        annotation="Head points, and boxes where the source has them, are the source's labels.",
        biases="Not known: the origin of the images isn't stated.",
        people="The people in images of unstated origin may be real and identifiable: find out "
        "before publishing or using them.",
        limits="Where the images come from isn't stated; what a model learns from them has to be "
        "tested on images like yours.",
        rights="gtahead doesn't know where they come from, so they may not be yours to publish",
    ),
}
"""By the word that `--origin` takes; a dataset of several is `mixed`."""

RENDERED = frozenset(word for word, origin in ORIGINS.items() if origin.rendered)


def check_origin(word: str | None) -> None:
    """Refuse an origin that there isn't; None is the reader's own.

    Raises:
        UsageError: no such origin.
    """
    if word not in (None, *ORIGINS):
        remedy = f"one of {', '.join(ORIGINS)}"
        raise UsageError("unknown value of --origin", value=word, remedy=remedy)


def origin_in(document: Mapping[str, Any]) -> str | None:
    """Return the origin that one of our own files states; None where it states none."""
    if document.get("simulated") is True:
        return "simulated"
    word = document.get("origin")
    return word if isinstance(word, str) and word in ORIGINS else None


def origin_of(words: Iterable[str]) -> str:
    """Return the origin of a whole from those of its parts: theirs, or `mixed`.

    Example:
        >>> origin_of(["game", "game"]), origin_of(["game", "photographs"]), origin_of([])
        ('game', 'mixed', 'unknown')
    """
    found = set(words)
    if len(found) > 1:
        return "mixed"
    return found.pop() if found else "unknown"


def origins_of(manifest: Mapping[str, Any]) -> list[str]:
    """Return the origins of a dataset's sequences, each once, in the order of `ORIGINS`."""
    found = {source["origin"] for source in manifest["sources"] if source["kept"]}
    return [word for word in ORIGINS if word in found]


def origins_in(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an export keeps of its dataset's origin: one word, or one for each sequence."""
    if manifest["origin"] != "mixed":
        return {"origin": manifest["origin"]}
    kept = (source for source in manifest["sources"] if source["kept"])
    return {"origin": "mixed", "origins": {one["sequence"]: one["origin"] for one in kept}}


def in_words(words: Iterable[str]) -> str:
    """Return what images of these origins are.

    Example:
        >>> in_words(["photographs"])
        'photographs of real people'
        >>> in_words(["game", "photographs"])
        'in part captured in a game, in part photographs of real people'
    """
    found = [ORIGINS[word].images for word in words]
    return found[0] if len(found) == 1 else ", ".join(f"in part {one}" for one in found)


def sentences(words: Iterable[str], field: str) -> list[str]:
    """Return what `field` of `Origin` says of each of these origins, without repeating itself."""
    return list(dict.fromkeys(getattr(ORIGINS[word], field) for word in words))
