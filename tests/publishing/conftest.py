"""A release of the simulated dataset, and a hub to push it to."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `hub_stand_in`

from hub_stand_in import TOKEN, Hub

REPO = "crowd-lab/simulated-heads"
FACTS = {"repo": REPO, "creator": "The crowd lab", "date": "2026-11-01"}


@pytest.fixture(scope="session")
def staged(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with images; nobody writes into it."""
    import gtahead

    out = tmp_path_factory.mktemp("staged") / "release"
    gtahead.stage(tiny_dataset, out, workers=1, **FACTS)
    return out


@pytest.fixture
def release(staged: Path, tmp_path: Path) -> Path:
    """A release of one's own, to be changed."""
    out = tmp_path / "release"
    shutil.copytree(staged, out)
    return out


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on the loopback."""
    with Hub() as found:
        yield found


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """What a process needs to talk to the stand-in, and to nobody else."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "NO_PROXY": "127.0.0.1",
    }


@pytest.fixture
def hub_here(environment: dict[str, str]) -> Iterator[None]:
    """This process talks to the stand-in, too, which spares a test the start of others."""
    from huggingface_hub import constants

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        importlib.reload(constants)  # it reads the variables when it is imported
        yield
    importlib.reload(constants)
