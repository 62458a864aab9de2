"""The house: who may import whom, and what the package shows."""

from __future__ import annotations

import ast
import inspect
from graphlib import TopologicalSorter
from pathlib import Path

import gtahead

PACKAGE = Path(gtahead.__file__).parent

FLOORS = {
    "_version": 0,
    "arrays": 0,
    "compiling": 0,
    "errors": 0,
    "density": 1,
    "origins": 1,
    "plugins": 1,
    "regions": 2,
    "detectors": 2,
    "findings": 1,
    "geometry": 1,
    "marks": 1,
    "images": 1,
    "parallel": 2,
    "schemas": 1,
    "storage": 1,
    "templates": 0,
    "values": 0,
    "drawing": 2,
    "tiling": 2,
    "counting": 3,
    "models": 0,
    "map_files": 2,
    "plausibility": 2,
    "tables": 2,
    "urls": 2,
    "dataset": 3,
    "metrics": 4,
    "ingest": 3,
    "predictions": 3,
    "annotation": 4,
    "formats": 4,
    "captures": 5,
    "readers": 6,
    "simulation": 6,
    "building": 7,
    "inspection": 7,
    "scoring": 7,
    "torch": 5,
    "validation": 7,
    "publishing": 8,
    "reports": 8,
    "training": 8,
    "viewing": 8,
    "diagnostics": 9,
    "cli": 10,
    "__main__": 11,
}


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _named_in(node: ast.Call) -> str | None:
    """Say what a call imports: `import_module("gtahead.x")`, or the fixed start of an f-string."""
    called = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    if called not in ("import_module", "__import__") or not node.args:
        return None
    what = node.args[0]
    if isinstance(what, ast.JoinedStr):
        what = what.values[0]
    return what.value.rstrip(".") if isinstance(what, ast.Constant) else None


def _imports(path: Path) -> set[str]:
    """Modules of gtahead that a file imports, anywhere in it, by a statement or by name.

    What only type checkers import doesn't count.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in whole]
        elif isinstance(node, ast.Call) and (name := _named_in(node)):
            names = [name]
        found |= {name for name in names if name in MODULES}
    return found


def _part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_imports_point_down_the_floors() -> None:
    for module, path in MODULES.items():
        part = _part_of(module)
        if part == "__init__":
            continue
        for other in {_part_of(name) for name in _imports(path)} - {part}:
            assert other in FLOORS, f"{module} imports {other}"
            assert FLOORS[other] < FLOORS[part], f"{module} imports {other}"
    parts = {_part_of(module) for module in MODULES} - {"__init__"}
    assert parts == set(FLOORS)  # every part has a floor, every floor a part
    assert max(FLOORS.values()) < 12


def test_no_module_imports_itself_by_a_detour() -> None:
    order = TopologicalSorter({name: _imports(path) - {name} for name, path in MODULES.items()})
    order.prepare()  # raises CycleError, with the circle


def test_an_import_by_name_is_seen(tmp_path: Path) -> None:
    for call in (
        'import_module("gtahead.viewing")',
        'importlib.import_module("gtahead.viewing")',
        '__import__("gtahead.viewing")',
        'import_module(f"gtahead.viewing.{name}")',
    ):
        (tmp_path / "a.py").write_text(f"def f(name):\n    return {call}\n")
        assert _imports(tmp_path / "a.py") == {"gtahead.viewing"}, call


def test_only_tables_know_arrow() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if _part(path) != "tables":
            assert "import pyarrow" not in path.read_text(encoding="utf-8"), path
            assert "from pyarrow" not in path.read_text(encoding="utf-8"), path


def test_what_the_package_shows() -> None:
    shown = {}
    for name in gtahead.__all__:
        thing = getattr(gtahead, name)
        shown[name] = "class" if inspect.isclass(thing) else str(inspect.signature(thing))
    assert shown == {
        "Dataset": "class",
        "GtaheadError": "class",
        "InputError": "class",
        "Predictions": "class",
        "ResourceError": "class",
        "UsageError": "class",
        "annotate": (
            "(dataset: 'StrPath' = 'dataset', *, boxes: 'str | None' = None, "
            "sigma: 'str | None' = None, split: 'str | None' = None, split_by: 'str | None' = None, workers: 'int | None' = None, "
            "scheduler: 'str | None' = None, on_progress: "
            "'Progress | None' = None) -> 'AnnotateReport'"
        ),
        "benchmark": (
            "(predictions: 'StrPath | Predictions', data: 'StrPath | Dataset' = 'dataset', *, "
            "split: 'str | None' = None, by: 'Sequence[str]' = (), missing: 'Missing' = 'error', "
            "validation: 'StrPath | Predictions | None' = None, threshold: 'float | None' = None, "
            "coco_compat: 'bool' = False, sweep: 'bool' = False, "
            "intervals: 'bool' = True, ceilings: 'bool' = True, builtin: 'bool' = False, "
            "head_class: 'str | None' = None, labels_orientation: 'str | None' = None) "
            "-> 'Score'"
        ),
        "build": (
            "(raw: 'StrPath', out: 'StrPath' = 'dataset', *, reader: 'str' = 'auto', "
            "boxes: 'str' = 'auto', sigma: 'str' = 'box', count_policy: 'str' = 'visible', "
            "images: 'str' = 'link', every: 'int' = 1, head_class: 'str | None' = None, "
            "labels_orientation: 'str | None' = None, origin: 'str | None' = None, split: 'str | None' = None, "
            "split_by: 'str | None' = None, roi: 'StrPath | None' = None, workers: 'int | None' = None, "
            "scheduler: 'str | None' = None, "
            "strict: 'bool' = False, fresh: 'bool' = False, "
            "on_progress: 'Progress | None' = None) -> 'BuildReport'"
        ),
        "compare": (
            "(results: 'Sequence[StrPath]', *, group: 'str | None' = None) -> 'Comparison'"
        ),
        "count": (
            "(image: 'StrPath | Image', *, model: 'StrPath | OnnxDetector' = 'builtin', "
            "threshold: 'float | None' = None, search: 'bool' = True) -> 'Counted'"
        ),
        "export": (
            "(dataset: 'StrPath' = 'dataset', out: 'StrPath | None' = None, *, format: 'str', "
            "split: 'str | Sequence[str] | None' = None, images: 'str' = 'link', "
            "allow_lossy: 'bool' = False, drop_empty: 'bool' = False, overwrite: 'bool' = False, "
            "stride: 'int' = 8, dtype: 'str' = 'float32', border: 'str' = 'renormalise', "
            "store: 'str' = 'npz', layout: 'str' = 'nested', workers: 'int | None' = None, scheduler: 'str | None' = None, "
            "on_progress: 'Progress | None' = None) -> 'ExportReport'"
        ),
        "filter": (
            "(dataset: 'StrPath | Dataset', out: 'StrPath', *, "
            "where: 'str | Callable[[Frame], bool] | None' = None, sample: 'int | None' = None, "
            "seed: 'int' = 0, split: 'str | None' = None, split_by: 'str | None' = None, "
            "images: 'str' = 'link', overwrite: 'bool' = False, "
            "on_progress: 'Progress | None' = None) -> 'DerivedReport'"
        ),
        "merge": (
            "(datasets: 'Sequence[StrPath | Dataset]', out: 'StrPath', *, "
            "split: 'str | None' = None, split_by: 'str | None' = None, images: 'str' = 'link', "
            "overwrite: 'bool' = False, on_progress: 'Progress | None' = None) -> 'DerivedReport'"
        ),
        "info": "(path: 'StrPath' = 'dataset') -> 'Overview'",
        "leaderboard": (
            "(folder: 'StrPath', out: 'StrPath | None' = None, *, sort: 'str' = 'mae') "
            "-> 'Leaderboard'"
        ),
        "export_model": (
            "(checkpoint: 'StrPath', out: 'StrPath' = 'model.onnx', *, half: 'bool' = False) -> 'ExportedModel'"
        ),
        "export_predictions": (
            "(predictions: 'StrPath | Predictions', out: 'StrPath', *, format: 'str', "
            "data: 'StrPath | Dataset | None' = None, split: 'str | None' = None, "
            "threshold: 'float | None' = None) -> 'SubmissionReport'"
        ),
        "diff": "(old: 'StrPath', new: 'StrPath') -> 'DatasetDifference'",
        "doctor": "(*, run: 'bool' = True) -> 'Checkup'",
        "publish": (
            "(release: 'StrPath', repo: 'str', *, yes: 'bool' = False, private: 'bool' = False, "
            "gated: 'str | None' = None, revision: 'str' = 'main', tag: 'str | None' = None, "
            "overwrite: 'bool' = False, load: 'bool | None' = None, "
            "on_progress: 'Progress | None' = None) -> 'PushReport'"
        ),
        "pull": (
            "(source: 'StrPath', out: 'StrPath' = 'dataset', *, revision: 'str | None' = None, "
            "images: 'str' = 'original', overwrite: 'bool' = False, "
            "on_progress: 'Progress | None' = None) -> 'PullReport'"
        ),
        "rebuild": (
            "(labels: 'StrPath', frames: 'StrPath', out: 'StrPath' = 'dataset', *, "
            "images: 'str' = 'link', overwrite: 'bool' = False, "
            "on_progress: 'Progress | None' = None) -> 'RebuildReport'"
        ),
        "stage": (
            "(dataset: 'StrPath' = 'dataset', out: 'StrPath' = 'release', *, repo: 'str', "
            "creator: 'str', name: 'str | None' = None, version: 'str' = '1.0.0', "
            "licence: 'str | None' = None, licence_file: 'StrPath | None' = None, "
            "date: 'str | None' = None, contact: 'str | None' = None, changes: 'str | None' = None, "
            "images: 'str | None' = None, i_have_rights: 'bool' = False, "
            "annotators: 'str | None' = None, overwrite: 'bool' = False, "
            "workers: 'int | None' = None, scheduler: 'str | None' = None, "
            "on_progress: 'Progress | None' = None) -> 'Release'"
        ),
        "verify": (
            "(path: 'StrPath' = 'dataset', *, "
            "on_progress: 'Progress | None' = None) -> 'VerifyReport'"
        ),
        "predict": (
            "(checkpoint: 'StrPath', data: 'StrPath' = 'dataset', out: 'StrPath' = 'predictions.json', *, split: 'str' = 'test', images: 'StrPath | None' = None, detector: 'Factory | None' = None, scheduler: 'str | None' = None, on_progress: 'Progress | None' = None) -> 'PredictReport'"
        ),
        "train": (
            "(dataset: 'StrPath' = 'dataset', out: 'StrPath | None' = None, *, config: 'TrainConfig | None' = None, detector: 'Factory | None' = None, loss: 'HeatLoss | None' = None, init: 'StrPath | None' = None, logger: 'Logger | Sequence[Logger] | None' = None, resume: 'bool' = False, stop_after: 'int | None' = None, on_progress: 'Progress | None' = None, on_validated: 'Validated | None' = None) -> 'TrainReport'"
        ),
        "report": (
            "(dataset: 'StrPath' = 'dataset', html: 'StrPath' = 'report.html', *, "
            "gallery: 'int' = 24, "
            "on_progress: 'Progress | None' = None) -> 'ReportDone'"
        ),
        "view": (
            "(path: 'StrPath' = 'dataset', frames: 'Sequence[str]' = (), *, "
            "layers: 'Sequence[str] | None' = None, out: 'StrPath' = 'view.png', "
            "grid: 'tuple[int, int] | None' = None, video: 'bool' = False, fps: 'float' = 8.0, "
            "reader: 'str' = 'auto', predictions: 'StrPath | None' = None, "
            "split: 'str | None' = None, "
            "on_progress: 'Progress | None' = None) -> 'ViewReport'"
        ),
        "simulate": (
            "(out: 'StrPath' = 'captures', *, preset: 'StrPath | Preset' = 'tiny', seed: 'int' = 0, "
            "images: 'bool' = True, layout: 'str' = 'native', "
            "size_wh: 'tuple[int, int] | None' = None, heads: 'tuple[int, int] | None' = None, "
            "weather: 'str | None' = None, hour: 'float | None' = None, "
            "sequences: 'int | None' = None, frames: 'int | None' = None, "
            "distortion: 'float | None' = None, workers: 'int | None' = None, "
            "scheduler: 'str | None' = None, overwrite: 'bool' = False, on_progress: "
            "'Progress | None' = None) -> 'SimulationReport'"
        ),
        "validate": (
            "(path: 'StrPath' = 'dataset', *, reader: 'str' = 'auto', images: 'str' = 'quick', "
            "against: 'StrPath | None' = None, head_class: 'str | None' = None, "
            "labels_orientation: 'str | None' = None, workers: 'int | None' = None, scheduler: "
            "'str | None' = None, on_progress: 'Progress | None' = None) "
            "-> 'Validation'"
        ),
    }


def test_no_submodule_hides_a_public_function() -> None:
    parts = {_part(path) for path in PACKAGE.rglob("*.py")}
    assert parts.isdisjoint(gtahead.__all__)
