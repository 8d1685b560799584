"""The job: the unit of work, of the store, of resume and of parallelism. Pure data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.files.names import plain_name, shortened


@dataclass(frozen=True, slots=True)
class Job:
    """One approach in one configuration, trained and scored on one fold with one seed.

    Attributes:
        approach: the plug-in's name.
        preset: the name under which the configuration is stored, such as ``quick`` or ``quick-no_jitter``.
        config: the resolved configuration as canonical JSON.
        dataset: the data set as the user named it, such as ``phantom:small``.
        data: the folder of the data set.
        data_hash: hash of its tables and images.
        folds: how many folds the split has.
        fold_hash: sha256 of the split.
        fold: the fold that is held out.
        seed: the base seed of everything random.
        train_fraction: the share of the training studies that are used.
        plugins: files and folders named with ``--plugin``.
    """

    approach: str
    preset: str
    config: str
    dataset: str
    data: str
    data_hash: str
    folds: int
    fold_hash: str
    fold: int
    seed: int = 0
    train_fraction: float = 1.0
    plugins: tuple[str, ...] = ()

    @property
    def config_hash(self) -> str:
        """The sha256 of the configuration."""
        return hashlib.sha256(self.config.encode()).hexdigest()

    @property
    def run_name(self) -> str:
        """What stands for approach and configuration in the store, such as ``mil-quick-1f0c9a2e``."""
        return f"{shortened(f'{self.approach}-{self.preset}')}-{self.config_hash[:8]}"

    @property
    def data_name(self) -> str:
        """What stands for the data in the store, such as ``phantom-small-5d41402a``."""
        return f"{shortened(self.dataset.replace(':', '-'))}-{self.data_hash[:8]}"

    @property
    def split_name(self) -> str:
        """What stands for the split in the store, such as ``folds-5-e0348f82``."""
        return f"folds-{self.folds}-{self.fold_hash[:8]}"

    @property
    def seed_name(self) -> str:
        """What stands for the seed in the store, and for the train fraction where it is not 1."""
        return f"seed{self.seed}" if self.train_fraction == 1 else f"seed{self.seed}-train{self.train_fraction:g}"

    @property
    def label(self) -> str:
        """How the job is called on screen."""
        extra = f" seed {self.seed}" if self.seed else ""
        part = "" if self.train_fraction == 1 else f" train {self.train_fraction:g}"
        return f"{self.approach}-{self.preset} fold {self.fold}{extra}{part}"

    def folder_in(self, store: Path) -> Path:
        """Where its results lie in a store. Raises UsageError for a name that would lead out of it."""
        names = (self.run_name, self.seed_name, f"fold{self.fold}")
        return self.split_folder_in(store).joinpath(*map(plain_name, names))

    def split_folder_in(self, store: Path) -> Path:
        """Where all runs on its data and split lie. Raises UsageError like `folder_in`."""
        return store.joinpath(*map(plain_name, (self.data_name, self.split_name)))

    def to_json(self) -> str:
        """The job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "plugins": tuple(values["plugins"])})
