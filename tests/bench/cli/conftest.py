"""Predictions made elsewhere, and a label table without any image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench.cli import import_, report
from bench.targets import PROBABILITY_COLUMNS, SEVERITIES, TARGET_NAMES

STUDIES = 60


def invoke(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


class Elsewhere:
    """A folder with a label table, a fold file and predictions."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, root / "runs"
        random = np.random.default_rng(0)
        self.grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(STUDIES, 25)).astype(np.int8)
        self.ids = 1000 + 7 * np.arange(STUDIES)
        self.labels = pd.DataFrame(np.array(SEVERITIES)[self.grades], columns=[*TARGET_NAMES], index=self.ids)
        self.labels.to_csv(root / "train.csv", index_label="study_id")
        self.fold = (np.arange(STUDIES) * 3) % 4
        pd.DataFrame({"study_id": self.ids, "fold_id": self.fold}).to_csv(root / "folds.csv", index=False)

    def table(self, sharpness: float = 2.0, seed: int = 1) -> pd.DataFrame:
        said = np.exp(
            np.random.default_rng(seed).standard_normal((STUDIES, 25, 3)) + sharpness * np.eye(3)[self.grades]
        )
        said /= said.sum(axis=-1, keepdims=True)
        table = pd.DataFrame(said.reshape(-1, 3), columns=[*PROBABILITY_COLUMNS])
        table.insert(0, "row_id", [f"{study}_{name}" for study in self.ids for name in TARGET_NAMES])
        return table

    def write(self, table: pd.DataFrame, name: str = "mine.csv") -> Path:
        table.to_csv(self.root / name, index=False)
        return self.root / name

    def add(self, *arguments: object) -> Result:
        return invoke(import_.command, *arguments, "--out", self.store)

    def add_alone(self, name: str, *files: Path, folds: bool = True) -> Result:
        own = ["--folds", self.root / "folds.csv"] if folds else []
        return self.add(name, *files, "--labels", self.root / "train.csv", *own)

    def report(self) -> dict:
        return json.loads(invoke(report.command, self.store, "--json").stdout)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)
