"""An approach that prints more than a small disk holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.approach import Approach, Config, Context, Predictions
from bench.data.cohort import Cohort


class Settings(Config):
    lines: int = 200_000


class Talker(Approach):
    Config = Settings

    def fit(self, train: Cohort, context: Context) -> None:
        for number in range(self.config.lines):
            print("a word too many", number)

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        return Predictions(studies.study_ids, np.full((len(studies), 25, 3), 1 / 3))

    def save(self, folder: Path) -> None:
        pass

    @classmethod
    def load(cls, folder: Path, config: Any) -> Talker:
        return cls(config)
