"""What other packages add, and the examples of docs/extending.md: as they stand there, run."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import Outcome, image, spawn_gtahead

import gtahead as library
from gtahead.detectors import DETECTORS
from gtahead.errors import ResourceError
from gtahead.formats import FORMATS, Format
from gtahead.plugins import Registry
from gtahead.training.wanted import check_training

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def examples(file: str) -> list[str]:
    """The page's blocks that begin with this comment, without it."""
    blocks = re.findall(r"^```\w+\n# (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [body for name, body in blocks if name == file]


def run(path: Path, *arguments: object, cwd: Path) -> Outcome:
    """Run the command line with a plug-in's folder in front of the path."""
    return spawn_gtahead(*arguments, env={"PYTHONPATH": str(path)}, cwd=cwd, forked=True)


def run_copy(copy: Path, *arguments: object, cwd: Path) -> Outcome:
    """Run the command line of another copy of gtahead."""
    return spawn_gtahead(*arguments, env={"PYTHONPATH": str(copy)}, cwd=cwd)


def install(folder: Path, name: str, points: str, **modules: str) -> Path:
    """Write a package as pip would leave it."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(points)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (points,) = examples("pyproject.toml")
    points = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", points).replace('"', "")
    code = "\n\n".join(examples("crowd_tool.py"))
    (net,) = examples("crowd_net.py")
    folder = tmp_path_factory.mktemp("site")
    return install(folder, "crowd-tool", points, crowd_tool=code, crowd_net=net)


@pytest.fixture(scope="module")
def world(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a capture that the plug-in's reader reads, and the dataset of it."""
    here = tmp_path_factory.mktemp("world")
    for name in "abc":
        folder = here / "captures" / name
        folder.mkdir(parents=True)
        for number in range(3):
            data = image(seed=10 * number + ord(name))
            (folder / f"{number}.jpg").write_bytes(data)
        (folder / "dots.txt").write_text("0 10.5 20\n0 30 21.25\n1 11 9\n9 1 1\n")
    built = run(plugin, "build", "--raw", "captures", "--workers", 2, cwd=here)
    assert built.code == 3, built.err  # a head of no frame is set aside, by name
    assert "head-without-frame]: a/dots.txt > sequence a" in built.err
    return here


def test_a_reader_of_another_package(plugin: Path, world: Path) -> None:
    heads = library.Dataset.open(world / "dataset").heads("a")
    assert heads["x"].tolist() == [10.5, 30.0, 11.0]
    build = ("build", "--raw", "captures", "--workers", 1)
    named = run(plugin, *build, "--from", "dots", "--out", "d2", cwd=world)
    assert named.code == 3, named.err
    (world / "captures" / "b" / "dots.txt").rename(world / "kept")
    (world / "captures" / "b" / "dots.txt").write_text("0 10.5\n")
    broken = run(plugin, *build, "--out", "d3", cwd=world)
    (world / "kept").replace(world / "captures" / "b" / "dots.txt")
    assert broken.code == 3
    assert "bad-labels-file]: b/dots.txt" in broken.err


def test_a_format_of_another_package(plugin: Path, world: Path) -> None:
    done = run(
        plugin,
        "export",
        "--format",
        "pairs",
        "--allow-lossy",
        "--out",
        "p",
        "--workers",
        1,
        cwd=world,
    )
    assert done.code == 0, done.err
    lines = "".join(p.read_text() for p in sorted((world / "p").glob("*.pairs"))).splitlines()
    assert "a/000000 10.50,20.00 30.00,21.25" in lines
    assert "a/000002" in lines
    listed = run(plugin, "formats", cwd=world)
    assert "pairs" in listed.out


def test_a_detector_of_another_package(
    plugin: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command knows it; it's trained in this process, which may have torch already."""
    shown = run(plugin, "train", "--detector", "mean-count", "--print-config", cwd=world)
    assert shown.code == 0, shown.err
    assert 'detector = "mean-count"' in shown.out
    monkeypatch.syspath_prepend(plugin)
    monkeypatch.setattr(DETECTORS, "_entries", None)  # looks for plug-ins again
    training = pytest.importorskip("gtahead.training")
    config = training.make_config(detector="mean-count", crop_wh=(64, 64), epochs=2, warmup=0)
    check_training(world / "dataset", replace(config, backbone="a name of its own"), None)
    assert training.train(world / "dataset", tmp_path / "run", config=config).finished
    assert (tmp_path / "run" / "model.pt").exists()


POINT = "[gtahead.formats]\n{name} = bad_tool:BAD\n"
FORMAT = (
    "from gtahead.formats.base import Format\n"
    "BAD = Format({name!r}, '', 'points', '', 0.0, frozenset(), '', '', '', print)\n"
)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("bad", "1 / 0", "the plug-in can't be loaded: ZeroDivisionError: division by zero"),
        ("bad", "import no_such_module", "can't be loaded: ModuleNotFoundError"),
        ("bad", "BAD = 5", "the plug-in isn't a Format (got 'int')"),
        ("bad", FORMAT.format(name="other"), "the plug-in has two names (got 'other')"),
        ("coco", FORMAT.format(name="coco"), "a plug-in has the name of a built-in Format"),
    ],
)
def test_a_broken_plug_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, says: str
) -> None:
    site = install(tmp_path / "site", "bad-tool", POINT.format(name=name), bad_tool=code)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "bad_tool", raising=False)
    formats = Registry(lambda: dict(FORMATS), Format, "gtahead.formats")
    with pytest.raises(ResourceError) as caught:
        list(formats)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"plug-in {name}")


def test_a_broken_plug_in_ends_a_command_with_4(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "bad-tool", POINT.format(name="bad"), bad_tool="1 / 0")
    done = run(site, "formats", cwd=tmp_path)
    assert done.code == 4
    assert done.err.startswith("error: plug-in bad of bad-tool > gtahead.formats: the plug-in can")
    assert "Traceback" not in done.err


def edited(tmp_path: Path, file: str, above: str, within: str) -> Path:
    """A copy of gtahead with the page's lines put where it says."""
    shutil.copytree(ROOT / "gtahead", tmp_path / "gtahead")  # with what numba has compiled
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    for block in examples(f"{file}, above {above}"):
        assert f"{above}: " in text
        text = text.replace(f"{above}: ", f"{block}\n\n{above}: ", 1)
    (entry,) = examples(f"{file}, in {above}")
    assert text.count(within) == 1
    path.write_text(text.replace(within, entry + within), encoding="utf-8")
    return tmp_path


def test_a_box_rule(world: Path, tmp_path: Path) -> None:
    copy = edited(
        tmp_path, "gtahead/annotation/boxes.py", "BOX_RULES", '    "fixed": RuleKind(_fixed'
    )
    shutil.copytree(world / "dataset", tmp_path / "data")
    done = run_copy(copy, "annotate", "data", "--boxes", "share:share=0.25", cwd=tmp_path)
    assert done.code == 0, done.err
    boxes = next(iter(library.Dataset.open(tmp_path / "data"))).boxes_xyxy
    assert (boxes[:, 2:] - boxes[:, :2]).tolist() == [[12.0, 12.0]] * 2


def test_a_metric(world: Path, tmp_path: Path) -> None:
    copy = edited(
        tmp_path, "gtahead/metrics/definitions.py", "METRICS", '        Metric("ap", "AP .50:.95"'
    )
    data = world / "dataset"
    template = run_copy(copy, "benchmark", "--template", "--data", data, cwd=tmp_path)
    assert template.code == 0, template.err
    (tmp_path / "p.json").write_text(template.out)
    done = run_copy(
        *(copy, "benchmark", "p.json", "--data", data, "--by", "density", "--out", "r.json"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    assert re.search(r"mean count +0\.0000", done.out)
    assert '"mean_found"' in (tmp_path / "r.json").read_text()
