"""The job: the unit of work, of the store, of resume and of parallelism. Pure data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bench
from bench.plugins import Plugin

# The parts of the framework that can change a prediction; the rest (command line, screen, reports) makes nothing stale.
SOURCES = {
    "contract": ("approach.py", "cohort.py", "context.py", "folds.py", "targets.py"),
    "imaging": ("imaging", "tables.py", "opening.py"),
    "training": ("training",),
}


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
        return f"{self.approach}-{self.preset}-{self.config_hash[:8]}"

    @property
    def data_name(self) -> str:
        """What stands for the data in the store, such as ``phantom-small-5d41402a``."""
        return f"{self.dataset.replace(':', '-')}-{self.data_hash[:8]}"

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
        """Where its results lie in a store."""
        return store / self.data_name / self.split_name / self.run_name / self.seed_name / f"fold{self.fold}"

    def to_json(self) -> str:
        """The job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "plugins": tuple(values["plugins"])})


def fingerprint(job: Job, plugin: Plugin) -> dict[str, Any]:
    """Everything that decides what a job predicts, part by part: a stored result holds only if all parts are equal."""
    root = Path(bench.__file__).parent
    sources = {f"source of bench.{part}": _hash_files(root, names) for part, names in SOURCES.items()}
    return {
        "data": job.data_hash,
        "folds": job.fold_hash,
        "fold": job.fold,
        "config": job.config_hash,
        "seed": job.seed,
        "train fraction": job.train_fraction,
        f"source of {plugin.name}": hash_sources(plugin.sources()),
        **sources,
    }


def changed_parts(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The parts of two fingerprints that differ, in words."""
    return [part for part in {**current, **stored} if stored.get(part) != current.get(part)]


def hash_sources(paths: Iterable[Path]) -> str:
    """The sha256 of Python files: names and contents, line ends aside."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def _hash_files(root: Path, names: Iterable[str]) -> str:
    paths: list[Path] = []
    for name in names:
        path = root / name
        paths += path.rglob("*.py") if path.is_dir() else [path] if path.exists() else []
    return hash_sources(paths)
