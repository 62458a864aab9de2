"""Folders without heads are reported what they lack; folders of two kinds are asked which."""

from __future__ import annotations

import shutil
from pathlib import Path

import layouts
import pytest
from helpers import gtahead, image
from layouts import crowd

from gtahead.captures import CAPTURES
from gtahead.readers import choose_reader


def refuse(root: Path, *options: str) -> str:
    done = gtahead("build", "--raw", root, "--out", root.parent / "set", *options)
    assert done.code == 1
    assert done.out == ""
    assert not (root.parent / "set").exists()
    return done.err.removeprefix(f"error: {root}: ").rstrip("\n")


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(
            image(1, (64, 36), "." + name.rpartition(".")[2]) if "." in name else b""
        )
    return root


def test_images_alone(tmp_path: Path) -> None:
    message = refuse(put(tmp_path / "c", "a.jpg", "b.jpg", "c.png"))
    assert message == (
        "images alone (3 images, the first a.jpg): there are no labels: nothing says where the heads "
        "are; add the labels of the tool that captured them (coords.csv, annotations/, pedInfo.xml ...), "
        "or label them in the native format"
    )
    assert refuse(put(tmp_path / "d", "frames/x.jpg")).startswith(
        "images alone (1 images, the first frames/x.jpg)"
    )


def test_presil(tmp_path: Path) -> None:
    wanted = (
        "its labels are boxes of whole pedestrians, and its buffers show where people are, not where "
        "their heads are: there are no bones; capture with a tool that writes bones or heads, such as "
        "JTA-Mods"
    )
    buffers = put(tmp_path / "a", "342-stencil.png", "342-depth.png")
    assert refuse(buffers) == f"looks like DeepGTAV-PreSIL (342-depth.png): {wanted}"
    kitti = put(tmp_path / "b", "image_2/000001.png", "calib/x.png")
    assert refuse(kitti) == f"looks like DeepGTAV-PreSIL (image_2/ and calib/): {wanted}"


def test_gta_vision_is_refused_by_looks_and_by_name(tmp_path: Path) -> None:
    root = put(tmp_path / "c", "info-2017.tiff")
    reason = (
        "it stores boxes of whole persons in a database, and no bones: where a head is can't be known; "
        "capture with its successor GTA5Event, which writes bones"
    )
    assert refuse(root) == (
        f"looks like GTAVisionExport (info-2017.tiff without a .json beside it): {reason}"
    )
    assert refuse(root, "--from", "gta-vision") == f"GTAVisionExport: {reason}"


def test_real_frames_without_labels(shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "jta"
    root.mkdir()
    for path in (shared_data / "jta").glob("*.jpg"):
        shutil.copy(path, root)
    assert refuse(root).startswith("images alone (5 images, the first loco_sample_1.jpg)")


def test_real_presil_and_gta_3d(shared_data: Path, tmp_path: Path) -> None:
    presil, other = tmp_path / "presil", tmp_path / "gta3d"
    presil.mkdir()
    other.mkdir()
    for path in (shared_data / "gta_frames").glob("presil_*.png"):
        shutil.copy(path, presil)
    frame = shared_data / "gta_frames" / "gta3d_00000134.jpg"
    shutil.copy(frame, other / "3fd50f7b-658b-4ef4-bb17-dfc1f287def8_00000134.jpg")  # its own name
    assert refuse(presil).startswith("looks like DeepGTAV-PreSIL (presil_342-depth.png)")
    assert refuse(other) == (
        "looks like a frame of gta-3d-dataset (3fd50f7b-658b-4ef4-bb17-dfc1f287def8_00000134.jpg): it "
        "labels vehicles; of people there are neither bones nor heads; capture with a tool that writes "
        "bones or heads, such as JTA-Mods"
    )


WRITERS = {
    "native": layouts.write_native,
    "jta": layouts.write_jta,
    "jta-mods": layouts.write_jta_mods,
    "motsynth": layouts.write_motsynth,
    "mta": layouts.write_mta,
    "gcc": layouts.write_gcc,
    "rgbdsyn": layouts.write_rgbdsyn,
    "gta-event": layouts.write_gta_event,
    "gta-human": lambda root, _: layouts.write_gta_human(root / "c", {"1": (0.0, 0.0, 5.0)}),
    "gta-im": lambda root, _: layouts.write_gta_im(root / "c" / "s").parent,
}


def test_every_reader_has_a_writer_here() -> None:
    assert set(WRITERS) == set(CAPTURES)


@pytest.mark.parametrize("name", WRITERS)
def test_each_kind_is_recognised_by_one_reader_alone(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path, crowd(frames=2))
    claims = {reader: kind.recognise(root) for reader, kind in CAPTURES.items()}
    assert [reader for reader, reason in claims.items() if reason] == [name]
    assert choose_reader(root)[0].name == name  # whatever formats would say of it
    other = "jta" if name != "jta" else "native"
    done = gtahead("build", "--raw", root, "--out", tmp_path / "set", "--from", other)
    assert done.code == 1
    assert done.err.startswith(f"error: {root}: not what --from {other} reads")


def test_two_kinds_in_one_folder(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, crowd(frames=2))
    shutil.copytree(layouts.write_gcc(tmp_path, crowd(frames=2)), root, dirs_exist_ok=True)
    done = gtahead("build", "--raw", root, "--out", tmp_path / "set")
    assert done.code == 2
    assert done.err == (
        f"error: {root}: several readers claim the folder: jta-mods (seq_0/ holds coords.csv), gcc "
        "(part_3_1/ holds eyeInfo.log or pedInfo.xml); choose one with --from\n"
    )
    chosen = gtahead(
        "build", "--raw", root, "--out", tmp_path / "set", "--from", "gcc", "--workers", 1
    )
    assert chosen.code == 0, chosen.err
