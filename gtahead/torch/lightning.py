"""A data module of Lightning: loaders of a dataset's three splits."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from gtahead.dataset import Dataset
from gtahead.errors import UsageError
from gtahead.torch.datasets import HeadDataset, Sample, Transforms, collate
from gtahead.values import StrPath


class HeadDataModule(pl.LightningDataModule):
    """Loaders of `HeadDataset` for each split: train is shuffled and transformed, the others not.

    Batches are lists of images and of targets, as torchvision's detection models take them.

    Args:
        dataset: opened, or its path.
        batch_size: images per step.
        transforms: of the training images.
        test_transforms: of the others, such as `ToDtype`.
        num_workers: processes that load images, of each loader.

    Example:
        >>> data = HeadDataModule("dataset", batch_size=4)  # doctest: +SKIP
        >>> trainer.fit(model, datamodule=data)  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: Dataset | StrPath,
        batch_size: int = 2,
        *,
        transforms: Transforms | None = None,
        test_transforms: Transforms | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
        self.batch_size, self.num_workers = batch_size, num_workers
        self.transforms, self.test_transforms = transforms, test_transforms

    def _loader(self, split: str) -> DataLoader[Sample]:
        if not len(self.dataset.split(split)):
            raise UsageError("the split has no images", value=split)
        train = split == "train"
        transforms = self.transforms if train else self.test_transforms
        return DataLoader(
            HeadDataset(self.dataset.split(split), transforms),
            self.batch_size,
            shuffle=train,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=collate,
        )

    def train_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the training images."""
        return self._loader("train")

    def val_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the validation images."""
        return self._loader("validation")

    def test_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the test images."""
        return self._loader("test")
