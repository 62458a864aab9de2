"""How a release loads: with `datasets`, plain and streaming, and with mlcroissant."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.dataset import SPLITS
from gtahead.errors import ResourceError, Where
from gtahead.findings import Findings
from gtahead.publishing.releases import CARD, CROISSANT, Release

LOADER = Path(__file__).with_name("loading.py")


AREA_TOLERANCE = 1e-6
"""How far the sums of boxes' areas may be apart, relative: they are float32 on the hub."""


def check_loading(
    release: Release, findings: Findings, python: str | None
) -> tuple[str | None, dict[str, Any]]:
    """Load a release with `datasets` in a separate process, offline, and compare.

    Returns:
        The version of `datasets`, and what it found, by configuration, mode and split.
    """
    folder = release.folder.absolute()
    with tempfile.TemporaryDirectory(prefix="gtahead-") as cache:
        # `datasets` takes a path for a pattern: so a folder without odd characters in its name.
        link = Path(cache) / "release"
        for one in (CARD, *(file.path for file in (*release.shards, *release.label_shards))):
            (link / one).parent.mkdir(parents=True, exist_ok=True)
            (link / one).symlink_to(folder / one)
        try:
            done = subprocess.run(  # noqa: S603 - our own script
                [python or sys.executable, "-I", str(LOADER), str(link), f"{cache}/cache"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise _no_loader(python, error.strerror or str(error)) from error
    if done.returncode:
        if "No space left" in done.stderr:
            raise ResourceError(
                "no space for the cache of `datasets`",
                where=Where(tempfile.gettempdir()),
                remedy="free space, or name another folder in TMPDIR",
            )
        if "No module named 'datasets'" in done.stderr:
            raise _no_loader(python, "it has no `datasets`")
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
        findings.add("loads-differently", Where(str(folder)), detail=last)
        return None, {}
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise _no_loader(python, "it isn't a Python") from error
    loaded: dict[str, Any] = found["configurations"]
    for location, said, is_ in _differences(release, loaded):
        detail = f"the manifest says {said}"
        findings.add("loads-differently", Where(field=location), str(is_), detail)
    return found["datasets"], loaded


def _no_loader(python: str | None, why: str) -> ResourceError:
    return ResourceError(
        f"the other Python can't load it: {why}",
        where=Where(python or sys.executable),
        remedy="give --python the Python of an environment that has `datasets`",
    )


def _differences(
    release: Release, loaded: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Yield how what was loaded differs from the labels: location, expected, found."""
    expected = expected_sums(release)
    names = ["annotations", *(["default"] if release.facts.images == "original" else [])]
    if sorted(loaded) != sorted(names):
        yield "configurations", ", ".join(sorted(names)), ", ".join(sorted(loaded))
        return
    for name in names:
        for mode, splits in loaded[name].items():
            position = f"{name}, {mode}"
            if sorted(splits) != sorted(expected):
                yield position, ", ".join(sorted(expected)), ", ".join(sorted(splits))
                continue
            for split, sums in splits.items():
                here = f"{position}, {split}"
                for key in ("frames", "heads", "ignored", "empty"):
                    if sums[key] != expected[split][key]:
                        yield f"{here}, {key}", expected[split][key], sums[key]
                area = expected[split]["box_area"]
                if abs(sums["box_area"] - area) > AREA_TOLERANCE * max(1.0, abs(area)):
                    yield f"{here}, area of boxes", f"{area:.3f}", f"{sums['box_area']:.3f}"
                if sums["names"] != ["head"]:
                    yield f"{here}, class names", "head", ", ".join(sums["names"])
                if name == "default" and sums["frames"] and sums.get("first_image") is None:
                    yield f"{here}, first image", "an image", "none"


def expected_sums(release: Release) -> dict[str, dict[str, Any]]:
    """Sum up the labels by split, as users of `datasets` should find them."""
    dataset = release.dataset
    sums: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        part = dataset.select(split=split)
        if not len(part):
            continue
        mine: dict[str, Any] = {"frames": len(part), "heads": 0, "ignored": 0, "empty": 0}
        mine["box_area"] = 0.0
        for frame in part:
            boxed = (frame.boxes_xyxy[:, 2:] > frame.boxes_xyxy[:, :2]).all(axis=1)
            counted = frame.counted & boxed
            mine["heads"] += int(counted.sum())
            mine["ignored"] += int(((frame.status == "ignored") & boxed).sum())
            mine["empty"] += not counted.any()
            sides = frame.boxes_xyxy[counted, 2:] - frame.boxes_xyxy[counted, :2]
            mine["box_area"] += float((sides[:, 0] * sides[:, 1]).sum())
        sums[split] = mine
    return sums


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep libraries from logging into what the command prints."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def check_records(release: Release, findings: Findings) -> dict[str, list[str]]:
    """Validate with mlcroissant, and read the first record of each record set.

    Returns:
        The names of its fields, by record set.
    """
    records: dict[str, list[str]] = {}
    with _quiet(), tempfile.TemporaryDirectory(prefix="gtahead-") as folder:
        import mlcroissant

        path = release.folder / CROISSANT
        location = Where(CROISSANT)
        try:
            whole = mlcroissant.Dataset(
                jsonld=str(path.absolute()), mapping={"repo": str(release.folder.absolute())}
            )
        except Exception as error:  # noqa: BLE001 - whatever another library finds wrong
            findings.add("bad-croissant", location, detail=_first_line(error))
            return records
        for problem in sorted(whole.metadata.issues.errors | whole.metadata.issues.warnings):
            findings.add("bad-croissant", location, detail=_first_line(problem))
        # A record set is read whole before its first record comes: let it be one file of each.
        small = Path(folder) / CROISSANT
        document = schemas.parse_json(path.read_bytes(), CROISSANT)
        storage.write_json(small, _narrowed(document, release))
        sample = mlcroissant.Dataset(
            jsonld=str(small), mapping={"repo": str(release.folder.absolute())}
        )
        for one in sample.metadata.record_sets:
            try:
                record = next(iter(sample.records(one.id)), None)
            except Exception as error:  # noqa: BLE001 - whatever another library finds wrong
                cause = error.__cause__ or error
                findings.add(
                    "bad-croissant", Where(CROISSANT, field=one.id), detail=_first_line(cause)
                )
                continue
            records[one.id] = sorted(record or ())
            if record is None:
                detail = "its record set is empty"
                findings.add("bad-croissant", Where(CROISSANT, field=one.id), detail=detail)
    return records


def _narrowed(document: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """Reduce every set of files in a document to its first file."""
    distribution = []
    for one in document["distribution"]:
        if str(one.get("@type", "")).endswith("FileSet"):
            folder = str(one["includes"]).partition("/")[0]
            first = [file.path for file in release.files if file.path.startswith(f"{folder}/")]
            one = {**one, "includes": first[0]} if first else one  # noqa: PLW2901 - in its place
        distribution.append(one)
    return {**document, "distribution": distribution}


def _first_line(problem: object) -> str:
    lines = [line.strip(" -") for line in str(problem).splitlines() if line.strip(" -")]
    return lines[0] if lines else type(problem).__name__
