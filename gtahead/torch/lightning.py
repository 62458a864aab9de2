"""A data module of Lightning: loaders of a dataset's three splits."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from gtahead.annotation.holdout import parts_of
from gtahead.dataset import Dataset
from gtahead.errors import UsageError
from gtahead.torch.datasets import HeadDataset, Sample, Transforms, collate
from gtahead.values import StrPath


class HeadDataModule(pl.LightningDataModule):
    """Loaders of `HeadDataset` for each split: train is shuffled and transformed, the others not.

    Batches are lists of images and of targets, as torchvision's detection models take them. Where
    the dataset has no validation split, a tenth of train is set aside for it, as `gtahead train`
    does; the test split is never looked at for that.

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

    def __repr__(self) -> str:
        return f"HeadDataModule({self.dataset!r}, batch_size={self.batch_size})"

    def _loader(self, part: Dataset, *, train: bool = False) -> DataLoader[Sample]:
        return DataLoader(
            HeadDataset(part, self.transforms if train else self.test_transforms),
            self.batch_size,
            shuffle=train,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=collate,
        )

    def train_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the training images."""
        return self._loader(parts_of(self.dataset).train, train=True)

    def val_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the validation images."""
        return self._loader(parts_of(self.dataset).validation)

    def test_dataloader(self) -> Any:  # noqa: ANN401 - Lightning's
        """Return the loader of the test images.

        Raises:
            UsageError: there are none.
        """
        test = self.dataset.split("test")
        if not len(test):
            remedy = "split it otherwise: gtahead annotate --split 70:10:20"
            raise UsageError("the dataset has no test split", remedy=remedy)
        return self._loader(test)
