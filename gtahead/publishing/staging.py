"""From a dataset to a release: everything that is to be public, in one folder, all or nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Progress
from gtahead.dataset import FRAMES, Dataset, heads_file, write_manifest
from gtahead.dataset.notebook import frame_image
from gtahead.errors import REBUILD, InputError, UsageError, Where
from gtahead.formats.exporting import export
from gtahead.images.reading import ImageError, difference_hash, read_bytes
from gtahead.origins import RENDERED, origins_of, sentences
from gtahead.parallel.pool import run_all
from gtahead.publishing import cards, croissant
from gtahead.publishing.differences import diff
from gtahead.publishing.facts import ANNOTATORS, LICENCES, OTHER, Facts
from gtahead.publishing.new_dataset import MADE_OF
from gtahead.publishing.releases import (
    EDITABLE,
    HASH_CELLS,
    HASHES,
    LABELS,
    LICENSE,
    SAMPLE,
    SHARDS,
    Release,
    files_below,
    is_release,
    listed,
    with_images,
)
from gtahead.storage import crash_point, targets
from gtahead.tables import canonical
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

RIGHTS = "The publisher declares the right to redistribute these images."

SCHEMAS = ("manifest", "predictions")
"""Schemas that travel with a release: of what it holds, and of what is submitted to it."""


@resolve_urls(reads=["dataset"], writes=["out"])
def stage(
    dataset: StrPath = "dataset",
    out: StrPath = "release",
    *,
    repo: str,
    creator: str,
    name: str | None = None,
    version: str = "1.0.0",
    licence: str | None = None,
    licence_file: StrPath | None = None,
    date: str | None = None,
    contact: str | None = None,
    changes: str | None = None,
    images: str | None = None,
    i_have_rights: bool = False,
    annotators: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> Release:
    """Stage a release of a dataset: all that is to be published, in one folder.

    Args:
        dataset: the dataset's folder.
        out: the release's folder: new, empty, or a release with `overwrite`.
        repo: OWNER/NAME on the hub.
        creator: who answers for the data, a person or a group.
        name: as people call it; the repository's name by default.
        version: MAJOR.MINOR.PATCH.
        licence: the hub's name of a licence, or `other`; that of the captures where all have one.
        licence_file: the terms in full, needed for `other`.
        date: of the release, YYYY-MM-DD; today by default.
        contact: an address; the hub's discussions by default.
        changes: what is new, in a sentence.
        images: `original` puts the images in, `none` labels and hashes alone. By default
            `original` where every image is simulated; else it has to be said.
        i_have_rights: the publisher may redistribute images that gtahead didn't simulate.
        annotators: who made the labels, a word of the hub's for `annotations_creators`; needed
            unless all images are rendered: then the labels are `machine-generated`.
        overwrite: replace a release that stands at `out`; what was edited in its card stays.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        on_progress: called at the start and after each part.

    Raises:
        UsageError: a fact that is missing or no fact, or rights that weren't declared.
        InputError: no dataset, a damaged one, or something else at `out`.
        ResourceError: disk, rights of files, or another run with the same target.
    """
    opened = Dataset.open(dataset)
    _require_fit(opened)
    _refuse_unanswered(
        lambda: _images(opened, images, i_have_rights=i_have_rights),
        lambda: licence or _licence_of(opened),
        lambda: annotators or _annotators_of(opened),
    )
    chosen, rights = _images(opened, images, i_have_rights=i_have_rights)
    facts = Facts(
        repo=repo,
        name=name or repo.partition("/")[2],
        version=version,
        licence=licence or _licence_of(opened),
        creator=creator,
        date=date or datetime.now(UTC).date().isoformat(),
        images=chosen,
        contact=contact,
        rights=rights,
        annotators=annotators or _annotators_of(opened),
        changes=changes or Facts.changes,
    )
    target = Path(out)
    storage.refuse_overlap(target, opened.folder, MADE_OF)
    with targets.replacing(target, RELEASE, overwrite=overwrite) as part:
        if changes is None and is_release(target):
            facts = replace(facts, changes=diff(target, opened.folder).changes)
        terms = _terms(facts, licence_file, target)
        old_card = cards.read(target) if target.is_dir() else None
        _write(opened, facts, terms, part, workers, scheduler, on_progress)
        release = Release.open(part)
        croissant.write(release)
        cards.write(release, old_card)
        crash_point("release-written")
    return Release.open(out)


def _require_fit(opened: Dataset) -> None:
    """Refuse a dataset that is damaged, or is a release itself: one vouches for what it holds."""
    opened.stored.check_frames()
    for sequence in opened.sequences:
        opened.stored.check_heads(sequence)
    if opened.manifest.document.get("release") is not None:
        raise InputError(
            "a release, not the dataset it was made from",
            where=Where(str(opened.folder)),
            remedy="stage the dataset; `gtahead pull` makes one from a release",
        )


SAMPLE_PX = 960
"""Width of the card's image."""


def _write(
    opened: Dataset,
    facts: Facts,
    terms: str,
    part: Path,
    workers: int | None,
    scheduler: str | None,
    on_progress: Progress | None,
) -> None:
    """Write all files of a release that are listed and hashed, the manifest last."""
    _write_tables(opened, part)
    _write_shards(opened, part, facts.images, workers, scheduler, on_progress)
    if facts.images == "none":
        _write_hashes(opened, part, workers, scheduler)
    else:
        _write_sample(opened, part)
    _write_texts(part, terms)
    crash_point("staged")
    _write_manifest(opened, facts, part)


def _refuse_unanswered(*questions: Callable[[], object]) -> None:
    """Raise one error for all that only the publisher can say and hasn't said."""
    missing: list[UsageError] = []
    for question in questions:
        try:
            question()
        except UsageError as error:
            missing.append(error)
    if len(missing) == 1:
        raise missing[0]
    if missing:
        raise UsageError(
            "; ".join(error.what for error in missing),
            where=missing[0].where,
            remedy="; ".join(error.remedy for error in missing if error.remedy),
        )


def _images(opened: Dataset, images: str | None, *, i_have_rights: bool) -> tuple[str, str | None]:
    """Return whether images are included, and by what rights."""
    if images not in (None, "original", "none"):
        raise UsageError("unknown value of --images", value=images, remedy="original or none")
    document = opened.manifest.document
    there = bool(document["statistics"]["images"])
    others = [word for word in origins_of(document) if word != "simulated"]
    if images == "none" or (images is None and not there):
        return "none", None
    if not there:
        raise UsageError(
            "the dataset has no images",
            where=Where(str(opened.folder)),
            value="--images original",
            remedy="use --images none, or build it with images",
        )
    if not others:
        return "original", None
    if i_have_rights:
        return "original", RIGHTS
    raise UsageError(
        f"images that gtahead didn't simulate: {'; '.join(sentences(others, 'rights'))}",
        where=Where(str(opened.folder)),
        remedy="publish labels and hashes with --images none (others put their own frames to them "
        "with `gtahead rebuild`), or say that you may redistribute the images: --i-have-rights",
    )


def _annotators_of(opened: Dataset) -> str:
    """Return who made the labels where that is sure: the computer that drew the images."""
    others = [word for word in origins_of(opened.manifest.document) if word not in RENDERED]
    if not others:
        return "machine-generated"
    raise UsageError(
        "who made the labels isn't given",
        where=Where(str(opened.folder)),
        remedy=f"--annotators WORD: {', '.join(ANNOTATORS)}",
    )


def _licence_of(opened: Dataset) -> str:
    """Return the captures' licence if they agree on one that the hub knows."""
    said = {
        str(source.get("about", {}).get("licence") or "").lower()
        for source in opened.manifest.document["sources"]
        if source["kept"]
    }
    if len(said) == 1 and (one := said.pop()) in LICENCES:
        return one
    raise UsageError(
        "no licence is given",
        where=Where(str(opened.folder)),
        remedy=f"--licence NAME: one of {', '.join(LICENCES)}, or other with --licence-file",
    )


def _generated_terms(facts: Facts) -> str:
    return (
        f"{facts.name}, version {facts.version}, by {facts.creator}\n\n"
        f"Licence: {LICENCES[facts.licence]}\n{facts.licence_url}\n"
    )


def _terms(facts: Facts, file: StrPath | None, target: Path) -> str:
    """Return the text of LICENSE: the given one, the edited one that is there, or a new one."""
    if file is not None:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "the licence's text can't be read",
                where=Where(str(file)),
                remedy="give a text file in UTF-8",
            ) from error
        if text.strip():
            return text
        raise InputError("the licence's text is empty", where=Where(str(file)))
    if target.is_dir() and is_release(target):
        old = Release.open(target).facts
        try:
            held = (target / LICENSE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            held = ""
        ours = old.licence != OTHER and held == _generated_terms(old)
        if held.strip() and not ours and old.licence == facts.licence:
            return held
    if facts.licence == OTHER:
        raise UsageError(
            "the licence is `other`, and its terms are missing",
            remedy="give the terms: --licence-file FILE",
        )
    return _generated_terms(facts)


def _strange_in(folder: Path) -> list[str] | None:
    if not is_release(folder):
        return None
    own = {*EDITABLE, *(one.path for one in Release.open(folder).files)}
    return [name for name in files_below(folder) if name not in own]


RELEASE = targets.Kind(
    "release", _strange_in, "edits in card and licence stay, croissant.json is written anew"
)


def _write_tables(opened: Dataset, part: Path) -> None:
    """Write the tables: the frames' without paths of images, the heads' as they are."""

    def no_files(ids: Sequence[str]) -> list[str | None]:
        return [None] * len(ids)

    canonical.write_frames_with(opened.folder / FRAMES, part / FRAMES, {"file": no_files})
    (part / "heads").mkdir()
    for name in opened.sequences:
        source = opened.folder / heads_file(name)
        try:
            storage.link_or_copy(source, part / heads_file(name), link=True)
        except FileNotFoundError as error:
            raise InputError(
                "a table that the manifest names isn't there",
                where=Where(str(source)),
                remedy=REBUILD,
            ) from error


def _write_shards(
    opened: Dataset,
    part: Path,
    images: str,
    workers: int | None,
    scheduler: str | None,
    on_progress: Progress | None,
) -> None:
    """Write the tables that `datasets` reads."""
    hub = part / "hub"
    export(
        opened.folder,
        hub,
        format="huggingface",
        images="link" if images == "original" else "none",
        workers=workers,
        scheduler=scheduler,
        on_progress=on_progress,
    )
    for name in (SHARDS, LABELS):
        if (hub / name).is_dir():
            (hub / name).rename(part / name)
    shutil.rmtree(hub)


def _write_sample(opened: Dataset, part: Path) -> None:
    """Write a frame of a usual crowd, with its boxes."""
    counts = np.array(opened.frames(["num_heads"])["num_heads"])
    filled = np.flatnonzero(counts)
    if not len(filled):
        return
    # Above the median: a crowd says more of what the data is for than its emptier half.
    row = filled[np.argsort(counts[filled], kind="stable")[3 * len(filled) // 4]]
    data = frame_image(opened[opened.frame_ids[row]], SAMPLE_PX, ".jpg")
    if data is not None:
        (part / SAMPLE).write_bytes(data)


def _write_hashes(opened: Dataset, part: Path, workers: int | None, scheduler: str | None) -> None:
    """Write the images' hashes, so that others can match their own frames."""
    columns = opened.frames(["frame_id", "sequence", "file", "sha256"])
    rows = list(zip(*columns.values(), strict=True))
    folder = opened.folder.absolute()  # a worker may stand elsewhere
    wanted: dict[str, list[tuple[str, str, str]]] = {}
    for frame_id, sequence, file, sha256 in rows:
        if file is not None:
            path = str(folder / file)
            wanted.setdefault(sequence, []).append((frame_id, path, str(sha256)))
    found: dict[str, int] = {}
    results = run_all(
        _difference_hashes,
        list(wanted.items()),
        workers=workers,
        scheduler=scheduler,
        folders=[folder],
    )
    with closing(results):
        for _, hashes in results:
            found |= hashes
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["frame_id", "sha256", "difference_hash"])
    digits = HASH_CELLS * HASH_CELLS // 4
    for frame_id, _, _, sha256 in rows:
        if sha256 is not None:
            one = found.get(frame_id)
            out.writerow([frame_id, sha256, "" if one is None else f"{one:0{digits}x}"])
    if any(sha256 is not None for *_, sha256 in rows):
        (part / HASHES).write_text(text.getvalue(), encoding="utf-8", newline="")


def _difference_hashes(task: list[tuple[str, str, str]]) -> dict[str, int]:
    """Hash the images of one sequence."""
    hashes = {}
    for frame_id, path, sha256 in task:
        try:
            data = read_bytes(Path(path))
            if hashlib.sha256(data).hexdigest() != sha256:
                raise ImageError("hash-mismatch")
            hashes[frame_id] = difference_hash(data, cells=HASH_CELLS, reduced=False)
        except ImageError as fault:
            sequence, _, frame = frame_id.rpartition("/")
            raise InputError(
                f"the image can't be read: {fault.code}",
                where=Where(path, sequence, frame),
                remedy="`gtahead validate --images full` says what else is wrong",
            ) from fault
    return hashes


def _write_texts(part: Path, terms: str) -> None:
    (part / LICENSE).write_text(terms, encoding="utf-8", newline="")
    (part / "schemas").mkdir()
    for name in SCHEMAS:
        storage.write_json(part / "schemas" / f"{name}.schema.json", schemas.load(name))


def _write_manifest(opened: Dataset, facts: Facts, part: Path) -> None:
    document = with_images(opened.manifest.document, part / FRAMES, 0, 0)
    statistics = opened.manifest.document["statistics"]
    held = statistics if facts.images == "original" else {"images": 0, "image_bytes": 0}
    release: dict[str, Any] = {
        **facts.as_dict(),
        "num_images": held["images"],
        "image_bytes": held["image_bytes"],
        "files": [asdict(one) for one in listed(part)],
    }
    write_manifest(part, {**document, "release": release})
