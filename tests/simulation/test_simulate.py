from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead.dataset.tabular import Columns
from gtahead.findings import Findings, Ledger
from gtahead.intake import READERS
from gtahead.simulation import PRESETS, Preset
from gtahead.simulation.painting import paint_people, visible_shares
from gtahead.simulation.people import HEAD_M, Seen, gather, look
from gtahead.simulation.presets import plan

SMALL = Preset("test", (320, 180), (3, 3, 3), (4.0, 20.0, 60.0), 3)


def heads_of(captures: Path) -> list[Columns]:
    reader = READERS["native"]
    sources = reader.list_sequences(captures, Findings())
    return [reader.read(source, Findings(), Ledger()).heads for source in sources]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_tiny_keeps_its_promises(tiny_captures: Path, tiny_dataset: Path) -> None:
    manifest = json.loads((tiny_dataset / "manifest.json").read_text())
    assert manifest["simulated"] is True
    statistics = manifest["statistics"]
    assert statistics["sequences"] >= 6
    assert statistics["frames"] == 8 * statistics["sequences"]
    assert statistics["frames_without_heads"] > 0
    assert all(split["heads"] > 0 for split in statistics["splits"].values())
    assert all(not flow["dropped"] for flow in manifest["ledger"].values())
    assert set(manifest["findings"]["totals"]) == {"head-outside-frame"}
    assert manifest["visibility"] == "measured"
    document = json.loads((tiny_captures / "seq_00" / "sequence.json").read_text())
    assert document["simulated"] is True
    assert "gtahead" in document["tool"]


def test_same_seed_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    for name, workers in (("1", 1), ("2", 2)):
        library.simulate(tmp_path / name, preset=SMALL, workers=workers)
    library.simulate(tmp_path / "other", preset=SMALL, workers=1, seed=1)
    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert files(tmp_path / "1") != files(tmp_path / "other")


def test_labels_are_the_same_without_pictures(tmp_path: Path) -> None:
    library.simulate(tmp_path / "with", preset=SMALL, workers=1)
    library.simulate(tmp_path / "without", preset=SMALL, workers=1, images=False)
    for folder in sorted((tmp_path / "with").iterdir()):
        name = f"{folder.name}/heads.csv"
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
        document = json.loads((tmp_path / "without" / folder.name / "sequence.json").read_text())
        assert document["pictures"] is False
        assert document["simulated"] is True
    assert not list((tmp_path / "without").rglob("*.jpg"))


def test_a_second_run_reuses_and_another_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "captures"
    first = library.simulate(out, preset=SMALL, workers=1)
    second = library.simulate(out, preset=SMALL, workers=1)
    assert (first.written, second.written, second.reused) == (3, 0, 3)
    assert (first.counted, first.heads) == (second.counted, second.heads)
    with pytest.raises(library.InputError, match="or --overwrite to replace what was simulated"):
        library.simulate(out, preset=SMALL, workers=1, seed=5)
    library.simulate(out, preset=SMALL, workers=1, seed=5, overwrite=True)
    (out / "seq_00" / "sequence.json").write_text("{}")
    with pytest.raises(
        library.InputError, match=r"another capture stands here; choose another --out$"
    ):
        library.simulate(out, preset=SMALL, workers=1, seed=5, overwrite=True)


def test_what_is_gone_is_drawn_again_and_no_run_is_mixed_with_another(tmp_path: Path) -> None:
    out = tmp_path / "captures"
    library.simulate(out, preset=SMALL, workers=1)
    before = files(out)
    (out / "seq_00" / "heads.csv").unlink()
    (out / "seq_01" / "frames" / "000001.jpg").unlink()
    assert library.simulate(out, preset=SMALL, workers=1).written == 2
    assert files(out) == before
    fewer = Preset("fewer", (320, 180), (3, 3), (4.0, 20.0), 3)
    with pytest.raises(library.InputError, match="another capture stands here"):
        library.simulate(out, preset=fewer, workers=1)
    library.simulate(out, preset=fewer, workers=1, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["seq_00", "seq_01"]
    (out / "mine").mkdir()
    with pytest.raises(library.InputError, match="another capture stands here; choose another"):
        library.simulate(out, preset=fewer, workers=1, overwrite=True)


def test_killed_runs_leave_whole_sequences(tmp_path: Path) -> None:
    (tmp_path / "captures" / ".part-dead" / "frames").mkdir(parents=True)
    library.simulate(tmp_path / "captures", preset=SMALL, workers=1)
    assert sorted(path.name for path in (tmp_path / "captures").iterdir()) == [
        "seq_00",
        "seq_01",
        "seq_02",
    ]


def test_no_box_rule_can_be_exact(tiny_captures: Path) -> None:
    table = [heads for heads in heads_of(tiny_captures) if len(heads["head_id"])]
    joined = {name: np.concatenate([heads[name] for heads in table]) for name in table[0]}
    width = joined["captured_x1"] - joined["captured_x0"]
    height = joined["captured_y1"] - joined["captured_y0"]
    big = height > 10
    aspect = (width / height)[big]
    assert aspect.std() > 0.05
    assert 0.6 < np.median(aspect) < 1.0
    ratio = (joined["top_neck_m"] * 1.35 / HEAD_M[0])[big]
    assert 0.05 < ratio.std() < 0.15
    shares = joined["visibility"]
    assert shares.min() < 0.5 < shares.max() == 1.0


def test_consistent_ids_move_like_people(tiny_captures: Path) -> None:
    for heads in heads_of(tiny_captures):
        for person in np.unique(heads["head_id"])[:20]:
            rows = np.flatnonzero(heads["head_id"] == person)
            steps = np.diff(heads["frame_index"][rows])
            moved = np.hypot(np.diff(heads["world_x_m"][rows]), np.diff(heads["world_y_m"][rows]))
            assert (moved <= 2.5 * 0.5 * steps + 0.1).all()  # under 2.5 m/s at two frames a second


def _seen(
    heads: list[tuple[float, float, float, float]], bodies: list[list[tuple[float, float]]]
) -> Seen:
    count = len(heads)
    return Seen(
        who=np.arange(count),
        heads_xy=np.array([head[:2] for head in heads]),
        semi_axes=np.array([head[2:] for head in heads]),
        depth_m=np.arange(count, 0, -1.0),
        world_m=np.zeros((count, 3)),
        neck_xy=np.zeros((count, 2)),
        neck_m=np.zeros((count, 3)),
        bodies=np.array(bodies, np.float64),
        away=np.zeros(count, np.bool_),
    )


def test_visible_shares_by_hand() -> None:
    off = [(-9.0, -9.0)] * 6
    wall = [(20.0, 0.0), (20.0, 40.0), (20.0, 40.0), (60.0, 40.0), (60.0, 0.0), (60.0, 0.0)]
    alone = _seen([(20, 20, 8, 10)], [off])
    shares, covered = visible_shares(alone, (64, 48))
    assert (shares.tolist(), covered.tolist()) == ([1.0], [0])
    # The second person's body covers the right half of the first one's head.
    behind = _seen([(20, 20, 8, 10), (50, -20, 3, 3)], [off, wall])
    shares, covered = visible_shares(behind, (64, 48))
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert (shares[1], covered[1]) == (0, -1)  # outside the picture
    # A head in front hides one behind it, whole; heads on the border lose what lies outside.
    stacked = _seen([(20, 20, 4, 5), (20, 20, 8, 10), (0, 24, 6, 6)], [off] * 3)
    shares, covered = visible_shares(stacked, (64, 48))
    assert shares[:2].tolist() == [0, 1]
    assert shares[2] == pytest.approx(0.5, abs=0.06)
    assert covered.tolist() == [1, 0, 0]
    # A head smaller than a pixel is still somewhere.
    speck = _seen([(20.2, 20.2, 0.1, 0.1)], [off])
    assert visible_shares(speck, (64, 48))[0].tolist() == [1.0]


def test_boxes_fit_the_heads_pixels() -> None:
    one = plan("small", 3)[10]
    people = gather(80, one.camera, one.size_wh, np.random.default_rng(1))
    seen = look(people, one.camera, one.size_wh, 0.0)
    big = np.flatnonzero(seen.semi_axes.min(axis=1) > 4)
    assert len(big) > 3
    for number in big[:10]:
        alone = Seen(**{k: v[[number]] for k, v in seen.__dict__.items()})
        picture = np.zeros((one.size_wh[1], one.size_wh[0], 3), np.uint8)
        paint_people(picture, alone, people)
        x0, y0, x1, y1 = alone.boxes_xyxy[0]
        inner = picture[int(y0) + 2 : int(y1) - 1, int(x0) + 2 : int(x1) - 1]
        assert (inner.max(axis=2) > 0).mean() > 0.8  # the head was drawn where the box is


def test_pictures_have_the_promised_size(tiny_captures: Path) -> None:
    data = np.fromfile(tiny_captures / "seq_00" / "frames" / "000000.jpg", np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (360, 640, 3)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_plans(name: str, seed: int) -> None:
    plans = plan(name, seed)
    assert plans == plan(name, seed)
    assert len({one.name for one in plans}) == len(plans)
    for one in plans:
        assert one.camera.rotation_deg is not None
        assert -60 <= one.camera.rotation_deg[0] <= -5
        assert 0 <= one.hour < 24
    if name == "gta-head":
        assert len(plans) == 35
        assert sum(one.frames for one in plans) == 5096
        assert sum(one.heads * one.frames for one in plans) > 1.73e6 * 1.02
        assert min(one.heads for one in plans) == 0
        assert max(one.heads for one in plans) > 4000


def test_bad_calls(tmp_path: Path) -> None:
    done = gtahead("simulate", "--out", tmp_path / "c", "--preset", "huge")
    assert done.code == 2
    assert "'huge' is not one of 'tiny', 'small', 'gta-head'" in done.err
    with pytest.raises(library.UsageError, match="no such preset"):
        library.simulate(tmp_path / "c", preset="huge")
    (tmp_path / "file").touch()
    done = gtahead("simulate", "--out", tmp_path / "file")
    assert (done.code, done.err) == (
        1,
        f"error: {tmp_path}/file: a file stands where a folder is needed; choose another path\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])
def test_gta_head_at_full_size(tmp_path: Path, seed: int) -> None:
    report = library.simulate(tmp_path / "captures", preset="gta-head", seed=seed, images=False)
    assert (len(report.sequences), report.frames) == (35, 5096)
    built = library.build(tmp_path / "captures", tmp_path / "dataset")
    statistics = built.manifest["statistics"]
    assert statistics["heads"]["counted"] == report.counted >= 1_730_000
    assert statistics["heads_a_frame"]["least"] == 0
    assert statistics["heads_a_frame"]["most"] > 4000
    assert statistics["splits"]["test"]["sequences"] >= 10
    assert built.exit_code == 0
    one = library.build(tmp_path / "captures", tmp_path / "one", workers=1)
    assert one.manifest["fingerprints"] == built.manifest["fingerprints"]
