"""Heads from shards: the same items as from the dataset, whoever reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import but_slow, gtahead
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from gtahead import Dataset, InputError, UsageError
from gtahead.torch import DropHeadsOutside, HeadDataModule, HeadDataset, HeadStream, collate


@pytest.fixture(scope="module")
def shards(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "webdataset"
    done = gtahead("export", tiny_dataset, "--format", "webdataset", "--out", out)
    assert done.code == 0, done.err
    return out


@pytest.fixture(scope="module")
def release(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "crowds"
    words = ["--repo", "a/b", "--creator", "me", "--licence", "mit"]
    done = gtahead("publish", "stage", tiny_dataset, "--out", out, *words)
    assert done.code == 0, done.err
    return out


def equal(items: list[Any], split: str, dataset: Path) -> None:
    """Compare items with those of `HeadDataset`, but for the numbers of images."""
    wanted = HeadDataset(Dataset.open(dataset).split(split))
    assert len(items) == len(wanted)
    for (image, target), (other, real) in zip(items, wanted, strict=True):
        assert torch.equal(image, other)
        assert set(target) == set(real)
        for name in ("boxes", "points", "ignored", "area"):
            assert type(target[name]) is type(real[name])
            assert torch.allclose(
                *(one[name].as_subclass(torch.Tensor) for one in (target, real)), atol=0.4
            )
        assert target["boxes"].as_subclass(torch.Tensor) - real["boxes"].as_subclass(
            torch.Tensor
        ) == pytest.approx(0, abs=0.02)


def test_tar_shards(shards: Path, tiny_dataset: Path) -> None:
    for split in ("train", "val", "test"):
        stream = HeadStream(shards, split)
        items = list(stream)
        equal(items, {"val": "validation"}.get(split, split), tiny_dataset)
        ids = [target["image_id"] for _, target in items]
        assert len(set(ids)) == len(ids)
    assert repr(stream) == f"HeadStream({str(shards)!r}, split='test')"
    files = sorted(shards.glob("test-*.tar"))
    equal(list(HeadStream(files)), "test", tiny_dataset)
    equal(list(HeadStream(files[0])), "test", tiny_dataset)


def test_a_release(release: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    equal(list(HeadStream(release, "test")), "test", tiny_dataset)
    (release / "README.md").rename(release / "CARD")
    with pytest.raises(InputError, match="neither a release"):
        HeadStream(release, "test")
    (release / "CARD").rename(release / "README.md")


@pytest.mark.parametrize("workers", but_slow([2], 1, 3))
def test_workers_share_them(shards: Path, workers: int) -> None:
    """One shard, read by several: each row comes once."""
    cut = v2.Compose([v2.CenterCrop((200, 300)), DropHeadsOutside()])
    loader = DataLoader(
        HeadStream(shards, "train", cut), 4, collate_fn=collate, num_workers=workers
    )
    seen = [target["image_id"] for _, targets in loader for target in targets]
    assert sorted(seen) == sorted(t["image_id"] for _, t in HeadStream(shards, "train"))
    assert all(image.shape == (3, 200, 300) for images, _ in loader for image in images)


def test_what_is_wrong_is_said(shards: Path, tmp_path: Path, tiny_dataset: Path) -> None:
    with pytest.raises(InputError, match="no such release or export"):
        HeadStream(tmp_path / "nothing")
    with pytest.raises(UsageError):
        HeadStream(shards, "x")
    with pytest.raises(InputError, match="neither a release nor an export"):
        HeadStream(tiny_dataset)
    with pytest.raises(UsageError, match="no tar shards"):
        HeadStream([])
    gtahead("filter", tiny_dataset, "--where", "split == 'test'", "--out", tmp_path / "test")
    with pytest.raises(InputError, match="no train split"):
        HeadDataModule(tmp_path / "test").train_dataloader()
    gtahead("filter", tiny_dataset, "--where", "split == 'train'", "--out", tmp_path / "train")
    data = HeadDataModule(tmp_path / "train")
    with pytest.raises(UsageError, match="no test split"):
        data.test_dataloader()
    # Without a validation split a part of train is set aside, and isn't learnt from.
    train, validation = data.train_dataloader().dataset, data.val_dataloader().dataset
    assert len(train) + len(validation) == len(data.dataset)
    assert not set(train.dataset.frame_ids) & set(validation.dataset.frame_ids)
    cut = tmp_path / "test-000000.tar"
    cut.write_bytes(next(iter(sorted(shards.glob("test-*.tar")))).read_bytes()[:200_000])
    with pytest.raises(InputError, match=r"can't be read|has no"):
        list(HeadStream(cut))
    with pytest.raises(UsageError, match="no shards of this split"):
        HeadStream(tmp_path, "train")
    bare = tmp_path / "labels"
    words = ["--format", "webdataset", "--images", "none", "--out", bare]
    assert gtahead("export", tiny_dataset, *words).code == 0
    with pytest.raises(InputError, match="has no image"):
        next(iter(HeadStream(bare, "test")))


def test_a_data_module_feeds_lightning(tiny_dataset: Path) -> None:
    import pytorch_lightning as pl

    class Counter(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(()))
            self.seen: dict[str, list[int]] = {"train": [], "val": [], "test": []}

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            images, targets = batch
            self.seen["train"] += [target["image_id"] for target in targets]
            assert all(image.dtype == torch.float32 for image in images)
            return self.factor * sum(len(target["boxes"]) for target in targets)

        def validation_step(self, batch: Any, number: int) -> None:
            self.seen["val"] += [target["image_id"] for target in batch[1]]

        def test_step(self, batch: Any, number: int) -> None:
            self.seen["test"] += [target["image_id"] for target in batch[1]]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 1e-6)

    data = HeadDataModule(
        tiny_dataset, 4, transforms=v2.ToDtype(torch.float32, scale=True), num_workers=0
    )
    model = Counter()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        max_epochs=1, num_sanity_val_steps=0, accelerator="cpu", enable_model_summary=False, **quiet
    )
    trainer.fit(model, datamodule=data)
    trainer.test(model, datamodule=data, verbose=False)
    opened = Dataset.open(tiny_dataset)
    for name, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        assert sorted(model.seen[name]) == list(range(len(opened.split(split))))
    assert model.seen["train"] != sorted(model.seen["train"])  # shuffled
    assert not np.allclose(float(model.factor.detach()), 1)
